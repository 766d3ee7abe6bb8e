"""What other action plans are about to do: hosts they empty, room they fill.

Asked when a plan is made and again when its actions start. Reads Watcher's
rows and nothing else. A plan that is only recommended may never be started,
but who starts it expects its hosts to be empty.
"""

import collections
import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_log import log
from watcher import objects
from watcher.common import context

from watcher_tsmig import errors
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.plugin import edges
from watcher_tsmig.plugin import story
from watcher_tsmig.plugin.actions import acting
from watcher_tsmig.plugin.audits.targets import NothingToPlan

LOG = log.getLogger(__name__)

STATES = ('ONGOING', 'PENDING', 'RECOMMENDED')
# Of plans that are started, and of their actions that are not over.
APPROVED = ('ONGOING', 'PENDING')
# Live, and Watcher's own, by which stopped VMs follow.
MOVES = ('traffic_sensitive_migrate', 'migrate')
# An action plan of Watcher's, with its actions.
Row = tuple[Any, list[Any]]
# Of each state so many plans are looked at, the newest first.
MOST = 50


def emptied(audit: Any) -> dict[str, str]:  # noqa: ANN401 - Watcher's
    """Hosts that plans of other audits empty, with the plan's uuid.

    An older plan of the same audit is overtaken by its next.

    :raises errors.CloudError: Watcher's database does not tell
    """
    return _closed(_told(audit, STATES))


def bound(audit: Any) -> dict[str, str]:  # noqa: ANN401 - Watcher's
    """Where VMs will be that plans of other audits still move, by id.

    Of plans that somebody has approved: others may never be started.

    :raises errors.CloudError: Watcher's database does not tell
    """
    return {
        action.input_parameters['resource_id']: (
            action.input_parameters.get('goes_on_to')
            or action.input_parameters['destination_node']
        )
        for _, actions in _told(audit, APPROVED)
        for action in actions
        if action.action_type in MOVES and action.state in APPROVED
        # to where Nova chooses is nobody's knowledge
        if action.input_parameters.get('destination_node')
    }


def at_the_start(plan_uuid: str) -> dict[str, str]:
    """Hosts that approved plans empty by now, beside the one that starts.

    With the uuid of each plan. That a plan made later has overtaken the one
    that starts is told with it. None where Watcher's database does not tell:
    what cannot be seen stops nothing.
    """
    if not plan_uuid:
        return {}
    try:
        mine = objects.ActionPlan.get_by_uuid(
            context.make_context(), plan_uuid
        )
        later = overtaken(mine)
        rows = _plans(APPROVED, lambda plan: plan.id != mine.id)
    except Exception:
        LOG.exception('What other plans do is unknown')
        return {}
    if later:
        acting.remark(plan_uuid, later)
    return _closed(rows)


def overtaken(mine: Any) -> str:  # noqa: ANN401 - Watcher's action plan
    """Which plan made later has its work, for people; empty: none.

    The next of its audit, or one that somebody has started and that empties
    one of its hosts, too.
    """
    hosts = set(_hosts(_actions(mine)))
    for plan, actions in _plans(
        (*APPROVED, 'SUCCEEDED', 'RECOMMENDED'), lambda plan: plan.id > mine.id
    ):
        if plan.audit_id == mine.audit_id:
            return f'Plan {plan.uuid} was made later for the same audit.'
        both = sorted(hosts & set(_hosts(actions)))
        if both and plan.state != 'RECOMMENDED':
            return f'Plan {plan.uuid}, made later, empties {both[0]}, too.'
    return ''


def keep_away(name: str, host: str, closed: Mapping[str, str]) -> None:
    """No VM is sent to where it would not stay.

    :param name: of the VM
    :param closed: hosts that other plans empty, with each plan's uuid
    :raises errors.DestinationError: the host is one of these
    """
    if host in closed:
        why = f'is emptied by plan {closed[host]}'
        raise errors.DestinationError(
            f'{name} was not moved: {host} {why}; plan again', why
        )


def reserved(cloud: Cloud, places: Mapping[str, str]) -> Cloud:
    """The cloud without the room of those who are bound for its hosts.

    :param places: by VM, its host to be
    """
    comes = collections.defaultdict(list)
    arriving = cloud.arriving
    for vm in cloud.vms:
        to = places.get(vm.id, vm.host)
        # of who is on the way the planner knows
        if to not in (vm.host, arriving.get(vm.id)):
            comes[to].append(vm)
    if not comes:
        return cloud
    hosts = tuple(_without(h, comes.get(h.name, ())) for h in cloud.hosts)
    return dataclasses.replace(cloud, hosts=hosts)


def _without(host: Host, vms: Sequence[Vm]) -> Host:
    disk = host.disk
    if disk is not None:
        disk = max(disk - sum(vm.disk for vm in vms), 0.0)
    return dataclasses.replace(
        host,
        memory=max(host.memory - sum(vm.memory for vm in vms), 0.0),
        vcpus=max(host.vcpus - sum(vm.vcpus for vm in vms), 0.0),
        disk=disk,
    )


def _told(
    audit: Any,  # noqa: ANN401
    states: Sequence[str],
) -> list[Row]:
    """Plans of other audits with their actions, the newest first.

    :raises errors.CloudError: Watcher's database does not tell
    """
    mine = getattr(audit, 'id', None)
    try:
        return _plans(states, lambda plan: plan.audit_id != mine)
    except Exception as error:
        # whatever its database raises; a plan that does not know may send
        # VMs to where they must not stay
        LOG.exception('What other plans do is unknown')
        raise errors.CloudError(
            "Watcher's database does not tell which hosts other plans empty "
            f'({type(error).__name__}); see the log of the decision engine'
        ) from error


def _plans(states: Sequence[str], wanted: Callable[[Any], bool]) -> list[Row]:
    """Those wanted of the newest in each state, with their actions."""
    where = context.make_context()
    return [
        (plan, _actions(plan))
        for state in states
        for plan in objects.ActionPlan.list(
            where,
            limit=MOST,
            filters={'state': state},
            sort_key='id',
            sort_dir='desc',
        )
        if wanted(plan)
    ]


def _actions(plan: Any) -> list[Any]:  # noqa: ANN401
    found: list[Any] = objects.Action.list(
        context.make_context(), filters={'action_plan_id': plan.id}
    )
    return found


def _closed(rows: list[Row]) -> dict[str, str]:
    """Hosts that they empty, each with the uuid of the first that does."""
    return {
        host: plan.uuid
        for plan, actions in reversed(rows)
        for host in _hosts(actions)
    }


def _hosts(actions: list[Any]) -> list[str]:
    given = [
        a.input_parameters for a in actions if a.action_type == edges.DISABLE
    ]
    return [
        str(g['resource_name'])
        for g in given
        if g.get('state') == 'disabled' and g.get('resource_name')
    ]


def spared(
    closed: Mapping[str, str], allowed: Sequence[str], hosts: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    """Destinations without those that others empty, and what to say of it.

    :param closed: with the uuid of the plan that empties each
    :param allowed: that the audit names; empty: all
    :param hosts: of the cloud that this audit does not empty itself
    :raises NothingToPlan: others empty all of them
    """
    might = allowed or hosts
    shut = sorted(set(closed) & set(might))
    if not shut:
        return tuple(allowed), ''
    left = tuple(host for host in might if host not in closed)
    if not left:
        raise NothingToPlan(story.all_closed(shut, closed[shut[0]]))
    is_are = 'is' if len(shut) == 1 else 'are'
    return left, f'{", ".join(shut)} {is_are} emptied by another plan'
