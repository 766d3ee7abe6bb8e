"""Hosts and VMs, and what moves, by Nova, Placement and Watcher."""
