"""What a VM asks of a host, and what keeps it from moving."""
