"""The input parameters of our actions: flat, readable, with units.

Made from a planned `Migration`, read back into an `Order`; or from a host that
is to be empty, read back into an `Errand`. A plan may be
carried out by a newer or older plugin than the one that made it, so the
schema asks for little and tolerates more.
"""

import math
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig import units
from watcher_tsmig.execute import Order
from watcher_tsmig.execute.emptying import Errand
from watcher_tsmig.execute.starting.admission import Limits
from watcher_tsmig.plan.cold import Cold
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason

# Why a host is disabled that a plan empties; Watcher's own word.
DISABLED_REASON = 'watcher_disabled'
# What is told where nothing was assumed.
NOTHING = 'nothing'

_NAME = {'type': 'string', 'minLength': 1, 'maxLength': 255}
_TEXT = {'type': 'string'}
_SIZE = {'type': 'number', 'minimum': 0}
_COUNT = {'type': 'integer', 'minimum': 0}

SCHEMA = {
    'type': 'object',
    'properties': {
        'resource_id': _NAME,
        'resource_name': _NAME,
        'source_node': _NAME,
        'destination_node': _NAME,
        'mode': {'type': 'string', 'enum': [str(mode) for mode in Mode]},
        'allow_post_copy': {'type': 'boolean'},
        'cap_mbit_s': _SIZE,
        'lcb_mbit_s': _SIZE,
        'room_mbit_s': _SIZE,
        'settles_s': _SIZE,
        'hop': {'type': 'integer', 'minimum': 1},
        'goes_on_to': _TEXT,
        'alternatives': _TEXT,
        'stop_after_failures': _COUNT,
        'reason': _TEXT,
        'max_per_source': _COUNT,
        'max_per_destination': _COUNT,
        'max_in_cluster': _COUNT,
        'slot': {'type': 'integer', 'minimum': 1},
        'planned_start_s': _SIZE,
        'planned_duration_s': _SIZE,
        'planned_low_s': _SIZE,
        'planned_high_s': _SIZE,
        'planned_downtime_ms': _SIZE,
        'planned_slow_ms': _SIZE,
        'planned_data_mib': _SIZE,
        'planned_disks_s': _SIZE,
        'deadline_s': {'type': 'number', 'minimum': 0.001},
        'disk_deadline_s': _SIZE,
        'because': _TEXT,
        'runner_up': _TEXT,
        'binding': _TEXT,
        'cap_enforcement': _TEXT,
        'mode_enforcement': _TEXT,
        'assumed': _TEXT,
        'by_dry_run': {'type': 'boolean'},
        'action_plan_uuid': _TEXT,
        'action_uuid': _TEXT,
    },
    'required': [
        'resource_id',
        'source_node',
        'destination_node',
        'mode',
        'deadline_s',
    ],
    'additionalProperties': True,
}


# Of the action that looks whether a host is empty.
VERIFY = {
    'type': 'object',
    'properties': {
        'resource_id': _NAME,
        'resource_name': _NAME,
        'planned': {'type': 'array', 'items': _NAME},
        'stop_after_failures': _COUNT,
        'stays': {'type': 'object', 'additionalProperties': _TEXT},
        'destinations': {'type': 'array', 'items': _NAME},
        'action_plan_uuid': _TEXT,
        'action_uuid': _TEXT,
    },
    'required': ['resource_id', 'planned', 'stays', 'destinations'],
    'additionalProperties': True,
}


def of_host(
    host: str,
    plan: Plan,
    destinations: Sequence[str],
    cold: Sequence[Cold] = (),
) -> dict[str, Any]:
    """Parameters for the last look at a host that is to be empty.

    :param destinations: for who comes late, the best first
    :param cold: who follows cold
    """
    moves = (*plan.migrations, *cold)
    return {
        'resource_name': host,
        'planned': sorted(m.vm for m in moves if m.source == host),
        'stays': {
            o.vm: str(o.reason) for o in plan.left_out if o.host == host
        },
        'destinations': list(destinations),
    }


