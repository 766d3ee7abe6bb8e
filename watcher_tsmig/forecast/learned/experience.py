"""What earlier migrations teach about VMs whose writing nobody measured.

Only arithmetic on values lives here: traces of migrations in, working sets
out. A VM's own migrations count first; where there is none, those of the VMs
that are most like it. Sources: MigVisor, "PC module", equation 12, for the
curve that rounds are points of; design, "Forecast", for the bases.
"""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.forecast.contents import untouched
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.curves import fit
from watcher_tsmig.forecast.curves import towards_zero
from watcher_tsmig.forecast.learned.zeros import middle
from watcher_tsmig.forecast.migrations import pre_copy
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.observed import Basis
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.model.trace import CLOCK
from watcher_tsmig.model.trace import Round
from watcher_tsmig.model.trace import Trace

# Migrations that count, of a VM and of all its like: the newest ones.
MOST = {Basis.OWN: 5, Basis.LIKE: 20}
# Rounds within this factor of time are one, their median: one is always odd,
# and a workload that has changed is believed after half of the migrations.
BIN = 1.25
# Below the shortest round: that of QEMU/PostgreSQL, of which nothing shorter
# was seen, went on with the power law that it had.
POWER_LAW = 0.0
# Halvings of the search for what a duration tells, and the share of its rate
# that a VM is thought to write at most where only that is known.
HALVINGS = 30
MOST_WRITING = 0.5

#: A round, and how much it counts.
Vote = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A VM whose writing is asked for; bytes.

    :ivar resident: that a first pass sends; None where nobody measured
    :ivar kin: what it shares with others: its flavor, image, project
    """

    id: str
    memory: float
    resident: float | None = None
    kin: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is assumed where a trace leaves it open; bytes/s.

    :ivar rate: that a VM writes, up to its whole memory
    :ivar link: at which one of which nobody tells was sent
    """

    rate: float
    link: float
    rules: Rules = Rules()


def working_sets(
    subjects: Sequence[Subject],
    traces: Iterable[Trace],
    kin: Mapping[str, tuple[str, ...]],
    prior: Prior,
) -> dict[str, WorkingSet]:
    """The working sets of those VMs of which migrations tell anything.

    A VM's own come first, and of these rounds that were seen before what
    their durations tell; then, likewise, those of the VMs most like it.

    :param traces: in any order
    :param kin: of the VMs of the traces, as far as known
    """
    known = sorted(traces, key=lambda t: t.at)
    told = _told_by_time(
        [
            t
            for t in known
            if not t.rounds and t.took is not None and not t.switched
        ],
        prior,
    )
    # the better kind first
    kinds = tuple(_by_vm(its) for its in (known, told))
    shared: dict[str, set[str]] = {}
    for vm in kinds[0]:
        for key in kin.get(vm, ()):
            shared.setdefault(key, set()).add(vm)
    # by what is shared: thousands of VMs may share the same
    groups: dict[tuple[str, ...], tuple[list[Trace], ...]] = {}
    found = {}
    for subject in subjects:
        own = tuple(kind.get(subject.id, []) for kind in kinds)
        if subject.kin not in groups:
            like = _likest(subject.kin, shared)
            groups[subject.kin] = tuple(_of_all(like, kind) for kind in kinds)
        lessons = {Basis.OWN: own, Basis.LIKE: groups[subject.kin]}
        learned = _working_set(subject, lessons)
        if learned is not None:
            found[subject.id] = learned
    return found


def _by_vm(traces: Iterable[Trace]) -> dict[str, list[Trace]]:
    of: dict[str, list[Trace]] = {}
    for trace in traces:
        of.setdefault(trace.vm, []).append(trace)
    return of


def _of_all(
    vms: Sequence[str], kind: Mapping[str, list[Trace]]
) -> list[Trace]:
    """The traces of these VMs, oldest first."""
    every = [trace for vm in vms for trace in kind.get(vm, ())]
    return sorted(every, key=lambda t: t.at)


def _likest(
    kin: tuple[str, ...], shared: Mapping[str, set[str]]
) -> tuple[str, ...]:
    """The VMs that share most of that; none where nobody shares any."""
    count: dict[str, int] = {}
    for key in kin:
        for vm in shared.get(key, ()):
            count[vm] = count.get(vm, 0) + 1
    most = max(count.values(), default=0)
    return tuple(sorted(vm for vm, many in count.items() if many == most))


def _working_set(
    subject: Subject, lessons: Mapping[Basis, Sequence[list[Trace]]]
) -> WorkingSet | None:
    """What the first of these that tell it tell; None: none of them does."""
    sent = _first(lessons, lambda t: t.first_pass is not None)
    wrote = _first(lessons, lambda t: bool(t.rounds))
    if sent is None and wrote is None:
        return None
    resident = subject.resident
    if resident is None:
        resident = _resident(subject.memory, sent[1] if sent else [])
    basis, its = wrote or (Basis.LIKE, [])
    samples = [(t, min(n, resident)) for t, n in _rising(its)]
    return WorkingSet(
        resident=resident,
        samples=towards_zero(tuple(samples), share=POWER_LAW),
        measured_at=max(
            t.at
            for _, some in (sent or (basis, []), (basis, its))
            for t in some
        ),
        source='migrations',
        basis=basis.value,
    )


