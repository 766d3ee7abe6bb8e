"""The action that moves one VM: Watcher's hooks around an execution.

It turns input parameters into an order, the action plan's state into a
signal to stop, and whatever goes wrong into one sentence that Watcher
stores with the action. How a migration is carried out is not decided here.
"""

import functools
import time
import types
from collections.abc import Mapping
from typing import Any

from oslo_log import log
from watcher.applier.actions import base
from watcher.common import exception

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.execute import Order
from watcher_tsmig.execute import Outcome
from watcher_tsmig.execute import Progress
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute import drivers
from watcher_tsmig.execute.breaker import breaker_of
from watcher_tsmig.execute.compute import ComputeDriver
from watcher_tsmig.execute.compute import Server
from watcher_tsmig.execute.governor.rounds import Rounds
from watcher_tsmig.execute.healing import healed
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.starting import sharing
from watcher_tsmig.execute.starting.obstacle import obstacle
from watcher_tsmig.execute.starting.obstacle import under_way
from watcher_tsmig.execute.values import Compute
from watcher_tsmig.execute.values import WallClock
from watcher_tsmig.plugin import access
from watcher_tsmig.plugin import agents
from watcher_tsmig.plugin import learning
from watcher_tsmig.plugin import others
from watcher_tsmig.plugin import story
from watcher_tsmig.plugin.actions import acting
from watcher_tsmig.plugin.actions import asking
from watcher_tsmig.plugin.actions import orphans
from watcher_tsmig.plugin.options import action_options
from watcher_tsmig.plugin.schema import parameters

LOG = log.getLogger(__name__)
MIGRATE = 'traffic_sensitive_migrate'

# Watcher 14 cannot skip an action
SKIPPED = getattr(exception, 'ActionSkipped', None)


