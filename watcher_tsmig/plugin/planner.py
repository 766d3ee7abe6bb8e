"""Turns a solution into an action plan: slots become parents.

Nothing is written before everything is checked. The plan is born CANCELLED
and becomes RECOMMENDED with its last row, so that at no moment, not even if
the decision engine dies in between, an operator can start half a plan.
"""

import copy
from collections import defaultdict
from typing import Any

import jsonschema
from oslo_log import log
from watcher import objects
from watcher.applier.loading import default as applier_loading
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.planner import base

from watcher_tsmig import errors
from watcher_tsmig.plugin import edges
from watcher_tsmig.plugin import efficacy
from watcher_tsmig.plugin import story

LOG = log.getLogger(__name__)

# Actions that are told what plan they belong to, and say what they do.
OURS = ('traffic_sensitive_migrate', 'traffic_sensitive_verify')


class PlanRefused(exception.WatcherException):
    """The solution cannot be made an action plan; nothing was written."""

    msg_fmt = 'The solution cannot be planned: %(reason)s'


class TsmigPlanner(base.BasePlanner):
    """Chains of actions as the strategy's schedule wants them.

    A strategy gives its edges in the attribute `after`: for the key of an
    action (edges.key), those of the actions that must end before it starts.
    For one without that attribute, services are disabled first, then the
    actions of each source host run one after the other, and services are
    enabled last.
    """

    def schedule(
        self,
        context: Any,  # noqa: ANN401 - Watcher's request context
        audit_id: int,
        solution: Any,  # noqa: ANN401 - Watcher's solution
    ) -> 'objects.ActionPlan':
        """The action plan for the solution, written whole or not at all.

        :raises PlanRefused: something in it is not right
        """
        actions = [copy.deepcopy(action) for action in solution.actions]
        try:
            parents = _parents(actions, solution)
            edges.check(actions, parents)
            _check_schemas(actions)
        except errors.InputError as error:
            _tell(context, audit_id, solution, story.failed(error))
            raise PlanRefused(reason=str(error)) from error
        plan = _born(context, audit_id, solution)
        try:
            _write(context, plan, actions, parents, solution)
            plan.state = _state(context, audit_id, actions, solution)
            told = getattr(solution.strategy, 'told', None)
            _remark(plan, told and story.clipped(told))
            plan.save()
        except Exception:
            # it stays CANCELLED, but an operator should see why
            LOG.exception('Action plan %s could not be written', plan.uuid)
            _tell(
                context,
                audit_id,
                solution,
                story.failed(
                    'its rows could not be written, see the log of the '
                    'decision engine'
                ),
            )
            raise
        LOG.info('Action plan %s has %d actions', plan.uuid, len(actions))
        return plan


def _parents(actions: list[edges.Action], solution: Any) -> edges.Parents:  # noqa: ANN401
    after = getattr(solution.strategy, 'after', None)
    if after is None:
        return edges.default(actions)
    return edges.explicit(actions, after)


def _check_schemas(actions: list[edges.Action]) -> None:
    """Every type is known, and every action's parameters fit its schema."""
    by_type: dict[str, list[int]] = defaultdict(list)
    for i, action in enumerate(actions):
        by_type[action['action_type']].append(i)
    loader = applier_loading.DefaultActionLoader()
    known = loader.list_available() if by_type else {}
    for name, rows in by_type.items():
        if name not in known:
            raise errors.InputError(
                f'action type {name!r} is not installed', f'actions[{rows[0]}]'
            )
        loaded = loader.load(name)
        for i in rows:
            loaded.input_parameters = actions[i]['input_parameters']
            try:
                loaded.validate_parameters()
            except jsonschema.ValidationError as error:
                where = '.'.join(str(part) for part in error.path)
                raise errors.InputError(
                    f'{name}: {where}: {error.message}', f'actions[{i}]'
                ) from error


def _born(
    context: Any,  # noqa: ANN401
    audit_id: int,
    solution: Any,  # noqa: ANN401
) -> 'objects.ActionPlan':
    strategy = objects.Strategy.get_by_name(context, solution.strategy.name)
    plan = objects.ActionPlan(
        context,
        uuid=utils.generate_uuid(),
        audit_id=audit_id,
        strategy_id=strategy.id,
        state=objects.action_plan.State.CANCELLED,
        global_efficacy=solution.global_efficacy,
    )
    _remark(plan, 'Not all of its actions were written.')
    plan.create()
    return plan


def _state(
    context: Any,  # noqa: ANN401
    audit_id: int,
    actions: list[edges.Action],
    solution: Any,  # noqa: ANN401
) -> str:
    """What the plan is once it is written.

    Where nothing could be planned it has failed, for Horizon shows an empty
    plan that SUCCEEDED as a success. An audit with auto_trigger has its plan
    executed whatever its state is, and an empty one would succeed; only a
    CANCELLED one is left alone (watcher/applier/action_plan/default.py).
    """
    state = objects.action_plan.State
    if actions:
        return state.RECOMMENDED
    if not getattr(solution.strategy, 'failed', False):
        return state.SUCCEEDED
    audit = objects.Audit.get_by_id(context, audit_id)
    return state.CANCELLED if audit.auto_trigger else state.FAILED


def _remark(
    row: 'objects.ActionPlan | objects.Action', text: str | None
) -> None:
    if 'status_message' in row.fields:  # since Watcher 15
        row.status_message = text


def _write(
    context: Any,  # noqa: ANN401
    plan: 'objects.ActionPlan',
    actions: list[edges.Action],
    parents: edges.Parents,
    solution: Any,  # noqa: ANN401
) -> None:
    planned = getattr(solution.strategy, 'plan', None)
    words = efficacy.descriptions(planned) if planned else {}
    for indicator in solution.efficacy_indicators:
        objects.EfficacyIndicator(
            context,
            uuid=utils.generate_uuid(),
            name=indicator.name,
            description=words.get(indicator.name, indicator.description),
            unit=indicator.unit,
            value=indicator.value,
            action_plan_id=plan.id,
        ).create()
    uuids = [utils.generate_uuid() for _ in actions]
    for uuid, action, mine in zip(uuids, actions, parents, strict=True):
        given = action['input_parameters']
        ours = action['action_type'] in OURS
        if ours:
            # An action is not told what plan it belongs to, and ours have
            # to see that their plan is cancelled.
            given = {
                **given,
                'action_plan_uuid': plan.uuid,
                'action_uuid': uuid,
            }
        row = objects.Action(
            context,
            uuid=uuid,
            action_plan_id=plan.id,
            action_type=action['action_type'],
            input_parameters=given,
            state=objects.action.State.PENDING,
            parents=[uuids[i] for i in mine],
        )
        _remark(row, story.of_action(given) if ours else None)
        row.create()


def _tell(
    context: Any,  # noqa: ANN401
    audit_id: int,
    solution: Any,  # noqa: ANN401
    text: str,
) -> None:
    """Put the text where the operator looks first, if the release has it."""
    tell = getattr(solution.strategy, 'tell', None)
    if tell is not None:
        # The audit that the strategy was given is saved after us, over
        # whatever we would write beside it.
        tell(text)
        return
    if 'status_message' not in objects.Audit.fields:
        return
    try:
        audit = objects.Audit.get_by_id(context, audit_id, eager=True)
        audit.status_message = text
        audit.save()
    except Exception:
        LOG.exception('Audit %s could not be told: %s', audit_id, text)
