"""Slips in the code, and whether a test notices them."""
