"""What guests write and what their pages hold, on a budget."""
