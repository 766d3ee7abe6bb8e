"""Who is to move: names and ids of people into ids of VMs and hosts.

Only looking up lives here. What is not there, or is there twice, is told
with what is known, and then nothing of it is done: half of what was meant
may be worse than nothing.
"""

import collections
from collections.abc import Sequence

from watcher_tsmig.model import Cloud
from watcher_tsmig.plugin import story

SIGN = '='


class NothingToPlan(Exception):
    """Nothing can be planned; the text says why."""


class NothingToDo(NothingToPlan):
    """All is as it should be; the text says so."""


def hosts(
    cloud: Cloud, parameter: str, named: Sequence[str]
) -> tuple[str, ...]:
    """The hosts, each once.

    :raises NothingToPlan: one of them is not there
    """
    known = {host.name for host in cloud.hosts}
    unknown = [name for name in named if name not in known]
    if unknown:
        raise NothingToPlan(story.unknown_hosts(parameter, unknown, known))
    return tuple(dict.fromkeys(named))


def vms(cloud: Cloud, parameter: str, named: Sequence[str]) -> tuple[str, ...]:
    """The ids of VMs that are named by name or id, each once.

    :raises NothingToPlan: one is not there, or its name is that of several
    """
    ids = {vm.id for vm in cloud.vms}
    by_name = collections.defaultdict(list)
    for vm in cloud.vms:
        by_name[vm.name].append(vm.id)
    unknown = [x for x in named if x not in ids and x not in by_name]
    if unknown:
        raise NothingToPlan(story.unknown_vms(parameter, unknown, by_name))
    found = []
    for name in named:
        mine = [name] if name in ids else by_name[name]
        if len(mine) > 1:
            raise NothingToPlan(story.shared_name(parameter, name, mine))
        found.append(mine[0])
    return tuple(dict.fromkeys(found))


def choices(
    cloud: Cloud, parameter: str, given: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Pairs (id of a VM, host) of texts ``VM=HOST``.

    :raises NothingToPlan: one of both is not there, or a VM has two hosts
    """
    pairs = []
    for text in given:
        # a VM's name may hold the sign, a host's does not
        name, sign, host = text.rpartition(SIGN)
        if not (sign and name.strip() and host.strip()):
            raise NothingToPlan(story.no_choice(parameter, text))
        pairs.append((name.strip(), host.strip()))
    hosts(cloud, parameter, [host for _, host in pairs])
    found: dict[str, str] = {}
    for name, host in pairs:
        (vm,) = vms(cloud, parameter, [name])
        if found.setdefault(vm, host) != host:
            raise NothingToPlan(
                story.two_hosts(parameter, name, found[vm], host)
            )
    return tuple(found.items())
