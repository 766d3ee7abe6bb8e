"""Which VMs' pages are sampled: those of which a plan needs the dry run.

A plan is made first, and again where agents could tell what it lacked.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Contents
from watcher_tsmig.plan.problem.ladder import Decided
from watcher_tsmig.plan.problem.ladder import doubtful
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plugin import agents
from watcher_tsmig.telemetry.contents import read_contents


class Sampler:
    """What was sampled for one audit; each VM is asked for once.

    :ivar notes: what was sampled and what could not be, one sentence each
    """

    def __init__(self, config: Any) -> None:  # noqa: ANN401 - Watcher's
        self._config = config
        self._asked: set[str] = set()
        self._known: dict[str, Contents] = {}
        self.notes: list[str] = []

    def plan(self, cloud: Cloud, make: Callable[[Cloud], Plan]) -> Plan:
        """The plan, with the dry run where it is needed and can be had."""
        seen = self.seen(cloud)
        plan = make(seen)
        more = self.look(seen, (*plan.left_out, *plan.migrations))
        return plan if more is seen else make(more)

    def seen(self, cloud: Cloud) -> Cloud:
        """The cloud with what was sampled so far."""
        return with_contents(cloud, self._known)

    def look(self, cloud: Cloud, decided: Iterable[Decided]) -> Cloud:
        """The cloud with the pages of those that the dry run may let move.

        :param decided: migrations and VMs left out; the first are asked
            about first
        """
        found: dict[str, Contents] = {}
        wanted = [
            vm for vm in doubtful(cloud, decided) if vm.id not in self._asked
        ]
        left = self._config.sampled_vms - len(self._asked)
        wanted = wanted[: max(left, 0)]
        if wanted:
            self._asked |= {vm.id for vm in wanted}
            found = read_contents(
                agents.cap_driver(self._config),
                wanted,
                self.notes,
                timeout=self._config.agent_timeout,
            )
        if not found:
            return cloud
        self.notes.append(f'sampled pages of {len(found)} VMs')
        self._known |= found
        return self.seen(cloud)


def with_contents(cloud: Cloud, known: Mapping[str, Contents]) -> Cloud:
    """The cloud with what is known of its VMs' pages."""
    if not known:
        return cloud
    return dataclasses.replace(
        cloud,
        vms=tuple(
            dataclasses.replace(vm, contents=known[vm.id])
            if vm.id in known
            else vm
            for vm in cloud.vms
        ),
    )
