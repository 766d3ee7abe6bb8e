"""What our actions share: a signal to stop, and words for the operator.

Nothing here does anything to the cloud; the rows of Watcher's database are
all that it reads and writes.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from oslo_log import log
from watcher import objects
from watcher.common import context
from watcher.common import exception

from watcher_tsmig import errors
from watcher_tsmig.execute.compute import Unanswered
from watcher_tsmig.plugin import story

LOG = log.getLogger(__name__)

# Several actions of a plan may end at once, each with something to tell.
REMARKS = threading.Lock()
# Watcher's State of an action, which is there only once it is registered.
FAILED = 'FAILED'
# Between two looks at the action plan's state, s
CANCEL_INTERVAL = 1.0


class ActionFailed(exception.WatcherException):
    """An action did not do what it was to; at most 200 characters.

    Only the text of a `WatcherException` reaches the operator, and a longer
    one than Watcher's column would hang the whole action plan.
    """

    def __init__(self, reason: object) -> None:
        text = ' '.join(str(reason).split()) or type(reason).__name__
        super().__init__(str(errors.MigrationError(text)))


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Whatever goes wrong in the block leaves as a reason for the operator.

    :param what: is done there
    :raises ActionFailed: with the reason
    """
    try:
        yield
    except Unanswered as error:
        raise ActionFailed(f'{what}: Nova does not answer: {error}') from error
    except errors.TsmigError as error:
        raise ActionFailed(error) from error
    except exception.WatcherException:
        raise
    except Exception as error:
        # Watcher would show the name of its class and nothing else
        LOG.exception('%s', what)
        raise ActionFailed(
            f'{what}: {type(error).__name__}: {error}'
        ) from error


class Cancelled:
    """Whether an action plan is being cancelled, asked at a bounded rate."""

    def __init__(self, plan_uuid: str) -> None:
        self._uuid = plan_uuid
        self._asked = float('-inf')
        self._answer = False

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self._uuid or self._answer or now < self._asked:
            return self._answer
        self._asked = now + CANCEL_INTERVAL
        try:
            plan = objects.ActionPlan.get_by_uuid(
                context.make_context(), self._uuid
            )
        except Exception:
            # a database that is away for a moment must not leave a running
            # migration without its watcher
            LOG.exception('The state of plan %s is unknown', self._uuid)
            return False
        # Watcher 14 has no name for the two together
        states = objects.action_plan.State
        self._answer = plan.state in (states.CANCELLING, states.CANCELLED)
        return self._answer


def of_plan(plan_uuid: str, action_type: str) -> list[tuple[str, Any]]:
    """State and input parameters of a plan's actions of that type.

    No actions where Watcher's database does not tell.
    """
    if not plan_uuid:
        return []
    try:
        where = context.make_context()
        plan = objects.ActionPlan.get_by_uuid(where, plan_uuid)
        rows = objects.Action.list(where, filters={'action_plan_id': plan.id})
    except Exception:
        # what it says is for the better; without it goes what can
        LOG.exception('The actions of plan %s are unknown', plan_uuid)
        return []
    return [
        (row.state, row.input_parameters)
        for row in rows
        if row.action_type == action_type
    ]


def remark(plan_uuid: str, text: str) -> None:
    """Put the text before the plan's status message, if it has one."""
    if not plan_uuid or 'status_message' not in objects.ActionPlan.fields:
        return
    try:
        with REMARKS:
            plan = objects.ActionPlan.get_by_uuid(
                context.make_context(), plan_uuid, eager=True
            )
            before = plan.status_message or ''
            if text not in before:
                plan.status_message = story.joined(
                    [text, *([before] if before else [])]
                )
                plan.save()
    except Exception:
        # the migration's own failure must reach the operator all the same
        LOG.exception('Plan %s could not be told: %s', plan_uuid, text)


def tell(given: Mapping[str, Any], text: str) -> None:
    """What came of an action, for whoever reads it.

    :param given: its input parameters
    """
    uuid = given.get('action_uuid')
    if not uuid or 'status_message' not in objects.Action.fields:
        return
    try:
        # with its plan, which is in the notification of a change
        row = objects.Action.get_by_uuid(
            context.make_context(), uuid, eager=True
        )
        row.status_message = story.clipped(text)
        row.save()
    except Exception:
        # it has succeeded, whether it can be told or not
        LOG.exception('Action %s could not be told: %s', uuid, text)


def stopped(given: Mapping[str, Any], kind: str) -> str:
    """Why no more of a plan's actions are started; empty: they may be.

    :param given: input parameters of one of them
    :param kind: of those that count
    """
    most = int(given.get('stop_after_failures') or 0)
    if not most:
        return ''
    states = [s for s, _ in of_plan(given.get('action_plan_uuid') or '', kind)]
    failed = states.count(FAILED)
    if failed < most:
        return ''
    return (
        f'{failed} migrations of the plan have failed, and it is to stop '
        f'after {most}'
    )
