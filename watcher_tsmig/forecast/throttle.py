"""Forced convergence: the rounds of a VM that auto-converge slows down.

Only the walk lives here, one VM at a time. A VM that gets the share 1 - x of
its CPUs writes within t what it wrote within (1 - x) t. Sources: QEMU
migration/ram.c migration_trigger_throttle(), system/cpu-throttle.c (a vCPU
sleeps x / (1 - x) of each 10 ms); MigVisor, stage 4, after VMware's SDPS.
"""

import dataclasses
from typing import Any

import numpy as np

from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import Line
from watcher_tsmig.forecast.rounds import CONVERGES
from watcher_tsmig.forecast.rounds import STALLS
from watcher_tsmig.forecast.rounds import TOO_MANY_ROUNDS
from watcher_tsmig.forecast.rounds import WAITING_ROUNDS
from watcher_tsmig.forecast.rounds import IntArray
from watcher_tsmig.forecast.rounds import Walked
from watcher_tsmig.forecast.terms import Course
from watcher_tsmig.forecast.terms import limit_after


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


QEMU = Throttle()
FIELDS = tuple(f.name for f in dataclasses.fields(Walked))


@dataclasses.dataclass(slots=True)
class Watch:
    """What QEMU has counted of one migration since it last looked.

    :ivar share: of the VM's CPUs that is taken now
    """

    share: float = 0.0
    strikes: int = 0
    seconds: float = 0.0
    sent: float = 0.0
    dirtied: float = 0.0

    @property
    def left(self) -> float:
        """Share of its CPUs that the VM has."""
        return 1 - self.share

    @property
    def ended(self) -> bool:
        """Nothing more will be taken."""
        return self.share >= QEMU.most

    def round(self, seconds: float, sent: float, dirtied: float) -> None:
        """A round has ended.

        What it looks at within a round (from QEMU 10 on) is left out, so
        throttling comes later here than there in long rounds.

        :param sent: bytes in the stream
        :param dirtied: bytes of the pages written meanwhile, at full size
        """
        self.seconds += seconds
        self.sent += sent
        self.dirtied += dirtied
        if self.seconds < QEMU.period:
            return
        self.strikes += self.dirtied > QEMU.trigger * self.sent
        self.seconds = self.sent = self.dirtied = 0.0
        if self.strikes >= QEMU.strikes:
            self.strikes = 0
            self.share = QEMU.after(self.share)


def walk(curves: Curves, how: Course, bracket: Bracket) -> Walked:
    """Walk the rounds of each migration while its VM is slowed down.

    One that ends only with more taken than `how.throttle` counts as one
    that does not: QEMU would take it, and the VM's owner did not permit it.
    """
    rows = np.arange(len(curves))
    walks = [
        _walk_one(curves.line(i, bracket), how.take(rows[i : i + 1]))
        for i in rows.tolist()
    ]
    return joined(walks, rows)


def joined(walks: list[Walked], order: IntArray) -> Walked:
    """Several walks as one; row i of it is row `order[i]` of theirs."""
    width = max(w.rounds.shape[1] for w in walks)
    parts: dict[str, list[Any]] = {name: [] for name in FIELDS}
    for walked in walks:
        empty = {
            'repeats': np.ones_like(walked.rounds),
            'slowed': np.zeros(len(walked.rest)),
            'taken': np.zeros(len(walked.rest)),
        }
        for name in FIELDS:
            part = getattr(walked, name)
            part = empty[name] if part is None else part
            if part.ndim == 2:
                room = ((0, 0), (0, width - part.shape[1]))
                part = np.pad(part, room, constant_values=np.nan)
            parts[name].append(part)
    return Walked(**{k: np.concatenate(v)[order] for k, v in parts.items()})


def _walk_one(line: Line, how: Course) -> Walked:
    rate, factor = float(how.first_rate[0]), float(how.factor[0])
    final, permitted = float(how.limit[0]), float(how.throttle[0])
    send, elapsed, sent = float(how.first[0]), float(how.begin[0]), 0.0
    full = float(how.full[0])
    seconds, slowed, ending = np.inf, 0.0, TOO_MANY_ROUNDS
    watch, rounds = Watch(), [send]
    for _ in range(how.max_rounds + WAITING_ROUNDS):
        before, seconds = seconds, send / rate
        limit = final
        if how.steps[0]:
            limit = float(limit_after(how, np.array([elapsed]))[0])
        if seconds * full <= limit:
            ending = CONVERGES
            break
        most = watch.ended and limit >= final
        if watch.share > permitted or (most and seconds >= before):
            ending = STALLS
            break
        elapsed, sent = elapsed + seconds, sent + send
        slowed += watch.share * seconds
        written = line.at(watch.left * seconds)
        watch.round(seconds, send, written)
        send, rate = factor * written, float(how.rate[0])
        rounds.append(send)
    return Walked(
        elapsed=np.array([elapsed]),
        sent=np.array([sent]),
        rest=np.array([send]),
        rounds=np.array([rounds]),
        repeats=None,
        ending=np.array([ending]),
        slowed=np.array([slowed]),
        taken=np.array([watch.share]),
    )
