"""The parameters of a relief: their schema, and the limits they make.

As schema.py, whose rules about the text of a schema hold here too; what
both strategies share is taken from there.
"""

import copy
from collections.abc import Mapping
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plugin.schema import schema
from watcher_tsmig.plugin.schema.schema import Field


def _within(description: str, default: float, most: float) -> dict[str, Any]:
    return {
        'description': description,
        'type': 'number',
        'minimum': 0,
        'maximum': most,
        'default': default,
    }


DAY = 86400.0

PROPERTIES = {
    'hosts': schema.names(
        'Names of the hosts to look at. Empty (default): every host in the '
        "audit's scope."
    ),
    'destinations': schema.PROPERTIES['destinations'],
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
    'policy': schema.choice(
        schema.of_policies('the relief'),
        list(policies.NAMES),
        policies.DEFAULT,
    ),
    **{
        name: schema.PROPERTIES[name]
        for name in (
            'max_per_source',
            'max_per_destination',
            'max_in_cluster',
            'bandwidth_ceiling_mbit_s',
            'downtime_limit_ms',
            'allow_post_copy',
            'post_copy_assumed',
            'max_per_group',
            'post_copy_saves_percent',
            'deadline_s',
        )
    },
}


def parameters() -> dict[str, Any]:
    """A fresh copy of the schema, which Watcher's validator may change."""
    return {'type': 'object', 'properties': copy.deepcopy(PROPERTIES)}


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
