"""What is wrong with a cloud, and what to do: a table of checks.

A check is a function from what was read to findings. Nothing is asked here;
what was not asked is told as that. Checks of what is measured are in
checks_measured.py.
"""

from collections.abc import Callable
from collections.abc import Iterator

from watcher_tsmig import units
from watcher_tsmig.cli.findings import Finding
from watcher_tsmig.cli.findings import error
from watcher_tsmig.cli.findings import not_asked
from watcher_tsmig.cli.findings import ok
from watcher_tsmig.cli.findings import some
from watcher_tsmig.cli.findings import warning
from watcher_tsmig.execute.drivers import sdk
from watcher_tsmig.model import Host
from watcher_tsmig.telemetry.direct import GNOCCHI
from watcher_tsmig.telemetry.direct import SERVICES
from watcher_tsmig.telemetry.doctor.examine import Seen
from watcher_tsmig.telemetry.doctor.probes import Answer
from watcher_tsmig.telemetry.inventory.nodes import UUIDS
from watcher_tsmig.telemetry.inventory.vms import PINNED_SINCE

# s that a request may take before it is told.
LATE = 5.0
# s that a clock may be off: agents obey a request for so long at most
# (agent.values.VALID, of which half is forgiven), and a Date has whole ones.
AHEAD, TOO_FAR = 5.0, 30.0

# Without it: no plan, a worse one, or only less known of some VMs
MISSING = {
    'identity': error,
    'compute': error,
    'placement': warning,
    'metric': warning,
    'image': warning,
    'network': warning,
    'infra-optim': error,
}
WITHOUT = {
    'placement': 'room and traits of hosts are unknown',
    'metric': 'every VM is planned on assumed values',
    'image': 'root disks that images make are not counted',
    'network': 'VMs with ports that do not move live are not told',
    'infra-optim': 'nothing can be planned or carried out',
    'compute': 'there is no cloud to plan for',
    'identity': 'nobody is let in',
}


def services(seen: Seen) -> Iterator[Finding]:
    """Each service is in the catalogue and answers, in time."""
    for service, name in SERVICES.items():
        if service == 'metric' and seen.source != GNOCCHI:
            yield not_asked(f'{name}: measures are read of {seen.source}')
            continue
        if service not in seen.endpoints:
            yield MISSING[service](
                f'{name} is not in the catalogue; {WITHOUT[service]}',
                f'register its endpoint as {service}, or name the interface '
                'and region that it is in',
            )
            continue
        asked = [a for a in seen.answers if a.probe.service == service]
        if asked and not seen.answered(service):
            yield MISSING[service](
                f'{name}: {asked[0].why}; {WITHOUT[service]}',
                f'see that {seen.endpoints[service]} answers from here',
            )
            continue
        slowest = max((a.took for a in asked), default=0.0)
        if slowest > LATE:
            yield warning(
                f'{name}: a small question took {units.human_time(slowest)}',
                'look for what it waits for; audits ask thousands of them',
            )
        else:
            yield ok(f'{name} answers')


def rights(seen: Seen) -> Iterator[Finding]:
    """Each API gives what plans are made of, to this user."""
    wrong = [a for a in seen.answers if a.why and a.status is not None]
    for answer in wrong:
        bad = error if answer.probe.vital else warning
        yield bad(
            f'{SERVICES[answer.probe.service]} does not give '
            f'{answer.probe.gives}: {answer.why}',
            _remedy(answer),
        )
    if seen.failure:
        yield error(
            f'the cloud cannot be read: {seen.failure}',
            'mend what is told above, or see the log of that service',
        )
    if not wrong and not seen.failure:
        count = sum(a.status is not None for a in seen.answers)
        yield ok(f'all of {count} questions were answered')


def _remedy(answer: Answer) -> str:
    if answer.status in (401, 403) or 'hides' in answer.why:
        return (
            'use a user with the role admin, or let the policy of '
            f'{SERVICES[answer.probe.service]} allow {answer.probe.policy}'
        )
    if answer.status == 406:
        return f'upgrade it to microversion {answer.probe.version} at least'
    if answer.status == 404:
        return 'see that the catalogue names the right URL'
    return f'see the log of {SERVICES[answer.probe.service]}'


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split('.'))


#: From which microversion of Nova on what is there.
NEEDS = (
    (UUIDS, error, 'hosts have no uuid'),
    (
        sdk.ASYNCHRONOUS,
        error,
        'Nova checks a migration before it answers, for up to a minute',
    ),
    (
        sdk.DETAILS,
        error,
        'server groups and why a migration failed are not told',
    ),
    (
        '.'.join(map(str, PINNED_SINCE)),
        warning,
        'every VM is kept in its availability zone (option keep_zone)',
    ),
)


def versions(seen: Seen) -> Iterator[Finding]:
    """Nova is as new as planning and migrating need."""
    if not seen.nova:
        yield not_asked('Nova does not tell its microversion')
        return
    lacking = [
        (bad, least, without)
        for least, bad, without in NEEDS
        if _number(seen.nova) < _number(least)
    ]
    for bad, least, without in lacking:
        yield bad(
            f'Nova has microversion {seen.nova}, not {least}: {without}',
            'upgrade Nova',
        )
    if not lacking:
        yield ok(f'Nova has microversion {seen.nova}')


def clocks(seen: Seen) -> Iterator[Finding]:
    """Services and we agree on the time."""
    for service, ahead in seen.skews.items():
        if abs(ahead) <= AHEAD or service not in SERVICES:
            continue
        way = 'ahead of' if ahead > 0 else 'behind'
        bad = error if abs(ahead) > TOO_FAR else warning
        yield bad(
            f'the clock of {SERVICES[service]} is '
            f'{units.human_time(abs(ahead))} {way} ours',
            'keep both in time by NTP: measures would count as too old, and '
            'agents refuse what is late',
        )
    known = [a for s, a in seen.skews.items() if s in SERVICES]
    if not known:
        yield not_asked('no service told its time')
    elif all(abs(ahead) <= AHEAD for ahead in known):
        worst = max(abs(ahead) for ahead in known)
        yield ok(f'clocks agree within {worst + 0.5:.0f} s')


