"""Which VMs leave overloaded hosts, and where each goes.

A host is overloaded if a load was above `high` for `held` seconds. Its
cheapest VMs that bring it down to `low` leave, for hosts that stay at or
below `low` with them; so what arrives can grow by all that lies between
both before anybody is overloaded again, and nothing moves in circles. How
a VM travels, and when, is the planner's. Source: MigVisor, "VM Migration
Candidate Selection".
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.model.history import Load
from watcher_tsmig.model.history import Moved
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.problem import eligibility
from watcher_tsmig.plan.relief import candidates
from watcher_tsmig.plan.relief.busy import Busy
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plan.relief.busy import Relief
from watcher_tsmig.plan.relief.candidates import Amounts
from watcher_tsmig.plan.relief.candidates import Candidate
from watcher_tsmig.plan.relief.floor import EQUAL
from watcher_tsmig.plan.relief.floor import Floor
from watcher_tsmig.plan.relief.hotspots import Watch
from watcher_tsmig.plan.relief.loads import LOADS
from watcher_tsmig.plan.relief.loads import Usage
from watcher_tsmig.plan.relief.offers import Conditions
from watcher_tsmig.plan.relief.offers import offers
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason

# Where a host cannot be brought down to `low`, this share of what can leave
# it is enough, so that nothing tiny moves for the last crumb.
NEARLY_ALL = 0.95
# How often another set is asked for because one VM of the last found no
# host beside the others.
MOST_TRIES = 20


def relieve(
    cloud: Cloud,
    usage: Usage,
    moves: Sequence[Moved],
    limits: Limits,
    request: Request,
    *,
    now: float,
    rules: Rules | None = None,
) -> Relief:
    """What to move off the hosts that are too busy.

    :param moves: what is known to have moved; older ones than the
        cool-down do not count
    :param request: as for the planner; its `vms` are those that may move
    :param now: s since the epoch
    """
    return _Relieving(
        cloud, usage, moves, limits, request, now, rules
    ).result()


class _Relieving:
    """One call of `relieve`."""

    def __init__(
        self,
        cloud: Cloud,
        usage: Usage,
        moves: Sequence[Moved],
        limits: Limits,
        request: Request,
        now: float,
        rules: Rules | None,
    ) -> None:
        # Nova's clock may be ahead of ours
        lately = [m for m in moves if max(now - m.at, 0) < limits.cool_down]
        self.moved = {m.vm for m in lately}
        self.may_move = set(request.vms)
        self.looked_at = sorted(
            {vm.host for vm in cloud.vms if vm.id in self.may_move}
        )
        self.cloud = cloud
        self.hosts = {host.name: host for host in cloud.hosts}
        self.limits = limits
        self.request = request
        self.rules = dataclasses.replace(
            rules or Rules(), downtime_limit=request.downtime_limit
        )
        self.floor = Floor(cloud, usage, limits, request)
        self.watch = Watch(cloud, usage, self.floor, limits, lately, now)
        self.left_out: list[LeftOut] = []
        self.room = limits.max_vms

    def result(self) -> Relief:
        """Look at every host, the busiest first."""
        found = [
            busy
            for host in self.looked_at
            if (busy := self.watch.busy(host)) is not None
        ]
        found.sort(key=lambda b: (-b.share / b.high, b.host))
        over = [busy for busy in found if busy.reason is None]
        busiest = self.watch.busiest(self.looked_at)
        # what is too busy itself takes nothing, whatever becomes of it
        self.floor.close(busy.host for busy in found)
        done = {busy.host: self._relieved(busy) for busy in over}
        return Relief(
            hosts=tuple(done.get(busy.host, busy) for busy in found),
            busiest=busiest,
            left_out=tuple(self.left_out),
            unmeasured=self.floor.unmeasured,
        )

    def _relieved(self, busy: Busy) -> Busy:
        wanted = self.watch.wanted(busy.host)
        if self.room < 1:
            return dataclasses.replace(busy, reason=Reason.NEXT_AUDIT)
        able = self._able(busy.host, wanted)
        reason, placed = self._chosen(busy.host, able, wanted)
        if not placed:
            return dataclasses.replace(busy, reason=reason)
        if len(placed) > self.room:
            reason = Reason.NEXT_AUDIT
            placed = self._largest(placed, busy.host, wanted)
        before = self._peak(busy.host, wanted)
        for vm, host in placed.items():
            self.floor.move(vm, host)
        after = self._peak(busy.host, wanted)
        if before - after < self.limits.margin - EQUAL:
            for vm in placed:
                self.floor.move(vm, busy.host)
            return dataclasses.replace(busy, reason=Reason.NO_GAIN)
        self.room -= len(placed)
        share = float(self.floor.share(busy.host)[LOADS.index(busy.load)])
        return dataclasses.replace(
            busy, choices=tuple(placed.items()), after=share, reason=reason
        )

    def _peak(self, host: str, wanted: Mapping[Load, float]) -> float:
        shares = self.floor.share(host)
        return max(float(shares[LOADS.index(load)]) for load in wanted)

    def _able(
        self, host: str, wanted: Mapping[Load, float]
    ) -> list[Candidate]:
        """The VMs of the host that would help, can go, and go somewhere."""
        helpful = []
        for vm in self.cloud.vms:
            if vm.host == host and any(
                getattr(self._of(vm.id), _NAMES[load]) > 0 for load in wanted
            ):
                why = self._why_not(vm)
                if why is None:
                    helpful.append(vm)
                else:
                    self._leave_out(vm, *why)
        # the forecasts are what takes time: only for those that need one
        part = dataclasses.replace(self.cloud, vms=tuple(helpful))
        able = []
        for offer in offers(part, host, self._conditions(host)):
            if offer.refusal is None:
                use = self._of(offer.id)
                able.append(dataclasses.replace(offer, relief=use))
            else:
                vm = part.vm(offer.id)
                self._leave_out(vm, offer.refusal, offer.because)
        return able

    def _why_not(self, vm: Vm) -> tuple[Reason, str] | None:
        stays = eligibility.stays(vm, host_up=True)
        if stays is not None:
            return stays.reason, stays.because
        if vm.id not in self.may_move:
            return Reason.EXCLUDED, 'is not among those that may move'
        if vm.id in self.moved:
            return (
                Reason.MOVED_LATELY,
                'has moved, or failed to, within the cool-down',
            )
        if self.floor.best(vm.id) is None:
            return (
                Reason.NO_DESTINATION,
                'no host with room for it stays below the lower threshold',
            )
        return None

    def _leave_out(self, vm: Vm, reason: Reason, because: str) -> None:
        self.left_out.append(
            LeftOut(
                vm=vm.id,
                name=vm.name,
                host=vm.host,
                reason=reason,
                because=because,
            )
        )

    def _of(self, vm: str) -> Amounts:
        """Its measured use: what nobody measured is no relief."""
        tx, rx, cpu = map(float, self.floor.leaving(vm))
        return Amounts(tx=tx, rx=rx, vcpus=cpu)

    def _conditions(self, host: str) -> Conditions:
        """The bandwidth that is left now, and what the request permits."""
        request, load = self.request, self.floor.load_of(host)
        its = self.hosts[host]
        capacity = float(self.floor.capacity_of(host)[0])
        left = max(
            request.nic_share * (capacity - float(load[0])),
            request.nic_floor * capacity,
        )
        return Conditions(
            bandwidth=min(left, request.ceiling),
            rules=self.rules.under(its.nova, its.speeds),
            deadline=request.deadline,
            post_copy=request.allow_post_copy and self.floor.post_capable,
            assume_dirty_rate=request.assume_dirty_rate,
        )

    def _chosen(
        self, host: str, able: list[Candidate], wanted: Mapping[Load, float]
    ) -> tuple[Reason | None, dict[str, str]]:
        """The cheapest set that finds hosts: VM and host, by id."""
        reason = None
        for _ in range(MOST_TRIES):
            selection = candidates.select(able, _amounts(wanted))
            if selection.best is None:
                # less than is wanted is better than nothing of it
                reason = Reason.NO_CANDIDATE
                missing = selection.missing
                wanted = {
                    load: NEARLY_ALL * (much - getattr(missing, _NAMES[load]))
                    for load, much in wanted.items()
                }
                selection = candidates.select(able, _amounts(wanted))
            if selection.best is None or not selection.best.vms:
                return Reason.NO_CANDIDATE, {}
            placed, homeless = self._placed(host, selection.best.vms)
            if homeless is None:
                return reason, placed
            able = [offer for offer in able if offer.id != homeless]
        return Reason.NO_CANDIDATE, {}

    def _placed(
        self, source: str, vms: Sequence[str]
    ) -> tuple[dict[str, str], str | None]:
        """A host for each VM, the largest first; and one without any."""
        placed: dict[str, str] = {}
        homeless = None
        for vm in sorted(vms, key=lambda v: (-self.floor.size(v), v)):
            host = self.floor.best(vm)
            if host is None:
                homeless = vm
                break
            self.floor.move(vm, host)
            placed[vm] = host
        for vm in placed:
            self.floor.move(vm, source)
        return placed, homeless

    def _largest(
        self,
        placed: Mapping[str, str],
        host: str,
        wanted: Mapping[Load, float],
    ) -> dict[str, str]:
        """As many as may move, those that relieve the host most."""
        capacity = self.floor.capacity_of(host)
        rows = [LOADS.index(load) for load in wanted]

        def relief(vm: str) -> float:
            share: FloatArray = self.floor.leaving(vm) / capacity
            return float(np.max(share[rows]))

        order = sorted(placed, key=lambda vm: (-relief(vm), vm))
        return {vm: placed[vm] for vm in order[: self.room]}


_NAMES = {Load.TX: 'tx', Load.RX: 'rx', Load.CPU: 'vcpus'}


def _amounts(wanted: Mapping[Load, float]) -> Amounts:
    return Amounts(**{_NAMES[load]: x for load, x in wanted.items()})
