"""Many VMs: destinations, modes, slots, caps, and an independent checker."""

from watcher_tsmig.plan.make import make_plan

__all__ = ('make_plan',)
