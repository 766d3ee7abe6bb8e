"""The action that ends a drain: it looks whether a host is empty.

Watcher's hooks around the last look; what a VM that is still there means is
execute/emptying.py's. One whose own migration failed is moved as the plan
wanted, which the plan's other actions tell; for one that came late there is
no plan.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_log import log
from watcher.applier.actions import base

from watcher_tsmig import errors
from watcher_tsmig.execute import Order
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute import drivers
from watcher_tsmig.execute import emptying
from watcher_tsmig.execute.breaker import breaker_of
from watcher_tsmig.execute.compute import Resident
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.starting import sharing
from watcher_tsmig.execute.values import Compute
from watcher_tsmig.execute.values import WallClock
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plugin import access
from watcher_tsmig.plugin import agents
from watcher_tsmig.plugin.actions import acting
from watcher_tsmig.plugin.actions import asking
from watcher_tsmig.plugin.options import action_options
from watcher_tsmig.plugin.schema import parameters
from watcher_tsmig.units import GIB

LOG = log.getLogger(__name__)
# The input parameters of a migration.
Given = Mapping[str, Any]

# How long one may run of which nothing was foretold, s for each GiB: at 300
# Mbit/s its memory goes twice in that. Nova counts two GiB at least.
PER_GIB, LEAST_GIB = 60.0, 2.0
MIGRATE = 'traffic_sensitive_migrate'
GROUP = f'watcher_actions.{MIGRATE}'


def planned(plan: str, host: str) -> tuple[dict[str, Given], list[str]]:
    """By VM, the parameters of the plan's migrations from that host.

    :returns: with the VMs whose migrations an operator took out
    """
    moves, skipped = {}, []
    for state, given in acting.of_plan(plan, MIGRATE):
        if given.get('source_node') == host:
            moves[given['resource_id']] = given
            if state == 'SKIPPED':
                skipped.append(given['resource_id'])
    return moves, skipped


def again(given: Given, destination: str) -> Given:
    """The parameters of another try, which ends at that destination."""
    return {**given, 'destination_node': destination, 'goes_on_to': ''}


def late(resident: Resident, host: str, destination: str) -> Order:
    """The order to move a VM that came late, of which nothing is foretold."""
    return Order(
        vm=resident.vm,
        name=resident.name,
        source=host,
        destination=destination,
        mode=Mode.PRE_COPY,
        deadline=PER_GIB * max(resident.memory / GIB, LEAST_GIB),
        # whether it has any nobody asked; the bound is the memory's alone
        disks=True,
    )


class TrafficSensitiveVerify(base.BaseAction):
    """Look whether a host is empty, and move who should not be there."""

    @classmethod
    def get_config_opts(cls) -> list[Any]:
        """Options of [watcher_actions.traffic_sensitive_verify]."""
        return list(action_options.VERIFY)

    @property
    def schema(self) -> dict[str, Any]:
        """Of the input parameters."""
        return parameters.VERIFY

    def get_description(self) -> str:
        """For the list of actions; at most 255 characters."""
        return (
            'Looks whether a host is empty after its drain: waits for who is '
            'still leaving or arriving, moves who came late or failed, and '
            'says who stays and why.'
        )

    def check_abort(self) -> bool:
        """As of migrations: it watches its plan's state itself."""
        return False

    def pre_condition(self) -> None:
        """Nothing: it looks, whatever came before."""

    def execute(self) -> bool:
        """Look until it is empty, or nothing more ends by itself.

        :returns: True, as Watcher wants it
        :raises acting.ActionFailed: who is there was not to stay
        """
        given = self.input_parameters
        plan = given.get('action_plan_uuid') or ''
        moves, skipped = planned(plan, given['resource_id'])
        errand = parameters.to_errand(
            given, moves, self.config.patience, skipped
        )
        with acting.explained(errand.host):
            found = self._looked(errand, moves, plan)
        text = f'{found.told()}.'
        LOG.info('%s', text)
        acting.remark(plan, text)
        if not found.as_planned:
            raise acting.ActionFailed(text)
        acting.tell(given, text)
        return True

    def _looked(
        self, errand: emptying.Errand, moves: Mapping[str, Given], plan: str
    ) -> emptying.Found:
        """What the last look finds.

        :raises acting.ActionFailed: it cannot see
        """
        cancelled, options = acting.Cancelled(plan), self._migrations
        try:
            with access.compute(self.osc, options.request_timeout) as compute:
                driver = drivers.load(options.compute_driver, compute)
                return emptying.empty(
                    Nova(driver, action_options.pace(options), WallClock()),
                    errand,
                    functools.partial(
                        self._move, compute, moves, errand.host, cancelled
                    ),
                    cancelled=cancelled,
                    clock=WallClock(),
                    breaker=breaker_of(plan),
                )
        except errors.TsmigError as error:
            raise acting.ActionFailed(
                f'whether {errand.host} is empty is unknown: {error}'
            ) from error

    def post_condition(self) -> None:
        """Nothing: execute() has looked."""

    def revert(self) -> bool:
        """Nothing is undone."""
        return True

    def abort(self) -> bool:
        """Nothing runs that has to be withdrawn."""
        return True

    @property
    def _migrations(self) -> Any:  # noqa: ANN401
        """The options of migrations, which hold for late ones, too."""
        cfg.CONF.register_opts(action_options.ACTION, GROUP)
        return cfg.CONF[GROUP]

    def _move(
        self,
        compute: Compute,
        moves: Mapping[str, Given],
        host: str,
        cancelled: acting.Cancelled,
        resident: Resident,
        destination: str,
    ) -> None:
        """Move one VM, as it was planned or by pre-copy.

        :raises errors.MigrationError: it is not there
        """
        why = acting.stopped(self.input_parameters, MIGRATE)
        if why:
            raise errors.MigrationError(f'not tried: {why}')
        LOG.warning('%s goes to %s', resident.name, destination)
        options = self._migrations
        caps = agents.cap_driver(options)
        given = moves.get(resident.vm)
        order = late(resident, host, destination)
        if given is not None:
            order = asking.order(compute, caps, again(given, destination))
        # a late one keeps what the plan's others kept
        plans = given or next(iter(moves.values()), {})
        pace = action_options.pace(options)
        outcome = carry_out(
            drivers.load(options.compute_driver, compute),
            order,
            cancelled=cancelled,
            caps=caps,
            governor=action_options.policy(options),
            pace=dataclasses.replace(
                pace, queue=min(pace.queue, self.config.patience)
            ),
            limits=parameters.to_limits(plans),
            shared=sharing.lock_of(options.coordinator),
            ill=action_options.ill(options, compute, resident.vm),
        )
        if not outcome.host:
            raise errors.MigrationError(f'{resident.name} {outcome.remark}')
