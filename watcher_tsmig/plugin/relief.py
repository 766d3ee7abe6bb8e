"""The strategy that relieves overloaded hosts, and what it remembers.

Made for CONTINUOUS audits: what it must know of earlier ones it reads from
Nova, so that nothing is lost with a decision engine.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from oslo_log import log

from watcher_tsmig.model import Cloud
from watcher_tsmig.model.history import Moved
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plan.relief.busy import Relief
from watcher_tsmig.plan.relief.loads import Usage
from watcher_tsmig.plan.relief.relief import relieve
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plugin.audits import relief_story
from watcher_tsmig.plugin.audits.strategy import TrafficSensitiveStrategy
from watcher_tsmig.plugin.audits.targets import NothingToDo
from watcher_tsmig.plugin.options import options
from watcher_tsmig.plugin.schema import relief_schema
from watcher_tsmig.plugin.schema import schema
from watcher_tsmig.telemetry import Reading
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.inventory.moves import read_moves

LOG = log.getLogger(__name__)

# Loads are read at least this far back, s: enough to say for how long.
HISTORY = 3600.0


class TrafficSensitiveRelief(TrafficSensitiveStrategy):
    """Relieve overloaded hosts by few migrations, never in circles.

    :ivar relief: what was found, once it was
    """

    def __init__(self, config: Any, osc: Any = None) -> None:  # noqa: ANN401
        super().__init__(config, osc)
        self.relief: Relief | None = None
        self._moves: Sequence[Moved] = ()

    @classmethod
    def get_name(cls) -> str:
        """Name of the entry point and of the database row."""
        return 'traffic_sensitive_relief'

    @classmethod
    def get_display_name(cls) -> str:
        """What people see; at most 63 characters."""
        return 'Traffic-sensitive relief'

    @classmethod
    def get_translatable_display_name(cls) -> str:
        """What people see, in English."""
        return 'Traffic-sensitive relief'

    @classmethod
    def get_schema(cls) -> dict[str, Any]:
        """Parameters of an audit."""
        return relief_schema.parameters()

    @classmethod
    def get_config_opts(cls) -> list[Any]:
        """Options of [watcher_strategies.traffic_sensitive_relief]."""
        return [*super().get_config_opts(), *options.LOADS]

    def _limits(self) -> Limits:
        return relief_schema.limits(
            self.input_parameters, self.config.traffic_max_age
        )

    def settings(self) -> Settings:
        """As for every plan, and how busy VMs were."""
        settings = options.settings(self.config)
        return dataclasses.replace(
            settings,
            cpu_metric=self.config.cpu_metric,
            history=max(HISTORY, self._limits().held + settings.traffic_age),
        )

    def remember(self, compute: Compute, now: float) -> None:
        """What has moved within the cool-down."""
        self._moves = read_moves(compute, now - self._limits().cool_down, now)

    def planned(self, reading: Reading) -> Plan:
        """The moves that relieve who is overloaded."""
        cloud = reading.cloud
        named = self.named('hosts', reading)
        self.named('destinations', reading)
        vms = tuple(vm.id for vm in cloud.vms if not named or vm.host in named)
        if not vms:
            raise NothingToDo(relief_story.no_vms())
        assumed = options.of_requests(self.config)
        limits = self._limits()
        request = schema.request(self.input_parameters, assumed, vms=vms)
        request = dataclasses.replace(
            request,
            destinations=self.spared(reading, request.destinations, ()),
        )
        usage = Usage(
            vms=reading.loads,
            cpus=reading.cpus,
            assume_nic=request.assume_nic,
            window=self.config.traffic_window,
        )

        def relieved(cloud: Cloud) -> Relief:
            now = cloud.taken_at or 0.0
            return relieve(cloud, usage, self._moves, limits, request, now=now)

        found = relieved(cloud)
        seen = self.sampler.look(cloud, found.left_out)
        if seen is not cloud:
            found = relieved(seen)
        self.relief = found
        for line in relief_story.lines(found):
            LOG.info('%s', line)
        if not found.vms:
            raise NothingToDo(
                relief_story.nothing(found, limits, cloud, reading.notes)
            )
        return self.logged(
            self.make(
                reading,
                dataclasses.replace(
                    request, vms=found.vms, choices=found.choices
                ),
            )
        )

    def said(self, plan: Plan, reading: Reading, notes: Sequence[str]) -> str:
        """Which host, how busy, for how long, and what leaves it."""
        assert self.relief is not None
        return relief_story.of_plan(plan, self.relief, notes)
