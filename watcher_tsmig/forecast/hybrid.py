"""Post-copy that begins late: after the first pass, at a time, at a stall.

Only arithmetic on values lives here. What is left at the switch follows
from the rounds until then; the slow phase is no pause of the VM's but the
time in which it fetches what it works with. Sources: QEMU,
docs/devel/migration/postcopy.rst; Hines and Gopalan, "Post-copy based live
virtual machine migration using adaptive pre-paging and dynamic
self-ballooning" (VEE 2009), for what a fault costs.
"""

import dataclasses
import enum

import numpy as np

from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.migrations import BoolArray
from watcher_tsmig.forecast.migrations import Ending
from watcher_tsmig.forecast.migrations import Forecasts
from watcher_tsmig.forecast.migrations import pre_copy
from watcher_tsmig.forecast.terms import PLAIN_TERMS
from watcher_tsmig.forecast.terms import Course
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.forecast.terms import course
from watcher_tsmig.model.rules import Rules

# Of a mean over a span (Gauss and Legendre), and how often a span that
# depends on it is put right.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
SETTLES = 12


class Switch(enum.Enum):
    """When post-copy begins, where it is not a time."""

    AT_ONCE = 'at once'
    FIRST_PASS = 'after the first pass'
    STALL = 'at a stall'  # once a round is not shorter than the one before


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Hybrids:
    """The information sets of n switched migrations; arrays of shape (n,).

    :ivar forecasts: as of a pre-copy where none switches; where one does,
        t_converge is the switch
    :ivar switched: False where pre-copy ended before the switch was due
    :ivar left: bytes in the stream that post-copy still brings
    :ivar faults: pages that the VM waits for, one after another
    """

    forecasts: Forecasts
    switched: BoolArray
    left: FloatArray
    faults: FloatArray


def hybrid(
    curves: Curves,
    bandwidth: FloatArray | float,
    rules: Rules,
    switch: Switch | FloatArray | float = Switch.FIRST_PASS,
    post_bandwidth: FloatArray | float | None = None,
    terms: Terms = PLAIN_TERMS,
    bracket: Bracket = Bracket.EXPECTED,
) -> Hybrids:
    """Forecast a pre-copy that switches to post-copy.

    Every page goes at most once after the switch, so it always ends. Left
    are the pages of the round under way that were not sent yet, and of
    those dirtied since it began the share that was: W(e) (e / T) after e
    of its T seconds, since writes know nothing of the order of sending.

    :param switch: when; as a number s after the start, shape (n,) or one.
        A stall is a `Rules.max_rounds` that passed, too
    :param post_bandwidth: bytes/s on the wire after the switch, shape (n,)
        or one; None: as before. QEMU has a cap of its own for it, which
        Nova leaves at none: then this is what the link has left
    :param bracket: which of the curves through the samples is walked
    :raises ValueError: a bandwidth is not positive, a time negative
    """
    pre = pre_copy(curves, bandwidth, rules, bracket, terms)
    n = len(curves)
    rates = np.broadcast_to(np.asarray(bandwidth, dtype=np.float64), (n,))
    later = _later(rates, post_bandwidth)
    how = course(curves, rates, rules, terms)
    due = _due(switch, how)
    done = _before(switch, pre, due)
    at, left, sent, unsent = _until(curves, how, due, ~done, bracket)
    after = course(curves, later, rules, terms, switched=True)
    pages = _missing(curves, rules, left, unsent)
    # on a connection of their own, requested pages wait behind what the
    # link has queued, whatever the cap
    asked = after.last_rate if rules.preempt else after.rate
    slow = _slow(rules, asked, pages, left)
    seconds = _brings(curves, rules, after, left, unsent)
    rounds = np.column_stack([sent, left])
    switched = Forecasts(
        t_converge=at,
        t_downtime=rules.switchover + slow,
        t_sum=at + rules.switchover + seconds,
        data=sent + left + terms.disk,
        rounds=rounds,
        ending=np.full(n, int(Ending.CONVERGES)),
        slow=slow,
    )
    return Hybrids(
        _either(done, pre, switched),
        ~done,
        np.where(done, 0.0, left),
        np.where(done, 0.0, pages),
    )


