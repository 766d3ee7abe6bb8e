"""What is known of a VM's writing, from gauges on its instance resource.

Arithmetic on measures, and the questions for them. `memory.dirty.t8` is the
MiB that the VM dirtied in 8 s; the gauges of one VM are sampled at different
moments and with noise, so they leave here as single observations: what
curve they give is the forecast's to say.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

from watcher_tsmig.model.history import Point
from watcher_tsmig.model.observed import Kind
from watcher_tsmig.model.observed import Observation
from watcher_tsmig.telemetry.settings import NEWEST
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Source
from watcher_tsmig.units import from_mib


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """One VM's measured writing, not yet a curve.

    :ivar resident: bytes that a first pass sends
    :ivar observations: by time, oldest first; at least one
    :ivar source: who told it
    """

    resident: float
    observations: tuple[Observation, ...]
    source: str = 'unknown'


def read_writing(
    source: Source,
    memory: Mapping[str, float],
    settings: Settings,
    now: float,
) -> dict[str, Writing]:
    """The writing of those of the VMs that somebody measured lately.

    :param memory: bytes of memory by id of the VM
    :param now: seconds since the epoch
    :raises errors.CloudError: the source does not answer in time
    """
    told = {
        vm: measures
        for vm, measures in source.gauges(
            list(memory), list(settings.dirty_metrics()), now
        ).items()
        if any(measures.values())
    }
    # without one dirty span, a VM's resident memory is of no use
    sizes = source.gauges(list(told), _sizes(settings), now)
    return {
        vm: dataclasses.replace(writing, source=source.name)
        for vm, measures in told.items()
        if (
            writing := writing_of(
                {**measures, **sizes.get(vm, {})}, memory[vm], settings, now
            )
        )
    }


def writing_of(
    measures: Mapping[str, Sequence[Point]],
    memory: float,
    settings: Settings,
    now: float,
) -> Writing | None:
    """The observations in the measures of each metric, or None.

    :param measures: by metric name, oldest first, in MiB
    :param memory: of the VM's flavor, bytes; an upper bound for all others
    """
    observations = [
        Observation(
            at=min(start + span, now),
            seconds=seconds,
            dirtied=min(from_mib(max(value, 0.0)), memory),
            # Nobody says how the gauge was made: the noisier way.
            kind=Kind.SAMPLING,
        )
        for name, seconds in settings.dirty_metrics().items()
        for start, span, value in measures.get(name, ())[-NEWEST:]
        if now - (start + span) <= settings.dirty_age
    ]
    if not observations:
        return None
    return Writing(
        resident=_resident(measures, memory, settings, now),
        observations=tuple(
            sorted(observations, key=lambda o: (o.at, o.seconds))
        ),
    )


def _sizes(settings: Settings) -> tuple[str, ...]:
    """Metrics of what a first pass sends, the best one first.

    What is resident may hold zeros, which cost next to nothing to send.
    """
    both = (settings.nonzero_metric, settings.resident_metric)
    return tuple(name for name in both if name)


def _resident(
    measures: Mapping[str, Sequence[Point]],
    memory: float,
    settings: Settings,
    now: float,
) -> float:
    """The last measure of such memory, bytes; all of it if unknown."""
    for name in _sizes(settings):
        for start, span, value in measures.get(name, ())[-1:]:
            if value > 0 and now - (start + span) <= settings.dirty_age:
                # QEMU's own memory counts too, so it may exceed the flavor
                return min(from_mib(value), memory)
    return memory
