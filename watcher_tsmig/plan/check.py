"""The judge of plans: replays one and says what is wrong with it.

Shares nothing with what makes plans: it imports values only, walks the
rounds of every migration with its own arithmetic and follows every NIC,
host and slot from start to end. Whatever it accepts can be carried out;
whatever it finds is a sentence that names the migration.
"""

import bisect
import dataclasses
import math
from collections.abc import Callable
from collections.abc import Iterator

from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan

# Two numbers of a plan agree when they differ by less than this share.
AGREE = 1e-6
WAITING_ROUNDS = 256  # that wait for a step of the limit; then all are alike
Totals = tuple[float, float, float]
Points = list[tuple[float, float]]


def check(cloud: Cloud, plan: Plan, rules: Rules | None = None) -> list[str]:
    """What is wrong with the plan; an empty list when nothing is.

    :param rules: the hypervisor's; its downtime limit is the request's
    """
    rules = dataclasses.replace(
        rules or Rules(), downtime_limit=plan.request.downtime_limit
    )
    found: list[str] = []
    for rule in CHECKS:
        found += rule(cloud, plan, rules)
        if found and rule is _everyone:
            break  # the rest would stumble over unknown VMs and hosts
    return found


def _near(one: float, other: float, by: float) -> bool:
    return math.isclose(one, other, rel_tol=AGREE, abs_tol=max(by, 1e-6))


def _everyone(cloud: Cloud, plan: Plan, rules: Rules) -> Iterator[str]:
    """Each VM of the emptied hosts moves or stays, once; nobody else."""
    expected = {v.id for v in cloud.vms if v.host in plan.request.hosts}
    named = [m.vm for m in plan.migrations]
    named += [x.vm for x in plan.left_out]
    for vm in sorted(expected - set(named)):
        yield f'{vm}: neither moves nor is left out'
    for vm in sorted(set(named) - expected):
        yield f'{vm}: is not on a host to be emptied'
    for vm in sorted({v for v in named if named.count(v) > 1}):
        yield f'{vm}: appears more than once'
    hosts = {h.name for h in cloud.hosts}
    for m in plan.migrations:
        if m.destination not in hosts:
            yield f'{m.vm}: {m.destination} is not a host'
        for other in m.after:
            if other not in {k.vm for k in plan.migrations}:
                yield f'{m.vm}: waits for {other}, which does not move'


def _permitted(cloud: Cloud, plan: Plan, rules: Rules) -> Iterator[str]:
    """Only VMs that can move do, to hosts that may receive them."""
    request = plan.request
    for m in plan.migrations:
        vm, to = cloud.vm(m.vm), cloud.host(m.destination)
        origin = cloud.host(m.source)
        bad = (
            (m.source != vm.host, f'is on {vm.host}, not {m.source}'),
            (not vm.active, 'is not active'),
            (vm.locked, 'is locked'),
            (vm.excluded, 'is excluded'),
            (not origin.up, f'{m.source} is down'),
            (not (to.enabled and to.up), f'{to.name} cannot receive'),
            (to.name in request.hosts, f'{to.name} is to be emptied'),
            (
                bool(request.destinations)
                and to.name not in request.destinations,
                f'{to.name} is not an allowed destination',
            ),
            (
                request.only_mode not in (None, m.mode),
                f'is not {request.only_mode}',
            ),
        )
        yield from (f'{m.vm}: {text}' for wrong, text in bad if wrong)
        if m.mode is Mode.POST_COPY and not (
            request.allow_post_copy
            and vm.post_copy
            and origin.post_copy
            and to.post_copy
        ):
            yield f'{m.vm}: post-copy is not permitted'


def _written(vm: Vm, plan: Plan) -> tuple[float, Callable[[float], float]]:
    """(resident bytes, distinct bytes dirtied within t seconds)."""
    known = vm.working_set
    resident = known.resident if known else vm.memory
    samples = list(known.samples) if known else []
    if not samples:
        rate = min(plan.request.assume_dirty_rate, resident)
        samples = [(1.0, rate)]
    upper = _majorant(
        [(0.0, 0.0)] + [(t, min(d, resident)) for t, d in samples]
    )
    times = [t for t, _ in upper]

    def dirtied(seconds: float) -> float:
        if len(upper) == 1:
            return 0.0
        i = min(max(bisect.bisect_left(times, seconds), 1), len(upper) - 1)
        (t0, d0), (t1, d1) = upper[i - 1], upper[i]
        value = d0 + (seconds - t0) * (d1 - d0) / (t1 - t0)
        return min(value, resident)

    return resident, dirtied


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