def _later(rates: FloatArray, given: FloatArray | float | None) -> FloatArray:
    """Bytes/s on the wire after the switch, shape (n,)."""
    if given is None:
        return rates
    later = np.broadcast_to(np.asarray(given, dtype=np.float64), rates.shape)
    if not bool(((later > 0) & np.isfinite(later)).all()):
        raise ValueError('every bandwidth must be finite and above 0')
    return later


def _due(switch: Switch | FloatArray | float, how: Course) -> FloatArray:
    """The moment of the switch, s; inf: at a stall."""
    table: dict[Switch, FloatArray | float] = {
        Switch.AT_ONCE: how.begin,
        Switch.FIRST_PASS: how.begin + how.first / how.first_rate,
        Switch.STALL: np.inf,
    }
    given = table[switch] if isinstance(switch, Switch) else switch
    due = np.maximum(np.asarray(given, dtype=np.float64), how.begin)
    if not bool(np.all(np.asarray(given) >= 0)):
        raise ValueError('a switch cannot be before the start')
    return due


def _before(
    switch: Switch | FloatArray | float, pre: Forecasts, due: FloatArray
) -> BoolArray:
    """Where pre-copy stops the VM before the switch is due, shape (n,).

    An order in hand is obeyed, however little is left. Who waits for the end
    of a pass comes later than QEMU itself, which looks then whether the rest
    fits the downtime limit. Source: QEMU, migration_iteration_run.
    """
    waits = switch is Switch.FIRST_PASS or switch is Switch.STALL
    first = pre.t_converge <= due if waits else pre.t_converge < due
    out: BoolArray = pre.converges & first
    return out


