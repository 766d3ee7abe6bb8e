"""A fluid model of NICs and migrations that replays any plan."""

from watcher_tsmig.simulate.replay import Replayed
from watcher_tsmig.simulate.replay import replay
from watcher_tsmig.simulate.world import Done
from watcher_tsmig.simulate.world import Event
from watcher_tsmig.simulate.world import Progress
from watcher_tsmig.simulate.world import World

__all__ = ('Done', 'Event', 'Progress', 'Replayed', 'World', 'replay')
