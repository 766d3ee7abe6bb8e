"""Nova's server groups of all projects.

Only their reading lives here. Where Nova does not show them, they are
unknown, a note says so, and Nova itself still minds them when it is asked
for a migration.
"""

from collections.abc import Collection

from watcher_tsmig import errors
from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Group
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import ServerGroup

PATH = '/os-server-groups?offset={}'
# Nova shows [api]max_limit groups at once, 1000 by default, with no link to
# the next ones.
MAX_PAGES = 100


def read_groups(
    compute: Compute, vms: Collection[str], notes: list[str]
) -> tuple[Group, ...]:
    """The groups that have one of the VMs, by their ids.

    :param vms: ids of the cloud's VMs
    """
    try:
        shown = ask('server groups', lambda: _all(compute))
    except errors.CloudError as error:
        notes.append(f'server groups are not minded: {brief(error)}')
        return ()
    known = frozenset(vms)
    found = [
        group
        for which in shown
        if not known.isdisjoint(which.member_ids or ())
        and (group := _group(which, notes)) is not None
    ]
    return tuple(sorted(found, key=lambda group: group.id))


def _all(compute: Compute) -> list[ServerGroup]:
    found: dict[str, ServerGroup] = {}
    for _ in range(MAX_PAGES):
        page = compute.server_groups(
            all_projects=True, base_path=PATH.format(len(found))
        )
        new = {group.id: group for group in page if group.id not in found}
        if not new:
            break
        found.update(new)
    return list(found.values())


def _group(which: ServerGroup, notes: list[str]) -> Group | None:
    # one policy since 2.64, before that a list that never has two
    policy = which.policy or next(iter(which.policies or ()), None)
    if policy not in tuple(Affinity):
        notes.append(
            f'server group {which.id} is not minded: {policy!r} is no known '
            'policy'
        )
        return None
    rules = getattr(which, 'rules', None) or {}
    return Group(
        id=which.id,
        policy=str(policy),
        members=tuple(dict.fromkeys(which.member_ids)),
        max_per_host=max(float(rules.get('max_server_per_host') or 1), 1.0),
    )
