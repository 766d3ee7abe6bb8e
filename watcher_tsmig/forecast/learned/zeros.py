"""What pages of zeros cost on a host, from migrations that left it.

Only arithmetic on values lives here. A migration of which all but that is
known (its bytes, its rate, its time) tells it; a few agree, or `Rules` holds.
Source of the term: QEMU, migration/ram.c, save_zero_page; of its size, see
`Rules.zero_pre_copy`.
"""

import dataclasses
from collections.abc import Iterable
from collections.abc import Sequence

from watcher_tsmig.model.rules import Rules
from watcher_tsmig.model.rules import Speeds
from watcher_tsmig.model.trace import CLOCK
from watcher_tsmig.model.trace import Trace

# By how much repeated migrations differ in time, and a rate from what was
# said of it, as a share: 0.7 to 1.2 % measured, and frames on a wire.
SCATTER = 0.02
# How far a host is from `Rules` before it has shown anything, as a share of
# it: twice and half of it are as likely as not.
UNSURE = 0.5
# Migrations of a host that count in each mode: the newest ones.
MOST = 30

#: s that a page of zeros took, and how sure that is: 1 / its deviation.
Seen = tuple[float, float]


def speeds(traces: Iterable[Trace], rules: Rules) -> dict[str, Speeds]:
    """By host what is learned of it; hosts of which nothing is are left out.

    Only of migrations that had a rate in force: what another had of a link
    that it shared, nobody knows.

    :param traces: in any order
    """
    seen: dict[str, dict[bool, list[Seen]]] = {}
    for trace in sorted(traces, key=lambda t: t.at):
        cost = _cost(trace, rules)
        if trace.source is not None and cost is not None:
            of = seen.setdefault(trace.source, {})
            of.setdefault(trace.switched, []).append(cost)
    return {host: _speeds(of, rules) for host, of in seen.items()}


def _speeds(seen: dict[bool, list[Seen]], rules: Rules) -> Speeds:
    names = {False: 'zero_pre_copy', True: 'zero_post_copy'}
    out = Speeds()
    for switched, costs in seen.items():
        name = names[switched]
        usual = getattr(rules, name)
        if usual > 0:
            prior = usual, 1 / (UNSURE * usual)
            found = max(middle([prior, *costs[-MOST:]]), 0.0)
            out = dataclasses.replace(out, **{name: found})
    return out


def _cost(trace: Trace, rules: Rules) -> Seen | None:
    """None where more than that is unknown."""
    first, took, rate = trace.first_pass, trace.took, trace.rate
    if first is None or took is None or rate is None:
        return None
    if not (trace.rounds or trace.switched):
        return None
    zeros = (trace.memory - first) / rules.page
    if zeros < 1:
        return None
    again = 0.0 if trace.switched else sum(d for _, d in trace.rounds)
    sending = (first + again) / (rate * rules.efficiency)
    off = CLOCK + SCATTER * took
    return (took - sending) / zeros, zeros / off


def middle(seen: Sequence[Seen]) -> float:
    """The weighted median: one that was held up moves it by nothing."""
    half = sum(weight for _, weight in seen) / 2
    below = 0.0
    for value, weight in sorted(seen):
        below += weight
        if below >= half:
            return value
    raise ValueError('nothing was seen')
