"""What measuring in the background costs, on real guests of QEMU and libvirt.

    python -m benchmarks.overhead [--guests 1,5,20] [--windows 12]

Prints one JSON object. `host`: by guests on a host, the CPU that all
processes (agent, libvirtd, QEMU without its vCPUs) take while the agent
measures on its default budget, less what they take while it does not; beside
it the agent's own count, by which it keeps to the budget. `guest`: how much
less a guest writes while it is measured without a pause, by way, against
windows in between in which it is not: in a second (`pages`), and in a second
of its vCPU's CPU (`worked`), which others on the machine do not disturb.
`share` is how much of its time the defaults let that be, `by_default` what it
then loses in all. `--guests ''` and `--windows 0` leave a part out.

Guests are emulated (TCG): a dirty bitmap, which KVM makes by trapping a
guest's first write to each page, is not made as on KVM, and its loss is not
KVM's. All else is the same code. Needs root and the laboratory's kit
(`sh tools/lab.sh`).
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator

from tests.agent.process import AgentProcess
from tests.lab import prepare
from tests.lab.domain import Guest
from tests.lab.libvirtd import Daemon
from tests.lab.network import Network
from watcher_tsmig.agent import options
from watcher_tsmig.agent import spool
from watcher_tsmig.agent.measure import contents
from watcher_tsmig.agent.measure import cost
from watcher_tsmig.agent.measure import survey
from watcher_tsmig.agent.measure.writing import settled
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.virt import Libvirt

KIT = pathlib.Path('.lab/kit')
MEMORY = 4 << 20  # KiB, of which guests touch little
QUIET = 'image=2000,pages=100,rate=10,pattern=u'
BUSY = 'image=44000,pages=40000,rate=-1,pattern=u'
BUSY_MEMORY = 512 << 10  # KiB
# s that the host is looked at without the agent's measuring and with it
WITHOUT, WITH = 45.0, 120.0
# s of one window of the writer, which reports each second; and for a report
WINDOW, PATIENCE = 6.0, 30.0
# s for what was begun to go, before it is looked at
SETTLE = 3.0
TICK = 1.0 / os.sysconf('SC_CLK_TCK')
DEFAULTS = {option.name: option.default for option in options.OPTIONS}


@contextlib.contextmanager
def host() -> Iterator[Daemon]:
    """A daemon for guests."""
    kit = prepare.kit(KIT.resolve())
    root = prepare.libvirt(KIT.resolve())
    with (
        Network(2) as network,
        Daemon(kit, root, network, network.hosts[0]) as daemon,
    ):
        yield daemon


def worked(pid: int) -> float:
    """CPU of a process so far without its vCPUs, threads that ended too, s."""
    folder = pathlib.Path(f'/proc/{pid}')
    total = _ticks(folder / 'stat')
    for task in (folder / 'task').iterdir():
        with contextlib.suppress(OSError):
            if (task / 'comm').read_text().startswith('CPU '):
                total -= _ticks(task / 'stat')
    return total * TICK


def below(pid: int) -> list[int]:
    """A process's children and theirs: libvirtd, but not its guests."""
    path = pathlib.Path(f'/proc/{pid}/task/{pid}/children')
    children = [int(word) for word in path.read_text().split()]
    names = {
        child: pathlib.Path(f'/proc/{child}/comm').read_text()
        for child in children
    }
    mine = [child for child in children if 'qemu' not in names[child]]
    return [*mine, *(one for child in mine for one in below(child))]


def _ticks(path: pathlib.Path) -> int:
    words = path.read_text().rpartition(')')[2].split()
    return int(words[11]) + int(words[12])


def rate(pids: list[int], seconds: float) -> float:
    """Cores that all of them take."""
    before, began = sum(map(worked, pids)), time.monotonic()
    time.sleep(seconds)
    return (sum(map(worked, pids)) - before) / (time.monotonic() - began)


def by_guests(counts: list[int]) -> list[dict[str, float]]:
    """The host's part of the table, a row for each number of guests."""
    rows = []
    with host() as daemon, contextlib.ExitStack() as stack:
        guests: list[Guest] = []
        for count in counts:
            while len(guests) < count:
                name = f'guest{len(guests)}'
                guests.append(Guest(daemon, name, QUIET, memory=MEMORY))
                stack.callback(guests[-1].destroy, daemon)
            rows.append(_row(daemon, guests))
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def _row(daemon: Daemon, guests: list[Guest]) -> dict[str, float]:
    seen = cost.Host()
    found = {}
    for budget, seconds in ((0.0, WITHOUT), (_budget(), WITH)):
        agent = AgentProcess(daemon, survey=budget)
        agent.spool.unlink(missing_ok=True)
        with agent:
            time.sleep(SETTLE)
            assert agent.process and daemon.process
            pids = [agent.process.pid, *below(daemon.process.pid)]
            for guest in guests:
                pid = seen._guest(guest.domain.UUIDString())
                assert pid
                pids.append(pid)
            found[budget] = rate(pids, seconds)
        if budget:
            told = json.loads(agent.spool.read_text())
    spent = told['spent']
    return {
        'guests': len(guests),
        'guest_gib': MEMORY / (1 << 20),
        'without': found[0.0],
        'with': found[_budget()],
        'cores': found[_budget()] - found[0.0],
        'own_count': spent['cpu'] / spent['seconds'],
        'values': sum(map(len, told['vms'].values())),
        'seconds': WITH,
    }


