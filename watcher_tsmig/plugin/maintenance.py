"""A drop-in for Watcher's own host_maintenance: its goal, its parameters.

They become those of a drain, and the drain does all the rest. What
host_maintenance does and we do not is stopping VMs.
"""

import dataclasses
from typing import Any

from watcher_tsmig.model import Cloud
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plugin.drain import TrafficSensitiveDrain
from watcher_tsmig.plugin.schema import schema
from watcher_tsmig.telemetry import Reading

NAME = {'type': 'string', 'minLength': 1, 'maxLength': 255}
# host_maintenance takes a node that is not named for one that is empty
OPTIONAL = {'type': ['string', 'null'], 'maxLength': 255}
PROPERTIES = {
    'maintenance_node': {
        'description': 'Name of the compute host to empty. It is disabled '
        'first.',
        **NAME,
    },
    'backup_node': {
        'description': 'Name of the host that receives all of its VMs, if it '
        'has room for them. If not, or if none is named, every host with '
        'room may. It is not enabled for that.',
        'default': '',
        **OPTIONAL,
    },
    'disable_live_migration': schema.yes(
        'true: active VMs move cold, which shuts them down meanwhile. With '
        'disable_cold_migration nothing moves; unlike host_maintenance we '
        'then stop no VM. false (default): they move live.',
        default=False,
    ),
    'disable_cold_migration': schema.yes(
        'true: stopped VMs stay. false (default): they move cold, after the '
        'others.',
        default=False,
    ),
}
# Beside those, these of a drain may be given.
MORE = (
    'policy',
    'deadline_s',
    'finish_by',
    'allow_post_copy',
    'max_throttle_percent',
    'stop_after_failures',
    'first',
    'reason',
)


class TrafficSensitiveMaintenance(TrafficSensitiveDrain):
    """Empty a host under the goal and the parameters of host_maintenance."""

    @classmethod
    def get_name(cls) -> str:
        """Name of the entry point and of the database row."""
        return 'traffic_sensitive_maintenance'

    @classmethod
    def get_goal_name(cls) -> str:
        """That of host_maintenance."""
        return 'cluster_maintaining'

    @classmethod
    def get_display_name(cls) -> str:
        """What people see; at most 63 characters."""
        return 'Traffic-sensitive maintenance'

    @classmethod
    def get_translatable_display_name(cls) -> str:
        """What people see, in English."""
        return 'Traffic-sensitive maintenance'

    @classmethod
    def get_schema(cls) -> dict[str, Any]:
        """Parameters of an audit."""
        found = schema.parameters()
        more = {name: found['properties'][name] for name in MORE}
        return {
            'type': 'object',
            'properties': {**PROPERTIES, **more},
            'required': ['maintenance_node'],
        }

    def planned(self, reading: Reading) -> Plan:
        """To the backup node, or to all where that has no room."""
        given = dict(self.input_parameters)
        node, backup = given['maintenance_node'], given.get('backup_node')
        colds = not given.get('disable_cold_migration')
        asked = {
            **{name: given[name] for name in MORE if name in given},
            'hosts': [node],
            'inactive': schema.COLD if colds else schema.LEAVE,
        }
        if given.get('disable_live_migration'):
            reading = dataclasses.replace(
                reading, cloud=_standing(reading.cloud, node)
            )
        if backup:
            self.input_parameters = {**asked, 'destinations': [backup]}
            plan = super().planned(reading)
            if not plan.left_out:
                return plan
        self.input_parameters = asked
        return super().planned(reading)

    def indicators(self) -> dict[str, int | float]:
        """The goal has none."""
        return {}


def _standing(cloud: Cloud, host: str) -> Cloud:
    """The cloud in which none of the host's active VMs can move live."""
    return dataclasses.replace(
        cloud,
        vms=tuple(
            dataclasses.replace(vm, active=False, state='stopped')
            if vm.host == host and vm.state in (None, 'active') and vm.active
            else vm
            for vm in cloud.vms
        ),
    )
