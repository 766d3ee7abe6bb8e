"""The parameters of an audit: their schema, and the request they make.

Draft 4 and flat, because that is what Watcher's API validates; plain lists
and dicts, because Watcher compares the schema's text at every start and
cancels all audits of the strategy when it differs. Each description is the
documentation that `openstack optimize strategy show` prints.
"""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.busy import Limits
from watcher_tsmig.plan.values import Placement
from watcher_tsmig.plan.values import Request


def _names(description: str) -> dict[str, Any]:
    name = {'type': 'string', 'minLength': 1, 'maxLength': 255}
    return {
        'description': description,
        'type': 'array',
        'items': name,
        'default': [],
    }


def _choice(
    description: str, names: list[str], default: str
) -> dict[str, Any]:
    return {
        'description': description,
        'type': 'string',
        'enum': names,
        'default': default,
    }


def _count(description: str, most: int) -> dict[str, Any]:
    return {
        'description': description,
        'type': 'integer',
        'minimum': 0,
        'maximum': most,
        'default': 0,
    }


def _number(description: str) -> dict[str, Any]:
    return {
        'description': description,
        'type': 'number',
        'minimum': 0,
        'default': 0,
    }


def _yes(description: str) -> dict[str, Any]:
    return {'description': description, 'type': 'boolean', 'default': True}


def _within(description: str, default: float, most: float) -> dict[str, Any]:
    return {
        'description': description,
        'type': 'number',
        'minimum': 0,
        'maximum': most,
        'default': default,
    }


PROPERTIES = {
    'hosts': _names(
        'Names of the compute hosts to empty, as in "openstack compute '
        'service list". Empty (default): every host in maintenance, that is '
        'with a disabled compute service, that has VMs. A host named here '
        'that is still enabled is disabled first.'
    ),
    'destinations': _names(
        'Names of the hosts that may receive VMs. Empty (default): any '
        "enabled host that is up, in the audit's scope, with room."
    ),
    'policy': _choice(
        'How much of the networks the drain may take. gentle: half of what '
        'the applications leave, one VM at a time per host. balanced '
        '(default): most of it, two at a time. fast: all of it and more if '
        'need be, four at a time.',
        ['gentle', 'balanced', 'fast'],
        'balanced',
    ),
    'max_per_source': _count(
        'How many migrations may leave one host at once. 0 (default): the '
        "policy's. Nova queues what exceeds the host's own "
        'max_concurrent_live_migrations.',
        64,
    ),
    'max_per_destination': _count(
        'How many migrations may enter one host at once. 0 (default): the '
        "policy's.",
        64,
    ),
    'max_in_cluster': _count(
        'How many migrations may run at once in all. 0 (default): the '
        "policy's. The applier's "
        '[watcher_workflow_engines.taskflow]max_workers is a further limit.',
        1000,
    ),
    'bandwidth_ceiling_mbit_s': _number(
        'No migration is planned faster than this, in Mbit/s. 0 (default): '
        'no ceiling but the networks. Planned, not enforced: Nova has no '
        'bandwidth per migration.'
    ),
    'downtime_limit_ms': _number(
        'How long a pre-copied VM may stop at the switchover, in ms. 0 '
        '(default): 500, as Nova does. A VM that cannot keep it is '
        'post-copied or left out.'
    ),
    'allow_post_copy': _yes(
        'true (default): post-copy where it is better, between hosts '
        'declared able by the aggregate metadata tsmig:post_copy=true, for '
        'VMs without the metadata tsmig:post_copy=false. false: pre-copy '
        'only; VMs that write too fast for it are left out.'
    ),
    'placement': _choice(
        'Which destination is preferred among those with room. spread '
        '(default): the emptiest. pack: the fullest.',
        ['spread', 'pack'],
        'spread',
    ),
    'deadline_s': _number(
        'Seconds after the start of the plan by which every migration has '
        'to end. VMs that cannot are left out. 0 (default): no deadline.'
    ),
}


DAY = 86400.0

