"""The cloud as values, and the snapshot file that carries them."""

from watcher_tsmig.model.bonds import Affinity
from watcher_tsmig.model.bonds import Group
from watcher_tsmig.model.bonds import Link
from watcher_tsmig.model.cloud import Cloud
from watcher_tsmig.model.cloud import Host
from watcher_tsmig.model.cloud import Nic
from watcher_tsmig.model.cloud import Vm
from watcher_tsmig.model.observed import Contents
from watcher_tsmig.model.observed import WorkingSet
from watcher_tsmig.model.passage import Passage
from watcher_tsmig.model.rules import NovaSettings
from watcher_tsmig.model.rules import Speeds
from watcher_tsmig.model.traffic import Spread
from watcher_tsmig.model.traffic import Traffic

__all__ = (
    'Affinity',
    'Cloud',
    'Contents',
    'Group',
    'Host',
    'Link',
    'Nic',
    'NovaSettings',
    'Speeds',
    'Passage',
    'Spread',
    'Traffic',
    'Vm',
    'WorkingSet',
)
