"""From single measurements of writing to each VM's working set.

Telemetry must not know the forecast, and the planner takes working sets;
this is where one becomes the other, and what it says about it.
"""

import dataclasses

from watcher_tsmig.forecast import pattern
from watcher_tsmig.model import Vm
from watcher_tsmig.telemetry import Reading
from watcher_tsmig.telemetry.dirty import Writing


def applied(reading: Reading, now: float) -> Reading:
    """The reading with the working sets that its measurements give.

    :param now: seconds since the epoch; measurements age until then
    """
    changed = 0
    vms: list[Vm] = []
    for vm in reading.cloud.vms:
        writing = reading.writing.get(vm.id)
        if writing is not None:
            found = _learned(writing, vm.memory, now)
            changed += bool(found.changes)
            working_set = dataclasses.replace(
                found.working_set(), source=writing.source
            )
            vm = dataclasses.replace(vm, working_set=working_set)
        vms.append(vm)
    notes = reading.notes
    if changed:
        notes = (
            *notes,
            f'the writing of {changed} VMs has changed, older measurements '
            'of it are not used',
        )
    return dataclasses.replace(
        reading,
        cloud=dataclasses.replace(reading.cloud, vms=tuple(vms)),
        notes=notes,
    )


def _learned(writing: Writing, memory: float, now: float) -> pattern.Pattern:
    return pattern.learn(
        writing.observations, writing.resident, memory, now=now
    )
