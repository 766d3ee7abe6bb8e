"""A fluid model of NICs and migrations that replays any plan."""

from watcher_tsmig.simulate.replay import Replayed
from watcher_tsmig.simulate.replay import replay
from watcher_tsmig.simulate.truth import Failures
from watcher_tsmig.simulate.truth import Noise
from watcher_tsmig.simulate.truth import perturb
from watcher_tsmig.simulate.values import Done
from watcher_tsmig.simulate.values import Event
from watcher_tsmig.simulate.values import Progress
from watcher_tsmig.simulate.values import Service
from watcher_tsmig.simulate.world import World

__all__ = (
    'Done',
    'Event',
    'Failures',
    'Noise',
    'Progress',
    'Replayed',
    'Service',
    'World',
    'perturb',
    'replay',
)
