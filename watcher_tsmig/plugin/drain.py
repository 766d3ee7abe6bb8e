"""The strategy that empties hosts: Watcher's inputs to a plan and back.

It reads the cloud, asks the planner, and puts the answer into Watcher's
words. No decision about a VM is made here. What is the cloud's or the
input's fault ends in an empty plan with a status message, never in a raise,
because a CONTINUOUS audit that raised once is never run again.
"""

import functools
import time
from typing import Any

from oslo_log import log
from watcher.common import exception
from watcher.decision_engine.strategy.strategies import base

from watcher_tsmig import errors
from watcher_tsmig.model import Host
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plugin import access
from watcher_tsmig.plugin import efficacy
from watcher_tsmig.plugin import learning
from watcher_tsmig.plugin import options
from watcher_tsmig.plugin import parameters
from watcher_tsmig.plugin import patterns
from watcher_tsmig.plugin import schema
from watcher_tsmig.plugin import story
from watcher_tsmig.telemetry import Reading
from watcher_tsmig.telemetry import read_cloud
from watcher_tsmig.telemetry.clients import Model

LOG = log.getLogger(__name__)

MIGRATE = 'traffic_sensitive_migrate'
CHANGE_STATE = 'change_nova_service_state'
DISABLED_REASON = 'watcher_disabled'


class NothingToPlan(Exception):
    """There is nothing to do, or nothing can be done; the text says why."""