def _resident(memory: float, sent: Sequence[Trace]) -> float:
    """Bytes that a first pass sends of so much memory.

    As of those of the same size. Of another size what a guest works with is
    still about the same, and grows with its memory as it grew from size to
    size: the median of the slopes between any two (Theil and Sen).
    """
    of: dict[float, list[float]] = {}
    for trace in sent:
        of.setdefault(trace.memory, []).append(trace.first_pass or 0.0)
    middles = {size: statistics.median(its) for size, its in of.items()}
    if not middles:
        return memory
    if memory not in middles:
        near = min(middles, key=lambda size: abs(size - memory))
        slopes = [
            (middles[b] - middles[a]) / (b - a)
            for a, b in itertools.combinations(sorted(middles), 2)
        ]
        slope = statistics.median(slopes) if slopes else 0.0
        middles[memory] = middles[near] + slope * (memory - near)
    return min(max(middles[memory], 0.0), memory)


def _first(
    lessons: Mapping[Basis, Sequence[list[Trace]]],
    tells: Callable[[Trace], bool],
) -> tuple[Basis, list[Trace]] | None:
    """The newest traces of the first list of which any tells it."""
    for basis, kinds in lessons.items():
        for kind in kinds:
            found = [trace for trace in kind if tells(trace)]
            if found:
                return basis, found[-MOST[basis] :]
    return None


def _rising(traces: Iterable[Trace]) -> list[Round]:
    """The rounds of these migrations, none with less than a shorter one.

    Where one has, both have what is in the middle of both (isotonic
    regression of least absolute error, by pooling adjacent violators), each
    migration with one vote: one that met a busy minute is outvoted.
    """
    votes = [
        (seconds, dirtied, 1 / len(its))
        for trace in traces
        if (its := binned(trace.rounds))
        for seconds, dirtied in its
    ]
    pools: list[tuple[list[float], list[tuple[float, float]]]] = []
    for some in _bins(votes):
        times = [statistics.median(vote[0] for vote in some)]
        pool = [(dirtied, weight) for _, dirtied, weight in some]
        while pools and middle(pools[-1][1]) >= middle(pool):
            before = pools.pop()
            times, pool = before[0] + times, before[1] + pool
        pools.append((times, pool))
    return [(t, middle(pool)) for times, pool in pools for t in times]


def binned(rounds: Iterable[Round]) -> list[Round]:
    """The rounds of about one length as one, by rising lengths."""
    return [
        (
            statistics.median(t for t, _, _ in some),
            statistics.median(n for _, n, _ in some),
        )
        for some in _bins((t, n, 1.0) for t, n in rounds)
    ]


def _bins(votes: Iterable[Vote]) -> list[list[Vote]]:
    """Those of about one length together, by rising lengths."""
    bins: dict[int, list[Vote]] = {}
    for vote in votes:
        place = math.floor(math.log(vote[0], BIN))
        bins.setdefault(place, []).append(vote)
    return [bins[place] for place in sorted(bins)]


def _told_by_time(traces: Sequence[Trace], prior: Prior) -> list[Trace]:
    """Durations as what they mean: a first pass, and a round.

    One number cannot tell how much is sent once from how much is sent
    again. Where the first is known, the rest is writing. Else a migration
    that took longer than one of a VM that is full and writes as is assumed
    of all tells of more writing; one that was over sooner, of less to send.
    """
    if not traces:
        return []
    rules = prior.rules
    known = np.array([t.first_pass is not None for t in traces])
    memory = np.array([t.memory for t in traces])
    most = np.array([t.first_pass or t.memory for t in traces])
    rate = np.array([t.rate or prior.link for t in traces])
    took = np.array([t.took or 0.0 for t in traces])
    carried = rate * rules.efficiency
    usual = np.minimum(prior.rate, MOST_WRITING * carried)
    usual = np.where(known, 0.0, usual)

    def takes(size: FloatArray, writes: FloatArray) -> FloatArray:
        pairs = zip(size.tolist(), writes.tolist(), strict=True)
        curves = fit(
            [
                WorkingSet(resident=r, samples=((1.0, min(w, r)),))
                for r, w in pairs
            ]
        )
        terms = Terms(zero=untouched(memory, curves.resident))
        return pre_copy(curves, rate, rules, terms=terms).t_sum

    more = known | (took > takes(most, usual))
    low, high = np.zeros(len(traces)), np.ones(len(traces))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        size = np.maximum(np.where(more, most, middle * most), 1.0)
        writes = np.where(more, usual + middle * (carried - usual), usual)
        late = takes(size, writes) > took
        low, high = np.where(late, low, middle), np.where(late, middle, high)
    size = np.maximum(np.where(more, most, low * most), 1.0)
    writes = np.where(more, usual + low * (carried - usual), usual)
    zeros = untouched(memory, size) / rules.page
    seconds = size / carried + zeros * rules.zero_pre_copy
    least = np.minimum(CLOCK * carried, size)
    dirtied = np.clip(writes * seconds, least, size)
    return [
        dataclasses.replace(
            trace,
            first_pass=float(size[i]),
            rounds=((float(seconds[i]), float(dirtied[i])),),
        )
        for i, trace in enumerate(traces)
    ]
