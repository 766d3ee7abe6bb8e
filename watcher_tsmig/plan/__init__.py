"""Many VMs: destinations, modes, slots, caps, and an independent checker.

Nothing is imported here: who needs a plan's values must not load the
planner with them.
"""
