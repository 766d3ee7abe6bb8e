"""The judge's own forecasts: the rounds of every migration, walked here.

Shares no line with `forecast`: other arithmetic, one VM at a time. Here
too what limits one cap by itself; what several share is in rates.py.
"""

import bisect
import math
from collections.abc import Iterator

from watcher_tsmig.model import Vm
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.check.view import AGREE
from watcher_tsmig.plan.check.view import View
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason

WAITING_ROUNDS = 256  # that wait for a step of the limit; then all are alike
# So are two that differ by less than this share.
ALIKE = 1e-9
# One that holds this much less than its LCB, relatively, must not converge.
BELOW_LCB = 1e-3
MOST_TAKEN = 0.99  # of a VM's CPUs, by QEMU's auto-converge
#: s in all, s of pause, s of the slow phase, bytes
Totals = tuple[float, float, float, float]
Points = list[tuple[float, float]]


class Written:
    """What a VM writes: distinct bytes dirtied within some seconds.

    And the disks that go before its memory.
    """

    def __init__(
        self, vm: Vm, request: Request, *, capped: bool, stream: float
    ) -> None:
        known, sizes = vm.working_set, vm.going_along
        self.disk = sum(sizes)
        self.largest, self.stream = max(sizes, default=0.0), stream
        # as many caps as disks and one more, and the largest takes longest
        self.slowest = self.largest * (len(sizes) + 1)
        self.first = self.slowest if capped else self.disk
        self.memory = vm.memory
        self.resident = known.resident if known else vm.memory
        samples = list(known.samples) if known else []
        if vm.state == 'paused':
            samples = [(1.0, 0.0)]
        elif not samples:
            rate = min(request.assume_dirty_rate, self.resident)
            samples = [(1.0, rate)]
        # what no first pass sends is zeros, and they take time, too
        self.empty = max(vm.memory - self.resident, 0.0)
        # of pages of zeros goes the header and what they are filled with
        self.blank = self.blanked = 0.0
        if vm.contents and known and known.samples and vm.state != 'paused':
            full = vm.memory * (1 - vm.contents.surely_zero)
            self.blank = max(1 - full / self.resident, 0.0)
            self.blanked = vm.contents.surely_blanked
        self._upper = _majorant(
            [(0.0, 0.0)] + [(t, min(d, self.resident)) for t, d in samples]
        )
        self._times = [t for t, _ in self._upper]

    def ahead(self, rate: float) -> float:
        """s before its memory goes, at so many bytes/s in all.

        A disk has one connection, and no more than that carries.
        """
        return max(self.first / rate, self.largest / self.stream)

    def all(self, rules: Rules) -> float:
        """Bytes of its memory in the stream, sent once."""
        empty = self.empty * _weight(rules, 1.0)
        return self.resident * _weight(rules, self.blank) + empty

    def zeros(self, rules: Rules, *, switched: bool = False) -> float:
        """s that the pages of zeros take once, beside the transfer."""
        each = rules.zero_post_copy if switched else rules.zero_pre_copy
        return (self.resident * self.blank + self.empty) / rules.page * each

    def again(self, seconds: float, rules: Rules) -> float:
        """Bytes in the stream of what is dirtied within so many s."""
        return self.within(seconds) * _weight(rules, self.blanked)

    def full(self, rules: Rules) -> float:
        """How many times `again` QEMU counts when it decides to stop."""
        return rules.carried / _weight(rules, self.blanked)

    def within(self, seconds: float) -> float:
        """Distinct bytes dirtied within so many s."""
        upper = self._upper
        if len(upper) == 1:
            return 0.0
        i = bisect.bisect_left(self._times, seconds)
        i = min(max(i, 1), len(upper) - 1)
        (t0, d0), (t1, d1) = upper[i - 1], upper[i]
        value = d0 + (seconds - t0) * (d1 - d0) / (t1 - t0)
        return min(value, self.resident)


def _weight(rules: Rules, zeros: float) -> float:
    """Bytes in the stream per byte of which that share is zeros."""
    return rules.carried * (1 - zeros) + zeros * rules.zero_page / rules.page


def _majorant(points: Points) -> Points:
    """Gift wrapping from the left: always the steepest next point."""
    out, i = [points[0]], 0
    while i < len(points) - 1:
        slopes = [
            (points[j][1] - points[i][1]) / (points[j][0] - points[i][0])
            for j in range(i + 1, len(points))
        ]
        steepest = max(slopes)
        i += 1 + max(k for k, s in enumerate(slopes) if s == steepest)
        out.append(points[i])
    return out


