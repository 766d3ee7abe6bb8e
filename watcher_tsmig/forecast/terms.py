"""What one migration has beside its curve, and what the walk needs of it.

Only values and their preparation live here, nothing that walks. Sources:
libvirt, qemu_migration.c (the cap goes to each disk's mirror and to the
memory); Nova, libvirt driver, `downtime_steps` and its completion timeout;
QEMU, migration/ram.c (headers, pages of zeros).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.model.rules import GIB
from watcher_tsmig.model.rules import NOVA_LEAST_GIB
from watcher_tsmig.model.rules import Rules


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """What one migration has beside its curve; arrays (n,) or one for all.

    :ivar link: bytes/s on the wire that the link has at switchover, where
        QEMU lifts the cap; None: no more than the bandwidth
    :ivar zero: bytes of zero pages in the first pass: a few bytes each
    :ivar blank: share of the resident pages that are zero, too
    :ivar duplicate: share of the pages dirtied later that are zero again
    :ivar throttle: share of the VM's CPUs that auto-converge may take; 0: it
        is not on, or must not take any
    :ivar memory: bytes that Nova counts for its delays, the flavor's; None:
        resident and zero
    :ivar disks: disks copied with it (block migration). libvirt hands the
        cap to each disk's mirror and again to the memory, so that a cap
        for all is divided by disks + 1
    :ivar disk: bytes of all disks; they go before the memory, at once,
        and what is written to them meanwhile is not counted
    :ivar largest_disk: bytes; None: all are alike
    :ivar stream: bytes/s on the wire that one connection carries, of which
        each disk has one; memory may have several
    :ivar uncapped: no disk has a cap, and all share the bandwidth
    :ivar raised: memory has the whole bandwidth once its disks are there,
        as an agent lets it; else it keeps its share
    :ivar downtime_limit: of the host that it leaves, as `Rules` has it, and
        so are the others of `SETTINGS`; None: the rules'
    """

    link: FloatArray | float | None = None
    zero: FloatArray | float = 0.0
    blank: FloatArray | float = 0.0
    duplicate: FloatArray | float = 0.0
    throttle: FloatArray | float = 0.0
    memory: FloatArray | float | None = None
    disks: FloatArray | float = 0.0
    disk: FloatArray | float = 0.0
    largest_disk: FloatArray | float | None = None
    stream: FloatArray | float = np.inf
    uncapped: npt.NDArray[np.bool_] | bool = False
    raised: npt.NDArray[np.bool_] | bool = False
    downtime_limit: FloatArray | float | None = None
    downtime_steps: FloatArray | float | None = None
    downtime_delay: FloatArray | float | None = None
    completion_timeout: FloatArray | float | None = None
    ceiling: FloatArray | float | None = None
    zero_pre_copy: FloatArray | float | None = None
    zero_post_copy: FloatArray | float | None = None

    def __post_init__(self) -> None:
        for field in TERMS:
            value = getattr(self, field.name)
            if value is not None and not _all(value >= 0):
                raise ValueError(f'{field.name}: a value is negative')
        for name in ('blank', 'duplicate', 'throttle'):
            if not _all(getattr(self, name) <= 1):
                raise ValueError(f'{name}: a share is above 1')
        if self.link is not None and not _all(self.link > 0):
            raise ValueError('link: a link without bandwidth')

    def without_delays(self) -> 'Terms':
        """The same, but the whole downtime limit holds from the start.

        And nothing ends it: what this forecasts no bandwidth undercuts.
        """
        return dataclasses.replace(
            self, downtime_steps=0.0, completion_timeout=np.inf
        )

    def take(self, rows: npt.NDArray[np.intp], n: int) -> 'Terms':
        """Those of these rows of n migrations."""
        values = {f.name: getattr(self, f.name) for f in TERMS}
        return Terms(
            **{
                name: value[rows] if np.shape(value) == (n,) else value
                for name, value in values.items()
            }
        )


TERMS = dataclasses.fields(Terms)


def _all(holds: npt.NDArray[np.bool_] | bool) -> bool:
    """Of an array or one value, whatever is quicker."""
    return holds if isinstance(holds, bool) else bool(holds.all())


# What is each host's own, by its name in `Rules` and in `Terms`.
SETTINGS = (
    'downtime_limit',
    'downtime_steps',
    'downtime_delay',
    'completion_timeout',
    'ceiling',
    'zero_pre_copy',
    'zero_post_copy',
)


def settings(rules: Sequence[Rules]) -> dict[str, FloatArray]:
    """Fields of `Terms`: what is its own of the host that each VM leaves.

    :param rules: of length n
    :returns: arrays of shape (n,)
    """
    return {
        name: np.array([getattr(r, name) for r in rules], dtype=np.float64)
        for name in SETTINGS
    }


PLAIN_TERMS = Terms()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Course:
    """All that the walk needs, as plain numbers; arrays of shape (n,).

    :ivar first: bytes in the stream of the first pass
    :ivar factor: bytes in the stream per byte dirtied later
    :ivar full: how many times that they are at full size, by which QEMU
        decides whether to stop: zeros make rounds shorter, not the stop
        milder
    :ivar idle: s that the pages of zeros of the first pass take; those that
        are dirtied later are too few to count
    :ivar rate: memory's bytes/s in the stream
    :ivar first_rate: the same in the first pass, with these s in it
    :ivar last_rate: the same at switchover, never less than `rate`
    :ivar begin: s that pass before the first pass (disks)
    :ivar limit: s, the downtime limit in the end
    :ivar delay: s between two steps of the limit
    :ivar steps: steps of the limit, 0 where it does not rise
    :ivar timeout: s after which Nova ends it
    :ivar throttle: share of the VM's CPUs that may be taken
    :ivar max_rounds: see `Rules`
    """

    first: FloatArray
    factor: FloatArray
    full: FloatArray
    idle: FloatArray
    rate: FloatArray
    first_rate: FloatArray
    last_rate: FloatArray
    begin: FloatArray
    limit: FloatArray
    delay: FloatArray
    steps: FloatArray
    timeout: FloatArray
    throttle: FloatArray
    max_rounds: int

    def take(self, rows: npt.NDArray[np.intp]) -> 'Course':
        """Those of these rows."""
        arrays = {name: getattr(self, name)[rows] for name in ARRAYS}
        return dataclasses.replace(self, **arrays)


ARRAYS = tuple(
    f.name for f in dataclasses.fields(Course) if f.name != 'max_rounds'
)


def course(
    curves: Curves,
    bandwidth: FloatArray,
    rules: Rules,
    terms: Terms,
    *,
    switched: bool = False,
) -> Course:
    """The numbers of each migration at its bandwidth, shape (n,).

    :param switched: what goes after the switch to post-copy, where pages of
        zeros take another time
    """
    n = (len(curves),)

    def of(name: str) -> FloatArray:
        own = getattr(terms, name)
        return _spread(getattr(rules, name) if own is None else own, n)

    empty = rules.zero_page / rules.page
    share = bandwidth / channels(terms)
    ceiling = of('ceiling')
    rate = np.minimum(share, ceiling) * rules.efficiency
    link = rate if terms.link is None else terms.link * rules.efficiency
    last_rate = np.maximum(np.minimum(link, ceiling * rules.efficiency), rate)
    memory = terms.memory
    if memory is None:
        memory = curves.resident + terms.zero
    weight = np.maximum((memory + terms.disk) / GIB, NOVA_LEAST_GIB)
    weight = _spread(weight, n)
    duplicate = np.asarray(terms.duplicate)
    factor = rules.carried + duplicate * (empty - rules.carried)
    first = (
        curves.resident * weight_once(rules, terms)
        + np.asarray(terms.zero) * empty
    )
    zeros = curves.resident * np.asarray(terms.blank) + terms.zero
    each = of('zero_post_copy' if switched else 'zero_pre_copy') / rules.page
    return Course(
        first=first,
        factor=_spread(factor, n),
        full=_spread(rules.carried / factor, n),
        idle=_spread(each * zeros, n),
        rate=rate,
        first_rate=_slower(rate, each * zeros, first),
        last_rate=last_rate,
        begin=_spread(copying(bandwidth, rules, terms), n),
        limit=of('downtime_limit'),
        delay=np.floor(of('downtime_delay') * weight),
        steps=of('downtime_steps'),
        timeout=of('completion_timeout') * weight,
        throttle=_spread(terms.throttle, n),
        max_rounds=rules.max_rounds,
    )


def _slower(
    rate: FloatArray, seconds: FloatArray, data: FloatArray
) -> FloatArray:
    """Bytes/s at which that data takes so many s more."""
    if not np.any(seconds):
        return rate
    each = np.divide(seconds, data, out=np.zeros(len(rate)), where=data > 0)
    out: FloatArray = rate / (1 + rate * each)
    return out


def weight_once(rules: Rules, terms: Terms) -> FloatArray:
    """Bytes in the stream per byte of resident memory, in a first pass."""
    empty = rules.zero_page / rules.page
    blank = np.asarray(terms.blank)
    out: FloatArray = rules.carried + blank * (empty - rules.carried)
    return out


def channels(terms: Terms) -> FloatArray:
    """By what the bandwidth is divided for the memory."""
    streams = np.asarray(terms.disks, dtype=np.float64) + 1.0
    return np.where(np.asarray(terms.raised), 1.0, streams)


def copying(bandwidth: FloatArray, rules: Rules, terms: Terms) -> FloatArray:
    """How long the disks take, s, before any memory is sent.

    Under a cap all wait for the largest, which has its share of it, and no
    more than one connection carries.
    """
    count, disk = np.asarray(terms.disks), np.asarray(terms.disk)
    largest = terms.largest_disk
    if largest is None:
        largest = disk / np.maximum(count, 1.0)
    whole = np.where(terms.uncapped, disk, largest * (count + 1.0))
    shared = whole / (bandwidth * rules.efficiency)
    alone = largest / (np.asarray(terms.stream) * rules.efficiency)
    out: FloatArray = np.maximum(shared, alone)
    return out


def _spread(value: FloatArray | float, shape: tuple[int]) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    return array if array.shape == shape else np.full(shape, array)


def limit_after(how: Course, elapsed: FloatArray) -> FloatArray:
    """The downtime limit in force, s; Nova counts whole milliseconds."""
    if not how.steps.any():
        return how.limit
    with np.errstate(divide='ignore', invalid='ignore'):
        step = np.floor(elapsed / how.delay)
    return limit_at(how, np.where(how.delay > 0, step, how.steps))


def limit_at(how: Course, step: FloatArray) -> FloatArray:
    """The downtime limit after so many steps, s.

    Source: Nova, virt/libvirt/migration.py, downtime_steps.

    :param step: shape (n,), or (k, 1) for k steps of all
    :returns: shape (n,) or (k, n)
    """
    steps = np.maximum(how.steps, 1.0)
    base = how.limit / steps * 1000
    offset = (how.limit * 1000 - base) / steps
    risen = np.floor(base + offset * step) / 1000
    return np.where(step >= how.steps, how.limit, risen)
