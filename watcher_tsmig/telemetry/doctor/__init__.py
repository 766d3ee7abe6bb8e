"""What is wrong with how a cloud can be read."""
