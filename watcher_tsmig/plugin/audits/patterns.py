"""From what is known of writing to each VM's working set.

Telemetry must not know the forecast, and the planner takes working sets;
this is where one becomes the other, and what it says about it. What was
measured comes first, then what migrations showed.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

from watcher_tsmig.forecast.learned import learning
from watcher_tsmig.forecast.learned.experience import Prior
from watcher_tsmig.forecast.learned.experience import Subject
from watcher_tsmig.forecast.learned.experience import working_sets
from watcher_tsmig.forecast.learned.measured import Measured
from watcher_tsmig.forecast.learned.pattern import Pattern
from watcher_tsmig.forecast.learned.zeros import speeds
from watcher_tsmig.model.cloud import PAUSED
from watcher_tsmig.model.observed import Basis
from watcher_tsmig.model.rules import Speeds
from watcher_tsmig.model.trace import Trace
from watcher_tsmig.telemetry import Reading
from watcher_tsmig.telemetry import bulk

# Nova's record of a migration that we have counters of ends so near to it, s.
SAME = 300.0


@bulk.seldom_collected()
def applied(reading: Reading, now: float) -> Reading:
    """The reading with the working sets that its measurements give.

    :param now: seconds since the epoch; measurements age until then
    """
    found = _learned(reading, now)
    vms = tuple(
        dataclasses.replace(
            vm,
            working_set=found[vm.id].working_set(
                reading.writing[vm.id].source
            ),
        )
        if vm.id in found
        else vm
        for vm in reading.cloud.vms
    )
    changed = sum(pattern.changes > 0 for pattern in found.values())
    notes = reading.notes
    if changed:
        notes = (
            *notes,
            f'the writing of {changed} VMs has changed, older measurements '
            'of it are not used',
        )
    return dataclasses.replace(
        reading,
        cloud=dataclasses.replace(reading.cloud, vms=vms),
        notes=notes,
    )


def _learned(reading: Reading, now: float) -> dict[str, Pattern]:
    """The pattern of each VM that somebody measured, by its id."""
    measured = {
        vm.id: Measured(
            observations=writing.observations,
            resident=writing.resident,
            memory=vm.memory,
        )
        for vm in reading.cloud.vms
        if (writing := reading.writing.get(vm.id)) is not None
    }
    found = learning.patterns(list(measured.values()), now=now)
    return dict(zip(measured, found, strict=True))


def learned(
    reading: Reading, traces: Sequence[Trace], prior: Prior
) -> Reading:
    """The reading with working sets of VMs that nobody measured.

    And with what zeros cost on the hosts that they left.

    From what our own migrations showed, and the durations of all others by
    Nova's records.

    :param traces: of our own
    """
    reading = _with_speeds(reading, speeds(traces, prior.rules))
    cloud = reading.cloud
    silent = [
        vm for vm in cloud.vms if vm.working_set is None and vm.state != PAUSED
    ]
    found = working_sets(
        [
            Subject(id=vm.id, memory=vm.memory, kin=reading.kin.get(vm.id, ()))
            for vm in silent
        ],
        _joined(reading.past, traces),
        reading.kin,
        prior,
    )
    if not found:
        return reading
    vms = tuple(
        dataclasses.replace(vm, working_set=found.get(vm.id, vm.working_set))
        for vm in cloud.vms
    )
    own = sum(work.basis == Basis.OWN for work in found.values())
    note = (
        f'the writing of {len(found)} VMs is learned from migrations: of '
        f'{own} from their own, of {len(found) - own} from those of VMs like '
        'them'
    )
    return dataclasses.replace(
        reading,
        cloud=dataclasses.replace(cloud, vms=vms),
        notes=(*reading.notes, note),
    )


def _with_speeds(reading: Reading, found: Mapping[str, Speeds]) -> Reading:
    """With what is learned of hosts, where nobody declared it."""
    hosts = tuple(
        dataclasses.replace(host, speeds=host.speeds or found.get(host.name))
        for host in reading.cloud.hosts
    )
    cloud = dataclasses.replace(reading.cloud, hosts=hosts)
    return dataclasses.replace(reading, cloud=cloud)


def _joined(past: Sequence[Trace], traces: Sequence[Trace]) -> list[Trace]:
    """Ours, and those of Nova's that we did not see ourselves.

    Nova's record of one of ours tells by which link it went, where nobody
    enforced a rate.
    """
    of: dict[str, list[Trace]] = {}
    for record in past:
        of.setdefault(record.vm, []).append(record)
    ours, seen = [], set()
    for trace in traces:
        same = [
            record
            for record in of.get(trace.vm, ())
            if abs(record.at - trace.at) <= SAME
        ]
        seen.update(same)
        rate = trace.rate or next((record.rate for record in same), None)
        ours.append(dataclasses.replace(trace, rate=rate))
    return [*ours, *(record for record in past if record not in seen)]