def _walk(writes: Written, rules: Rules, bandwidth: float) -> Totals | None:
    """What comes of a pre-copy; None if it never ends."""
    if bandwidth <= 0:
        return None
    rate = rules.rate(bandwidth)
    gib = rules.weight(writes.memory + writes.disk)
    total, sent = writes.ahead(rate), writes.disk
    rest, idle = writes.all(rules), writes.zeros(rules)
    rounds, waited, before = 0, 0, math.inf
    full = writes.full(rules)
    while rounds < rules.max_rounds:
        seconds, now = rest / rate + idle, rules.limit_at(total, gib)
        at_full = seconds * full
        fits = at_full <= rules.downtime_limit * (1 + AGREE)
        same = waited >= WAITING_ROUNDS or abs(before - rest) <= ALIKE * rest
        ends = at_full <= now * (1 + AGREE)
        if fits and same and not ends:
            more = _waits(rules, gib, at_full, total, seconds)
            total, sent = total + more * seconds, sent + more * rest
        total, sent = total + seconds, sent + rest
        if fits and (same or ends):
            late = total > rules.completion_timeout * gib
            return None if late else (total, seconds, 0.0, sent)
        rounds, waited, before = rounds + (not fits), waited + fits, rest
        rest = writes.again(seconds, rules)
        idle = 0.0
    return None


def _waits(
    rules: Rules, gib: float, at_full: float, total: float, seconds: float
) -> int:
    """How many rounds, all alike, pass until the limit has risen enough.

    :param at_full: s that the stop would take by QEMU's count
    :param total: s from the start
    :param seconds: that each of them takes
    """
    delay = math.floor(rules.downtime_delay * gib)
    for step in range(rules.downtime_steps + 1):
        if at_full <= rules.limit_at(step * delay, gib) * (1 + AGREE):
            return max(math.ceil((step * delay - total) / seconds), 0)
    return 0


def _slowed(
    writes: Written, rules: Rules, bandwidth: float, most: float
) -> Totals | None:
    """The same while QEMU takes 20 % of its CPUs, then 10 % more each time.

    At every second look, once a second or later, that finds more than half
    of what was sent dirtied; None where it takes more than `most`.
    """
    rate = rules.rate(bandwidth)
    gib = rules.weight(writes.memory + writes.disk)
    total, sent = writes.ahead(rate), writes.disk
    rest, before = writes.all(rules), math.inf
    idle = writes.zeros(rules)
    share, looks, since, went, dirty = 0.0, 0, 0.0, 0.0, 0.0
    for _ in range(rules.max_rounds + WAITING_ROUNDS):
        seconds, now = rest / rate + idle, rules.limit_at(total, gib)
        total, sent = total + seconds, sent + rest
        if seconds * writes.full(rules) <= now * (1 + AGREE):
            late = total > rules.completion_timeout * gib
            return None if late else (total, seconds, 0.0, sent)
        if share > most or (share >= MOST_TAKEN and seconds >= before):
            return None
        since, went, before = since + seconds, went + rest, seconds
        dirty += writes.within(seconds * (1 - share))
        rest = writes.again(seconds * (1 - share), rules)
        idle = 0.0
        if since >= 1.0:
            looks += dirty > went / 2
            since = went = dirty = 0.0
        if looks == 2:
            share = min(share + 0.1 if share else 0.2, MOST_TAKEN)
            looks = 0
    return None


def _switched(writes: Written, rules: Rules, bandwidth: float) -> Totals:
    """One pass, and by post-copy what was dirtied in it.

    A pre-copy that would have ended with the next round has ended. The VM
    waits for the pages that it works with, one behind the other; others
    are sent meanwhile.
    """
    rate = rules.rate(bandwidth)
    gib = rules.weight(writes.memory + writes.disk)
    ahead, sent = writes.ahead(rate), writes.disk
    first = writes.all(rules)
    passed = first / rate + writes.zeros(rules)
    full = writes.full(rules)
    if passed * full <= rules.limit_at(ahead, gib) * (1 + AGREE):
        return ahead + passed, passed, 0.0, sent + first
    rest = min(writes.again(passed, rules), first)
    sent = sent + first + rest
    took, seconds = ahead + passed, rest / rate
    if seconds * full <= rules.limit_at(took, gib) * (1 + AGREE):
        return took + seconds, seconds, 0.0, sent
    pages = min(writes.within(rules.post_copy_grain), rest) / rules.page
    fault = (rules.post_copy_queue + rules.page) / rate
    slow = min(pages * fault, seconds)
    return took + seconds, rules.switchover, slow, sent


def forecasts(view: View) -> Iterator[str]:
    """Caps hold their LCBs and limits; the forecasts are right."""
    for m in view.moves:
        writes = Written(
            view.vms[m.vm],
            view.plan.request,
            capped=view.hosts[m.source].agent,
            stream=_stream(view, m),
        )
        yield from _cap(view, m)
        most = view.plan.request.max_throttle
        if m.reason is Reason.THROTTLED:
            yield from _forced(view, m, writes)
        elif m.mode is Mode.PRE_COPY:
            yield from _lcb(view, m, writes)
        yield from _said(view.rules_of(m), m, writes, most)


