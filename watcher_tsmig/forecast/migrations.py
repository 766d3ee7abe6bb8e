"""Forecasts of migrations: pre-copy, post-copy, LCB, cost.

Only arithmetic on values lives here: no clock, no I/O, no options. The
hypervisor's rules arrive as a `Rules` value, what one migration has beside
its curve as `Terms`. A forecast of ten thousand VMs is one call on arrays.
Times do not include `Rules.overhead`, which depends on Nova and not on the
VM. Source: MigVisor, "Prediction Information".
"""

import dataclasses
import enum

import numpy as np
import numpy.typing as npt

from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.lcb import LCB_TOLERANCE
from watcher_tsmig.forecast.lcb import closed_form_lcb
from watcher_tsmig.forecast.lcb import least_convergent_bandwidth
from watcher_tsmig.forecast.rounds import CONVERGES
from watcher_tsmig.forecast.rounds import STALLS
from watcher_tsmig.forecast.rounds import TOO_MANY_ROUNDS
from watcher_tsmig.forecast.rounds import Walked
from watcher_tsmig.forecast.rounds import standing
from watcher_tsmig.forecast.sweep import walked_by
from watcher_tsmig.forecast.terms import PLAIN_TERMS
from watcher_tsmig.forecast.terms import Course
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.forecast.terms import course
from watcher_tsmig.model.rules import Rules

BoolArray = npt.NDArray[np.bool_]

# A round of this share of the last is no progress; KubeVirt's stallMargin
# is 4 %, and a forecast's rounds are off by more.
HARDLY = 0.9

# Who forecasts needs the LCB, too, and finds it here.
__all__ = (
    'LCB_TOLERANCE',
    'CostWeights',
    'Ending',
    'Forecasts',
    'Terms',
    'closed_form_lcb',
    'cost',
    'latest_start',
    'least_convergent_bandwidth',
    'post_copy',
    'pre_copy',
)


class Ending(enum.IntEnum):
    """How a forecast ended."""

    CONVERGES = CONVERGES
    STALLS = STALLS  # rounds stop getting shorter: a fixed point D(T) = B T
    TOO_MANY_ROUNDS = TOO_MANY_ROUNDS
    TIMES_OUT = 3  # Nova's completion timeout comes first


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Forecasts:
    """The information sets of n migrations; arrays of shape (n,).

    Times in s, data in bytes; inf where the migration does not converge.

    :ivar t_converge: sum of the rounds before stop-and-copy
    :ivar t_downtime: in which the VM does not serve, or hardly: `pause` and
        `slow`. Of a pre-copy it is the stop-and-copy round, sent at the
        link's rate, where that is known, and not at the cap's
    :ivar t_sum: total migration time
    :ivar data: P, bytes sent in all, disks included
    :ivar rounds: bytes of each round, shape (n, r), NaN-padded; kept also
        where the migration does not converge
    :ivar ending: values of `Ending`
    :ivar repeats: how often each of `rounds` is sent, while a step of the
        downtime limit is waited for; None: each once
    :ivar slowed: s of its CPUs that each VM loses to auto-converge; None:
        nobody slows it down
    :ivar taken: share of them that is taken in the end, likewise
    :ivar slow: s after the switch to post-copy in which a VM that runs waits
        for pages; None: none switches
    """

    t_converge: FloatArray
    t_downtime: FloatArray
    t_sum: FloatArray
    data: FloatArray
    rounds: FloatArray
    ending: npt.NDArray[np.int_]
    repeats: FloatArray | None = None
    slowed: FloatArray | None = None
    taken: FloatArray | None = None
    slow: FloatArray | None = None

    @property
    def t_slow(self) -> FloatArray:
        """The slow phase after a switch, 0 where there is none; (n,)."""
        return np.zeros(len(self.t_sum)) if self.slow is None else self.slow

    @property
    def t_pause(self) -> FloatArray:
        """How long the VM stands, QEMU's own downtime; shape (n,)."""
        out: FloatArray = self.t_downtime - self.t_slow
        return out

    @property
    def lingers(self) -> BoolArray:
        """Where a round is hardly smaller than the one before, shape (n,).

        Who watches such a migration would take it for one that stalls.
        """
        with np.errstate(invalid='ignore'):
            again = self.rounds[:, 1:] > HARDLY * self.rounds[:, :-1]
        out: BoolArray = np.asarray(again.any(axis=1))
        if self.repeats is not None:
            out = out | (np.nan_to_num(self.repeats) > 1).any(axis=1)
        return out

    @property
    def converges(self) -> BoolArray:
        """Where the migration ends within the rules, shape (n,)."""
        out: BoolArray = self.ending == Ending.CONVERGES
        return out


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CostWeights:
    """Weights of the cost: per second, per second of downtime, per byte.

    Source: MigVisor, "Cost Saving", equation 11 (after Liu et al.).
    """

    total: float = 1.0
    downtime: float = 1.0
    data: float = 0.0


