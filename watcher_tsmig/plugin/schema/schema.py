"""The parameters of an audit: their schema, and the request they make.

Draft 4 and flat, because that is what Watcher's API validates; plain lists
and dicts, because Watcher compares the schema's text at every start and
cancels all audits of the strategy when it differs. Each description is the
documentation that `openstack optimize strategy show` prints.
"""

import copy
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from watcher_tsmig import units
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.values import Placement
from watcher_tsmig.plan.values import Request


def names(description: str) -> dict[str, Any]:
    name = {'type': 'string', 'minLength': 1, 'maxLength': 255}
    return {
        'description': description,
        'type': 'array',
        'items': name,
        'default': [],
    }


def choice(description: str, among: list[str], default: str) -> dict[str, Any]:
    return {
        'description': description,
        'type': 'string',
        'enum': among,
        'default': default,
    }


def count(description: str, most: int) -> dict[str, Any]:
    return {
        'description': description,
        'type': 'integer',
        'minimum': 0,
        'maximum': most,
        'default': 0,
    }


def number(description: str) -> dict[str, Any]:
    return {
        'description': description,
        'type': 'number',
        'minimum': 0,
        'default': 0,
    }


def yes(description: str, default: bool = True) -> dict[str, Any]:
    return {'description': description, 'type': 'boolean', 'default': default}


GENTLEST = 'gentlest'
AUTO, COLD, LEAVE = 'auto', 'cold', 'leave'
# What comes first, by policy; a stable text, as all of the schema's.
FIRST = {
    'gentle': 'the applications and short outages come first',
    'balanced': 'a short plan, weighed against what the applications lose',
    'fast': 'a short plan before everything else',
}


def of_policies(what: str) -> str:
    """The description of the policies, made from their table.

    :param what: is under the policy: ``the drain``
    """
    rows = []
    for name, row in policies.POLICIES.items():
        head = f'{name} (default)' if name == policies.DEFAULT else name
        more = '' if row.max_per_source == 1 else ' up to'
        rows.append(
            f'{head}: {FIRST[name]}; {row.nic_share:.0%} of what '
            f'the applications leave on a NIC, and {row.nic_floor:.0%} of '
            f'the NIC even where they leave less; from or to one host{more} '
            f'{row.max_per_source} at once, {row.max_in_cluster} in all.'
        )
    return f'How much {what} may take from the tenants. ' + ' '.join(rows)