def _budget() -> float:
    return float(DEFAULTS['survey_budget'])


def ways(hypervisor: Libvirt, vm: str) -> dict[str, Callable[[], object]]:
    """How a guest is measured once, by name."""

    def writing(method: Method) -> Callable[[], object]:
        def once() -> None:
            hypervisor.measure(vm, 1, method)
            time.sleep(1.0)
            settled(hypervisor, vm, 1)

        return once

    chance = random.SystemRandom()
    return {
        'none': lambda: time.sleep(0.1),
        'page-sampling': writing(Method.SAMPLING),
        'dirty-bitmap': writing(Method.BITMAP),
        'contents': lambda: contents.sample(
            hypervisor, vm, survey.PAGES, survey.APART, chance
        ),
    }


def by_way(windows: int) -> dict[str, dict[str, float]]:
    """The guest's part: what its writer loses, and its longest stall."""
    seen: dict[str, list[Window]] = {}
    with host() as daemon:
        guest = Guest(daemon, 'busy', BUSY, memory=BUSY_MEMORY)
        vm = guest.domain.UUIDString()
        socket = daemon.path('libvirt/libvirt-sock')
        known = ways(Libvirt(f'qemu+unix:///system?socket={socket}'), vm)
        vcpu = _vcpu(vm)
        time.sleep(SETTLE)
        order = random.Random(1)
        for _ in range(windows):
            names = list(known)
            order.shuffle(names)
            for name in names:
                window = _window(guest, vcpu, known[name])
                seen.setdefault(name, []).append(window)
        guest.destroy(daemon)
    return {name: _lost(seen, name) for name in seen}


def _vcpu(vm: str) -> pathlib.Path:
    """What the kernel tells of the thread in which the guest runs."""
    pid = cost.Host()._guest(vm)
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        if (task / 'comm').read_text().startswith('CPU '):
            return task / 'schedstat'
    raise OSError(f'no vCPU of {vm} in process {pid}')


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """A few seconds of the writer, from one of its reports to another.

    :ivar pages: that it wrote a second
    :ivar worked: that it wrote in a second of its vCPU's CPU
    :ivar gap: the longest in which it wrote none, s
    """

    pages: float
    worked: float
    gap: float


def _window(
    guest: Guest, vcpu: pathlib.Path, once: Callable[[], object]
) -> Window:
    began, before = _next(guest, vcpu)
    end = time.monotonic() + WINDOW
    while time.monotonic() < end:
        once()
    ended, after = _next(guest, vcpu)
    lines = [line for line in _told(guest) if began < line[0] <= ended]
    times = [began, *(at for at, _, _ in lines)]
    pages = sum(
        rate * (at - last)
        for last, (at, rate, _) in zip(times, lines, strict=False)
    )
    return Window(
        pages / (ended - began),
        pages / (after - before),
        max(gap for _, _, gap in lines),
    )


def _next(guest: Guest, vcpu: pathlib.Path) -> tuple[float, float]:
    """Its clock at its next report, and its vCPU's CPU then; s."""
    count = len(_told(guest))
    end = time.monotonic() + PATIENCE
    while len(_told(guest)) == count:
        if time.monotonic() > end:
            raise TimeoutError(f'{guest.name} says nothing')
        time.sleep(0.01)
    return _told(guest)[-1][0], int(vcpu.read_text().split()[0]) * 1e-9


def _told(guest: Guest) -> list[tuple[float, float, float]]:
    """Its clock, pages/s and longest gap of each report."""
    said = guest.said(guest.daemon)
    found = re.findall(r'WROTE (\S+) (\S+) (\S+)\n', said)
    return [(float(a), float(b), float(c)) for a, b, c in found]


def _lost(seen: dict[str, list[Window]], name: str) -> dict[str, float]:
    """Against the windows of the same round in which nobody measured."""
    share = shares().get(name, 0.0)
    out = {
        'median_gap': statistics.median(w.gap for w in seen[name]),
        'longest_gap': max(w.gap for w in seen[name]),
        'share': share,
    }
    for what in ('pages', 'worked'):
        lost = [
            1 - getattr(ours, what) / getattr(free, what)
            for ours, free in zip(seen[name], seen['none'], strict=True)
        ]
        mean = statistics.fmean(lost)
        error = statistics.stdev(lost) / len(lost) ** 0.5
        out |= {
            what: statistics.fmean(getattr(w, what) for w in seen[name]),
            f'{what}_lost': mean,
            f'{what}_error': error,
            f'{what}_by_default': mean * share,
        }
    return out


def shares() -> dict[str, float]:
    """Of a guest's time, what the defaults let it be measured, at most."""
    every = float(DEFAULTS['survey_interval'])
    return {
        'page-sampling': sum(spool.DIRTY_SPANS) / every,
        'dirty-bitmap': float(DEFAULTS['survey_bitmap_share']),
        'contents': (survey.APART + 1.0) / every,
    }


def main() -> None:
    """Both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--guests', default='1,5,20')
    parser.add_argument('--windows', type=int, default=12)
    given = parser.parse_args()
    counts = sorted(map(int, filter(None, given.guests.split(','))))
    told = {
        'host': by_guests(counts),
        'guest': by_way(given.windows) if given.windows else {},
        'budget': _budget(),
        'accelerator': 'tcg',
        'cores': os.cpu_count(),
        'load': os.getloadavg()[0],
    }
    print(json.dumps(told, indent=1))


if __name__ == '__main__':
    main()
