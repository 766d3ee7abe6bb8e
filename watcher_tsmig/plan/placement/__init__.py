"""A destination for each VM."""
