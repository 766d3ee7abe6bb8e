"""A VM's working-set pattern from gauges on its instance resource.

Arithmetic on measures, and the questions for them. `memory.dirty.t8` is the
MiB that the VM dirtied in 8 s; the gauges of one VM are sampled at different
moments, so a longer span may show less than a shorter one. Up to
`NOISE` of that is repaired by raising the longer span; more is no curve,
and the VM counts as unknown.
"""

from collections.abc import Mapping
from collections.abc import Sequence

from watcher_tsmig.model import WorkingSet
from watcher_tsmig.telemetry.measures import Gnocchi
from watcher_tsmig.telemetry.measures import Measure
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.units import from_mib

SOURCE = 'gnocchi'
AGGREGATION = 'mean'
# Page sampling errs by some percent and by up to 1 MiB a second of span,
# and a workload breathes; a third less is another workload.
NOISE = 0.35


def read_working_sets(
    gnocchi: Gnocchi,
    memory: Mapping[str, float],
    settings: Settings,
    now: float,
) -> dict[str, WorkingSet]:
    """Working sets of those of the VMs that somebody measured lately.

    :param memory: bytes of memory by id of the VM
    :param now: seconds since the epoch
    :raises errors.CloudError: Gnocchi does not answer in time
    """
    names = (*settings.dirty_metrics(), settings.resident_metric)
    instances = {
        str(instance['id']): instance.get('metrics', {})
        for instance in gnocchi.resources('instance', 'id', list(memory))
    }
    wanted = [
        metrics[name]
        for metrics in instances.values()
        # without one dirty span, its resident memory is of no use
        if any(metrics.get(span) for span in names[:-1])
        for name in names
        if metrics.get(name)
    ]
    measures = gnocchi.measures(
        wanted,
        AGGREGATION,
        granularity=None,
        start=now - settings.dirty_age,
    )
    found = {}
    for vm, metrics in instances.items():
        last = {
            name: measures[metrics[name]][-1]
            for name in names
            if measures.get(metrics.get(name, ''))
        }
        pattern = working_set(last, memory[vm], settings, now)
        if pattern is not None:
            found[vm] = pattern
    return found


def working_set(
    last: Mapping[str, Measure],
    memory: float,
    settings: Settings,
    now: float,
) -> WorkingSet | None:
    """The pattern from the last measure of each metric, or None.

    :param last: by metric name, in MiB
    :param memory: of the VM's flavor, bytes; an upper bound for all others
    """
    ends = {
        name: start + span
        for name, (start, span, _) in last.items()
        if now - (start + span) <= settings.dirty_age
    }
    samples = repaired(
        [
            (seconds, min(from_mib(max(last[name][2], 0.0)), memory))
            for name, seconds in settings.dirty_metrics().items()
            if name in ends
        ]
    )
    if not samples:
        return None
    resident = memory
    if settings.resident_metric in ends:
        resident = from_mib(last[settings.resident_metric][2])
    # QEMU's own memory counts as resident too, so it may exceed the flavor
    resident = min(resident, memory) if resident > 0 else memory
    return WorkingSet(
        resident=resident,
        samples=tuple(samples),
        measured_at=min(min(ends.values()), now),
        source=SOURCE,
    )


def repaired(
    samples: Sequence[tuple[float, float]],
) -> list[tuple[float, float]]:
    """The samples made nondecreasing; empty if they are no curve at all."""
    fixed: list[tuple[float, float]] = []
    high = 0.0
    for seconds, size in samples:
        if size < high * (1 - NOISE):
            return []
        high = max(high, size)
        fixed.append((seconds, high))
    return fixed
