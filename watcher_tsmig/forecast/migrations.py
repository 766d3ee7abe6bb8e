"""Forecasts of migrations: pre-copy, post-copy, LCB, cost.

Only arithmetic on values lives here: no clock, no I/O, no options. The
hypervisor's rules arrive as a `Rules` value. A forecast of ten thousand
VMs is one call on arrays. Times do not include `Rules.setup`, which
depends on Nova and not on the VM. Source: MigVisor, "Pre-copy VMLM
General Model", equations 1-5, and "Prediction Information".
"""

import dataclasses
import enum

import numpy as np
import numpy.typing as npt

from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.model.rules import Rules

BoolArray = npt.NDArray[np.bool_]

# Bisection of the LCB ends at this relative width, on the feasible side.
LCB_TOLERANCE = 1e-9


class Ending(enum.IntEnum):
    """How a forecast ended."""

    CONVERGES = 0
    STALLS = 1  # rounds stop getting shorter: a fixed point D(T) = B T
    TOO_MANY_ROUNDS = 2


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Forecasts:
    """The information sets of n migrations; arrays of shape (n,).

    Times in s, data in bytes; inf where the migration does not converge.

    :ivar t_converge: sum of the rounds before stop-and-copy
    :ivar t_downtime: the stop-and-copy round (post-copy: the outage)
    :ivar t_sum: total migration time
    :ivar data: P, bytes sent in all
    :ivar rounds: bytes of each round, shape (n, r), NaN-padded; kept also
        where the migration does not converge
    :ivar ending: values of `Ending`
    """

    t_converge: FloatArray
    t_downtime: FloatArray
    t_sum: FloatArray
    data: FloatArray
    rounds: FloatArray
    ending: npt.NDArray[np.int_]

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
    rates = np.broadcast_to(
        np.asarray(bandwidth, dtype=np.float64), (len(curves),)
    )
    if not bool(np.all(rates > 0)) or not bool(np.all(np.isfinite(rates))):
        raise ValueError('every bandwidth must be finite and above 0')
    return rates


def pre_copy(
    curves: Curves,
    bandwidth: FloatArray | float,
    rules: Rules,
    bracket: Bracket = Bracket.EXPECTED,
) -> Forecasts:
    """Forecast the pre-copy of each VM at its bandwidth.

    D(1) = resident; T(i) = D(i) / B; D(i+1) = W(T(i)); the round that
    fits the downtime limit is sent with the VM stopped. W is concave, so
    the rounds only get shorter: one that does not is the fixed point.

    :param bandwidth: shape (n,) or one for all, bytes/s on the wire, > 0
    :raises ValueError: a bandwidth is not positive (the caller's fault)
    """
    rate = _bandwidths(curves, bandwidth) * rules.efficiency
    n = len(curves)
    send = curves.resident.copy()
    seconds = np.full(n, np.inf)
    ending = np.full(n, int(Ending.TOO_MANY_ROUNDS))
    active = np.ones(n, dtype=bool)
    rounds: list[FloatArray] = []
    for _ in range(rules.max_rounds):
        before, seconds = seconds, send / rate
        rounds.append(np.where(active, send, np.nan))
        fits = seconds <= rules.downtime_limit
        stalls = ~fits & (seconds >= before)
        ending[active & fits] = Ending.CONVERGES
        ending[active & stalls] = Ending.STALLS
        active &= ~(fits | stalls)
        if not active.any():
            break
        send = curves.at(seconds, bracket)
    sent = np.stack(rounds, axis=1) if rounds else np.empty((n, 0))
    return _information_set(sent, rate, ending)


def _information_set(
    sent: FloatArray, rate: FloatArray, ending: npt.NDArray[np.int_]
) -> Forecasts:
    good = ending == Ending.CONVERGES
    last = np.maximum((~np.isnan(sent)).sum(axis=1) - 1, 0)
    data = np.where(good, np.nansum(sent, axis=1), np.inf)
    final = sent[np.arange(len(sent)), last]
    downtime = np.where(good, final / rate, np.inf)
    total = np.where(good, data / rate, np.inf)
    with np.errstate(invalid='ignore'):
        converge = np.where(good, total - downtime, np.inf)
    return Forecasts(converge, downtime, total, data, sent, ending)


def post_copy(
    curves: Curves, bandwidth: FloatArray | float, rules: Rules
) -> Forecasts:
    """Forecast a post-copy that switches at once: every page goes once.

    :param bandwidth: shape (n,) or one for all, bytes/s on the wire, > 0
    :raises ValueError: a bandwidth is not positive (the caller's fault)
    """
    rate = _bandwidths(curves, bandwidth) * rules.efficiency
    n = len(curves)
    total = curves.resident / rate
    return Forecasts(
        t_converge=total,
        t_downtime=np.full(n, rules.post_copy_outage),
        t_sum=total,
        data=curves.resident.copy(),
        rounds=curves.resident[:, None].copy(),
        ending=np.full(n, int(Ending.CONVERGES)),
    )


def least_convergent_bandwidth(
    curves: Curves, rules: Rules, deadline: float = np.inf
) -> FloatArray:
    """The least bandwidth at which each pre-copy ends, by bisection.

    Every round and their number fall as B grows, so the convergent
    bandwidths are [LCB, inf) and bisection is exact; the result is on the
    feasible side, within `LCB_TOLERANCE`. No bandwidth below W(tau)/tau
    converges, and resident/tau always does (tau: the downtime limit).

    :param deadline: the migration's T_sum may not exceed it, s
    :returns: shape (n,), bytes/s on the wire; > 0
    """
    n = len(curves)
    tau = np.full(n, rules.downtime_limit)
    tau_rate = np.minimum(tau, deadline) * rules.efficiency
    # A hair above, or rounding would leave resident/tau infeasible.
    high: FloatArray = curves.resident / tau_rate * (1 + LCB_TOLERANCE)
    floor = np.maximum(curves.at(tau), curves.resident * 1e-12)
    low = np.minimum(floor / (tau * rules.efficiency), high)
    while True:
        width = (high - low) > LCB_TOLERANCE * high
        if not width.any():
            return high
        # Geometric: LCBs of one cloud span orders of magnitude.
        middle = np.clip(np.sqrt(low * high), low, high)
        stuck = (middle <= low) | (middle >= high)
        found = pre_copy(curves, middle, rules)
        enough = found.converges & (found.t_sum <= deadline)
        high = np.where(width & enough, middle, high)
        low = np.where(width & ~enough, middle, low)
        low = np.where(width & stuck, high, low)


def cost(forecasts: Forecasts, weights: CostWeights) -> FloatArray:
    """C = a T_sum + b T_downtime + c P, shape (n,)."""
    out: FloatArray = (
        weights.total * forecasts.t_sum
        + weights.downtime * forecasts.t_downtime
        + (weights.data * forecasts.data if weights.data else 0.0)
    )
    return out
