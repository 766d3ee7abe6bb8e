"""What forecasts are worth that rest on what an agent can measure.

An agent asks libvirt, which measures over whole seconds and tells a rate in
whole MiB/s: by the log of written pages, or by a sample of pages. The log is
here the one that dry runs read, at the agent's own spans; the sample is as
it was taken, from a second on. Guests were measured before the first of
their migrations, so that the later ones are foretold from older measures.
"""

import dataclasses
import math
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from benchmarks.lab_forecast import Told
from benchmarks.lab_forecast import foretold
from benchmarks.lab_records import Recorded
from benchmarks.lab_records import Samples
from watcher_tsmig.agent.spool import DIRTY_SPANS
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast.learned import noise
from watcher_tsmig.forecast.learned.learning import learn
from watcher_tsmig.forecast.learned.pattern import Pattern
from watcher_tsmig.model.observed import Kind
from watcher_tsmig.model.observed import Observation
from watcher_tsmig.units import MIB

#: By name, how libvirt measures.
METHODS = {
    'dirty bitmap': Kind.BITMAP,
    'page sampling': Kind.SAMPLING,
}
#: Migrations that its guest had since it was measured -> how old that is.
AGES: dict[str, Callable[[int], bool]] = {
    'the first two migrations since': lambda since: since < 2,
    'later ones': lambda since: since >= 2,
}
# s between two rounds of an agent over its guests, as far as ages go.
APART = 60.0
# Seed of the noise of repeated measures.
SEED = 14


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """One way to measure, and how often it was done.

    :ivar rounds: of measures at all spans; their noise is drawn
    """

    method: str
    rounds: int

    def measures(self, recorded: Recorded) -> bool:
        """Whether there is anything that it would have measured."""
        return bool(_spans(recorded, METHODS[self.method]))

    def pattern(self, recorded: Recorded) -> Pattern:
        """The working set that such measures give."""
        kind = METHODS[self.method]
        random = np.random.default_rng(SEED)
        found = [
            Observation(
                at=i * APART,
                seconds=seconds,
                dirtied=_told(max(dirtied + drift, 0.0), seconds),
                kind=kind,
                truncated=True,
            )
            for i in range(self.rounds)
            for seconds, dirtied, drift in _repeated(
                _spans(recorded, kind), recorded, kind, random, first=not i
            )
        ]
        return learn(found, resident=recorded.resident, memory=recorded.memory)

    def forecast(self, recorded: Recorded) -> Told:
        """What is foretold from it."""
        return foretold(recorded, fit([self.pattern(recorded).working_set()]))


def since_measured(recorded: Sequence[Recorded]) -> dict[str, int]:
    """By name, how many migrations its guest had before it."""
    seen: dict[tuple[Samples, Samples], int] = {}
    out = {}
    for one in recorded:
        guest = (one.logged, one.sampling)
        out[one.name] = seen.get(guest, 0)
        seen[guest] = out[one.name] + 1
    return out


def _spans(recorded: Recorded, kind: Kind) -> Samples:
    """Whole seconds, and the bytes dirtied within them."""
    if kind is Kind.SAMPLING:
        return tuple(
            (t, d) for t, d in recorded.sampling if t >= DIRTY_SPANS[0]
        )
    known = sorted(recorded.logged)
    seconds = [t for t, _ in known]
    return tuple(
        (float(t), float(np.interp(t, seconds, [d for _, d in known])))
        for t in DIRTY_SPANS
        if t <= seconds[-1]
    )


def _repeated(
    spans: Samples,
    recorded: Recorded,
    kind: Kind,
    random: np.random.Generator,
    *,
    first: bool,
) -> Iterator[tuple[float, float, float]]:
    """The spans, with how much a measure of another moment is off.

    The first is as it was recorded.
    """
    for seconds, dirtied in spans:
        seen = Observation(at=0.0, seconds=seconds, dirtied=dirtied, kind=kind)
        off = 0.0 if first else noise.of_one(seen, recorded.memory)
        yield seconds, dirtied, off * random.standard_normal()


def _told(dirtied: float, seconds: float) -> float:
    """As a rate in whole MiB/s, the rest cut off."""
    return math.floor(dirtied / seconds / MIB) * MIB * seconds


def means(rounds: Sequence[int] = (1, 3, 6)) -> list[Means]:
    """Every way, measured once and more often."""
    return [
        Means(method=method, rounds=many)
        for method in METHODS
        for many in rounds
    ]
