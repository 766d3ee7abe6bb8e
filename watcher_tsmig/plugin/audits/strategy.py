"""What our strategies share: read the cloud, plan, put it into a solution.

Watcher's inputs go to the planner and its answer comes back in Watcher's
words, once it was judged. No decision about a VM is made here. What is the
cloud's fault, the input's or ours ends in an empty plan with a status message,
never in a raise: a CONTINUOUS audit that raised once is never run again.
"""

import dataclasses
import functools
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_log import log
from watcher.common import exception
from watcher.decision_engine.strategy.strategies import base

from watcher_tsmig import errors
from watcher_tsmig.plan import batch
from watcher_tsmig.plan import unknown
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.problem import permits
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.plugin import access
from watcher_tsmig.plugin import agents
from watcher_tsmig.plugin import efficacy
from watcher_tsmig.plugin import learning
from watcher_tsmig.plugin import others
from watcher_tsmig.plugin import story
from watcher_tsmig.plugin.audits import guard
from watcher_tsmig.plugin.audits import patterns
from watcher_tsmig.plugin.audits import sampling
from watcher_tsmig.plugin.audits import targets
from watcher_tsmig.plugin.audits.targets import NothingToDo
from watcher_tsmig.plugin.audits.targets import NothingToPlan
from watcher_tsmig.plugin.options import options
from watcher_tsmig.plugin.schema import parameters
from watcher_tsmig.report import bursts
from watcher_tsmig.report import journeys
from watcher_tsmig.telemetry import Reading
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry import read_cloud
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import Model

LOG = log.getLogger(__name__)

MIGRATE = 'traffic_sensitive_migrate'
# Parameters of an audit that each of its actions has as well.
KEPT = ('stop_after_failures', 'reason')