class TrafficSensitiveMigrate(base.BaseAction):
    """Live-migrate one VM in the mode that the plan chose for it."""

    # hosts that other plans empty by now, with each plan's uuid
    _closed: Mapping[str, str] = types.MappingProxyType({})
    # the destination that the VM is under way to already
    _going = ''
    # what the governor said last
    _noted = ''

    @classmethod
    def get_config_opts(cls) -> list[Any]:
        """Options of [watcher_actions.traffic_sensitive_migrate]."""
        return list(action_options.ACTION)

    @property
    def schema(self) -> dict[str, Any]:
        """Of the input parameters."""
        return parameters.SCHEMA

    def get_description(self) -> str:
        """For the list of actions; at most 255 characters.

        Watcher asks for it when an applier starts, and at no other time.
        """
        orphans.take_up(MIGRATE, self._moving, self._take_up)
        return (
            'Live-migrates a VM in the mode that was planned, follows '
            'it to its true end, and says why if it fails. An agent on the '
            'source host holds it to its bandwidth.'
        )

    def check_abort(self) -> bool:
        """Watcher 15 and before must not kill the thread of execute().

        It watches the state of its action plan itself, on every release.
        """
        return False

    def pre_condition(self) -> None:
        """Skip what needs no move any more; refuse what cannot move."""
        why = acting.stopped(self.input_parameters, MIGRATE)
        if why:
            if SKIPPED is None:
                raise acting.ActionFailed(f'{self._name()} stays: {why}')
            self._skip(f'{self._name()} stays: {why}')
        with (
            acting.explained(self._name()),
            self._compute() as compute,
        ):
            nova = self._nova(compute)
            server = nova.server(self.input_parameters['resource_id'])
            if server is None:
                self._skip(f'{self._name()} no longer exists')
                return
            # what is permitted and where it may go is asked at the start
            order = parameters.to_order(self.input_parameters, permitted=False)
            if order.arrived(server.host):
                self._skip(f'{order.name} is on {server.host} already')
                return
            self._going = self._bound(nova, server)
            if self._going:
                # whoever asked for it may be gone; it is followed
                return
            self._closed = others.at_the_start(self._plan_uuid())
            trouble = obstacle(order, server)
            if trouble:
                self._warn_of_host(nova)
                raise acting.ActionFailed(f'{order.name}: {trouble}')

    def execute(self) -> bool:
        """Carry the migration out.

        :returns: True and nothing else, because Watcher takes any other
            value for a failure without a reason
        :raises acting.ActionFailed: with the reason
        """
        with (
            acting.explained(self._name()),
            self._compute() as compute,
        ):
            nova = self._nova(compute)
            try:
                outcome = healed(
                    functools.partial(self._go, compute),
                    parameters.destinations(self.input_parameters),
                    breaker=breaker_of(self._plan_uuid()),
                    going=self._going,
                )
            except errors.MigrationError:
                self._warn_of_host(nova)
                raise
        LOG.info('%s: %s', self._name(), outcome)
        acting.tell(self.input_parameters, self._told(outcome))
        learning.learn(
            self.config.calibration_file,
            float(self.input_parameters.get('planned_duration_s') or 0.0),
            outcome,
            parameters.assumed(self.input_parameters),
        )
        return True

    def _moving(self) -> set[str]:
        """Ids of the VMs that are under way now."""
        with self._compute() as compute:
            return {p.vm for p in self._nova(compute).passages('')}

    def _take_up(self, given: Mapping[str, Any]) -> None:
        """Follow a migration that an applier left behind, if it runs."""
        action = type(self)(self.config)
        action.input_parameters = given
        try:
            outcome = action._followed()
            told = outcome and action._told(outcome)
        except (errors.TsmigError, exception.WatcherException) as error:
            told = str(error)
        except Exception:
            LOG.exception('%s was left behind', action._name())
            return
        if told:
            LOG.warning('Left behind by a stopped applier: %s', told)
            acting.tell(given, f'Left behind by a stopped applier: {told}')

    def _followed(self) -> Outcome | None:
        """The outcome of what was under way already; None: it was not."""
        given = self.input_parameters
        with self._compute() as compute:
            nova = self._nova(compute)
            server = nova.server(given['resource_id'])
            to = self._bound(nova, server) if server else ''
            return self._go(compute, to, begins=False) if to else None

    def _bound(self, nova: Nova, server: Server) -> str:
        """Of its destinations, where the VM is under way to; empty: none."""
        given = self.input_parameters
        for to in parameters.destinations(given):
            order = parameters.to_order(
                {**given, 'destination_node': to}, permitted=False
            )
            if under_way(nova, order, server):
                return to
        return ''

    def _go(
        self, compute: Compute, destination: str, *, begins: bool = True
    ) -> Outcome:
        """Carry it out to one destination.

        :param begins: else it is only followed, whatever its plan has become
        :raises errors.MigrationError: the VM is not there
        """
        cancelled = acting.Cancelled(self._plan_uuid())
        others.keep_away(self._name(), destination, self._closed)
        return carry_out(
            self._driver(compute),
            self._order(compute, destination),
            cancelled=cancelled if begins else lambda: False,
            begins=begins,
            report=self._report,
            shown=self._remember,
            caps=agents.cap_driver(self.config),
            governor=action_options.policy(self.config),
            pace=action_options.pace(self.config),
            limits=parameters.to_limits(self.input_parameters),
            shared=sharing.lock_of(self.config.coordinator),
            ill=action_options.ill(
                self.config, compute, self.input_parameters['resource_id']
            ),
        )

    def _remember(self, shown: Rounds) -> None:
        vm = self.input_parameters['resource_id']
        learning.remember(
            self.config.calibration_file,
            vm,
            shown,
            time.time(),
            self.input_parameters.get('source_node'),
        )

    def post_condition(self) -> None:
        """Nothing: execute() has seen the end, or has said why not."""

    def revert(self) -> bool:
        """Leave the VM where it is.

        Moving it back would be a second, unplanned migration; after a
        post-copy that failed it could lose the VM.
        """
        LOG.warning('%s is not moved back', self._name())
        return True

    def abort(self) -> bool:
        """Withdraw the migration if it can be; whether it was asked to."""
        with (
            acting.explained(self._name()),
            self._compute() as compute,
        ):
            vm = self.input_parameters['resource_id']
            return self._nova(compute).withdraw(vm)

    def _compute(self) -> Any:  # noqa: ANN401 - a context manager
        return access.compute(self.osc, self.config.request_timeout)

    def _nova(self, compute: Compute) -> Nova:
        pace = action_options.pace(self.config)
        return Nova(self._driver(compute), pace, WallClock())

    def _driver(self, compute: Compute) -> ComputeDriver:
        return drivers.load(self.config.compute_driver, compute)

    def _order(self, compute: Compute, destination: str) -> Order:
        """The order to that destination with what is permitted now."""
        given = {**self.input_parameters, 'destination_node': destination}
        return asking.order(compute, agents.cap_driver(self.config), given)

    def _warn_of_host(self, nova: Nova) -> None:
        """Tell with the plan that its host stays disabled.

        Watcher enables nothing again after a plan that failed or was
        cancelled, and the operator has to know.
        """
        host = self.input_parameters['source_node']
        try:
            reason = nova.disabled_reason(host)
        except errors.CloudError as error:
            LOG.warning('Whether %s is disabled is unknown: %s', host, error)
            return
        if reason == parameters.DISABLED_REASON:
            acting.remark(
                self._plan_uuid(),
                f'{host} stays disabled; to undo it: openstack compute '
                f'service set --enable {host} nova-compute.',
            )

    def _report(self, progress: Progress) -> None:
        _log(progress)
        if progress.note and progress.note != self._noted:
            self._noted = progress.note
            acting.tell(
                self.input_parameters, f'{progress.name}: {progress.note}'
            )

    def _plan_uuid(self) -> str:
        return self.input_parameters.get('action_plan_uuid') or ''

    def _told(self, outcome: Outcome) -> str:
        planned = self.input_parameters.get('planned_duration_s')
        return story.of_outcome(self._name(), outcome, float(planned or 0.0))

    def _name(self) -> str:
        given = self.input_parameters
        return str(given.get('resource_name') or given.get('resource_id'))

    @staticmethod
    def _skip(reason: str) -> None:
        if SKIPPED is not None:
            raise SKIPPED(reason)
        LOG.info('Nothing to do: %s', reason)


def _log(progress: Progress) -> None:
    """One line for each status; the bytes, every 5 s, only for debugging."""
    head = (
        f'{progress.name}: {progress.status} after '
        f'{units.human_time(progress.elapsed)}'
    )
    if not progress.total:
        LOG.info('%s', head)
        return
    LOG.debug(
        '%s, %s sent, %s left',
        head,
        units.human_size(progress.processed or 0),
        units.human_size(progress.remaining or 0),
    )