PROPERTIES = {
    'hosts': names(
        'Names of the compute hosts to empty, as in "openstack compute '
        'service list". A host named here that is still enabled is disabled '
        'first. Empty (default): the VMs named in vms and choices; where '
        'these are empty too, every host in maintenance, that is with a '
        'disabled compute service, that has VMs.'
    ),
    'vms': names(
        'Names or ids of VMs to move beside those of hosts. A name must be '
        "that of one VM in the audit's scope only; where two share it, give "
        'the id. Their hosts stay as they are. Empty (default): none.'
    ),
    'choices': names(
        'Destinations that are given and not planned, each as VM=HOST with '
        'the name or id of a VM: such a VM moves there, also from a host '
        'that is not to be emptied, or it stays with the reason. Choices may '
        'swap full hosts: a third host with room is then passed through. '
        'They need not be in destinations. Empty (default): none.'
    ),
    'destinations': names(
        'Names of the hosts that may receive VMs. Empty (default): any '
        "enabled host that is up, in the audit's scope, with room, and from "
        'which nothing moves by name.'
    ),
    'policy': choice(
        f'{of_policies("the drain")} {GENTLEST}: the gentlest of these that '
        'moves every VM by the deadline, see deadline_s and finish_by, or '
        'the fastest where none does; without a deadline it is gentle.',
        [*policies.NAMES, GENTLEST],
        policies.DEFAULT,
    ),
    'max_per_source': count(
        'How many migrations may leave one host at once. 0 (default): the '
        "policy's. Never more than the host's own "
        '[DEFAULT]max_concurrent_live_migrations, as far as it is known, or '
        'the option assume_max_outgoing: Nova queues what exceeds it.',
        64,
    ),
    'max_per_destination': count(
        'How many migrations may enter one host at once. 0 (default): the '
        "policy's.",
        64,
    ),
    'max_in_cluster': count(
        'How many migrations may run at once in all. 0 (default): the '
        "policy's. The applier's "
        '[watcher_workflow_engines.taskflow]max_workers is a further limit.',
        1000,
    ),
    'stop_after_failures': count(
        'After so many migrations of the plan have failed no other of it is '
        'started, nor tried again: those are skipped, with the reason, and '
        'the last look only looks. 0 (default): whatever fails, the others '
        'go on.',
        1000,
    ),
    'first': count(
        'How many migrations go first, in a small batch; the others begin '
        'when all of it have ended. With stop_after_failures they do not '
        'begin where it went wrong. 0 (default): no batch.',
        64,
    ),
    'reason': {
        'description': 'Why this is done, for people: a ticket, say. Kept '
        "with the audit and with each action, and told with the plan's "
        'message. Empty (default): nothing is.',
        'type': 'string',
        'maxLength': 120,
        'default': '',
    },
    'max_per_group': count(
        'How many VMs of one server group may move at once. 0 (default): 1, '
        "because Nova checks the group's policy once more when a VM arrives, "
        'and then fails what it had admitted.',
        64,
    ),
    'post_copy_saves_percent': {
        **number(
            'By how much, in per cent of the whole, the post-copy of a VM '
            'that pre-copy would move must shorten the plan, unless it costs '
            'tenants less. 0 (default): 10. A higher value post-copies fewer '
            'VMs; 0.01 takes every gain.'
        ),
        'maximum': 99,
    },
    'bandwidth_ceiling_mbit_s': number(
        'No migration is planned faster than this, in Mbit/s. 0 (default): '
        'no ceiling but the networks. Planned, not enforced: Nova has no '
        'bandwidth per migration.'
    ),
    'downtime_limit_ms': number(
        'How long a pre-copied VM may stop at the switchover, in ms. 0 '
        '(default): 500, as Nova does. A VM that cannot keep it is '
        'post-copied or left out.'
    ),
    'allow_post_copy': yes(
        'true (default): post-copy where it is better, between hosts '
        'declared able by the aggregate metadata tsmig:post_copy=true, for '
        'VMs without the metadata tsmig:post_copy=false. false: pre-copy '
        'only; VMs that write too fast for it are left out.'
    ),
    'post_copy_assumed': yes(
        'false (default): a VM whose writing nobody measured is post-copied '
        'only where no pre-copy could end even so. true: what is assumed of '
        'its writing is as good a reason as a measure.',
        default=False,
    ),
    'max_throttle_percent': {
        **number(
            "How much of a VM's CPUs, in per cent, auto-converge may take so "
            'that its pre-copy ends, where nothing else lets it move and its '
            "host's Nova has live_migration_permit_auto_converge. Never of a "
            'VM whose service class bounds its outage. 0 (default): such a '
            'VM stays.'
        ),
        'maximum': 99,
    },
    'inactive': choice(
        'What becomes of stopped VMs. auto (default): those on hosts to '
        'empty move cold once the others have left, one after the other, '
        "by Watcher's own action, and stay stopped; those that vms or "
        'choices name stay. cold: those move cold, too. leave: all stay. '
        'Suspended ones always stay, for Nova moves them neither way.',
        [AUTO, COLD, LEAVE],
        AUTO,
    ),
    'placement': choice(
        'Which destination is preferred among those with room. spread '
        '(default): the emptiest. pack: the fullest.',
        ['spread', 'pack'],
        'spread',
    ),
    'deadline_s': number(
        'Seconds after the start of the plan by which every migration has '
        'to end. VMs that cannot are left out, and the status message says '
        'by how much all of them would miss it. 0 (default): no deadline '
        'but that of finish_by.'
    ),
    'finish_by': {
        'description': (
            'When every migration has to have ended: HH:MM in UTC, the next '
            'time that a clock shows it, or an instant of ISO 8601 with an '
            'offset, such as 2026-03-01T06:00+01:00. Counted from the audit, '
            'so start the plan soon. With deadline_s the earlier of both '
            'holds. Empty (default): no deadline but that of deadline_s.'
        ),
        'type': 'string',
        'maxLength': 64,
        'default': '',
    },
}


def parameters() -> dict[str, Any]:
    """A fresh copy of the schema, which Watcher's validator may change."""
    return {'type': 'object', 'properties': copy.deepcopy(PROPERTIES)}


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A parameter that is a number, and the field that takes it.

    Of a request, 0 is for absent.
    """

    parameter: str
    field: str
    scale: float = 1


NUMBERS = (
    Field('max_per_source', 'max_per_source'),
    Field('max_per_destination', 'max_per_destination'),
    Field('max_in_cluster', 'max_in_cluster'),
    Field('max_per_group', 'max_per_group'),
    Field('post_copy_saves_percent', 'post_copy_saves', 0.01),
    Field('max_throttle_percent', 'max_throttle', 0.01),
    Field('bandwidth_ceiling_mbit_s', 'ceiling', units.MBIT),
    Field('downtime_limit_ms', 'downtime_limit', 0.001),
    Field('deadline_s', 'deadline'),
)


def policy_of(request: Request) -> str:
    """The name of the policy that a request is under, or nearly."""
    return min(
        policies.POLICIES,
        key=lambda name: abs(
            math.log(policies.POLICIES[name].urgency / request.urgency)
        ),
    )


def values(
    given: Mapping[str, Any], assumptions: Mapping[str, float]
) -> dict[str, Any]:
    """Fields of a request that the parameters set over those of a policy.

    :param given: parameters of the audit; absent ones are at their default
    """
    found: dict[str, Any] = dict(assumptions)
    for field in NUMBERS:
        value = given.get(field.parameter) or 0
        if value:
            found[field.field] = value * field.scale
    if not given.get('allow_post_copy', True):
        found['allow_post_copy'] = False
    if given.get('post_copy_assumed'):
        found['post_copy_assumed'] = True
    found['destinations'] = tuple(given.get('destinations') or ())
    found['placement'] = Placement(given.get('placement') or Placement.SPREAD)
    return found


def request(
    given: Mapping[str, Any],
    assumptions: Mapping[str, float],
    **more: object,
) -> Request:
    """What the parameters ask of the planner.

    :param given: parameters of the audit; absent ones are at their default
    :param more: fields of the request that are resolved already
    :raises errors.InputError: they contradict each other
    """
    return policies.request(
        given.get('policy') or policies.DEFAULT,
        **{**values(given, assumptions), **more},
    )
