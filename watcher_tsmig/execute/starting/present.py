"""Whether a migration may start as planned, by what holds just now.

A plan may be hours old. Its cap was made for what the links carried and the
VM wrote then; the agents of both hosts measure both for a second before the
start. What nobody measures is as planned.
"""

import dataclasses
import logging
import math
import types
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute import words
from watcher_tsmig.execute.caps import CapDriver
from watcher_tsmig.execute.starting.admission import Gate
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.units import GIB
from watcher_tsmig.units import human_rate
from watcher_tsmig.units import human_time

LOG = logging.getLogger(__name__)

# s over which is measured; what a VM writes in it
SPAN = 1
# s more that a measurement may take, and between two looks at it
SLACK, LOOK_EVERY = 2.0, 0.25
# s between two measurements of what stands in the way
EVERY = 5.0
# A cap that is off by less is as good; as the governor's step.
STEP = 0.05
# A post-copy with less of its cap holds its VM up more than twice as long.
SHARE = 0.5
# Of a measurement, so many standard errors are taken off.
ERRORS = 2.0
# Pages that QEMU samples (nova-libvirt-telemetry.md, section 2.8)
SAMPLES = 512 / GIB

Told = Mapping[str, Any]
NOTHING: Told = types.MappingProxyType({})
# What an answer brings about that has not the form of one.
SENSELESS = (KeyError, TypeError, AttributeError, ZeroDivisionError)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What one direction of a host's NIC carries now, bytes/s.

    :ivar does: `sends` or `receives`
    """

    host: str
    does: str
    capacity: float
    load: float

    @property
    def free(self) -> float:
        """Bytes/s that are left of it."""
        return max(self.capacity - self.load, 0.0)

    def __str__(self) -> str:
        return (
            f'{self.host} {self.does} {human_rate(self.load)} of '
            f'{human_rate(self.capacity)}'
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What was measured just before a start.

    :ivar links: of the source and of the destination, as far as known
    :ivar writes: bytes/s that the VM wrote at least, distinct within SPAN;
        0: nobody knows
    """

    links: tuple[Link, ...] = ()
    writes: float = 0.0

    @property
    def tight(self) -> Link | None:
        """The link that leaves less; None: nobody knows."""
        return min(self.links, key=lambda link: link.free, default=None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows for an order.

    :ivar order: that can start now; None: none can
    :ivar why: it is another one, or none, for people
    :ivar link: the link that is too full, if it is that
    """

    order: Order | None = None
    why: str = ''
    link: Link | None = None


def judged(order: Order, seen: Present) -> Verdict:
    """Whether it may start as planned, with another cap, or not now.

    A pre-copy whose VM writes more within a second than is sent in it never
    gets down to what fits into a stop of at most a second: what it writes
    per second only grows for shorter times (W is concave; seeds/migvisor).
    First match wins.
    """
    if order.cap is None:
        return Verdict(order=order)
    cap, link, writes = order.cap, seen.tight, seen.writes
    free = link.free if link else math.inf
    most = min(max(cap, order.room or 0.0), free)
    switches = order.mode.switches
    runs_away = not switches and writes > cap
    crowded = free < cap * (1 - STEP)
    least = cap * SHARE if switches else max(order.floor, writes)
    writing = f'it writes {human_rate(writes)} now'
    rows = (
        (not runs_away and not crowded, order, ''),
        (not runs_away and free >= least, _capped(order, free), str(link)),
        (runs_away and most >= least, _capped(order, most), writing),
        (runs_away, None, f'{writing}, and may have {human_rate(most)}'),
        (True, None, str(link)),
    )
    found, why = next((made, why) for holds, made, why in rows if holds)
    if found is None:
        return Verdict(why=why, link=None if runs_away else link)
    if found is not order:
        why = f'cap {_rate(found)} instead of {_rate(order)}: {why}'
    return Verdict(order=found, why=why)


def _rate(order: Order) -> str:
    return human_rate(order.cap or 0.0)


def _capped(order: Order, cap: float) -> Order | None:
    """With another cap; what is slower takes as much longer."""
    if not order.cap or cap <= 0:
        return None
    longer = max(order.cap / cap, 1.0)
    return dataclasses.replace(
        order,
        cap=cap,
        deadline=order.deadline * longer,
        disk_deadline=order.disk_deadline * longer,
        takes=order.takes * longer,
        copies=order.copies * longer,
        settles=order.settles * longer,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    """What one order is changed to before its start.

    :ivar switches: a pre-copy may become a hybrid where it would not end
    """

    caps: CapDriver
    clock: Clock
    pace: Pace
    cancelled: Callable[[], bool]
    switches: bool = False

    def fitted(self, order: Order, gate: Gate) -> tuple[Order, str]:
        """The order as it may start now, and why it is another one.

        :param gate: who is let in, since others' migrations load the links,
            too; who has to wait lets others pass
        :raises errors.DestinationError: its destination's link is full
        :raises errors.MigrationError: it would not end, its source's link is
            full, or the plan was cancelled
        """
        gate.enter()
        if order.cap is None or not self.pace.present:
            return order, ''
        began = self.clock.now()
        while True:
            seen = look(self.caps, order, self.clock)
            verdict = judged(order, seen)
            if verdict.order is not None:
                return verdict.order, verdict.why
            if self.cancelled():
                raise errors.MigrationError(
                    words.sentence(
                        order, 'was not moved, the action plan was cancelled'
                    )
                )
            waited = self.clock.now() - began
            if waited >= self.pace.present:
                return self._last(order, seen, verdict, waited)
            gate.close()
            self.clock.sleep(EVERY)
            gate.enter()

    def _last(
        self, order: Order, seen: Present, verdict: Verdict, waited: float
    ) -> tuple[Order, str]:
        """What is done with an order that does not fit, and has waited."""
        why = f'{verdict.why}, for {human_time(waited)}'
        if self.switches and order.post_copy_permitted and not verdict.link:
            hybrid = dataclasses.replace(order, mode=Mode.HYBRID)
            made = judged(hybrid, seen).order
            if made is not None:
                return made, f'hybrid instead of pre-copy: {why}'
        text = words.sentence(
            order, f'was not moved, {why}; plan again when that is over'
        )
        if verdict.link and verdict.link.host == order.destination:
            raise errors.DestinationError(text, verdict.why)
        raise errors.MigrationError(text)


def look(caps: CapDriver, order: Order, clock: Clock) -> Present:
    """Measure what the links carry and what the VM writes, for SPAN."""
    measures = order.provable and not order.mode.switches
    if measures:
        given = {'vm': order.vm, 'seconds': SPAN}
        begun = _asked(caps, order.source, 'measure_writing', given)
        measures = begun is not None
    ends = (
        (order.source, order.source_link, 'tx', 'sends'),
        (order.destination, order.destination_link, 'rx', 'receives'),
    )
    known = [end for end in ends if end[1]]
    before = [_asked(caps, host, 'traffic') for host, *_ in known]
    if not measures and not any(before):
        return Present()
    clock.sleep(SPAN)
    links = []
    for (host, capacity, way, does), first in zip(known, before, strict=True):
        load = _load(first, first and _asked(caps, host, 'traffic'), way)
        if capacity and load is not None:
            links.append(
                Link(host=host, does=does, capacity=capacity, load=load)
            )
    writes = _written(caps, order, clock) if measures else 0.0
    return Present(links=tuple(links), writes=writes)


def _asked(
    caps: CapDriver, host: str, verb: str, given: Told = NOTHING
) -> Told | None:
    """An agent's answer; None where there is none."""
    try:
        return caps.ask(host, verb, given)
    except (errors.CloudError, Refusal) as error:
        LOG.debug('%s: %s: %s', host, verb, error)
        return None


def _load(first: Told | None, second: Told | None, way: str) -> float | None:
    """Bytes/s of the busiest device between two counts; None: unknown."""
    if first is None or second is None:
        return None
    try:
        passed = second['at'] - first['at']
        rates = [
            (counted[way] - first['carried'][name][way]) / passed
            for name, counted in second['carried'].items()
            if name in first['carried']
        ]
    except SENSELESS:
        return None
    # a counter that went back was started anew
    return max((rate for rate in rates if rate >= 0), default=None)


def _written(caps: CapDriver, order: Order, clock: Clock) -> float:
    """Bytes/s that the VM wrote at least; 0: it was not measured."""
    until = clock.now() + SLACK
    while True:
        found = _asked(caps, order.source, 'writing', {'vm': order.vm}) or {}
        if found.get('status') != 'measuring':
            break
        if clock.now() >= until:
            return 0.0
        clock.sleep(LOOK_EVERY)
    dirtied = found.get('dirtied')
    if found.get('trouble') or not isinstance(dirtied, int | float):
        return 0.0
    # of n pages that were sampled about as many as Poisson's law has it
    error = math.sqrt(max(dirtied, 0.0) / SAMPLES)
    return max(dirtied - ERRORS * error, 0.0) / SPAN