def _bandwidths(curves: Curves, bandwidth: object) -> FloatArray:
    given = np.asarray(bandwidth, dtype=np.float64)
    # NaN fails both comparisons
    if not ((given > 0) & (given < np.inf)).all():
        raise ValueError('every bandwidth must be finite and above 0')
    shape = (len(curves),)
    return given if given.shape == shape else np.broadcast_to(given, shape)


def pre_copy(
    curves: Curves,
    bandwidth: FloatArray | float,
    rules: Rules,
    bracket: Bracket = Bracket.EXPECTED,
    terms: Terms = PLAIN_TERMS,
) -> Forecasts:
    """Forecast the pre-copy of each VM at its bandwidth.

    :param bandwidth: shape (n,) or one for all, bytes/s on the wire, > 0;
        what all channels of a migration share
    :raises ValueError: a bandwidth is not positive (the caller's fault)
    """
    how = course(curves, _bandwidths(curves, bandwidth), rules, terms)
    walked = walked_by(rules, curves, how, bracket)
    found = _information_set(walked, how, terms)
    late = found.converges & (found.t_sum > how.timeout)
    return _without(found, late) if late.any() else found


def _information_set(walked: Walked, how: Course, terms: Terms) -> Forecasts:
    converge = walked.elapsed
    downtime = standing(walked, how)
    total = converge + downtime
    data = walked.sent + walked.rest + terms.disk
    found = Forecasts(
        converge,
        downtime,
        total,
        data,
        walked.rounds,
        walked.ending,
        walked.repeats,
        walked.slowed,
        walked.taken,
    )
    bad = walked.ending != CONVERGES
    return _without(found, bad, walked.ending) if bad.any() else found


def _without(
    found: Forecasts,
    bad: BoolArray,
    ending: npt.NDArray[np.int_] | int = int(Ending.TIMES_OUT),
) -> Forecasts:
    """The same, with no result where it is bad."""
    return dataclasses.replace(
        found,
        t_converge=np.where(bad, np.inf, found.t_converge),
        t_downtime=np.where(bad, np.inf, found.t_downtime),
        t_sum=np.where(bad, np.inf, found.t_sum),
        data=np.where(bad, np.inf, found.data),
        ending=np.where(bad, ending, found.ending),
    )


def post_copy(
    curves: Curves,
    bandwidth: FloatArray | float,
    rules: Rules,
    terms: Terms = PLAIN_TERMS,
) -> Forecasts:
    """Forecast a post-copy that switches at once: every page goes once.

    Pause and slow phase together are the flat `Rules.post_copy_outage`;
    `hybrid` models them.

    :param bandwidth: shape (n,) or one for all, bytes/s on the wire, > 0
    :raises ValueError: a bandwidth is not positive (the caller's fault)
    """
    rates = _bandwidths(curves, bandwidth)
    how = course(curves, rates, rules, terms, switched=True)
    n = len(curves)
    total = how.begin + how.first / how.first_rate
    return Forecasts(
        t_converge=total,
        t_downtime=np.full(n, rules.post_copy_outage),
        slow=np.full(n, max(rules.post_copy_outage - rules.switchover, 0.0)),
        t_sum=total,
        data=how.first + terms.disk,
        rounds=how.first[:, None].copy(),
        ending=np.full(n, int(Ending.CONVERGES)),
    )


def latest_start(
    curves: Curves,
    bandwidth: FloatArray | float,
    rules: Rules,
    deadline: FloatArray | float,
    terms: Terms = PLAIN_TERMS,
) -> FloatArray:
    """The latest moment at which a pre-copy safely meets its deadline.

    The inverse of the LCB under a deadline: there the start is given and
    the bandwidth sought. Safe: with the upper bracket of the curve, with
    set-up and tear-down; one that begins then ends at the deadline or
    before, whichever curve through the samples is the true one.

    :param deadline: an instant, s; shape (n,) or one for all
    :returns: shape (n,), s on the deadline's clock; -inf where it does not
        converge at this bandwidth
    """
    found = pre_copy(curves, bandwidth, rules, Bracket.UPPER, terms)
    out: FloatArray = deadline - rules.overhead - found.t_sum
    return out


def cost(forecasts: Forecasts, weights: CostWeights) -> FloatArray:
    """C = a T_sum + b T_downtime + c P, shape (n,)."""
    out: FloatArray = (
        weights.total * forecasts.t_sum
        + weights.downtime * forecasts.t_downtime
        + (weights.data * forecasts.data if weights.data else 0.0)
    )
    return out
