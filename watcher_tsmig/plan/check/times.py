"""How many run at once, from when, until when, and what is said of all.

Instants and counts live here; what is used of a NIC is in rates.py, what is
taken of a host in rooms.py.
"""

import collections
from collections.abc import Iterator

from watcher_tsmig.plan.check.view import AGREE
from watcher_tsmig.plan.check.view import View
from watcher_tsmig.plan.check.view import moments
from watcher_tsmig.plan.values import Migration

# (what its migrations do at once, which of its kind)
Counter = tuple[str, str]


def _counters(view: View, m: Migration) -> dict[Counter, float]:
    """What counts this migration while it runs, and how far it may."""
    request = view.plan.request
    return {
        ('leave', m.source): min(
            request.max_per_source,
            view.hosts[m.source].max_outgoing or request.assume_outgoing,
        ),
        ('enter', m.destination): request.max_per_destination,
        ('run', ''): request.max_in_cluster,
        ('hold slot', str(m.slot)): 1,
        **{
            ('are of group', group.id): request.max_per_group
            for group in view.groups.get(m.vm, ())
        },
    }


def counts(view: View) -> Iterator[str]:
    """Caps on concurrent migrations, everybody's, at every start."""
    counters = [_counters(view, m) for m in view.moves]
    running: collections.Counter[Counter] = collections.Counter()
    others = _others(view)
    for row in others.values():
        running.update(row)
    for at, ended, started in moments(view):
        for over in [end for end in others if end <= at * (1 + AGREE)]:
            running.subtract(others.pop(over))
        for i in ended:
            running.subtract(counters[i].keys())
        for i in started:
            running.update(counters[i].keys())
        for i in started:
            for (does, which), most in counters[i].items():
                count = running[does, which]
                if count > most:
                    yield (
                        f'{view.moves[i].id}: {count} '
                        f'{f"{does} {which}".strip()} at once, at most '
                        f'{most} may'
                    )


def _others(view: View) -> dict[float, list[Counter]]:
    """What counts migrations of others, by the time when they have ended.

    As far as it is told what they still take.
    """
    found: dict[float, list[Counter]] = collections.defaultdict(list)
    for p in view.cloud.passages:
        if p.left is None or p.rate is None or not p.left:
            continue
        row = found[p.left / p.rate]
        row.append(('run', ''))
        row += [('leave', p.source)] if p.source else []
        row += [('enter', p.destination)] if p.destination else []
    return found


def moments_allowed(view: View) -> Iterator[str]:
    """Slots that exist, the deadline, and hosts released in time."""
    request = view.plan.request
    releases: dict[str, float] = {}
    for host, at in request.releases:
        releases[host] = max(at, releases.get(host, 0.0))
    for m in view.moves:
        if not 1 <= m.slot <= request.max_in_cluster:
            yield f'{m.id}: there is no slot {m.slot}'
        if m.end > request.deadline * (1 + AGREE):
            yield f'{m.id}: ends after the deadline'
        for host in (m.source, m.destination):
            at = releases.get(host, 0.0)
            if m.start < at * (1 - AGREE):
                yield f'{m.id}: {host} is not released before {at:g} s'


def totals(view: View) -> Iterator[str]:
    """No bound is above what the plan reaches; no time is negative."""
    plan = view.plan
    if not plan.lower_bound <= plan.makespan * (1 + AGREE):
        yield (
            f'lower bound {plan.lower_bound:g} s is above the makespan '
            f'{plan.makespan:g} s'
        )
    if not plan.peak_bound <= plan.peak_load * (1 + AGREE) + AGREE:
        yield (
            f'bound {plan.peak_bound:g} of the load is above the load '
            f'{plan.peak_load:g}'
        )
    if not plan.shortfall >= 0:
        yield f'misses the deadline by {plan.shortfall:g} s, less than 0'
