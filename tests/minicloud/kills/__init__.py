"""What a run that was killed leaves, and what is left of that."""