def hosts(seen: Seen) -> Iterator[Finding]:
    """There are hosts, and they are up."""
    if seen.direct is None:
        yield not_asked(UNREAD)
        return
    found = seen.direct.reading.cloud.hosts
    if len(found) < 2:
        yield error(
            f'Nova has {len(found)} hosts; a migration needs two',
            'see `openstack hypervisor list`',
        )
    down = [h.name for h in found if not h.up]
    if down:
        yield warning(
            f'{len(down)} of {len(found)} hosts are down: {some(down)}',
            'no live migration leaves or enters them; see the log of '
            'nova-compute there',
        )
    if len(found) >= 2 and not down:
        vms = len(seen.direct.reading.cloud.vms)
        yield ok(f'{len(found)} hosts are up, with {vms} VMs')


UNREAD = 'the cloud could not be read'


def placement(seen: Seen) -> Iterator[Finding]:
    """Placement and Nova agree on the room that is taken."""
    if seen.direct is None or not seen.answered('placement'):
        yield not_asked(UNREAD if seen.direct is None else 'no Placement')
        return
    held = 0
    by_name = {
        node.hostname: node for node in seen.direct.nodes.nodes.values()
    }
    for host in seen.direct.reading.cloud.hosts:
        node = by_name[host.name]
        memory = units.from_mib(node.memory_mb_capacity) - host.memory
        vcpus = node.vcpu_capacity - host.vcpus
        if memory < units.MIB and vcpus < 1:
            continue
        held += 1
        yield warning(
            f'{host.name}: by Placement {units.human_size(memory)} and '
            f'{vcpus:.0f} vCPUs more are taken than the VMs have that Nova '
            'shows',
            'a crash leaves such allocations: `nova-manage placement audit` '
            'finds and --delete removes them',
        )
    if not held:
        yield ok('all that is taken by Placement is of VMs that Nova has')


def notes(seen: Seen) -> Iterator[Finding]:
    """Nothing odd was met while the cloud was read."""
    if seen.direct is None:
        yield not_asked(UNREAD)
        return
    found = seen.direct.reading.notes
    for note in found:
        yield warning(note, 'plans are more careful for it')
    if not found:
        yield ok('nothing odd')


def limits(seen: Seen) -> Iterator[Finding]:
    """How many migrations Nova runs at once, and how it ends them."""
    yield from _known_of(
        seen,
        'how many migrations may leave at once',
        lambda host: host.max_outgoing is not None,
        '1 is assumed',
        'tsmig:max_concurrent_live_migrations',
    )
    if seen.direct is None:
        return
    waits = [
        h.name
        for h in seen.direct.reading.cloud.hosts
        if h.nova is not None and h.nova.completion_timeout is None
    ]
    if waits:
        yield warning(
            f'Nova never ends a migration on {some(waits)}',
            'set [libvirt]live_migration_completion_timeout above 0',
        )


def nics(seen: Seen) -> Iterator[Finding]:
    """How fast each host's NIC for migrations is."""
    yield from _known_of(
        seen,
        'how fast the NIC of migrations is',
        lambda host: host.nic is not None,
        'assume_nic_mbit_s is taken',
        'tsmig:nic_mbit_s',
    )


def post_copy(seen: Seen) -> Iterator[Finding]:
    """Whether each host can post-copy."""
    yield from _known_of(
        seen,
        'whether post-copy is possible',
        lambda host: host.post_copy is not None,
        'it counts as no',
        'tsmig:post_copy',
    )
    if seen.direct is None:
        return
    found = seen.direct.reading.cloud.hosts
    unable = [h.name for h in found if h.post_copy is False]
    if unable:
        yield warning(
            f'{len(unable)} of {len(found)} hosts cannot post-copy: '
            f'{some(unable)}',
            'set [libvirt]live_migration_permit_post_copy and '
            'vm.unprivileged_userfaultfd=1 there, or let it be: VMs that '
            'write too fast are then left out',
        )


def _known_of(
    seen: Seen,
    what: str,
    known: Callable[[Host], bool],
    otherwise: str,
    key: str,
) -> Iterator[Finding]:
    """Whether all hosts have told something."""
    if seen.direct is None:
        yield not_asked(UNREAD)
        return
    found = seen.direct.reading.cloud.hosts
    silent = [h.name for h in found if not known(h)]
    if silent:
        yield warning(
            f'{len(silent)} of {len(found)} hosts do not tell {what} '
            f'({some(silent)}); {otherwise}',
            f'run the agent there, or declare {key} on a host aggregate',
        )
    else:
        yield ok(f'all {len(found)} hosts tell {what}')


def agents(seen: Seen) -> Iterator[Finding]:
    """The agent of each host answers on the bus."""
    if not seen.agents:
        yield not_asked(
            'agents answer on the message bus only',
            "give --config-file with Watcher's transport_url",
        )
        return
    if seen.direct is None:
        yield not_asked(UNREAD)
        return
    found = seen.direct.reading.cloud.hosts
    silent = [h.name for h in found if not h.agent]
    if silent:
        yield warning(
            f'no agent answers on {len(silent)} of {len(found)} hosts: '
            f'{some(silent)}',
            'caps are advisory there and writing is not measured; start '
            'tsmig-agent, and see that it is on the same transport_url',
        )
    else:
        yield ok(f'the agents of all {len(found)} hosts answer')
