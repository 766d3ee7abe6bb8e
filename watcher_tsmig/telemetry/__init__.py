"""The only readers of a real cloud: what it has, and how busy it is."""

from watcher_tsmig.telemetry.read import Reading
from watcher_tsmig.telemetry.read import read_cloud
from watcher_tsmig.telemetry.settings import Settings

__all__ = ('Reading', 'Settings', 'read_cloud')
