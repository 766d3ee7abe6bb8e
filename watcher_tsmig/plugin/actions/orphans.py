"""Migrations that an applier left behind when it was stopped.

Nova goes on with them, and Watcher cancels their plan when an applier with
the same host starts again (applier/sync.py). Then nobody switches them to
post-copy or minds their deadlines, so the applier that starts takes them up.
What had not begun stays as it was.
"""

import datetime
import threading
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_log import log
from watcher import objects
from watcher.common import context

LOG = log.getLogger(__name__)
# The input parameters of an action.
Given = Mapping[str, Any]

ONGOING, CANCELLED = 'ONGOING', 'CANCELLED'
# Watcher cancels at its start what was left; s until that is over, and s
# between two looks whether it is.
PATIENCE, EVERY = 120.0, 1.0
# Actions that were cancelled before are over, or somebody else's by now.
RECENT = datetime.timedelta(hours=6)
# Plans that are looked at, the newest first: an applier runs few at once.
MOST = 20
# Once in a process.
ONCE = threading.Lock()


def take_up(
    kind: str,
    moving: Callable[[], Collection[str]],
    follow: Callable[[Given], None],
) -> None:
    """Follow what was left behind, beside everything else.

    :param kind: the type of the actions that are looked for
    :param moving: ids of the VMs that are under way, whoever asked for it
    :param follow: one of them to its end, if it is under way still
    """
    if ONCE.acquire(blocking=False):
        _beside(lambda: _take_up(kind, moving, follow))


def _take_up(
    kind: str,
    moving: Callable[[], Collection[str]],
    follow: Callable[[Given], None],
) -> None:
    try:
        # the newest plan's comes first, and is the one that counts
        left = {g['resource_id']: g for g in reversed(left_behind(kind))}
        going = moving() if left else ()
    except Exception:
        # an applier has to start, whatever its database or Nova has
        LOG.exception('What was left behind is unknown')
        return
    for vm in sorted(left.keys() & set(going)):
        _beside(lambda given=left[vm]: follow(given))


def _beside(call: Callable[[], None]) -> None:
    threading.Thread(target=call, daemon=True).start()


def left_behind(kind: str) -> list[Given]:
    """Input parameters of what ran when this applier was last stopped.

    Among them may be what an operator cancelled; that is over, or wants to be
    seen to its end as well.
    """
    where, host = context.make_context(), {'hostname': cfg.CONF.host}
    began = time.monotonic()
    while objects.ActionPlan.list(where, filters={**host, 'state': ONGOING}):
        if time.monotonic() - began > PATIENCE:
            LOG.warning('Plans of %s are still ongoing', cfg.CONF.host)
            break
        time.sleep(EVERY)
    plans = objects.ActionPlan.list(
        where,
        filters={**host, 'state': CANCELLED},
        limit=MOST,
        sort_key='id',
        sort_dir='desc',
    )
    since = datetime.datetime.now(datetime.UTC) - RECENT
    return [
        action.input_parameters
        for plan in plans
        for action in objects.Action.list(
            where, filters={'action_plan_id': plan.id, 'state': CANCELLED}
        )
        if action.action_type == kind and (action.updated_at or since) > since
    ]
