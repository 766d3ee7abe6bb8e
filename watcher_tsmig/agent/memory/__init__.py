"""A guest's caches given back before a pre-copy, and restored."""
