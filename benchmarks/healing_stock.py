"""Watcher's own host_maintenance: what it decides, and its migrate action.

What is decided is decided by Watcher's code: the strategy on a model of the
simulated cloud, and the weight planner's chunks. Its migrate action is
followed here line by line (applier/actions/migration.py and
common/nova_helper.py, live_migrate_instance), on the simulated clock.
"""

import dataclasses
import types
import uuid
from collections.abc import Mapping
from typing import Any

from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.planner.weight import WeightPlanner
from watcher.decision_engine.strategy.strategies import host_maintenance

from benchmarks.healing_nova import Befallen
from watcher_tsmig import units
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.model import Cloud
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.web import HttpError

# [nova]migration_interval and migration_max_retries
INTERVAL, RETRIES = 5.0, 180


@dataclasses.dataclass(eq=False, slots=True, kw_only=True)
class Step:
    """An action of a plan; `parents` are uuids of others."""

    uuid: str
    action_type: str
    given: Mapping[str, Any]
    parents: list[str]


def planned(cloud: Cloud, host: str, backup: str = '') -> list[Step]:
    """The steps of Watcher's action plan to empty a host.

    :param backup: the host that the audit names as the backup node
    """
    model = _model(cloud)

    class Strategy(host_maintenance.HostMaintenance):  # type: ignore[misc]
        compute_model = model

    strategy = Strategy(None)
    strategy.input_parameters = {'maintenance_node': host}
    if backup:
        strategy.input_parameters['backup_node'] = backup
    strategy.do_execute()
    steps = [
        Step(
            uuid=str(uuid.UUID(int=i)),
            action_type=action['action_type'],
            given=action['input_parameters'],
            parents=[],
        )
        for i, action in enumerate(strategy.solution.actions, 1)
    ]
    weights = WeightPlanner.action_weights
    planner = WeightPlanner(
        types.SimpleNamespace(
            weights=weights, parallelization=WeightPlanner.parallelization
        )
    )
    rising = sorted({weights[step.action_type] for step in steps})
    planner.compute_action_graph(
        [
            (w, [s for s in steps if weights[s.action_type] == w])
            for w in reversed(rising)
        ]
    )
    return steps


def _model(cloud: Cloud) -> model_root.ModelRoot:
    model = model_root.ModelRoot()
    for host in cloud.hosts:
        model.add_node(
            element.ComputeNode(
                uuid=host.name,
                hostname=host.name,
                memory=int(host.memory / units.MIB),
                memory_mb_reserved=0,
                memory_ratio=1.0,
                vcpus=int(host.vcpus),
                vcpu_reserved=0,
                vcpu_ratio=1.0,
                disk=int((host.disk or 0.0) / units.GIB),
                disk_gb_reserved=0,
                disk_ratio=1.0,
                status='enabled' if host.enabled else 'disabled',
                state='up' if host.up else 'down',
                disabled_reason='',
            )
        )
    for vm in cloud.vms:
        instance = element.Instance(
            uuid=vm.id,
            name=vm.name,
            state='stopped' if vm.state == 'stopped' else 'active',
            memory=int(vm.memory / units.MIB),
            vcpus=int(vm.vcpus),
            disk=int(vm.disk / units.GIB),
        )
        model.add_instance(instance)
        model.map_instance(instance, model.get_node_by_name(vm.host))
    return model


def migrate(sim: Befallen, clock: Clock, given: Mapping[str, Any]) -> bool:
    """Watcher's migrate action: whether it ends as SUCCEEDED or SKIPPED."""
    vm, to = given['resource_id'], given.get('destination_node')
    with sim.at_now():
        server = sim.servers.get(vm)
        if server is None or server.host != given['source_node']:
            return True  # skipped
        if to is not None and not sim.services[to].enabled:
            return False
        if given['migration_type'] != 'live' or status(server) != 'ACTIVE':
            return False
        was = server.host
        try:
            sim.live_migrate(server, to)
        except HttpError:
            return False
    for _ in range(RETRIES):
        with sim.at_now():
            if vm not in sim.servers:
                return False
            # without a destination it looks at the status, else at the task
            if to is None and status(server) in ('ACTIVE', 'ERROR'):
                break
            if to is not None and server.task_state is None:
                break
        clock.sleep(INTERVAL)
    if to is None:
        return server.host != was and status(server) == 'ACTIVE'
    return server.host == to


def status(server: Server) -> str:
    """Nova's status of the server, as far as the action looks at it."""
    if server.vm_state != 'active':
        return server.vm_state.upper()
    return 'MIGRATING' if server.task_state == 'migrating' else 'ACTIVE'
