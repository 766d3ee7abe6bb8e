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

from watcher_tsmig import units
from watcher_tsmig.plan import policies
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


def parameters() -> dict[str, Any]:
    """A fresh copy of the schema, which Watcher's validator may change."""
    return {'type': 'object', 'properties': copy.deepcopy(PROPERTIES)}


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A parameter that is a number, 0 for absent, and its request field."""

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
) -> Request:
    """What the parameters ask of the planner.

    :param given: parameters of the audit; absent ones are at their default
    :param hosts: to empty, already resolved
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
        destinations=tuple(given.get('destinations') or ()),
        placement=Placement(given.get('placement') or Placement.SPREAD),
        **values,
    )