RELIEF_PROPERTIES = {
    'hosts': _names(
        'Names of the hosts to look at. Empty (default): every host in the '
        "audit's scope."
    ),
    'destinations': PROPERTIES['destinations'],
    'nic_threshold_pct': _within(
        "A host whose VMs send, or receive, more than this share of its NIC's "
        'speed is overloaded, in per cent. 80 by default; 100 never is.',
        80,
        100,
    ),
    'nic_relieve_to_pct': _within(
        'VMs leave an overloaded host until its NIC is down to this share, '
        'in per cent, and no host that receives them gets above it. 60 by '
        'default. It must lie below nic_threshold_pct by margin_pct or more: '
        'the distance is what traffic may vary before anything moves again.',
        60,
        100,
    ),
    'cpu_threshold_pct': _within(
        'A host whose VMs keep more than this share of its own CPUs busy is '
        'overloaded, in per cent. 90 by default; 100 never is.',
        90,
        100,
    ),
    'cpu_relieve_to_pct': _within(
        'Likewise of CPUs, in per cent. 70 by default. See '
        'nic_relieve_to_pct.',
        70,
        100,
    ),
    'held_s': _within(
        'For how many seconds without a pause a load must have been above '
        'its threshold. 600 by default, that is two measures of five minutes.',
        600,
        DAY,
    ),
    'margin_pct': _within(
        'What leaves a host must lower its load by at least this many per '
        'cent of its capacity, or nothing leaves. 5 by default.',
        5,
        100,
    ),
    'cool_down_s': _within(
        'A VM that has moved, or failed to, does not move again for so many '
        'seconds, and a host that has received one gives none. 3600 by '
        "default. Nova's records of migrations tell who moved.",
        3600,
        30 * DAY,
    ),
    'max_vms': {
        'description': (
            'How many VMs one audit moves at most. 8 by default. What is '
            'left is for the next audit.'
        ),
        'type': 'integer',
        'minimum': 1,
        'maximum': 1000,
        'default': 8,
    },
    **{
        name: PROPERTIES[name]
        for name in (
            'policy',
            'max_per_source',
            'max_per_destination',
            'max_in_cluster',
            'bandwidth_ceiling_mbit_s',
            'downtime_limit_ms',
            'allow_post_copy',
            'deadline_s',
        )
    },
}


def parameters() -> dict[str, Any]:
    """A fresh copy of the schema, which Watcher's validator may change."""
    return {'type': 'object', 'properties': copy.deepcopy(PROPERTIES)}


def relief_parameters() -> dict[str, Any]:
    """Likewise of the relief."""
    return {'type': 'object', 'properties': copy.deepcopy(RELIEF_PROPERTIES)}


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
    Field('bandwidth_ceiling_mbit_s', 'ceiling', units.MBIT),
    Field('downtime_limit_ms', 'downtime_limit', 0.001),
    Field('deadline_s', 'deadline'),
)


def request(
    given: Mapping[str, Any],
    hosts: tuple[str, ...],
    assumptions: Mapping[str, float],
    vms: tuple[str, ...] = (),
) -> Request:
    """What the parameters ask of the planner.

    :param given: parameters of the audit; absent ones are at their default
    :param hosts: to empty, already resolved
    :param vms: to move beside those of the hosts, by id
    :raises errors.InputError: they contradict each other
    """
    values: dict[str, Any] = dict(assumptions)
    for number in NUMBERS:
        value = given.get(number.parameter) or 0
        if value:
            values[number.field] = value * number.scale
    if not given.get('allow_post_copy', True):
        values['allow_post_copy'] = False
    return policies.request(
        given.get('policy') or policies.DEFAULT,
        hosts=hosts,
        vms=vms,
        destinations=tuple(given.get('destinations') or ()),
        placement=Placement(given.get('placement') or Placement.SPREAD),
        **values,
    )


LIMITS = (
    Field('nic_threshold_pct', 'nic_high', 0.01),
    Field('nic_relieve_to_pct', 'nic_low', 0.01),
    Field('cpu_threshold_pct', 'cpu_high', 0.01),
    Field('cpu_relieve_to_pct', 'cpu_low', 0.01),
    Field('held_s', 'held'),
    Field('margin_pct', 'margin', 0.01),
    Field('cool_down_s', 'cool_down'),
    Field('max_vms', 'max_vms'),
)


def limits(given: Mapping[str, Any], fresh: float) -> Limits:
    """When a host is too busy, and what a move must bring.

    :param fresh: a measurement that ended longer ago says nothing, s
    :raises errors.InputError: they contradict each other
    """
    values = {
        field.field: round(given[field.parameter] * field.scale, 6)
        for field in LIMITS
        if field.parameter in given
    }
    try:
        return Limits(fresh=fresh, **values)
    except errors.InputError as error:
        names = {field.field: field.parameter for field in LIMITS}
        raise errors.InputError(
            error.message, names.get(error.place, error.place)
        ) from error
