"""An order as a migration's parameters have it, with what holds now.

A plan may be a day old: what hosts and owners permit is asked at the start.
"""

from collections.abc import Mapping
from typing import Any

from watcher_tsmig.execute import Order
from watcher_tsmig.execute.values import Compute
from watcher_tsmig.plugin.schema import parameters
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry.agents import Asker
from watcher_tsmig.telemetry.permission import permission


def order(
    compute: Compute, agents: Asker | None, given: Mapping[str, Any]
) -> Order:
    """The order that the parameters are now.

    :param agents: asks the agents of compute hosts
    :raises errors.CloudError: Nova does not answer
    """
    found = permission(
        compute,
        agents,
        given['resource_id'],
        given['source_node'],
        given['destination_node'],
        network=beside.neutron(compute),
        insist=parameters.counts_on_agents(given),
    )
    return parameters.to_order(
        given,
        permitted=found.post_copy,
        disks=found.disks,
        balloon=found.balloon,
        links=found.links,
        provable=found.provable,
        refused=found.refused,
    )
