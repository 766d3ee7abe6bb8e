"""Forced convergence: pre-copy of a VM that auto-converge slows down.

Only arithmetic on one curve lives here. A VM that gets the share 1 - x of
its CPUs writes within t what it wrote within (1 - x) t. Source: QEMU
migration/ram.c migration_trigger_throttle(), system/cpu-throttle.c (a vCPU
sleeps x / (1 - x) of each 10 ms); MigVisor, stage 4, after VMware's SDPS.
"""

import dataclasses

import numpy as np

from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.migrations import Ending
from watcher_tsmig.model.rules import Rules

# Bisection of the least throttle ends at this width, on the feasible side.
TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """How QEMU throttles; every default is QEMU's own.

    :ivar initial: cpu-throttle-initial, share of the CPUs taken at first
    :ivar increment: cpu-throttle-increment, taken more each time
    :ivar most: max-cpu-throttle
    :ivar trigger: throttle-trigger-threshold: bytes dirtied within a
        period, as share of those sent, that count as too many
    :ivar strikes: so many such periods make one step
    :ivar period: they are looked at when so many s have passed at the end
        of a round
    """

    initial: float = 0.20
    increment: float = 0.10
    most: float = 0.99
    trigger: float = 0.50
    strikes: int = 2
    period: float = 1.0

    def after(self, now: float) -> float:
        """The next step up from `now`."""
        step = now + self.increment if now else self.initial
        return min(round(step, 9), self.most)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Forced:
    """A throttled pre-copy; times in s, data in bytes.

    :ivar throttle: the largest share of the CPUs that was taken
    """

    throttle: float
    t_sum: float
    t_downtime: float
    data: float
    rounds: int
    ending: Ending


def _written(curves: Curves, seconds: float) -> float:
    return float(curves.at(np.array([seconds]))[0])


def auto_converge(
    curves: Curves,
    bandwidth: float,
    rules: Rules,
    steps: Throttle | None = None,
) -> Forced:
    """Forecast the auto-converged pre-copy of the one VM of `curves`.

    After each round QEMU compares what was dirtied with what was sent; at
    the second time that it was over the trigger, the throttle goes up.
    What it looks at within a round (from QEMU 10 on) is left out, so
    throttling comes later here than there in long rounds.

    :param bandwidth: bytes/s on the wire, > 0
    :raises ValueError: not one curve, or a bandwidth that is not positive
    """
    if len(curves) != 1 or not 0 < bandwidth < np.inf:
        raise ValueError('needs one curve and a finite bandwidth above 0')
    steps = steps or Throttle()
    rate = bandwidth * rules.efficiency
    send = float(curves.resident[0])
    total = data = throttle = 0.0
    strikes, since, sent, dirtied = 0, 0.0, 0.0, 0.0
    before = np.inf
    for rounds in range(1, rules.max_rounds + 1):
        seconds = send / rate
        total, data = total + seconds, data + send
        if seconds <= rules.downtime_limit:
            return _forced(
                throttle, total, seconds, data, rounds, Ending.CONVERGES
            )
        if throttle >= steps.most and seconds >= before:
            return _forced(
                throttle, np.inf, np.inf, np.inf, rounds, Ending.STALLS
            )
        since, sent = since + seconds, sent + send
        send = _written(curves, (1 - throttle) * seconds)
        dirtied += send
        before = seconds
        if since >= steps.period:
            strikes += dirtied > steps.trigger * sent
            since = sent = dirtied = 0.0
        if strikes >= steps.strikes and throttle < steps.most:
            strikes, before = 0, np.inf
            throttle = steps.after(throttle)
    return _forced(
        throttle,
        np.inf,
        np.inf,
        np.inf,
        rules.max_rounds,
        Ending.TOO_MANY_ROUNDS,
    )


def _forced(
    throttle: float,
    total: float,
    downtime: float,
    data: float,
    rounds: int,
    ending: Ending,
) -> Forced:
    return Forced(
        throttle=throttle,
        t_sum=float(total),
        t_downtime=float(downtime),
        data=float(data),
        rounds=rounds,
        ending=ending,
    )


def least_throttle(curves: Curves, bandwidth: float, rules: Rules) -> float:
    """The least share of the CPUs to take so that a pre-copy ends at all.

    Rounds fall to the fixed point W((1 - x) T) = B T, which is within the
    downtime limit tau if W((1 - x) tau) <= B tau; bisection on x, which is
    exact as W is nondecreasing. 0: none is needed; 1: none is enough.
    """
    tau = rules.downtime_limit
    most = bandwidth * rules.efficiency * tau

    def enough(x: float) -> bool:
        return _written(curves, (1 - x) * tau) <= most

    low, high = 0.0, 1.0
    if enough(low):
        return low
    while high - low > TOLERANCE:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
