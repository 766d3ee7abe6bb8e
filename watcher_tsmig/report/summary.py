"""What a plan is worth as a whole, in the lines below its table.

Text only. How far it is from what no plan can beat, what binds it, and what
more of that would bring.
"""

from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Purchase
from watcher_tsmig.report import journeys
from watcher_tsmig.report import table
from watcher_tsmig.units import human_time


def of_plan(plan: Plan) -> list[str]:
    """The plan's table, an empty line, and what is to be said of it all."""
    onward = journeys.onward(plan)
    rows = [
        table.of_migration(m, goes_on_to=onward.get(m.id, ''))
        for m in plan.migrations
    ]
    return [*table.table(rows), '', *lines(plan)]


def lines(plan: Plan) -> list[str]:
    """What binds the whole, its gap and load, purchases, the shortfall."""
    if not plan.migrations:
        return [*_missed(plan)]
    least = f'no plan for the same VMs takes less than {_bound(plan)}'
    return [
        f'Takes {human_time(plan.makespan)}; {least} (gap {plan.gap:.0%}).',
        'Applications and migrations run the same way on at most '
        f'{plan.peak_load:.1%} of a link; no choice of modes has less than '
        f'{plan.peak_bound:.1%}.',
        *(would(purchase) for purchase in plan.purchases),
        *_missed(plan),
    ]


def _bound(plan: Plan) -> str:
    bound = human_time(plan.lower_bound)
    return f'{bound}, by {plan.critical}' if plan.critical else bound


def _missed(plan: Plan) -> list[str]:
    return [missed(plan)] if plan.shortfall > 0 else []


def missed(plan: Plan) -> str:
    """By how much all of its VMs together would miss the deadline."""
    return (
        'All of them would miss the deadline of '
        f'{human_time(plan.request.deadline)} by '
        f'{human_time(plan.shortfall)}.'
    )


def would(purchase: Purchase) -> str:
    """What more of something would do."""
    if purchase.moves:
        more = f'{purchase.moves} more VM{"s" if purchase.moves > 1 else ""}'
        return f'{purchase.what} would move {more}.'
    return f'{purchase.what} would spare {human_time(purchase.spares)}.'


def best(plan: Plan, least: float = 0.0) -> Purchase | None:
    """The purchase that moves most VMs, or else spares most time.

    :param least: s; one that spares less, and moves none, is none
    """
    worth = [p for p in plan.purchases if p.moves or p.spares >= least]
    return max(worth, key=lambda p: (p.moves, p.spares), default=None)
