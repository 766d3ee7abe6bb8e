"""What is foretold of a recorded migration, from what was known before it.

The forecasts are `watcher_tsmig.forecast`'s, under the rules of QEMU alone:
there was no Nova. What was known is one of three measurements of writing,
so that each can be judged: the log of written pages that a dry run reads,
what changed between two looks at a guest that stands, and page sampling.
"""

import dataclasses
import math

import numpy as np

from benchmarks.lab_records import Recorded
from benchmarks.lab_records import Samples
from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import Forecasts
from watcher_tsmig.forecast import Switch
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import hybrid
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.baselines import Situations
from watcher_tsmig.forecast.learned.learning import learn
from watcher_tsmig.model.observed import Kind
from watcher_tsmig.model.observed import Observation
from watcher_tsmig.model.rules import QEMU
from watcher_tsmig.model.rules import Rules

# Of a shaped wire: payload in a full frame, TCP with time stamps.
PAYLOAD = 1448 / 1514
# How long a hot set takes, where a published model asks for it, s
HOT_PERIOD = 1.0

#: Name of a measurement -> what it found, and how it counts. A dry run
#: reads the log that a migration reads, so it is the one to judge by.
SOURCES = {
    'logged': ('logged', Kind.BITMAP),
    'compared': ('working_set', Kind.BITMAP),
    'sampled': ('sampling', Kind.SAMPLING),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One forecast: s and bytes; inf where it says that it never ends.

    :ivar downtime: QEMU's: of the last round, or of the switch's devices
    :ivar outage: until the guest is seen to serve again
    """

    total: float
    downtime: float
    outage: float
    data: float

    @property
    def ends(self) -> bool:
        """Whether it foretells an end."""
        return math.isfinite(self.total)


def curve(recorded: Recorded, source: str) -> Curves:
    """The working set that a measurement gives."""
    field, kind = SOURCES[source]
    samples: Samples = getattr(recorded, field)
    pattern = learn(
        [
            Observation(at=0.0, seconds=t, dirtied=d, kind=kind)
            for t, d in samples
        ],
        resident=recorded.resident,
        memory=recorded.memory,
    )
    return fit([pattern.working_set()])


def rules(recorded: Recorded) -> Rules:
    """QEMU's, over the recording's wire."""
    share = PAYLOAD if recorded.link else 1.0
    return dataclasses.replace(
        QEMU,
        downtime_limit=recorded.downtime_limit,
        efficiency=share,
        preempt=recorded.preempt,
        # a shaped wire takes what it can; nothing is counted by the window
        quantum=0.0 if recorded.cap is None else QEMU.quantum,
    )


def bandwidth(recorded: Recorded, cap: float | None) -> float:
    """What the migration can use, bytes/s: cap, wire or machine."""
    most = recorded.link or recorded.reach
    return most if cap is None else min(rules(recorded).paced(cap), most)


def terms(recorded: Recorded) -> Terms:
    """What it has beside its curve."""
    return Terms(
        link=recorded.link or recorded.reach,
        zero=recorded.zero,
        memory=recorded.memory,
        # its disk has the cap, and then the memory has it
        disks=float(bool(recorded.disk)),
        disk=recorded.disk,
        uncapped=True,
        raised=True,
    )


def ours(recorded: Recorded, source: str = 'logged') -> Told:
    """Our forecast, from one measurement of its writing."""
    return foretold(recorded, curve(recorded, source))


def foretold(recorded: Recorded, curves: Curves) -> Told:
    """Our forecast of a recorded migration of that working set."""
    rate = bandwidth(recorded, recorded.cap)
    if recorded.mode == 'pre-copy':
        found = pre_copy(curves, rate, rules(recorded), terms=terms(recorded))
        return _told(found)
    switched = hybrid(
        curves,
        rate,
        rules(recorded),
        Switch.FIRST_PASS if recorded.mode == 'hybrid' else Switch.AT_ONCE,
        bandwidth(recorded, recorded.post_cap),
        terms(recorded),
    )
    return _told(switched.forecasts)


def _told(found: Forecasts) -> Told:
    return Told(
        total=float(found.t_sum[0]),
        downtime=float(found.t_pause[0]),
        outage=float(found.t_downtime[0]),
        data=float(found.data[0]),
    )


def situation(recorded: Recorded) -> Situations:
    """The same knowledge as the published models take it."""
    curves = curve(recorded, 'logged')
    rate = bandwidth(recorded, recorded.cap) * rules(recorded).efficiency
    hot, later = (
        float(curves.at(np.array([t]))[0])
        for t in (HOT_PERIOD, 2 * HOT_PERIOD)
    )
    return Situations(
        memory=np.array([recorded.resident]),
        bandwidth=np.array([rate]),
        dirty_rate=np.array([hot / HOT_PERIOD]),
        hot=np.array([hot]),
        hot_period=np.array([HOT_PERIOD]),
        cold_rate=np.array([(later - hot) / HOT_PERIOD]),
        curves=curves,
        zero=np.array([recorded.zero]),
    )


def seed(recorded: Recorded) -> Told:
    """MigVisor's recursion as written: a round ends when all is sent."""
    plain = dataclasses.replace(rules(recorded), window=0.0)
    found = pre_copy(
        curve(recorded, 'logged'),
        bandwidth(recorded, recorded.cap),
        plain,
        terms=terms(recorded),
    )
    return _told(found)
