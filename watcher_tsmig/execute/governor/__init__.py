"""A running pre-copy judged round by round."""
