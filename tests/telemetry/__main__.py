"""Bring it all up, let two guests be measured, and judge what arrives.

python -m tests.telemetry [FACT]...
"""

import contextlib
import os
import pathlib
import sys
import time
from collections.abc import Iterator

from tests.agent.process import AgentProcess
from tests.lab import prepare
from tests.lab.domain import Guest
from tests.lab.facts import Surprise
from tests.lab.libvirtd import Daemon
from tests.minicloud import real_hosts
from tests.minicloud import stages
from tests.minicloud.bed import Bed
from tests.minicloud.bed import Failed
from tests.telemetry import services
from tests.telemetry.facts import FACTS
from tests.telemetry.facts import Bench
from watcher_tsmig.agent import spool
from watcher_tsmig.errors import TsmigError

# KiB; large enough that a measurement samples some hundred pages
MEMORY = 512 * 1024
BUSY = 'image=44000,pages=40000,rate=8000,pattern=u'
IDLE = 'image=20000,pages=100,rate=10,pattern=u'
# Cores: the test waits for all spans once, whatever it costs
BUDGET = 0.5
# s for that: the spans' sum, and pauses
PATIENCE = 240.0
PROJECT = '7473ffff-0000-4000-8000-00000000000a'
NOVA = 'http://openstack.org/xmlns/libvirt/nova/1.1'


@contextlib.contextmanager
def bench(bed: Bed) -> Iterator[Bench]:
    """Everything runs, and both guests were measured."""
    kit = prepare.kit(real_hosts.KIT.resolve())
    root = prepare.libvirt(real_hosts.KIT.resolve())
    network = real_hosts.Loopback()
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(
            Daemon(kit, root, network, network.hosts[0])
        )
        agent = AgentProcess(daemon, survey=BUDGET)
        guests = [
            Guest(daemon, name, work, memory=MEMORY)
            for name, work in (('busy', BUSY), ('idle', IDLE))
        ]
        stack.enter_context(agent)
        for guest in guests:
            _describe(bed, guest)
        services.configure(bed, daemon, agent.spool)
        services.start(bed, daemon)
        made = Bench(agent=agent, busy=guests[0], idle=guests[1])
        _until_measured(made)
        yield made


def _describe(bed: Bed, guest: Guest) -> None:
    """What Nova would have said of it when it made it."""
    text = services.metadata(bed, guest.name, guest.memory, PROJECT)
    libvirt = guest.daemon.libvirt
    guest.domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        text,
        'instance',
        NOVA,
        libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG,
    )


def _until_measured(made: Bench) -> None:
    """Wait until each span of both guests is there.

    :raises Failed: they are not
    """
    wanted = {spool.DIRTY.format(seconds=s) for s in spool.DIRTY_SPANS}
    wanted.add(spool.NONZERO)
    end = time.monotonic() + PATIENCE
    while True:
        lacks = {
            guest.name: sorted(wanted - set(made.measured(guest)))
            for guest in (made.busy, made.idle)
        }
        if not any(lacks.values()):
            return
        if time.monotonic() > end:
            raise Failed(f'not measured: {lacks}; {made.agent.said()}')
        time.sleep(1.0)


def _judge(made: Bench, names: list[str]) -> list[int]:
    counts = [0, 0]
    for name in names:
        began = time.monotonic()
        try:
            verdict, words = 0, FACTS[name](made)
        except Surprise as surprise:
            verdict, words = 1, str(surprise)
        except (OSError, LookupError, AttributeError, TsmigError) as error:
            verdict, words = 1, f'{type(error).__name__}: {error}'
        counts[verdict] += 1
        took = time.monotonic() - began
        told = ('ok', 'FAILED')[verdict]
        print(f'{told} {name} ({took:.0f} s): {words}', flush=True)
    return counts


def main(names: list[str]) -> int:
    """Judge the facts that are named, or all."""
    if set(names) - set(FACTS):
        print(__doc__, 'FACT:', ', '.join(FACTS), file=sys.stderr)
        return 2
    folder = pathlib.Path('.minicloud')
    folder.mkdir(mode=0o700, exist_ok=True)
    bed = Bed(folder)
    (bed.folder / 'watcher').write_text('17.0.0')
    try:
        began = time.monotonic()
        stages.clean(bed)
        for _, stage in stages.OUTSIDE:
            stage(bed)
        stages.empty(bed)
        bed.enter()
        with bench(bed) as made:
            print(f'measured in {time.monotonic() - began:.0f} s', flush=True)
            passed, failed = _judge(made, names or list(FACTS))
    except (Failed, prepare.LabError, OSError) as error:
        print(error, file=sys.stderr)
        passed, failed = 0, len(names or FACTS)
    finally:
        bed.stop_all()
        bed.remove_namespace()
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    os.chdir(pathlib.Path(__file__).resolve().parents[2])
    sys.exit(main(sys.argv[1:]))