def destinations(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The planned one, then those that may take the VM instead."""
    others = (given.get('alternatives') or '').split(', ')
    return (given['destination_node'], *filter(None, others))


def to_errand(
    given: Mapping[str, Any],
    moves: Mapping[str, Mapping[str, Any]],
    patience: float,
    skipped: Collection[str] = (),
) -> Errand:
    """The errand that the parameters of a last look are.

    :param moves: by VM, the parameters of the migrations that the plan had
        from the host, as far as they are known
    :param skipped: VMs whose migrations an operator took out of the plan
    """
    return Errand(
        host=given['resource_id'],
        planned={vm: _ends(moves.get(vm)) for vm in given['planned']},
        stays={**given['stays'], **dict.fromkeys(skipped, 'skipped')},
        destinations=tuple(given['destinations']),
        patience=patience,
    )


def _ends(given: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Where a VM may end that was not moved; a third host is no end."""
    if given is None:
        return ()
    end = given.get('goes_on_to')
    return (end,) if end else destinations(given)


def of_request(request: Request) -> dict[str, int]:
    """The limits that a plan's migrations keep, whoever else has some."""
    return {
        'max_per_source': request.max_per_source,
        'max_per_destination': request.max_per_destination,
        'max_in_cluster': request.max_in_cluster,
    }


def to_limits(given: Mapping[str, Any]) -> Limits:
    """The limits that the parameters are; a plan of before has none."""
    return Limits(
        per_source=int(given.get('max_per_source') or 0),
        per_destination=int(given.get('max_per_destination') or 0),
        in_cluster=int(given.get('max_in_cluster') or 0),
    )


def of_migration(
    migration: Migration, *, factor: float, slack: float, goes_on_to: str = ''
) -> dict[str, Any]:
    """Parameters for one planned migration, without its resource_id.

    :param goes_on_to: where the VM ends, if its destination is a third host
    :param factor: of the forecast time, in the deadlines
    :param slack: added to each deadline, s
    """
    # The upper end of the interval has no end where nobody measured
    bounds = (migration.takes, migration.takes_high)
    longest = max(bound for bound in bounds if math.isfinite(bound))
    copies = migration.copies
    numbers = {
        'cap_mbit_s': units.to_mbit_s(migration.most),
        'room_mbit_s': units.to_mbit_s(migration.room or migration.most),
        'lcb_mbit_s': units.to_mbit_s(migration.lcb),
        'settles_s': migration.settles,
        'planned_start_s': migration.start,
        'planned_duration_s': migration.takes,
        'planned_downtime_ms': migration.downtime * 1000.0,
        'planned_slow_ms': migration.slow * 1000.0,
        'planned_data_mib': units.to_mib(migration.data),
        'planned_disks_s': copies,
        'deadline_s': (longest - copies) * factor + slack,
        'disk_deadline_s': copies * factor + slack if copies else 0.0,
    }
    return {
        'resource_name': migration.name,
        'source_node': migration.source,
        'destination_node': migration.destination,
        'mode': str(migration.mode),
        'slot': int(migration.slot),
        'because': migration.because,
        'runner_up': migration.runner_up,
        'binding': migration.binding,
        'cap_enforcement': str(migration.cap_enforcement),
        'mode_enforcement': str(migration.mode_enforcement),
        'assumed': ', '.join(migration.assumed) or NOTHING,
        # Of the few VMs that move twice, so that an action is told apart
        # from the other of the same VM
        **({'hop': int(migration.hop)} if migration.hop > 1 else {}),
        **({'goes_on_to': goes_on_to} if goes_on_to else {}),
        **({'by_dry_run': True} if migration.reason is Reason.DRY_RUN else {}),
        'alternatives': ', '.join(migration.alternatives),
        # JSON has no infinity; a number that is none is left away
        **{
            name: round(float(number), 1)
            for name, number in numbers.items()
            if math.isfinite(number)
        },
    }


def assumed(given: Mapping[str, Any]) -> tuple[str, ...]:
    """What of the migration nobody measured, as `Migration.assumed`."""
    text = given.get('assumed') or NOTHING
    return () if text == NOTHING else tuple(text.split(', '))


def counts_on_agents(given: Mapping[str, Any]) -> bool:
    """Whether the migration was planned with what an agent said or does."""
    enforced = given.get('cap_enforcement') == Enforcement.ENFORCED
    return enforced or Mode(given['mode']).switches


def to_order(
    given: Mapping[str, Any],
    *,
    permitted: bool,
    disks: bool = False,
    balloon: bool = False,
    links: tuple[float | None, float | None] = (None, None),
    provable: bool = False,
    refused: str = '',
) -> Order:
    """The order that the parameters are.

    What the plan forbids stays forbidden, whatever is permitted now.

    :param permitted: source and destination are declared able to
        post-copy, and the VM's owner does not mind, as of now
    :param balloon: the VM's owner lets its caches be given back first
    :param links: of source and destination, bytes/s; None: unknown
    :param provable: and `refused`: see `Order`
    """
    cap, room = given.get('cap_mbit_s'), given.get('room_mbit_s')
    return Order(
        vm=given['resource_id'],
        name=given.get('resource_name') or given['resource_id'],
        source=given['source_node'],
        destination=given['destination_node'],
        mode=Mode(given['mode']),
        deadline=float(given['deadline_s']),
        disk_deadline=float(given.get('disk_deadline_s') or 0.0),
        post_copy_permitted=permitted and given.get('allow_post_copy', True),
        cap=units.from_mbit_s(cap) if cap else None,
        room=units.from_mbit_s(room) if room else None,
        floor=units.from_mbit_s(float(given.get('lcb_mbit_s') or 0.0)),
        takes=float(given.get('planned_duration_s') or math.inf),
        copies=float(given.get('planned_disks_s') or 0.0),
        settles=float(given.get('settles_s') or 0.0),
        disks=disks,
        balloon=balloon,
        source_link=links[0],
        destination_link=links[1],
        # pages of zeros count as written, and are not what is sent
        provable=provable and not given.get('by_dry_run', False),
        refused=refused,
        hop=int(given.get('hop', 1)),
        goes_on_to=given.get('goes_on_to', ''),
    )
