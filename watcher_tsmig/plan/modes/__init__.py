"""Pre-copy or post-copy for each VM, so that links are contended least."""
