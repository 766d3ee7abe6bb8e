"""What our strategies share."""
