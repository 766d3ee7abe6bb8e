"""Dry run: a migration whose pages are weighed and not sent.

The rounds of pre-copy, with each round's bytes on the wire taken from what
its pages are made of instead of from their number. Only arithmetic lives
here; what a page weighs is pages.py's. Sources: MigVisor, "Dry-run Module";
QEMU migration/ram.c and page_cache.c for XBZRLE, migration.c for the stop.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from watcher_tsmig.forecast.contents import Contents
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.migrations import LCB_TOLERANCE
from watcher_tsmig.forecast.migrations import Ending
from watcher_tsmig.forecast.migrations import Forecasts
from watcher_tsmig.forecast.pages import PAGE
from watcher_tsmig.model.rules import Rules

# A VM that writes nothing converges at any bandwidth; none is sought below
# this share of that at which all of it fits the downtime limit.
LEAST = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class DryRuns:
    """The information sets of n dry runs, and their pages.

    :ivar forecasts: as of pre-copy, but `data` and `rounds` are bytes on
        the wire (without the wire's own framing)
    :ivar pages: pages of each round, shape (n, r), NaN-padded
    :ivar hits: those of them that XBZRLE had a copy of, likewise
    """

    forecasts: Forecasts
    pages: FloatArray
    hits: FloatArray
    contents: tuple[Contents, ...]

    def classes(self, row: int) -> dict[str, FloatArray]:
        """Pages of each class in each round of VM `row`, shape (r,).

        The guest's zero pages of the first pass are not among them.
        """
        pages, hits = self.pages[row], self.hits[row]
        mix = self.contents[row].dirty
        again = np.where(np.arange(len(pages)) > 0, pages, 0.0)
        zero = mix.zero * again
        unchanged = mix.unchanged * hits
        delta = mix.delta * hits
        return {
            'zero': zero,
            'unchanged': unchanged,
            'delta': delta,
            'plain': pages - zero - unchanged - delta,
        }


def _column(contents: Sequence[Contents], name: str) -> FloatArray:
    return np.array([getattr(c, name) for c in contents], dtype=np.float64)


def _hits(
    curves: Curves,
    round_seconds: FloatArray,
    elapsed: FloatArray,
    contents: Sequence[Contents],
) -> FloatArray:
    """Pages of a round that XBZRLE has a copy of, shape (n,).

    The cache fills from the second pass on, so it has seen what was
    dirtied within `elapsed`: the rounds before the last. Of what the last
    round dirtied, W(elapsed + T) - W(elapsed) is new to it if the VM goes
    on as it did; concavity makes that at most W(T). The cache is direct
    mapped; of N pages at random addresses, C/N (1 - exp(-N/C)) keep a
    place among C, and all do where the guest fits into it.
    """
    known = curves.at(elapsed)
    fresh = curves.at(elapsed + round_seconds) - known
    again = np.maximum(curves.at(round_seconds) - fresh, 0.0) / PAGE
    cache = _column(contents, 'cache')
    fits = np.array(
        [c.memory is not None and c.memory <= c.cache for c in contents]
    )
    load = known / cache
    with np.errstate(divide='ignore', invalid='ignore'):
        kept = np.where(load > 0, -np.expm1(-load) / load, 1.0)
    # no copy is kept where a hit would weigh as much as a miss
    uses = _column(contents, 'hit') < _column(contents, 'missed')
    out: FloatArray = again * np.where(fits, 1.0, kept) * uses
    return out


def dry_run(
    curves: Curves,
    bandwidth: FloatArray | float,
    rules: Rules,
    contents: Sequence[Contents],
    link: FloatArray | float | None = None,
) -> DryRuns:
    """Emulate the pre-copy of each VM at its bandwidth.

    Pages go round by round as `migrations.pre_copy` has it. A round takes
    as long as its bytes on the wire, or as compression takes for them.
    QEMU stops when the pages left, at full size, are less than it sends
    within the downtime limit at the rate of the last round; compression
    helps by shorter rounds, not by a milder stop. Without XBZRLE each
    round depends on the one before only, and not falling from the third
    on is final; with it a round also gets cheaper as the cache fills.
    The downtime limit is the final one from the start: with Nova's ramp a
    migration ends later than this.

    :param bandwidth: shape (n,) or one for all, bytes/s on the wire, > 0
    :param link: bytes/s that the link has at switchover, where QEMU lifts
        the cap; shape (n,) or one for all; None: no more than `bandwidth`
    :raises ValueError: a bandwidth is not positive, or there are not as
        many contents as curves (the caller's fault)
    """
    n = len(curves)
    if len(contents) != n:
        raise ValueError(f'{len(contents)} contents for {n} curves')
    rate = np.broadcast_to(np.asarray(bandwidth, dtype=np.float64), (n,))
    if not bool(np.all((rate > 0) & np.isfinite(rate))):
        raise ValueError('every bandwidth must be finite and above 0')
    rate = rate * rules.efficiency
    walked, ending = _walk(curves, rate, rules, contents)
    speedup: FloatArray | float = 1.0
    if link is not None:
        speedup = np.minimum(rate / (np.asarray(link) * rules.efficiency), 1.0)
    wire, seconds, pages, hits = walked
    return DryRuns(
        _information_set(wire, seconds, ending, speedup),
        pages,
        hits,
        tuple(contents),
    )


def _walk(
    curves: Curves,
    rate: FloatArray,
    rules: Rules,
    contents: Sequence[Contents],
) -> tuple[list[FloatArray], npt.NDArray[np.int_]]:
    """(n, r) each: bytes on the wire, s, pages, hits; and the endings."""
    n = len(curves)
    missed, hit = _column(contents, 'missed'), _column(contents, 'hit')
    codec = _column(contents, 'codec_rate')
    pages = curves.resident / PAGE
    hits = elapsed = np.zeros(n)
    wire = pages * _column(contents, 'first') + _zeros(curves, contents)
    before = unit_before = np.full(n, np.inf)
    measured = rate
    ending = np.full(n, int(Ending.TOO_MANY_ROUNDS))
    active = np.ones(n, dtype=bool)
    kept: list[tuple[FloatArray, ...]] = []
    for k in range(rules.max_rounds):
        if k:
            wire = pages * missed - hits * (missed - hit)
        seconds = np.maximum(wire / rate, pages * PAGE / codec)
        row = (wire, seconds, pages, hits)
        kept.append(tuple(np.where(active, a, np.nan) for a in row))
        fits = pages * PAGE <= measured * rules.downtime_limit
        unit = wire / np.maximum(pages, 1.0)
        stuck = (seconds >= before) & (unit >= unit_before)
        stalls = ~fits & stuck & (k >= 2)
        ending[active & fits] = Ending.CONVERGES
        ending[active & stalls] = Ending.STALLS
        active &= ~(fits | stalls)
        if not active.any():
            break
        measured = np.minimum(rate, wire / np.maximum(seconds, 1e-9))
        pages = curves.at(seconds) / PAGE
        hits = _hits(curves, seconds, elapsed, contents)
        elapsed = elapsed + seconds
        before, unit_before = seconds, unit
    return [np.stack(c, axis=1) for c in zip(*kept, strict=True)], ending


def _zeros(curves: Curves, contents: Sequence[Contents]) -> FloatArray:
    """Bytes that the guest's zero pages weigh in the first pass."""
    memory = np.array([c.memory or 0.0 for c in contents])
    pages = np.maximum(memory - curves.resident, 0.0) / PAGE
    out: FloatArray = pages * _column(contents, 'zero')
    return out


def _information_set(
    wire: FloatArray,
    seconds: FloatArray,
    ending: npt.NDArray[np.int_],
    speedup: FloatArray | float,
) -> Forecasts:
    # The last round goes at the link's rate: it takes `speedup` of its time.
    good = ending == Ending.CONVERGES
    last = np.maximum((~np.isnan(wire)).sum(axis=1) - 1, 0)
    final = seconds[np.arange(len(seconds)), last]
    running = np.nansum(seconds, axis=1) - final
    converge = np.where(good, running, np.inf)
    downtime = np.where(good, final * speedup, np.inf)
    total = converge + downtime
    return Forecasts(
        t_converge=converge,
        t_downtime=downtime,
        t_sum=total,
        data=np.where(good, np.nansum(wire, axis=1), np.inf),
        rounds=wire,
        ending=ending,
    )


def least_convergent_bandwidth(
    curves: Curves,
    rules: Rules,
    contents: Sequence[Contents],
    deadline: float = np.inf,
) -> FloatArray:
    """A bandwidth at which each dry run ends, by bisection; bytes/s.

    The least one without XBZRLE, within `LCB_TOLERANCE`: rounds then fall
    as the bandwidth grows. With XBZRLE a faster link also leaves the
    cache less to know, so there it is convergent, and nothing more is
    proved. inf where compression alone takes longer than the deadline.

    :param deadline: the migration's T_sum may not exceed it, s
    """

    def ends(rate: FloatArray) -> npt.NDArray[np.bool_]:
        found = dry_run(curves, rate, rules, contents).forecasts
        out: npt.NDArray[np.bool_] = found.converges
        return out & (found.t_sum <= deadline)

    tau = min(rules.downtime_limit, deadline) * rules.efficiency
    # The zero pages of a large guest may take longer than its others.
    weight = curves.resident + _zeros(curves, contents)
    high: FloatArray = weight / tau * 1.01
    possible = ends(high)
    low = high * LEAST
    while True:
        width = possible & (high - low > LCB_TOLERANCE * high)
        if not width.any():
            return np.where(possible, high, np.inf)
        middle = np.sqrt(low * high)
        enough = ends(middle)
        high = np.where(width & enough, middle, high)
        low = np.where(width & ~enough, middle, low)
