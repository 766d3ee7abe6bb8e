"""The strategy that empties hosts: which ones, and how that is told."""

import dataclasses
import math
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.model import Host
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.cold import Cold
from watcher_tsmig.plan.cold import cold
from watcher_tsmig.plan.cold import followers
from watcher_tsmig.plan.make import gentlest
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plugin import story
from watcher_tsmig.plugin.audits import moments
from watcher_tsmig.plugin.audits import targets
from watcher_tsmig.plugin.audits.strategy import TrafficSensitiveStrategy
from watcher_tsmig.plugin.audits.targets import NothingToDo
from watcher_tsmig.plugin.options import options
from watcher_tsmig.plugin.schema import parameters
from watcher_tsmig.plugin.schema import schema
from watcher_tsmig.reasons import Reason
from watcher_tsmig.telemetry import Reading

CHANGE_STATE = 'change_nova_service_state'
VERIFY = 'traffic_sensitive_verify'
# Watcher's own, which waits for Nova and confirms the move.
COLD = 'migrate'
# Hosts that a VM that comes late is offered, the one with most room first.
OFFERED = 10


class TrafficSensitiveDrain(TrafficSensitiveStrategy):
    """Empty hosts by live migrations that mind the tenants' traffic."""

    def __init__(self, config: Any, osc: Any = None) -> None:  # noqa: ANN401
        super().__init__(config, osc)
        self._emptied: tuple[str, ...] = ()
        self._disabled: Mapping[str, str] = {}
        self._remarks: tuple[str, ...] = ()
        self._cold: tuple[Cold, ...] = ()

    @classmethod
    def get_name(cls) -> str:
        """Name of the entry point and of the database row."""
        return 'traffic_sensitive_drain'

    @classmethod
    def get_display_name(cls) -> str:
        """What people see; at most 63 characters."""
        return 'Traffic-sensitive drain'

    @classmethod
    def get_translatable_display_name(cls) -> str:
        """What people see, in English."""
        return 'Traffic-sensitive drain'

    @classmethod
    def get_schema(cls) -> dict[str, Any]:
        """Parameters of an audit."""
        return schema.parameters()

    def planned(self, reading: Reading) -> Plan:
        """The moves that were asked for, or those from maintenance."""
        plan = self._live(reading)
        self._cold, plan = cold(reading.cloud, plan, self._followers(plan))
        return self.logged(plan)

    def _followers(self, plan: Plan) -> frozenset[str]:
        """Stopped VMs that are to move cold."""
        wanted = self.input_parameters.get('inactive') or schema.AUTO
        at = {out.vm: out.host for out in plan.left_out}
        return frozenset(
            vm
            for vm in followers(plan)
            if wanted == schema.COLD
            or (wanted == schema.AUTO and at[vm] in self._emptied)
        )

    def _live(self, reading: Reading) -> Plan:
        values = {
            **schema.values(
                self.input_parameters, options.of_requests(self.config)
            ),
            **self._targets(reading),
        }
        values['destinations'] = self.spared(
            reading, values.get('destinations', ()), self._emptied
        )
        deadline = self._deadline(values.pop('deadline', math.inf), reading)
        name = self.input_parameters.get('policy') or policies.DEFAULT
        if name != schema.GENTLEST:
            request = policies.request(name, **values, deadline=deadline)
            return self.make(reading, request)
        if math.isfinite(deadline):
            plan = self.sampler.plan(
                reading.cloud, lambda cloud: gentlest(cloud, values, deadline)
            )
            found = schema.policy_of(plan.request)
            self._remarks = (f'the gentlest policy in time is {found}',)
            if plan.shortfall > 0:
                self._remarks = (f'no policy is in time, this is {found}',)
            return plan
        name = policies.NAMES[0]
        self._remarks = (f'without a deadline the gentlest policy is {name}',)
        return self.make(reading, policies.request(name, **values))

    def whole(self, plan: Plan) -> Plan:
        """Who follows cold stays, as far as live migrations go."""
        stay = tuple(
            LeftOut(
                vm=move.vm,
                name=move.name,
                host=move.source,
                reason=Reason.STOPPED,
                because=f'goes cold to {move.destination}',
            )
            for move in self._cold
        )
        plan = super().whole(plan)
        return dataclasses.replace(plan, left_out=(*plan.left_out, *stay))

    def said(self, plan: Plan, reading: Reading, notes: Sequence[str]) -> str:
        """What moves, how long it takes, what stays and why."""
        first = story.beforehand(reading.cloud, self._emptied, self._disabled)
        notes = (*self._remarks, *first, *notes)
        return story.of_plan(plan, self._emptied, notes, cold=len(self._cold))

    def _deadline(self, seconds: float, reading: Reading) -> float:
        """The earlier of both deadlines, s from now."""
        text = self.input_parameters.get('finish_by') or ''
        if not text.strip():
            return seconds
        now = reading.cloud.taken_at or time.time()
        return min(seconds, moments.until(text, now))

    def _targets(self, reading: Reading) -> dict[str, Any]:
        """Who is to move; the fields of a request that say it."""
        cloud, given = reading.cloud, self.input_parameters
        self.named('destinations', reading)
        hosts = self.named('hosts', reading)
        vms = targets.vms(cloud, 'vms', given.get('vms') or ())
        chosen = given.get('choices') or ()
        choices = targets.choices(cloud, 'choices', chosen)
        if not (hosts or vms or choices):
            hosts = self._in_maintenance(reading)
        self._emptied = hosts
        return {'hosts': hosts, 'vms': vms, 'choices': choices}

    @staticmethod
    def _in_maintenance(reading: Reading) -> tuple[str, ...]:
        populated = {vm.host for vm in reading.cloud.vms}
        in_maintenance = tuple(
            host.name
            for host in reading.cloud.hosts
            if not host.enabled and host.name in populated
        )
        if not in_maintenance:
            raise NothingToDo(story.nothing_to_empty())
        return in_maintenance

    def prepared(self, plan: Plan, reading: Reading) -> Mapping[str, str]:
        """The hosts are disabled, so that Nova sends them no new VM."""
        disabled: dict[str, str] = {}
        for name in self._emptied:
            if self._must_disable(reading.cloud.host(name), plan, reading):
                disabled[name] = reading.node_ids[name]
                self.solution.add_action(
                    action_type=CHANGE_STATE,
                    resource_id=reading.node_ids[name],
                    input_parameters={
                        'state': 'disabled',
                        'disabled_reason': parameters.DISABLED_REASON,
                        'resource_name': name,
                    },
                )
        self._disabled = disabled
        return disabled

    def concluded(self, plan: Plan, reading: Reading) -> None:
        """The stopped follow; the last action looks whether it is empty.

        At a host that nobody has to leave, too: VMs may be on their way to it.
        """
        ends: dict[str, list[str]] = {
            name: [first] for name, first in self._disabled.items()
        }
        for source in {m.source for m in plan.migrations}:
            ends[source] = [
                m.id for m in plan.migrations if m.source == source
            ]
        for move in self._cold:
            self.solution.add_action(
                action_type=COLD,
                resource_id=move.vm,
                input_parameters={
                    'migration_type': 'cold',
                    'source_node': move.source,
                    'destination_node': move.destination,
                    'resource_name': move.name,
                },
            )
            # one behind the other: nobody waits for them
            self.after[move.vm] = tuple(ends.get(move.source, ()))
            ends[move.source] = [move.vm]
        for name in self._emptied:
            before = ends.get(name)
            if not before:
                continue
            self.solution.add_action(
                action_type=VERIFY,
                resource_id=name,
                input_parameters={
                    **parameters.of_host(
                        name, plan, self._offered(plan, reading), self._cold
                    ),
                    **self.kept(),
                },
            )
            self.after[name] = tuple(before)

    def _offered(self, plan: Plan, reading: Reading) -> list[str]:
        """Hosts for VMs that nobody planned, the most room first.

        None where an audit sees a part of the cloud only: who came late may
        be none of its business.
        """
        if self.audit_scope:
            return []
        wanted = self.input_parameters.get('destinations') or None
        free = {
            host.name: host.memory
            for host in reading.cloud.hosts
            if host.enabled and host.up
            if host.name not in self._emptied and host.name not in self.closed
            if wanted is None or host.name in wanted
        }
        ends = {m.vm: m.destination for m in (*plan.migrations, *self._cold)}
        for vm in reading.cloud.vms:
            at = ends.get(vm.id, vm.host)
            if at in free:
                free[at] -= vm.memory
        return sorted(free, key=lambda name: (-free[name], name))[:OFFERED]

    def _must_disable(self, host: Host, plan: Plan, reading: Reading) -> bool:
        """Nova must send no new VM to a host that is being emptied.

        A host all of whose VMs stay keeps its state: disabling it would
        change the cloud and gain nothing.
        """
        if not host.enabled:
            return False
        all_moves = (*plan.migrations, *self._cold)
        moves = any(m.source == host.name for m in all_moves)
        empty = all(vm.host != host.name for vm in reading.cloud.vms)
        return moves or empty
