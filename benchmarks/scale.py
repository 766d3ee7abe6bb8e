"""How the planner's time and memory grow with the cloud.

    python -m benchmarks.scale --vms 1000,10000 --hosts 100,1000

Makes a cloud for each size and plans the drain of half of its hosts, on
which all of its VMs are: destination, mode, bandwidth and time of every one.
Prints one JSON object. All is invented, with a seed: traffic and write
rates are lognormal, VMs have 1 to 64 GiB, hosts stand in racks behind
oversubscribed uplinks, one VM in ten is in an anti-affinity group, and one
in twenty is pinned to its zone.
"""

import argparse
import json
import math
import resource
import sys
import time
from collections.abc import Sequence

import numpy as np

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Group
from watcher_tsmig.model import Host
from watcher_tsmig.model import Link
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan

NIC = units.from_mbit_s(25_000)
RACK = 40
# A rack's uplink carries a third of what its hosts could send.
OVERSUBSCRIBED = 3.0
ZONES = 2
GROUP = 4
MEMORY_GIB = (1, 2, 4, 8, 16, 32, 64)
MEMORY_SHARE = (0.1, 0.2, 0.3, 0.2, 0.12, 0.06, 0.02)
# Times of the samples of a working set, s.
SAMPLES = (0.25, 1.0, 4.0, 16.0)


def cloud(vms: int, hosts: int, seed: int) -> Cloud:
    """A cloud with all its VMs on the first half of its hosts.

    Racks alternate between emptied and receiving hosts, so that uplinks
    matter: every VM leaves its rack.
    """
    random = np.random.default_rng(seed)
    memory = random.choice(MEMORY_GIB, vms, p=MEMORY_SHARE) * units.GIB
    traffic = random.lognormal(math.log(2e6), 1.5, (vms, 2))
    rate = random.lognormal(math.log(5e6), 1.5, vms)
    half = hosts // 2
    room = 1.3 * float(memory.sum()) / (hosts - half) + 128 * units.GIB
    return Cloud(
        hosts=tuple(
            Host(
                name=f'h-{i:04}',
                memory=room,
                vcpus=float(vms),
                nic=Nic(capacity=NIC),
                post_copy=True,
                zone=f'az-{i % ZONES}',
            )
            for i in range(hosts)
        ),
        vms=tuple(
            _vm(i, i % half, memory[i], traffic[i], rate[i])
            for i in range(vms)
        ),
        links=_racks(hosts, half),
        groups=tuple(
            Group(
                id=f'g-{i:04}',
                policy=str(Affinity.APART),
                members=tuple(f'vm-{i + k:05}' for k in range(GROUP)),
            )
            for i in range(0, vms - GROUP, 10 * GROUP)
        ),
    )


def _vm(
    i: int, at: int, memory: float, traffic: np.ndarray, rate: float
) -> Vm:
    resident = 0.6 * float(memory)
    return Vm(
        id=f'vm-{i:05}',
        name=f'vm-{i:05}',
        host=f'h-{at:04}',
        memory=float(memory),
        vcpus=1.0,
        traffic=Traffic(tx=float(traffic[0]), rx=float(traffic[1])),
        working_set=WorkingSet(
            resident=resident,
            samples=tuple(
                (t, resident * (1 - math.exp(-rate * t**0.8 / resident)))
                for t in SAMPLES
            ),
        ),
        zone=f'az-{at % ZONES}' if i % 20 == 0 else None,
    )


def _racks(hosts: int, half: int) -> tuple[Link, ...]:
    """Racks of emptied hosts, and racks of the others."""
    racks = []
    for first, last in ((0, half), (half, hosts)):
        for begin in range(first, last, RACK):
            inside = range(begin, min(begin + RACK, last))
            racks.append(
                Link(
                    name=f'rack-{len(racks):02}',
                    hosts=tuple(f'h-{i:04}' for i in inside),
                    capacity=NIC * len(inside) / OVERSUBSCRIBED,
                )
            )
    return tuple(racks)


def measured(
    vms: int, hosts: int, policy: str, seed: int, judged: bool
) -> dict[str, object]:
    """Plan one size; what it took and how good it is."""
    built = cloud(vms, hosts, seed)
    names = tuple(h.name for h in built.hosts[: hosts // 2])
    began = time.perf_counter(), time.process_time()
    plan = make_plan(built, policies.request(policy, hosts=names))
    seconds = time.perf_counter() - began[0]
    cpu = time.process_time() - began[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out: dict[str, object] = {
        'vms': vms,
        'hosts': hosts,
        'seconds': round(seconds, 2),
        'cpu_seconds': round(cpu, 2),
        'peak_memory_mib': round(peak),
        'makespan_s': round(plan.makespan, 1),
        'lower_bound_s': round(plan.lower_bound, 1),
        'gap': round(plan.gap, 4),
        'critical': plan.critical,
        'peak_load': round(plan.peak_load, 4),
        'peak_bound': round(plan.peak_bound, 4),
        'post_copies': plan.post_copies,
        'left_out': len(plan.left_out),
    }
    if judged:
        wrong = check(built, plan)
        out['checker'] = '; '.join(wrong[:5]) if wrong else 'ok'
    return out


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(',')]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.scale',
        description='Plan drains of growing clouds.',
    )
    out.add_argument('--vms', type=_numbers, default=[1000, 10000])
    out.add_argument(
        '--hosts', type=_numbers, help='default: a tenth of --vms, each'
    )
    out.add_argument('--seed', type=int, default=0)
    out.add_argument(
        '--policy', choices=policies.NAMES, default=policies.DEFAULT
    )
    out.add_argument(
        '--check', action='store_true', help='have each plan judged'
    )
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object; 0 if no plan was judged wrong."""
    args = parser().parse_args(argv)
    hosts = args.hosts or [max(n // 10, 4) for n in args.vms]
    try:
        if len(hosts) != len(args.vms):
            raise errors.InputError('must be as many as --vms', '--hosts')
        if min(hosts) < 4 or min(args.vms) < 1:
            raise errors.InputError('must be at least 4, and 1 VM', '--hosts')
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    sizes = [
        measured(n, h, args.policy, args.seed, args.check)
        for n, h in zip(args.vms, hosts, strict=True)
    ]
    out: dict[str, object] = {'policy': args.policy, 'sizes': sizes}
    if len(sizes) > 1:
        first, last = sizes[0], sizes[-1]
        grown = float(str(last['vms'])) / float(str(first['vms']))
        slower = float(str(last['cpu_seconds'])) / float(
            str(first['cpu_seconds'])
        )
        if grown > 1:
            out['growth_exponent'] = round(
                math.log(slower) / math.log(grown), 2
            )
    print(json.dumps(out, indent=1))
    return 0 if all(s.get('checker', 'ok') == 'ok' for s in sizes) else 1


if __name__ == '__main__':
    sys.exit(main())
