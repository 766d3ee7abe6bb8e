"""What other action plans are about to do: hosts that they empty.

Reads Watcher's rows and nothing else. A plan that is only recommended may
never be started, but who starts it expects its hosts to be empty.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_log import log
from watcher import objects
from watcher.common import context

from watcher_tsmig import errors
from watcher_tsmig.plugin import edges
from watcher_tsmig.plugin import story
from watcher_tsmig.plugin.targets import NothingToPlan

LOG = log.getLogger(__name__)

STATES = ('ONGOING', 'PENDING', 'RECOMMENDED')
# Of each state so many plans are looked at, the newest first.
MOST = 50


def emptied(audit: Any) -> dict[str, str]:  # noqa: ANN401 - Watcher's
    """Hosts that plans of other audits empty, with the plan's uuid.

    An older plan of the same audit is overtaken by its next.

    :raises errors.CloudError: Watcher's database does not tell
    """
    found: dict[str, str] = {}
    try:
        mine, where = getattr(audit, 'id', None), context.make_context()
        for state in STATES:
            for plan in objects.ActionPlan.list(
                where,
                limit=MOST,
                filters={'state': state},
                sort_key='id',
                sort_dir='desc',
            ):
                if plan.audit_id != mine:
                    for host in _hosts(where, plan):
                        found.setdefault(host, plan.uuid)
    except Exception as error:
        # whatever its database raises; a plan that does not know may send
        # VMs to where they must not stay
        LOG.exception('What other plans do is unknown')
        raise errors.CloudError(
            "Watcher's database does not tell which hosts other plans empty "
            f'({type(error).__name__}); see the log of the decision engine'
        ) from error
    return found


def _hosts(where: Any, plan: Any) -> list[str]:  # noqa: ANN401
    actions = objects.Action.list(where, filters={'action_plan_id': plan.id})
    given = [
        a.input_parameters for a in actions if a.action_type == edges.DISABLE
    ]
    return [
        str(g['resource_name'])
        for g in given
        if g.get('state') == 'disabled' and g.get('resource_name')
    ]


def spared(
    closed: Mapping[str, str], allowed: Sequence[str], hosts: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    """Destinations without those that others empty, and what to say of it.

    :param closed: with the uuid of the plan that empties each
    :param allowed: that the audit names; empty: all
    :param hosts: of the cloud that this audit does not empty itself
    :raises NothingToPlan: others empty all of them
    """
    might = allowed or hosts
    shut = sorted(set(closed) & set(might))
    if not shut:
        return tuple(allowed), ''
    left = tuple(host for host in might if host not in closed)
    if not left:
        raise NothingToPlan(story.all_closed(shut, closed[shut[0]]))
    is_are = 'is' if len(shut) == 1 else 'are'
    return left, f'{", ".join(shut)} {is_are} emptied by another plan'
