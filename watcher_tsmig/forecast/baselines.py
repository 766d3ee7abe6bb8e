"""Other people's models of a pre-copy, to be compared with ours.

Only arithmetic on arrays lives here, one function for each published model
and one table that names them. Nothing plans with these. Each function says
its source; where a source leaves a constant open, it says what stands in.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from watcher_tsmig.forecast.curves import Curves

FloatArray = npt.NDArray[np.float64]

# Xen's rules to end the rounds, on which Liu's and Akoush's models rest:
# fewer than 50 dirty pages, 29 rounds, or 3 times the memory sent.
XEN_PAGES = 50
XEN_ROUNDS = 29
XEN_FACTOR = 3.0
PAGE = 4096.0
STOP_BYTES = XEN_PAGES * PAGE
# QEMU's downtime-limit by default, s; what it sends of a page beside it, and
# of a page of zeros; and the periods of which its developers ask for counts
# of dirty pages, each twice the one before, s.
QEMU_LIMIT = 0.3
QEMU_HEADER, QEMU_ZERO = 8.0, 9.0
PERIODS = 0.1 * 2.0 ** np.arange(11)
# Rounds after which they call a migration not convergent.
QEMU_ROUNDS = 100
# The plans published with mVM divide bits by 9 where a byte has 8.
PUBLISHED = 8 / 9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Situations:
    """n migrations as the published models see them; arrays of shape (n,).

    :ivar memory: bytes that the first pass sends, > 0
    :ivar bandwidth: bytes/s, > 0
    :ivar dirty_rate: mean rate of dirtying, bytes/s
    :ivar hot: bytes of the writable working set (hot set)
    :ivar hot_period: s within which the hot set is rewritten, > 0
    :ivar cold_rate: dirtying beside the hot set, bytes/s
    :ivar curves: the logged history of dirtying
    :ivar zero: bytes of pages of zeros, beside `memory`; None: not known
    """

    memory: FloatArray
    bandwidth: FloatArray
    dirty_rate: FloatArray
    hot: FloatArray
    hot_period: FloatArray
    cold_rate: FloatArray
    curves: Curves
    zero: FloatArray | None = None

    def __post_init__(self) -> None:
        for name in ('memory', 'bandwidth', 'hot_period'):
            if not bool(np.all(getattr(self, name) > 0)):
                raise ValueError(f'every {name} must be above 0')
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and len(value) != len(self.memory):
                raise ValueError(f'{field.name} has another length')


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """What a model says; shape (n,); inf where it says "never".

    :ivar time: s in all
    :ivar downtime: s of stop-and-copy
    :ivar data: bytes in all
    """

    time: FloatArray
    downtime: FloatArray
    data: FloatArray


def memory_over_bandwidth(of: Situations) -> Estimates:
    """One pass and nothing else: the rule of thumb."""
    time = of.memory / of.bandwidth
    return Estimates(time, np.zeros_like(time), of.memory.copy())


def liu_base(of: Situations) -> Estimates:
    """A constant dirty rate, as a geometric series.

    lambda = D/R; n = ceil(log_lambda(V_thd/V_mem)); data = V_mem
    (1 - lambda^(n+1)) / (1 - lambda); downtime = V_n/R. V_thd is Xen's;
    for lambda >= 1 Xen's round limit ends it. The time to resume is not
    given, so it is 0. Source: Liu et al., HPDC 2011, base model.
    """
    ratio = np.asarray(of.dirty_rate / of.bandwidth, dtype=np.float64)
    wanted = np.minimum(STOP_BYTES / of.memory, 1.0)
    shrinks = (ratio > 0) & (ratio < 1)
    safe = np.where(shrinks, ratio, 0.5)
    rounds = np.ceil(np.log(wanted) / np.log(safe))
    rounds = np.where(ratio >= 1, XEN_ROUNDS, np.where(shrinks, rounds, 0))
    rounds = np.clip(rounds, 0, XEN_ROUNDS)
    same = np.abs(1 - ratio) < 1e-9
    series = np.where(
        same,
        rounds + 1,
        (1 - ratio ** (rounds + 1)) / np.where(same, 1.0, 1 - ratio),
    )
    data = of.memory * series
    last = of.memory * ratio**rounds
    return Estimates(data / of.bandwidth, last / of.bandwidth, data)


def _xen(
    of: Situations,
    dirtied: Callable[[FloatArray], FloatArray],
    at_end: FloatArray | float = 0.0,
) -> Estimates:
    """Rounds until one of Xen's rules ends them.

    :param dirtied: bytes to send in the round after one of so many s
    :param at_end: bytes that only the stop-and-copy sends
    """
    send = of.memory.astype(np.float64)
    sent = np.zeros_like(send)
    active = np.ones(len(send), dtype=bool)
    for _ in range(XEN_ROUNDS):
        sent = np.where(active, sent + send, sent)
        after = np.maximum(dirtied(send / of.bandwidth), 0.0)
        send = np.where(active, after, send)
        active &= (send >= STOP_BYTES) & (sent <= XEN_FACTOR * of.memory)
        if not active.any():
            break
    last = send + at_end
    data = sent + last
    return Estimates(data / of.bandwidth, last / of.bandwidth, data)


def liu_refined(of: Situations) -> Estimates:
    """Pages of the writable working set wait for the stop-and-copy.

    V(i+1) = D T(i) - W, and W goes last. The source takes W from a
    regression whose coefficients belong to its testbed; here W is the
    measured hot set, but no more than was dirtied. Source: Liu et al.,
    HPDC 2011, refined model.
    """

    def dirtied(seconds: FloatArray) -> FloatArray:
        out: FloatArray = of.dirty_rate * seconds - of.hot
        return out

    first = of.dirty_rate * of.memory / of.bandwidth
    return _xen(of, dirtied, np.minimum(of.hot, first))


def akoush_avg(of: Situations) -> Estimates:
    """A constant mean dirty rate under Xen's stop rules, round by round.

    Source: Akoush et al., MASCOTS 2010, model AVG.
    """

    def dirtied(seconds: FloatArray) -> FloatArray:
        out: FloatArray = np.minimum(of.dirty_rate * seconds, of.memory)
        return out

    return _xen(of, dirtied)


def akoush_hist(of: Situations) -> Estimates:
    """The logged dirtying replayed under Xen's stop rules.

    The log enters as its mean over all windows, the working-set curve.
    Source: Akoush et al., MASCOTS 2010, model HIST.
    """
    return _xen(of, of.curves.at)


def _mvm(of: Situations, factor: float) -> Estimates:
    b = of.bandwidth * factor
    hot_rate = of.hot / of.hot_period
    first = of.memory / b
    with np.errstate(divide='ignore', invalid='ignore'):
        short = hot_rate * first / (b - hot_rate)
        second = (of.hot + (first - of.hot_period) * of.cold_rate) / (
            b - of.cold_rate
        )
        final = of.hot / b * hot_rate / (b - hot_rate)
    extra = np.where(first > of.hot_period, second + final, short)
    ends = (b > hot_rate) & (b > of.cold_rate)
    time = np.where(ends, first + extra, np.inf)
    # The model is one of durations: all of it at full rate is its data.
    return Estimates(time, np.where(ends, final, np.inf), time * b)


def mvm(of: Situations) -> Estimates:
    """The duration model of the mVM scheduler, with 8 bits to the byte.

    t0 = mem/b; T = t0 + (S + (t0 - H) c)/(b - c) + (S/b)(S/H)/(b - S/H)
    where t0 > H, else T = t0 + (S/H) t0 / (b - S/H), with the hot set S,
    its period H and the cold rate c. Source: Kherbache et al., IEEE TCC
    (mVM), as in BtrPlace's network view.
    """
    return _mvm(of, 1.0)


def mvm_published(of: Situations) -> Estimates:
    """The same as in the published plans: 9 bits to the byte."""
    return _mvm(of, PUBLISHED)


def qemu_developers(of: Situations) -> Estimates:
    """Rounds by counts of dirty pages at growing periods, and zero pages.

    Between two periods a count is interpolated, beyond the last it is that
    one's; a page costs its header, too, and one of zeros nine bytes. It ends
    when the rest fits the downtime limit, and never if that takes too many
    rounds. Source: Gudkov, "Migration time prediction using calc-dirty-rate"
    (qemu-devel, 2023, v2), predict_migration.py.
    """
    whole = 1 + QEMU_HEADER / PAGE
    zero = np.zeros_like(of.memory) if of.zero is None else of.zero
    n = len(of.memory)
    counted = np.column_stack([of.curves.at(np.full(n, t)) for t in PERIODS])
    send = of.memory * whole + zero / PAGE * QEMU_ZERO
    sent, last, ends = np.zeros(n), np.zeros(n), np.zeros(n, dtype=bool)
    for _ in range(QEMU_ROUNDS):
        fits = ~ends & (send / of.bandwidth <= QEMU_LIMIT)
        last = np.where(fits, send, last)
        sent = np.where(ends, sent, sent + send)
        ends |= fits
        if ends.all():
            break
        seconds = send / of.bandwidth
        send = whole * _between(seconds, counted)
    time = np.where(ends, sent / of.bandwidth, np.inf)
    stop = np.where(ends, last / of.bandwidth, np.inf)
    return Estimates(time, stop, np.where(ends, sent, np.inf))


def _between(seconds: FloatArray, counted: FloatArray) -> FloatArray:
    """The counts at these s, shape (n,), of those at `PERIODS`, (n, k)."""
    times = np.concatenate([[0.0], PERIODS])
    values = np.pad(counted, ((0, 0), (1, 0)))
    return np.array(
        [np.interp(t, times, v) for t, v in zip(seconds, values, strict=True)]
    )


#: Name in reports -> model.
BASELINES: dict[str, Callable[[Situations], Estimates]] = {
    'memory_over_bandwidth': memory_over_bandwidth,
    'liu_base': liu_base,
    'liu_refined': liu_refined,
    'akoush_avg': akoush_avg,
    'akoush_hist': akoush_hist,
    'mvm': mvm,
    'mvm_published': mvm_published,
    'qemu_developers': qemu_developers,
}