class TrafficSensitiveStrategy(base.BaseStrategy):
    """Live migrations that mind the tenants' traffic.

    What is to move is said by `planned`, in what words by `said`, and what
    comes before the first VM leaves by `prepared`.

    :ivar after: for the planner: for the key of an action (edges.key),
        those of the actions that must end before it starts
    :ivar plan: what was planned, once it was
    :ivar failed: whether nothing could be planned
    :ivar told: what was told of it, for the planner to tell with the plan
    :ivar avoids: which hosts other plans empty, for people
    :ivar closed: hosts that other plans empty, with the plan's uuid
    :ivar sampler: who has pages sampled for the dry run
    """

    def __init__(self, config: Any, osc: Any = None) -> None:  # noqa: ANN401
        super().__init__(config, osc)
        self.planner = 'tsmig'
        self.after: dict[str, tuple[str, ...]] = {}
        self.plan: Plan | None = None
        self.failed = False
        self.told = ''
        self.avoids = ''
        self.closed: Mapping[str, str] = {}
        self.sampler = sampling.Sampler(self.config)
        self._audit: Any = None

    @classmethod
    def get_goal_name(cls) -> str:
        """The goal that it achieves."""
        return 'traffic_sensitive_migration'

    @classmethod
    def get_config_opts(cls) -> list[Any]:
        """Options of [watcher_strategies.<name of the strategy>]."""
        return [*super().get_config_opts(), *options.STRATEGY]

    def pre_execute(self) -> None:
        """Nothing: a model that is not there must not fail the audit."""

    def do_execute(self, audit: Any = None) -> None:  # noqa: ANN401
        """Plan, and put the plan into the solution."""
        self._audit = audit
        try:
            reading = self._reserved(self._read())
            plan, notes = self._judged(reading)
        except NothingToPlan as reason:
            self.failed = not isinstance(reason, NothingToDo)
            self.tell(str(reason))
        except errors.InternalError as error:
            LOG.error('Nothing planned: %s', error)
            self.failed = True
            self.tell(story.ours(error))
        except errors.TsmigError as error:
            LOG.warning('Nothing planned: %s', error)
            self.failed = True
            self.tell(story.failed(error))
        else:
            self.plan = plan
            self._solve(plan, reading, self.prepared(plan, reading))
            self.concluded(plan, reading)
            told = filter(
                None,
                (
                    self._purpose(),
                    self.avoids,
                    *reading.notes,
                    *self.sampler.notes,
                    *self._bursting(plan, reading),
                    *notes,
                ),
            )
            self.tell(self.said(plan, reading, tuple(told)))
        self.solution.set_efficacy_indicators(**self.indicators())

    def post_execute(self) -> None:
        """Nothing is left to do."""

    # -- what a strategy says

    def planned(self, reading: Reading) -> Plan:
        """The plan for the cloud that was read.

        :raises NothingToPlan: there is none
        """
        raise NotImplementedError

    def prepared(self, plan: Plan, reading: Reading) -> Mapping[str, str]:
        """By source host, the resource whose action comes first there."""
        return {}

    def concluded(self, plan: Plan, reading: Reading) -> None:
        """Actions that come after the last VM has left."""

    def indicators(self) -> dict[str, int | float]:
        """What the goal's efficacy is told."""
        return efficacy.indicators_of(self.plan)

    def said(self, plan: Plan, reading: Reading, notes: Sequence[str]) -> str:
        """The audit's status message."""
        raise NotImplementedError

    def settings(self) -> Settings:
        """How telemetry is read."""
        return options.settings(self.config)

    def remember(self, compute: Compute, now: float) -> None:
        """Ask Nova what else is needed, while it is there."""

    def whole(self, plan: Plan) -> Plan:
        """The plan as the judge of plans is to see it.

        What waits for a batch may be late by it, which is told.
        """
        if not self._batch():
            return plan
        late = max(plan.request.deadline, plan.makespan)
        request = dataclasses.replace(plan.request, deadline=late)
        return dataclasses.replace(plan, request=request)

    # -- what they share

    def _batch(self) -> int:
        """How many migrations go before all others."""
        return int(self.input_parameters.get('first') or 0)

    def _judged(self, reading: Reading) -> tuple[Plan, tuple[str, ...]]:
        """The plan as it is to be written, and what is to be said of it.

        :raises errors.InternalError: it is wrong
        """
        plan, notes = learning.apply(
            self.config.calibration_file, self.planned(reading)
        )
        plan = batch.first(plan, self._batch())
        guard.judge(self.sampler.seen(reading.cloud), self.whole(plan))
        return plan, notes

    def _bursting(self, plan: Plan, reading: Reading) -> list[str]:
        moving = {m.vm for m in plan.migrations}
        notes = bursts.notes(v for v in reading.cloud.vms if v.id in moving)
        for note in notes:
            LOG.info('Of those that move, %s', note)
        return notes

    def _read(self) -> Reading:
        settings = self.settings()
        timeout = self.config.request_timeout
        model = self._model()
        source = access.source(self.osc, self.config, settings)
        now = time.time()
        with access.compute(self.osc, timeout) as compute:
            reading = read_cloud(
                model,
                compute,
                source,
                settings,
                now=now,
                scoped=bool(self.audit_scope),
                placement=functools.partial(
                    access.placement, self.osc, timeout
                ),
                network=beside.neutron(compute),
                agents=agents.cap_driver(self.config),
            )
            self.remember(compute, now)
        reading = patterns.learned(
            patterns.applied(reading, now),
            learning.traces(self.config.calibration_file),
            options.prior(self.config),
        )
        for note in reading.notes:
            LOG.warning('%s', note)
        return reading

    def _reserved(self, reading: Reading) -> Reading:
        """The reading without the room that other plans will fill."""
        cloud = others.reserved(reading.cloud, self.bound())
        return dataclasses.replace(reading, cloud=cloud)

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

    def named(self, parameter: str, reading: Reading) -> tuple[str, ...]:
        """The hosts that a parameter names, each once.

        :raises NothingToPlan: one of them is not there
        """
        named = self.input_parameters.get(parameter) or ()
        return targets.hosts(reading.cloud, parameter, named)

    def spared(
        self, reading: Reading, allowed: Sequence[str], leaves: Sequence[str]
    ) -> tuple[str, ...]:
        """Destinations without the hosts that other plans empty.

        :param allowed: destinations that the audit names; empty: all
        :param leaves: hosts that this audit empties itself
        :raises NothingToPlan: others empty all that there are
        """
        self.closed = closed = others.emptied(self._audit)
        hosts = [h.name for h in reading.cloud.hosts if h.name not in leaves]
        left, self.avoids = others.spared(closed, allowed, hosts)
        return left

    def bound(self) -> Mapping[str, str]:
        """Where VMs will be that other plans move, by id."""
        return others.bound(self._audit)

    def make(self, reading: Reading, request: Request) -> Plan:
        """The planner's answer, with pages sampled where that helps."""
        return self.sampler.plan(
            reading.cloud,
            lambda cloud: unknown.asked(cloud, make_plan(cloud, request)),
        )

    @staticmethod
    def logged(plan: Plan) -> Plan:
        """The plan; who stays is in the log."""
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
        self, plan: Plan, reading: Reading, first: Mapping[str, str]
    ) -> None:
        onward = journeys.onward(plan)
        only = permits.pre_copy_only(reading.cloud, plan.request)
        for migration in plan.migrations:
            self.solution.add_action(
                action_type=MIGRATE,
                resource_id=migration.vm,
                input_parameters={
                    **parameters.of_migration(
                        migration,
                        goes_on_to=onward.get(migration.id, ''),
                        factor=self.config.deadline_factor,
                        slack=self.config.deadline_slack,
                    ),
                    'allow_post_copy': migration.vm not in only,
                    **parameters.of_request(plan.request),
                    **self.kept(),
                },
            )
            before = first.get(migration.source)
            self.after[migration.id] = (
                *((before,) if before else ()),
                *migration.after,
            )

    def _purpose(self) -> str:
        reason = str(self.input_parameters.get('reason') or '')
        return f'reason: {reason}' if reason else ''

    def kept(self) -> dict[str, Any]:
        """Parameters that the audit's actions have as it has them."""
        given = self.input_parameters
        return {name: given[name] for name in KEPT if given.get(name)}

    def tell(self, text: str) -> None:
        """Put the text into the audit's status message, and the log."""
        audit = self._audit
        self.told = text
        LOG.info('Audit %s: %s', getattr(audit, 'uuid', None), text)
        # Watcher 14 has no such field; there the log has to do
        if audit is not None and 'status_message' in audit.fields:
            audit.status_message = text