def _walk(vm: Vm, plan: Plan, rules: Rules, bandwidth: float) -> Totals | None:
    """(total s, downtime s, bytes) of a pre-copy; None if it never ends."""
    resident, dirtied = _written(vm, plan)
    rate, gib = rules.rate(bandwidth), rules.weight(vm.memory)
    total, sent, rest = 0.0, 0.0, resident * rules.carried
    rounds, waited = 0, 0
    while rounds < rules.max_rounds:
        seconds, now = rest / rate, rules.limit_at(total, gib)
        fits = seconds <= rules.downtime_limit * (1 + AGREE)
        if fits and waited >= WAITING_ROUNDS:
            while seconds > rules.limit_at(total, gib) * (1 + AGREE):
                total, sent = total + seconds, sent + rest
        total, sent = total + seconds, sent + rest
        if fits and (waited >= WAITING_ROUNDS or seconds <= now * (1 + AGREE)):
            late = total > rules.completion_timeout * gib
            return None if late else (total, seconds, sent)
        rounds, waited = rounds + (not fits), waited + fits
        rest = dirtied(seconds) * rules.carried
    return None


def _caps(cloud: Cloud, plan: Plan, rules: Rules) -> Iterator[str]:
    """Every cap holds its LCB and the ceiling; the LCB is the least."""
    for m in plan.migrations:
        if m.cap > plan.request.ceiling * (1 + AGREE):
            yield f'{m.vm}: cap above the ceiling'
        if m.cap < m.lcb * (1 - AGREE) or m.cap <= 0:
            yield f'{m.vm}: cap below its LCB'
        if m.mode is Mode.POST_COPY:
            continue
        vm = cloud.vm(m.vm)
        if _walk(vm, plan, rules, m.lcb * (1 + AGREE)) is None:
            yield f'{m.vm}: does not converge at its LCB'
        # a timeout is kept with a round to spare; no writer needs no LCB
        timed = rules.downtime_steps and rules.completion_timeout < math.inf
        if timed or _written(vm, plan)[1](plan.request.downtime_limit) <= 0:
            continue
        if _walk(vm, plan, rules, m.lcb * (1 - 1e-3)) is not None:
            yield f'{m.vm}: would converge below its LCB'


def _forecast(cloud: Cloud, plan: Plan, rules: Rules) -> Iterator[str]:
    """Times, bytes and downtime agree with the rounds walked here."""
    for m in plan.migrations:
        vm = cloud.vm(m.vm)
        walked: Totals | None
        if m.mode is Mode.POST_COPY:
            sent = _written(vm, plan)[0] * rules.carried
            walked = (sent / rules.rate(m.cap), rules.post_copy_outage, sent)
        else:
            walked = _walk(vm, plan, rules, m.cap)
        if walked is None:
            yield f'{m.vm}: does not converge at its cap'
            continue
        mine = (m.takes - rules.overhead, m.downtime, m.data)
        names = ('duration', 'downtime', 'data')
        # a step of the limit is met or missed by a hair, which is a round
        slack = rules.downtime_limit if rules.downtime_steps else 0.0
        for name, one, other in zip(names, mine, walked, strict=True):
            by = slack * (m.cap if name == 'data' else 1.0)
            if not _near(one, other, by):
                yield f'{m.vm}: {name} is {one:g}, replayed {other:g}'
        if not m.takes_low * (1 - AGREE) <= m.takes:
            yield f'{m.vm}: duration below its interval'
        if not m.takes <= m.takes_high * (1 + AGREE):
            yield f'{m.vm}: duration above its interval'


def _overlapping(plan: Plan, moment: float) -> list[Migration]:
    return [m for m in plan.migrations if m.start <= moment < m.end]


def _concurrency(cloud: Cloud, plan: Plan, rules: Rules) -> Iterator[str]:
    """Caps on concurrent migrations, slots, deadline, at every start."""
    request = plan.request
    for m in plan.migrations:
        now = _overlapping(plan, m.start)
        counts = (
            (
                sum(k.source == m.source for k in now),
                request.max_per_source,
                f'leave {m.source}',
            ),
            (
                sum(k.destination == m.destination for k in now),
                request.max_per_destination,
                f'enter {m.destination}',
            ),
            (len(now), request.max_in_cluster, 'run'),
            (sum(k.slot == m.slot for k in now), 1, f'hold slot {m.slot}'),
        )
        for count, most, what in counts:
            if count > most:
                yield f'{m.vm}: {count} {what} at once, at most {most} may'
        if not 1 <= m.slot <= request.max_in_cluster:
            yield f'{m.vm}: there is no slot {m.slot}'
        if m.start < 0 or not math.isfinite(m.end):
            yield f'{m.vm}: starts at {m.start:g}, ends at {m.end:g}'
        if m.end > request.deadline * (1 + AGREE):
            yield f'{m.vm}: ends after the deadline'


