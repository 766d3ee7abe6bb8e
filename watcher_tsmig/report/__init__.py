"""Plans and what became of them, as people read them."""