class TrafficSensitiveDrain(base.BaseStrategy):
    """Empty hosts by live migrations that mind the tenants' traffic.

    :ivar after: for the planner: for the resource id of an action, those of
        the actions that must end before it starts
    :ivar plan: what was planned, once it was
    """

    def __init__(self, config: Any, osc: Any = None) -> None:  # noqa: ANN401
        super().__init__(config, osc)
        self.planner = 'tsmig'
        self.after: dict[str, tuple[str, ...]] = {}
        self.plan: Plan | None = None
        self._audit: Any = None

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
    def get_goal_name(cls) -> str:
        """The goal that it achieves."""
        return 'traffic_sensitive_migration'

    @classmethod
    def get_schema(cls) -> dict[str, Any]:
        """Parameters of an audit."""
        return schema.parameters()

    @classmethod
    def get_config_opts(cls) -> list[Any]:
        """Options of [watcher_strategies.traffic_sensitive_drain]."""
        return [*super().get_config_opts(), *options.STRATEGY]

    def pre_execute(self) -> None:
        """Nothing: a model that is not there must not fail the audit."""

    def do_execute(self, audit: Any = None) -> None:  # noqa: ANN401
        """Plan, and put the plan into the solution."""
        self._audit = audit
        try:
            reading, hosts = self._read()
            plan = self._planned(reading, hosts)
        except NothingToPlan as reason:
            self.tell(str(reason))
        except errors.InternalError:
            raise
        except errors.TsmigError as error:
            LOG.warning('Nothing planned: %s', error)
            self.tell(story.failed(error))
        else:
            plan, notes = learning.apply(self.config.calibration_file, plan)
            self.plan = plan
            self._solve(plan, reading, hosts)
            self.tell(story.of_plan(plan, hosts, (*reading.notes, *notes)))
        self.solution.set_efficacy_indicators(
            **efficacy.indicators_of(self.plan)
        )

    def post_execute(self) -> None:
        """Nothing is left to do."""

    def _read(self) -> tuple[Reading, tuple[str, ...]]:
        """The cloud, and the names of the hosts to empty."""
        settings = options.settings(self.config)
        timeout = self.config.request_timeout
        model = self._model()
        gnocchi = None
        if self.config.use_gnocchi:
            gnocchi = access.gnocchi(self.osc, timeout)
        now = time.time()
        with access.compute(self.osc, timeout) as compute:
            reading = read_cloud(
                model,
                compute,
                gnocchi,
                settings,
                now=now,
                scoped=bool(self.audit_scope),
                placement=functools.partial(
                    access.placement, self.osc, timeout
                ),
            )
        reading = patterns.applied(reading, now)
        for note in reading.notes:
            LOG.warning('%s', note)
        return reading, self._hosts(reading)

    def _model(self) -> Model:
        try:
            return self.compute_model
        except exception.ClusterStateStale as error:
            raise errors.CloudError(
                "Watcher's compute model is stale; it is rebuilt every "
                '[watcher_cluster_data_model_collectors.compute]period'
            ) from error
        except Exception as error:
            # Watcher reports a stale model as an undefined one, no model at
            # all as None, and a build that failed as whatever stopped it;
            # where its retries ran out that is a bare RuntimeError
            LOG.warning('No compute model', exc_info=True)
            raise errors.CloudError(
                "Watcher's compute model is missing or stale "
                f'({type(error).__name__}); see the log of the decision '
                'engine'
            ) from error

    def _hosts(self, reading: Reading) -> tuple[str, ...]:
        hosts = {host.name: host for host in reading.cloud.hosts}
        for parameter in ('hosts', 'destinations'):
            named = list(self.input_parameters.get(parameter) or ())
            unknown = [name for name in named if name not in hosts]
            if unknown:
                # half of what was meant may be worse than nothing of it
                raise NothingToPlan(
                    story.unknown_hosts(parameter, unknown, hosts)
                )
        named = list(self.input_parameters.get('hosts') or ())
        if named:
            return tuple(dict.fromkeys(named))
        populated = {vm.host for vm in reading.cloud.vms}
        in_maintenance = tuple(
            host.name
            for host in reading.cloud.hosts
            if not host.enabled and host.name in populated
        )
        if not in_maintenance:
            raise NothingToPlan(story.nothing_to_empty())
        return in_maintenance

    def _planned(self, reading: Reading, hosts: tuple[str, ...]) -> Plan:
        plan = make_plan(
            reading.cloud,
            schema.request(
                self.input_parameters,
                hosts,
                options.assumptions(self.config),
            ),
        )
        for item in plan.left_out:
            LOG.warning(
                '%s (%s) stays on %s [%s]: %s',
                item.name,
                item.vm,
                item.host,
                item.reason,
                item.because,
            )
        return plan

    def _solve(
        self, plan: Plan, reading: Reading, hosts: tuple[str, ...]
    ) -> None:
        disabled = {}
        for name in hosts:
            if self._must_disable(reading.cloud.host(name), plan, reading):
                disabled[name] = reading.node_ids[name]
                self.solution.add_action(
                    action_type=CHANGE_STATE,
                    resource_id=reading.node_ids[name],
                    input_parameters={
                        'state': 'disabled',
                        'disabled_reason': DISABLED_REASON,
                        'resource_name': name,
                    },
                )
        for migration in plan.migrations:
            self.solution.add_action(
                action_type=MIGRATE,
                resource_id=migration.vm,
                input_parameters=parameters.of_migration(
                    migration,
                    factor=self.config.deadline_factor,
                    slack=self.config.deadline_slack,
                ),
            )
            first = disabled.get(migration.source)
            self.after[migration.vm] = (
                *((first,) if first else ()),
                *migration.after,
            )

    @staticmethod
    def _must_disable(host: Host, plan: Plan, reading: Reading) -> bool:
        """Nova must send no new VM to a host that is being emptied.

        A host all of whose VMs stay keeps its state: disabling it would
        change the cloud and gain nothing.
        """
        if not host.enabled:
            return False
        moves = any(m.source == host.name for m in plan.migrations)
        empty = all(vm.host != host.name for vm in reading.cloud.vms)
        return moves or empty

    def tell(self, text: str) -> None:
        """Put the text into the audit's status message, and the log."""
        audit = self._audit
        LOG.info('Audit %s: %s', getattr(audit, 'uuid', None), text)
        # Watcher 14 has no such field; there the log has to do
        if audit is not None and 'status_message' in audit.fields:
            audit.status_message = text
