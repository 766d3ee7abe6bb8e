"""Who moves, whither, and whether that is permitted at all.

No time, no rate and no room here: what can be said of one migration from
the cloud and the request.
"""

import collections
import dataclasses
import math
from collections.abc import Iterator

from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.plan.check.view import View
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Plan

# A VM's migrations: one, or two through a third host.
WAYS: tuple[list[int], ...] = ([], [1], [1, 2])


def known(cloud: Cloud, plan: Plan) -> Iterator[str]:
    """All names are known and all numbers are; without that, no more."""
    vms = {v.id for v in cloud.vms}
    hosts = {h.name for h in cloud.hosts}
    ids = collections.Counter(m.id for m in plan.migrations)
    yield from _everyone(cloud, plan)
    for m in plan.migrations:
        if m.vm not in vms:
            yield f'{m.id}: {m.vm} is not a VM of this cloud'
        for name in (m.source, m.destination):
            if name not in hosts:
                yield f'{m.id}: {name} is not a host'
        for other in m.after:
            if other not in ids:
                yield f'{m.id}: waits for {other}, which does not move'
        if not (m.start >= 0 and m.takes > 0 and math.isfinite(m.end)):
            yield f'{m.id}: starts at {m.start:g}, ends at {m.end:g}'
        if not (m.cap > 0 and m.lcb >= 0 and math.isfinite(m.cap + m.lcb)):
            yield f'{m.id}: has cap {m.cap:g} and LCB {m.lcb:g}'


def _everyone(cloud: Cloud, plan: Plan) -> Iterator[str]:
    """Each VM asked for moves or stays, once; nobody else is named."""
    request = plan.request
    at = {v.id: v.host for v in cloud.vms}
    expected = {v.id for v in cloud.vms if v.host in request.hosts}
    expected |= set(request.vms)
    expected |= {vm for vm, to in request.choices if at.get(vm) != to}
    hops: dict[str, list[int]] = {}
    for m in plan.migrations:
        hops.setdefault(m.vm, []).append(m.hop)
    stay = collections.Counter(x.vm for x in plan.left_out)
    for vm in sorted(expected - set(hops) - set(stay)):
        yield f'{vm}: neither moves nor is left out'
    for vm in sorted((set(hops) | set(stay)) - expected):
        yield f'{vm}: is not on a host to be emptied, nor asked to move'
    for vm in sorted(set(hops) | set(stay)):
        way = sorted(hops.get(vm, ()))
        if len(set(way)) < len(way) or stay[vm] + bool(way) > 1:
            yield f'{vm}: appears more than once'
        elif way not in WAYS:
            yield f'{vm}: has hops {way}; 1, or 1 and 2, make a way'
    ids = {m.id: m.vm for m in plan.migrations}
    for m in plan.migrations:
        if ids[m.id] != m.vm:
            yield f'{m.id}: is the id of two migrations'


def permitted(view: View) -> Iterator[str]:
    """Only VMs that can move do, from where they are."""
    request = view.plan.request
    outage = view.rules.post_copy_outage
    under_way = {p.vm for p in view.cloud.passages}
    classes = {c.name: c.max_outage for c in request.classes}
    for m in view.moves:
        vm, origin = view.vms[m.vm], view.hosts[m.source]
        to = view.hosts[m.destination]
        post = m.mode.switches
        bad = (
            (not vm.active, 'is not active'),
            (vm.id in under_way, 'is under way already'),
            (vm.locked, 'is locked'),
            (vm.excluded, 'is excluded'),
            (not origin.up, f'{m.source} is down'),
            (
                request.only_mode not in (None, m.mode),
                f'is not {request.only_mode}',
            ),
            (
                post
                and not (
                    request.allow_post_copy
                    and vm.post_copy
                    and vm.state != 'paused'
                    and origin.post_copy
                    and to.post_copy
                ),
                'post-copy is not permitted',
            ),
            (
                post and classes.get(vm.sla or '', math.inf) < outage,
                f'post-copy takes {outage:g} s from a VM of class {vm.sla}',
            ),
        )
        yield from (f'{m.id}: {text}' for wrong, text in bad if wrong)


def destinations(view: View) -> Iterator[str]:
    """Each goes to a host that may receive it, by any hop.

    A host that gives VMs away by their names does not get others, for
    they would take its room; the operator's own choice may say otherwise.
    """
    request = view.plan.request
    choices: dict[str, set[str]] = {}
    for chosen, host in request.choices:
        choices.setdefault(chosen, set()).add(host)
    gives = {view.vms[v].host for v in request.vms if v in view.vms}
    for rows in view.hops.values():
        for i in rows:
            m = view.moves[i]
            mine = choices.get(m.vm, set())
            yield from _receives(view, m, chosen=bool(mine))
            for name in m.alternatives:
                if mine or len(rows) > 1 or name == m.destination:
                    yield f'{m.id}: {name} is no alternative'
                instead = dataclasses.replace(m, destination=name)
                yield from _receives(view, instead, chosen=False)
            if m.destination in gives and m.destination not in mine:
                yield f'{m.id}: {m.destination} gives VMs away'
        last = view.moves[rows[-1]]
        for host in sorted(choices.get(last.vm, set()) - {last.destination}):
            yield f'{last.id}: the operator chose {host} for it'


def _receives(view: View, m: Migration, *, chosen: bool) -> Iterator[str]:
    request, to = view.plan.request, view.hosts[m.destination]
    bad = (
        (not (to.enabled and to.up), f'{to.name} cannot receive'),
        (to.name in request.hosts, f'{to.name} is to be emptied'),
        (to.name == m.source, f'{to.name} is where it is'),
        (
            bool(request.destinations)
            and to.name not in request.destinations
            and not chosen,
            f'{to.name} is not an allowed destination',
        ),
        *_suits(view.vms[m.vm], to),
    )
    yield from (f'{m.id}: {text}' for wrong, text in bad if wrong)


def _suits(vm: Vm, to: Host) -> Iterator[tuple[bool, str]]:
    """What the scheduler asks of a host for this VM, but for room."""
    yield (
        vm.zone not in (None, to.zone),
        f'{to.name} is not in zone {vm.zone}',
    )
    yield (
        vm.allowed is not None and to.name not in vm.allowed,
        f"{to.name} is not one of the hosts that suit its flavor's traits",
    )


def hops(view: View) -> Iterator[str]:
    """A VM's hops join: each starts where, and after, the last ended."""
    for rows in view.hops.values():
        there = view.vms[view.moves[rows[0]].vm].host
        for j, i in enumerate(rows):
            m = view.moves[i]
            if m.source != there:
                yield f'{m.id}: is on {there}, not {m.source}'
            there = m.destination
            if not j:
                continue
            first = rows[j - 1]
            if view.over[first] > m.start:
                yield f'{m.id}: starts before its first hop ends'
            if not view.before[i] >> first & 1:
                yield f'{m.id}: nothing makes it wait for its first hop'
