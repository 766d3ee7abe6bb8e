"""Which VMs leave overloaded hosts, and where to."""
