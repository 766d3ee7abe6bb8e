"""The strategy that empties hosts: which ones, and how that is told."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.model import Host
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plugin import options
from watcher_tsmig.plugin import schema
from watcher_tsmig.plugin import story
from watcher_tsmig.plugin.strategy import NothingToPlan
from watcher_tsmig.plugin.strategy import TrafficSensitiveStrategy
from watcher_tsmig.telemetry import Reading

CHANGE_STATE = 'change_nova_service_state'
DISABLED_REASON = 'watcher_disabled'


class TrafficSensitiveDrain(TrafficSensitiveStrategy):
    """Empty hosts by live migrations that mind the tenants' traffic."""

    def __init__(self, config: Any, osc: Any = None) -> None:  # noqa: ANN401
        super().__init__(config, osc)
        self._emptied: tuple[str, ...] = ()

    @classmethod
    def get_name(cls) -> str:
        """Name of the entry point and of the database row."""
        return 'traffic_sensitive_drain'

    @classmethod
    def get_display_name(cls) -> str:
        """What people see; at most 63 characters."""
        return 'Traffic-sensitive drain'

    @classmethod
    def get_translatable_display_name(cls) -> str:
        """What people see, in English."""
        return 'Traffic-sensitive drain'

    @classmethod
    def get_schema(cls) -> dict[str, Any]:
        """Parameters of an audit."""
        return schema.parameters()

    def planned(self, reading: Reading) -> Plan:
        """The emptying of the hosts named, or of those in maintenance."""
        self._emptied = self._hosts(reading)
        return self.make(
            reading,
            schema.request(
                self.input_parameters,
                self._emptied,
                options.assumptions(self.config),
            ),
        )

    def said(self, plan: Plan, reading: Reading, notes: Sequence[str]) -> str:
        """What moves, how long it takes, what stays and why."""
        return story.of_plan(plan, self._emptied, notes)

    def _hosts(self, reading: Reading) -> tuple[str, ...]:
        named = self.named('hosts', reading)
        self.named('destinations', reading)
        if named:
            return named
        populated = {vm.host for vm in reading.cloud.vms}
        in_maintenance = tuple(
            host.name
            for host in reading.cloud.hosts
            if not host.enabled and host.name in populated
        )
        if not in_maintenance:
            raise NothingToPlan(story.nothing_to_empty())
        return in_maintenance

    def prepared(self, plan: Plan, reading: Reading) -> Mapping[str, str]:
        """The hosts are disabled, so that Nova sends them no new VM."""
        disabled = {}
        for name in self._emptied:
            if self._must_disable(reading.cloud.host(name), plan, reading):
                disabled[name] = reading.node_ids[name]
                self.solution.add_action(
                    action_type=CHANGE_STATE,
                    resource_id=reading.node_ids[name],
                    input_parameters={
                        'state': 'disabled',
                        'disabled_reason': DISABLED_REASON,
                        'resource_name': name,
                    },
                )
        return disabled

    @staticmethod
    def _must_disable(host: Host, plan: Plan, reading: Reading) -> bool:
        """Nova must send no new VM to a host that is being emptied.

        A host all of whose VMs stay keeps its state: disabling it would
        change the cloud and gain nothing.
        """
        if not host.enabled:
            return False
        moves = any(m.source == host.name for m in plan.migrations)
        empty = all(vm.host != host.name for vm in reading.cloud.vms)
        return moves or empty
