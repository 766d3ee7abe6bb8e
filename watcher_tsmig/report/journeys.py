"""A VM's whole way in a plan: one migration, or two through a third host.

Counting and looking up only, for all that tells people about a plan: they
think of VMs, where the plan has migrations.
"""

from watcher_tsmig.plan.values import Plan


def onward(plan: Plan) -> dict[str, str]:
    """Where each VM on a third host goes on to, by the migration to it."""
    last = {m.vm: m.destination for m in plan.migrations if m.hop > 1}
    return {
        m.id: last[m.vm]
        for m in plan.migrations
        if m.hop == 1 and m.vm in last
    }


def vms(plan: Plan) -> int:
    """How many VMs move."""
    return len({m.vm for m in plan.migrations})


def post_copied(plan: Plan) -> int:
    """How many VMs end in post-copy, on the whole way or a part of it."""
    return len({m.vm for m in plan.migrations if m.mode.switches})


def assumed(plan: Plan) -> int:
    """How many VMs move for which something was assumed."""
    return len({m.vm for m in plan.migrations if m.assumed})
