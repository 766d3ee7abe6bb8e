"""The playground as a whole: start it, say how to reach it, stop it.

Only composition lives here: clock, cloud, services, Watcher, in the order in
which they need each other, and undone in the reverse order.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import tempfile
from typing import Any

from watcher_tsmig import files
from watcher_tsmig.model import Cloud
from watcher_tsmig.playground.cloud.clock import Clock
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.records import Habits
from watcher_tsmig.playground.control import Control
from watcher_tsmig.playground.server import Server
from watcher_tsmig.playground.services.glance import Glance
from watcher_tsmig.playground.services.gnocchi import Gnocchi
from watcher_tsmig.playground.services.keystone import Keystone
from watcher_tsmig.playground.services.neutron import Neutron
from watcher_tsmig.playground.services.nova import Nova
from watcher_tsmig.playground.services.placement import Placement
from watcher_tsmig.playground.watcher import Options
from watcher_tsmig.playground.watcher import Watcher

# Groups of the plugin's options that name its calibration file.
LEARNING = (
    'watcher_strategies.traffic_sensitive_drain',
    'watcher_strategies.traffic_sensitive_maintenance',
    'watcher_strategies.traffic_sensitive_relief',
    'watcher_actions.traffic_sensitive_migrate',
)
LOG_TAIL = 4000  # characters of Watcher's log shown where it fails


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a playground is made of.

    :ivar speed: simulated seconds per wall second; 0 stands still until
        the control service pushes time
    :ivar watcher: whether Watcher runs too
    :ivar agents: whether each host has an agent, where Watcher runs
    :ivar options: Watcher's options by group, over the playground's own
    """

    cloud: Cloud
    speed: float = 1.0
    habits: Habits = Habits()
    watcher: bool = True
    agents: bool = True
    options: Options = dataclasses.field(default_factory=dict)


class Playground:
    """A running playground; a context manager, so that it always ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._undo = contextlib.ExitStack()
        self._keystone = Keystone()
        self.url = ''
        self.folder = pathlib.Path()

    def __enter__(self) -> 'Playground':
        try:
            self._start()
        except BaseException as e:
            log = self.folder / 'watcher.log'
            if log.is_file():
                e.add_note(log.read_text(errors='replace')[-LOG_TAIL:])
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _start(self) -> None:
        settings = self._settings
        self.folder = pathlib.Path(
            self._undo.enter_context(
                tempfile.TemporaryDirectory(
                    prefix='tsmig-playground-', ignore_cleanup_errors=True
                )
            )
        )
        sim = SimCloud(settings.cloud, Clock(settings.speed), settings.habits)
        server = Server()
        self.url = server.url
        keystone = self._keystone
        services = {
            'compute': Nova(sim, keystone.identify),
            'placement': Placement(sim, keystone.identify),
            'metric': Gnocchi(sim, keystone.identify),
            'image': Glance(sim, keystone.identify),
            'network': Neutron(sim, keystone.identify),
        }
        control = Control(sim, keystone.identify, services, server.troubles)
        for app in (keystone, *services.values(), control):
            server.mount(app)
        catalogue = {
            'identity': ('keystone', f'{self.url}/identity'),
            'compute': ('nova', f'{self.url}/compute/v2.1'),
            'placement': ('placement', f'{self.url}/placement'),
            'metric': ('gnocchi', f'{self.url}/metric'),
            'image': ('glance', f'{self.url}/image'),
            'network': ('neutron', f'{self.url}/network'),
            # Nova tells of shares; nobody asks who keeps them
            'shared-file-system': ('manila', f'{self.url}/share/v2'),
        }
        self._undo.callback(server.stop)
        watcher = None
        if settings.watcher:
            # stopped before the cloud, which answers it to the end
            watcher = Watcher(self.folder)
            self._undo.callback(watcher.stop)
            catalogue['infra-optim'] = ('watcher', watcher.url)
        keystone.publish(catalogue)
        server.start()
        if watcher is not None:
            watcher.start(self.environment('watcher'), self._options())
            if settings.agents:
                # oslo.messaging has to come after Watcher has chosen how
                # its services run
                from watcher_tsmig.playground.cloud import agents

                self._undo.enter_context(
                    agents.serving(sim, watcher.configuration(), self.folder)
                )

    def _options(self) -> Options:
        """The settings' options, with the plugin's files in our folder."""
        path = str(self.folder / 'calibration.json')
        options = {group: {'calibration_file': path} for group in LEARNING}
        for group, values in self._settings.options.items():
            options[group] = {**options.get(group, {}), **values}
        return options

    def environment(self, user: str = 'admin') -> dict[str, str]:
        """The OS_* variables that a client of `user` needs."""
        return self._keystone.environment(user, self.url)

    def describe(self) -> dict[str, Any]:
        """What somebody outside needs in order to use the playground."""
        return {
            'env': self.environment(),
            'reader': self.environment('demo'),
            'watcher': self.environment('watcher'),
            'control': f'{self.url}/control',
            'speed': self._settings.speed,
            'pid': os.getpid(),
            'log': str(self.folder / 'watcher.log'),
        }

    def announce(self, path: pathlib.Path) -> None:
        """Write `describe` as JSON, whole, readable by the owner only."""
        files.replace(path, json.dumps(self.describe(), indent=2))
