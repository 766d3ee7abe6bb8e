"""What `openstack optimize tsmig` loads; needs no cloud unless it says so."""
