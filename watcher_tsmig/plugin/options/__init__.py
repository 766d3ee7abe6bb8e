"""The options, with their help."""