def _forced(view: View, m: Migration, writes: Written) -> Iterator[str]:
    """Who is slowed down may be, cannot move otherwise, and then ends."""
    rules, request = view.rules_of(m), view.plan.request
    bound = {c.name for c in request.classes if c.max_outage < math.inf}
    if not rules.auto_converge or view.hosts[m.source].post_copy:
        yield f'{m.id}: auto-converge is not on at {m.source}'
    if not request.max_throttle or view.vms[m.vm].sla in bound:
        yield f'{m.id}: nobody permits to slow it down'
    if _walk(writes, rules, m.cap) is not None:
        yield f'{m.id}: is slowed down, but would converge'
    lcb = m.lcb * (1 + AGREE)
    if _slowed(writes, rules, lcb, request.max_throttle) is None:
        yield f'{m.id}: does not converge at its LCB'


def _stream(view: View, m: Migration) -> float:
    """Bytes/s of a disk that one connection carries on its way."""
    rules = view.rules_of(m)
    most, rtt = rules.stream_ceiling, _rtt(view, m)
    if rtt > 0:
        most = min(most, rules.stream_window / rtt)
    return most * rules.efficiency


def _rtt(view: View, m: Migration) -> float:
    return sum(k.rtt for k in view.links_between(m.source, m.destination))


def _cap(view: View, m: Migration) -> Iterator[str]:
    """The cap is not below the LCB, nor above what a path carries.

    A stream has at most its window under way, so over a path with some
    round-trip time it carries window / time.
    """
    rules = view.rules_of(m)
    if m.most > view.plan.request.ceiling * (1 + AGREE):
        yield f'{m.id}: cap above the ceiling'
    host = view.hosts[m.source]
    if host.bandwidth and not host.agent and not m.mode.early:
        if m.most > host.bandwidth * (1 + AGREE):
            yield f'{m.id}: cap above what Nova gives on {host.name}'
    if m.cap < m.lcb * (1 - AGREE):
        yield f'{m.id}: cap below its LCB'
    if m.most < m.cap:
        yield f'{m.id}: limit below its cap'
    if m.room is not None and not m.room >= m.cap * (1 - AGREE):
        yield f'{m.id}: room below its cap'
    rtt = _rtt(view, m)
    one = _stream(view, m) / rules.efficiency
    if m.most > rules.streams * one * (1 + AGREE):
        yield (
            f'{m.id}: cap above what {rules.streams} streams carry over a '
            f'path of {rtt:g} s'
        )


def _lcb(view: View, m: Migration, writes: Written) -> Iterator[str]:
    """It converges at its LCB, and at nothing less."""
    rules = view.rules_of(m)
    if _walk(writes, rules, m.lcb * (1 + AGREE)) is None:
        yield f'{m.id}: does not converge at its LCB'
    # a timeout is kept with a round to spare; no writer needs no LCB
    timed = rules.downtime_steps and rules.completion_timeout < math.inf
    if timed or writes.within(rules.downtime_limit) <= 0:
        return
    if _walk(writes, rules, m.lcb * (1 - BELOW_LCB)) is not None:
        yield f'{m.id}: would converge below its LCB'


def _said(
    rules: Rules, m: Migration, writes: Written, most: float
) -> Iterator[str]:
    """Times, bytes and downtime agree with the rounds walked here."""
    walked: Totals | None
    if m.mode is Mode.POST_COPY:
        sent = writes.all(rules)
        rate = rules.rate(m.cap)
        took = writes.ahead(rate) + sent / rate
        took += writes.zeros(rules, switched=True)
        slow = max(rules.post_copy_outage - rules.switchover, 0.0)
        pause = rules.post_copy_outage - slow
        walked = (took, pause, slow, sent + writes.disk)
    elif m.mode is Mode.HYBRID:
        walked = _switched(writes, rules, m.cap)
    elif m.reason is Reason.THROTTLED:
        walked = _slowed(writes, rules, m.cap, most)
    else:
        walked = _walk(writes, rules, m.cap)
    if walked is None:
        yield f'{m.id}: does not converge at its cap'
        return
    mine = (m.takes - rules.overhead, m.downtime - m.slow, m.slow, m.data)
    names = ('duration', 'pause', 'slow phase', 'data')
    # a step of the limit is met or missed by a hair, which is a round
    slack = rules.downtime_limit if rules.downtime_steps else 0.0
    for name, one, other in zip(names, mine, walked, strict=True):
        by = max(slack * (m.cap if name == 'data' else 1.0), AGREE)
        if not math.isclose(one, other, rel_tol=AGREE, abs_tol=by):
            yield f'{m.id}: {name} is {one:g}, replayed {other:g}'
    if not m.takes_low * (1 - AGREE) <= m.takes:
        yield f'{m.id}: duration below its interval'
    if not m.takes <= m.takes_high * (1 + AGREE):
        yield f'{m.id}: duration above its interval'
