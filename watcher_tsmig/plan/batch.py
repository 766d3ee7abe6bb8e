"""A small batch goes first, and the others wait until it has ended.

Made of a plan that is there already: what begins first in it is the batch,
what is left begins so much later, in the same order and side by side as
before. So all that the plan kept is kept.
"""

import dataclasses

from watcher_tsmig.plan.values import Plan


def first(plan: Plan, count: int) -> Plan:
    """The plan in which so many migrations go before all others.

    :param count: of the batch; 0, or all there are: the plan as it is
    """
    if not 0 < count < len(plan.migrations):
        return plan
    by_start = sorted(plan.migrations, key=lambda m: (m.start, m.end))
    batch, rest = by_start[:count], by_start[count:]
    ids = tuple(m.id for m in batch)
    ends = max(m.end for m in batch)
    later = max(ends - min(m.start for m in rest), 0.0)
    moved = (
        dataclasses.replace(
            m,
            start=m.start + later,
            after=tuple(dict.fromkeys((*m.after, *ids))),
        )
        for m in rest
    )
    made = dataclasses.replace(plan, migrations=(*batch, *moved))
    late = max(made.makespan - plan.request.deadline, 0.0)
    return dataclasses.replace(made, shortfall=max(plan.shortfall, late))