def _applications(
    cloud: Cloud, plan: Plan, moment: float
) -> tuple[dict[str, float], dict[str, float]]:
    """tx and rx of the applications on each host just after `moment`."""
    tx = {h.name: h.nic.background_tx if h.nic else 0.0 for h in cloud.hosts}
    rx = {h.name: h.nic.background_rx if h.nic else 0.0 for h in cloud.hosts}
    moves = {m.vm: m for m in plan.migrations}
    for vm in cloud.vms:
        at, m = vm.host, moves.get(vm.id)
        if m is not None:
            leaves = m.start if m.mode is Mode.POST_COPY else m.end
            at = m.destination if moment >= leaves else at
        unknown = plan.request.assume_traffic
        tx[at] += vm.traffic.tx if vm.traffic else unknown
        rx[at] += vm.traffic.rx if vm.traffic else unknown
    return tx, rx


def _nics(cloud: Cloud, plan: Plan, rules: Rules) -> Iterator[str]:
    """The caps fit what the applications leave, at every start and end."""
    moments = {m.start for m in plan.migrations}
    moments |= {m.end for m in plan.migrations}
    for moment in sorted(moments):
        now = _overlapping(plan, moment)
        tx, rx = _applications(cloud, plan, moment)
        for side, app in (('source', tx), ('destination', rx)):
            used: dict[str, float] = {}
            for m in now:
                host = getattr(m, side)
                used[host] = used.get(host, 0.0) + m.cap
            for host, rate in used.items():
                limit = _limit(cloud.host(host), plan, app[host])
                if rate > limit * (1 + AGREE) + 1.0:
                    yield (
                        f'{host}: as {side} at {moment:g} s migrations use '
                        f'{rate:.0f} bytes/s of {limit:.0f}'
                    )


def _limit(host: Host, plan: Plan, app: float) -> float:
    request = plan.request
    capacity = host.nic.capacity if host.nic else request.assume_nic
    left = request.nic_share * (capacity - app)
    return max(left, request.nic_floor * capacity)


def _room(cloud: Cloud, plan: Plan, rules: Rules) -> Iterator[str]:
    """Each destination has memory and CPUs for all that it gets."""
    for host in cloud.hosts:
        coming = [m for m in plan.migrations if m.destination == host.name]
        if not coming:
            continue
        there = [v for v in cloud.vms if v.host == host.name]
        there += [cloud.vm(m.vm) for m in coming]
        memory = sum(v.memory for v in there)
        vcpus = sum(v.vcpus for v in there)
        if memory > host.memory * (1 + AGREE):
            yield f'{host.name}: gets {memory:.0f} bytes of VMs'
        if vcpus > host.vcpus * (1 + AGREE):
            yield f'{host.name}: gets {vcpus:g} vCPUs of VMs'


def _order(cloud: Cloud, plan: Plan, rules: Rules) -> Iterator[str]:
    """`after` is honoured, and keeps NICs and slots apart when late."""
    by_vm = {m.vm: m for m in plan.migrations}
    ancestors: dict[str, set[str]] = {}
    for m in sorted(plan.migrations, key=lambda m: m.start):
        known = set(m.after)
        for other in m.after:
            if by_vm[other].end > m.start * (1 + AGREE) + AGREE:
                yield f'{m.vm}: starts before {other} ends'
            known |= ancestors.get(other, set())
        ancestors[m.vm] = known
    for m in plan.migrations:
        for k in plan.migrations:
            shares = (
                m.source == k.source
                or m.destination == k.destination
                or m.slot == k.slot
            )
            before = k.end <= m.start and k is not m
            if shares and before and k.vm not in ancestors[m.vm]:
                yield f'{m.vm}: nothing makes it wait for {k.vm}'


def _bound(cloud: Cloud, plan: Plan, rules: Rules) -> Iterator[str]:
    """The lower bound is not above what the plan reaches."""
    if plan.lower_bound > plan.makespan * (1 + AGREE):
        yield (
            f'lower bound {plan.lower_bound:g} s is above the makespan '
            f'{plan.makespan:g} s'
        )


Check = Callable[[Cloud, Plan, Rules], Iterator[str]]

CHECKS: tuple[Check, ...] = (
    _everyone,
    _permitted,
    _caps,
    _forecast,
    _concurrency,
    _nics,
    _room,
    _order,
    _bound,
)
