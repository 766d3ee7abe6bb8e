"""Whether a VM has shares of Manila, for which Nova does not move it live.

No listing of Nova's tells, so that it is a question for each VM: for a VM
that is about to move, and only where there are shares at all.
Source: nova/compute/api.py, block_shares_not_supported, and nova/api/
openstack/compute/server_shares.py; since 31 (2025.1), up to 34 at least.
"""

from openstack import exceptions as sdk_errors

from watcher_tsmig import errors
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.inventory.servers import Version

SINCE = (2, 97)


def has_shares(
    compute: Compute, vm: str, newest: Version | None, notes: list[str]
) -> bool:
    """Whether it has; not where Nova does not tell.

    :param newest: microversion that Nova has; None: nobody knows
    """

    def told() -> bool:
        answer = compute.get(
            f'/servers/{vm}/shares', microversion='{}.{}'.format(*SINCE)
        )
        sdk_errors.raise_from_response(answer)
        return bool(answer.json()['shares'])

    if newest is None or newest < SINCE:
        return False
    try:
        if not ask('catalogue', lambda: beside.listed(compute, beside.MANILA)):
            return False
        return ask('shares', told)
    except errors.CloudError as error:
        notes.append(f'whether it has shares is unknown: {brief(error)}')
        return False
