"""No plan is written into Watcher that the judge of plans refuses.

The judge (plan/check) shares nothing with who made the plan, so what it finds
is a bug of ours, in one of both. So is a judge that breaks: a plan that nobody
could judge is not shown either.
"""

from oslo_log import log

from watcher_tsmig import errors
from watcher_tsmig.model import Cloud
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.values import Plan

LOG = log.getLogger(__name__)


def judge(cloud: Cloud, plan: Plan) -> None:
    """Nothing, where the plan is right.

    :param cloud: that it was made for
    :raises errors.InternalError: it is not, or nobody knows
    """
    try:
        found = check(cloud, plan)
    except Exception as error:
        LOG.exception('The judge of plans has failed')
        raise errors.InternalError(
            f'the plan could not be judged ({type(error).__name__}: {error})'
        ) from error
    if not found:
        return
    for sentence in found:
        LOG.error('The plan is wrong: %s', sentence)
    more = f' (and {len(found) - 1} more)' if len(found) > 1 else ''
    raise errors.InternalError(f'the plan is wrong{more}: {found[0]}')
