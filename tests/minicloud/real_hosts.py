"""Two hosts whose guests are real: Nova on libvirt and QEMU, by emulation.

Each has a libvirt daemon of the laboratory's kit, and a nova-compute that
sees its files. All are in the one network namespace; a host's link is what
is shaped towards its own loopback address.
"""

import contextlib
import pathlib
import re
from collections.abc import Iterator

from tests.lab import prepare
from tests.lab.libvirtd import Daemon
from tests.minicloud import configuration
from tests.minicloud import stages
from tests.minicloud.bed import Bed
from tests.minicloud.bed import Failed
from tests.minicloud.bed import said

KIT = pathlib.Path('.lab/kit')
#: bit/s of a host's link; so slow that emulated guests are fast beside it
LINK = 200e6
FLAVOR = {'name': 'real', 'vcpus': 1, 'ram': 192, 'disk': 0}
QUIET = 'console=ttyS0 quiet panic=-1 no_timer_check'
#: by image, what its guest writes (tests/lab/guest/program.c)
GUESTS = {
    'idle': 'image=16000,pages=100,rate=10,pattern=u',
    'web': 'image=20000,pages=2000,rate=500,pattern=u',
    'db': 'image=24000,pages=20000,rate=12000,pattern=u',
}


_CLASSES = {host: f'1:{20 + i}' for i, host in enumerate(configuration.REAL)}


class Loopback:
    """The hosts of one network namespace, as `Daemon` wants a network."""

    hosts = list(configuration.REAL)

    def address(self, host: str) -> str:
        """The loopback address that is the host's own."""
        return configuration.REAL[host]

    def within(self, host: str) -> list[str]:
        """Nothing to say before a command: it is in the namespace."""
        return []


def kit(bed: Bed) -> None:
    """QEMU, libvirt, a kernel and the guest's program, fetched once.

    :raises Failed: the machine cannot have them
    """
    try:
        prepare.kit(KIT.resolve())
        prepare.libvirt(KIT.resolve())
    except prepare.LabError as error:
        raise Failed(str(error)) from error


@contextlib.contextmanager
def hosts(bed: Bed) -> Iterator[dict[str, Daemon]]:
    """Both hosts with their nova-computes, by name, until the block ends."""
    _shape()
    root, network = KIT.resolve() / 'libvirt', Loopback()
    tools = prepare.kit(KIT.resolve())
    with contextlib.ExitStack() as stack:
        daemons = {
            host: stack.enter_context(Daemon(tools, root, network, host))
            for host in network.hosts
        }
        stages.joined(
            bed,
            [_compute(bed, host, daemon) for host, daemon in daemons.items()],
        )
        try:
            yield daemons
        finally:
            for host in daemons:
                bed.stop(host)


def _compute(bed: Bed, host: str, daemon: Daemon) -> stages.Process:
    """Nova's agent beside the daemon, in its namespaces."""
    instances = configuration.INSTANCES.lstrip('/')
    (daemon.folder / instances).mkdir()
    libraries = [
        f'{root}/{part}/x86_64-linux-gnu'
        for root in (daemon.root, daemon.kit.root)
        for part in ('lib', 'usr/lib')
    ]
    return bed.start(
        host,
        ['nsenter', f'--target={_first(daemon)}', '--mount', '--uts', '--pid']
        + ['--', bed.program('nova-compute'), '--config-file']
        + [str(bed.conf / host / 'nova.conf')],
        {
            'PYTHONPATH': f'{daemon.root}/usr/lib/python3/dist-packages',
            'LD_LIBRARY_PATH': ':'.join(libraries),
        },
    )


def _first(daemon: Daemon) -> int:
    """The process that is the first one in the daemon's namespaces."""
    assert daemon.process
    pid = daemon.process.pid
    children = pathlib.Path(f'/proc/{pid}/task/{pid}/children')
    return int(children.read_text().split()[0])


def received(host: str) -> int:
    """Bytes that went towards a host's address so far.

    :raises Failed: its link is not shaped
    """
    shown = _tc('-s class show dev lo')
    found = re.search(rf'class htb {_CLASSES[host]} .*\n Sent (\d+)', shown)
    if not found:
        raise Failed(f'no class of {host} on lo: {shown}')
    return int(found[1])


def _shape() -> None:
    """What goes to a host's address is limited to its link."""
    _tc('qdisc replace dev lo root handle 1: htb default 10 r2q 1000')
    _tc('class replace dev lo parent 1: classid 1:10 htb rate 100gbit')
    for host, address in configuration.REAL.items():
        _tc(
            f'class replace dev lo parent 1: classid {_CLASSES[host]} htb '
            f'rate {LINK:.0f}bit burst 256kb'
        )
        _tc(
            'filter add dev lo parent 1: protocol ip u32 match ip dst '
            f'{address}/32 flowid {_CLASSES[host]}'
        )


def _tc(words: str) -> str:
    return said('tc', *words.split())


def configure(bed: Bed) -> None:
    """nova.conf of the hosts, in place of that of simulated ones."""
    for host in configuration.REAL:
        path = bed.conf / host / 'nova.conf'
        path.write_text(
            configuration.text_of(configuration.real_nova(bed, host))
        )
        stages.configure_compute(bed, host)


def images(bed: Bed) -> None:
    """The guests' images and their flavor, in Glance and Nova."""
    # slow to load, and needed by this command only
    import openstack

    rc = {
        name.removeprefix('OS_').lower(): value
        for name, value in stages.openrc(bed).items()
        if name.startswith('OS_') and 'OPTIM' not in name
    }
    cloud = openstack.connect(**rc)
    cloud.compute.create_flavor(**FLAVOR)
    tools = prepare.kit(KIT.resolve())
    parts = {
        form: cloud.image.create_image(
            name=form,
            disk_format=form,
            container_format=form,
            data=path.read_bytes(),
            allow_duplicates=True,
        ).id
        for form, path in (('aki', tools.kernel), ('ari', tools.initrd))
    }
    for name, writes in GUESTS.items():
        cloud.image.create_image(
            name=name,
            disk_format='raw',
            container_format='bare',
            data=bytes(1 << 20),
            allow_duplicates=True,
            kernel_id=parts['aki'],
            ramdisk_id=parts['ari'],
            os_command_line=f'{QUIET} lab.run=write,{writes}',
        )


#: what comes up before the hosts: all but simulated ones, and Watcher
BEFORE: tuple[stages.Stage, ...] = (
    *(
        s
        for s in stages.INSIDE
        if s[0] not in ('computes', 'agents', 'watcher')
    ),
    ('hosts', configure),
    ('images', images),
)
