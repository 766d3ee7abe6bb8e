"""What our actions share."""
