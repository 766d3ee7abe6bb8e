"""Moves become tasks: the ways of each, and what they harm."""