def _until(
    curves: Curves,
    how: Course,
    due: FloatArray,
    active: BoolArray,
    bracket: Bracket,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """At the switch: s, bytes left, bytes sent, share never sent; (n,)."""
    n = len(curves)
    send, sent, begun = how.first.copy(), np.zeros(n), how.begin.copy()
    seconds, before = send / how.first_rate, np.full(n, np.inf)
    stall = np.isinf(due)
    for k in range(how.max_rounds + 2):
        flat = (seconds >= before) | (k >= how.max_rounds)
        active = active & (send > 0)
        active &= np.where(stall, ~flat, begun + seconds <= due)
        if not active.any():
            break
        # A round that is as long as the last one stands for those to come.
        with np.errstate(divide='ignore', invalid='ignore'):
            times = np.floor((due - begun) / seconds)
        times = np.where(flat & ~stall, times, 1.0)
        begun = np.where(active, begun + times * seconds, begun)
        sent = np.where(active, sent + times * send, sent)
        following = how.factor * curves.at(seconds, bracket)
        before = np.where(active, seconds, before)
        send = np.where(active & ~flat, following, send)
        seconds = np.where(active & ~flat, send / how.rate, seconds)
    inside = np.where(stall, 0.0, np.clip(due - begun, 0.0, seconds))
    share = np.divide(inside, seconds, out=np.zeros(n), where=seconds > 0)
    again = how.factor * curves.at(inside, bracket) * share
    left = np.minimum(send * (1 - share) + again, how.first)
    unsent = np.where(begun == how.begin, 1 - share, 0.0)
    return begun + inside, left, sent + send * share, unsent


def _brings(
    curves: Curves,
    rules: Rules,
    how: Course,
    left: FloatArray,
    unsent: FloatArray,
) -> FloatArray:
    """How long post-copy takes for what is left, s.

    QEMU's cap for it does not hold for requested pages (migration.c: an
    urgent request passes the limit). On a connection of their own they are
    many, so where the cap binds and not the link, what is requested comes
    beside what is not. Of what the VM writes for the first time at t of T,
    the share 1 - t / T is not there yet: requested is the integral of
    W'(t) (1 - t / T), which is the mean of W over [0, T]; and what it reads
    of pages that were never sent.

    Pages of zeros among what was never sent take their time, too.

    :param left: shape (n,), bytes in the stream at the switch
    :param unsent: shape (n,), share of the pages that were never sent
    :returns: shape (n,)
    """
    zeros = unsent * how.idle
    # the last that fits the downtime limit goes as what goes last always
    # does, past the cap (migration_completion)
    last = np.minimum(left, how.rate * how.limit)
    end = last / how.last_rate
    seconds = (left - last) / how.rate + end
    if not rules.preempt or bool((how.last_rate <= how.rate).all()):
        return seconds + zeros
    size = rules.page + rules.page_header
    for _ in range(SETTLES):
        mean = sum(
            weight * curves.at(seconds * (1 + node) / 2)
            for node, weight in zip(NODES, WEIGHTS, strict=True)
        )
        wanted = mean / 2 * (size / rules.page)
        wanted = wanted + unsent * rules.post_copy_reads
        capped = np.maximum(left - last - wanted, 0.0) / how.rate + end
        seconds = (seconds + np.maximum(capped, left / how.last_rate)) / 2
    return seconds + zeros


def _missing(
    curves: Curves, rules: Rules, left: FloatArray, unsent: FloatArray
) -> FloatArray:
    """Pages that a VM waits for before it is seen to serve again.

    What it writes within a grain of its own work is hot, so it was dirtied
    again and is missing whenever the switch comes, if so much is missing
    at all. What it only reads is missing as far as it was never sent.
    """
    hot = curves.at(np.full(len(curves), rules.post_copy_grain))
    wanted = np.minimum(hot, left) + unsent * rules.post_copy_reads
    out: FloatArray = np.minimum(wanted, left) / rules.page
    return out


def _slow(
    rules: Rules, rate: FloatArray, pages: FloatArray, left: FloatArray
) -> FloatArray:
    """Faults one after another, behind what is queued, s.

    A guest's thread stands at its first missing page, so its faults come
    one by one, and each waits for the bytes that already lie in the send
    buffers: (queue + page) / rate. It cannot last longer than the transfer
    of all that is left.

    With the pause before it, against the measurement that the rules cite
    (128 MiB guests, 200 Mbit/s full duplex, 195 faults at a switch at once,
    40 after a first pass, so that only the cost of a fault is put to the
    test): a VM alone 1.15 s, measured 1.53 (25 % less); beside a pre-copy,
    which left 102 Mbit/s, 2.2 s, measured 2.4, 2.7, 3.8; beside another
    post-copy, 67 Mbit/s, 3.4 s, measured 2.4, 2.4, 3.2; after a first pass
    0.27 to 0.72 s at 200 to 67 Mbit/s, measured 0.26 to 0.60. So: right
    within a factor of 1.7, which no flat figure is on another link.
    """
    each = (rules.post_copy_queue + rules.page) / rate
    out: FloatArray = np.minimum(pages * each, left / rate)
    return out


def _either(first: BoolArray, one: Forecasts, other: Forecasts) -> Forecasts:
    """The one where `first`, else the other."""
    width = max(one.rounds.shape[1], other.rounds.shape[1])
    padded = [
        np.pad(
            f.rounds,
            ((0, 0), (0, width - f.rounds.shape[1])),
            constant_values=np.nan,
        )
        for f in (one, other)
    ]
    repeats = None
    if one.repeats is not None:
        wide = ((0, 0), (0, width - one.repeats.shape[1]))
        repeats = np.pad(one.repeats, wide, constant_values=1.0)
        repeats = np.where(first[:, None], repeats, 1.0)
    return Forecasts(
        t_converge=np.where(first, one.t_converge, other.t_converge),
        t_downtime=np.where(first, one.t_downtime, other.t_downtime),
        slow=np.where(first, 0.0, other.t_slow),
        t_sum=np.where(first, one.t_sum, other.t_sum),
        data=np.where(first, one.data, other.data),
        rounds=np.where(first[:, None], padded[0], padded[1]),
        ending=np.where(first, one.ending, other.ending),
        repeats=repeats,
    )
