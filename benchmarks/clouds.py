"""Clouds from measured traces, and the drain of a part of their hosts.

    python -m benchmarks.clouds --data DIR --hosts 100 --drain 20

Reads the GWA-T-12 "Bitbrains" trace as an .npz file (arrays rx_kBps,
tx_kBps, mem_prov_kB of shape (vms, times), epoch_s of shape (times,)) and
prints one JSON object. Invented, because the trace does not say it: which
VM is on which host, the hosts' size, NIC speed and post-copy, the VMs'
CPUs. Dirtying is unknown and stays so: the planner assumes its rate.
"""

import argparse
import json
import pathlib
import sys
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan

FILE = 'bitbrains_rnd_july_5min.npz'
ARRAYS = ('epoch_s', 'rx_kBps', 'tx_kBps', 'mem_prov_kB')
KILO = 1000.0
KIBI = 1024.0
# Free memory of the whole cloud beside its VMs, so that a drain has where
# to go: half as much again.
HEADROOM = 0.5


def trace(
    data: pathlib.Path, names: Sequence[str] = ARRAYS
) -> dict[str, npt.NDArray[np.float64]]:
    """The arrays of the trace in that folder.

    :param names: those that are needed
    :raises errors.InputError: there is none, or it lacks an array
    """
    path = data / FILE
    if not path.is_file():
        others = sorted(data.glob('*.npz')) if data.is_dir() else []
        if len(others) != 1:
            raise errors.InputError(
                f'has neither {FILE} nor exactly one other .npz file; name '
                'the folder of the trace with --data',
                str(data),
            )
        path = others[0]
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in names if name not in arrays.files]
            if missing:
                raise errors.InputError(
                    f'lacks the arrays {", ".join(missing)}', str(path)
                )
            return {
                name: np.asarray(arrays[name], dtype=np.float64)
                for name in names
            }
    except (OSError, ValueError) as error:
        if isinstance(error, errors.InputError):
            raise
        raise errors.InputError(
            f'is not a readable .npz file: {error}', str(path)
        ) from error


def at_epoch(
    arrays: dict[str, npt.NDArray[np.float64]], epoch: float | None
) -> int:
    """The column of that instant; the middle of the trace for None."""
    times = arrays['epoch_s']
    if epoch is None:
        return len(times) // 2
    return int(np.argmin(np.abs(times - epoch)))


def traffic(
    arrays: dict[str, npt.NDArray[np.float64]],
    row: int,
    column: int,
    scale: float,
    most: float,
) -> Traffic | None:
    """The VM's traffic at that instant; None where it was not sampled."""
    tx = float(arrays['tx_kBps'][row, column]) * KILO * scale
    rx = float(arrays['rx_kBps'][row, column]) * KILO * scale
    if not (np.isfinite(tx) and np.isfinite(rx)):
        return None
    return Traffic(
        tx=min(tx, most),
        rx=min(rx, most),
        measured_at=float(arrays['epoch_s'][column]),
        source='trace',
    )


def _spread(sizes: npt.NDArray[np.float64], hosts: int) -> list[int]:
    """A host for each size, in their order: the one with least so far."""
    load = np.zeros(hosts)
    at: list[int] = []
    for size in sizes:
        at.append(int(load.argmin()))
        load[at[-1]] += size
    return at


def cloud(
    arrays: dict[str, npt.NDArray[np.float64]],
    column: int,
    *,
    hosts: int,
    nic: float,
    traffic_scale: float,
) -> Cloud:
    """The trace at one instant as a cloud.

    VMs go to hosts by falling memory, each to the host with the least.
    A VM without memory at that instant does not exist then; one without
    traffic samples has unknown traffic.

    :raises errors.InputError: the trace has no VM at that instant
    :param nic: capacity of every NIC, bytes/s
    :param traffic_scale: the trace's traffic is multiplied by it
    """
    memory = arrays['mem_prov_kB'][:, column] * KIBI
    rows = np.flatnonzero(np.nan_to_num(memory) > 0)
    if not len(rows):
        raise errors.InputError(
            'no VM of the trace has memory at that instant', '--at'
        )
    rows = rows[np.argsort(-memory[rows], kind='stable')]
    at = _spread(memory[rows], hosts)
    total = float(memory[rows].sum())
    size = float(memory[rows].max()) + (1 + HEADROOM) * total / hosts
    return Cloud(
        taken_at=float(arrays['epoch_s'][column]),
        hosts=tuple(
            Host(
                name=f'host-{i:04}',
                memory=size,
                vcpus=float(len(rows)),
                nic=Nic(capacity=nic),
                post_copy=True,
            )
            for i in range(hosts)
        ),
        vms=tuple(
            Vm(
                id=f'vm-{row:05}',
                name=f'vm-{row:05}',
                host=f'host-{at[i]:04}',
                memory=float(memory[row]),
                vcpus=1.0,
                traffic=traffic(arrays, int(row), column, traffic_scale, nic),
            )
            for i, row in enumerate(rows)
        ),
    )


def drain(built: Cloud, count: int, policy: str) -> dict[str, object]:
    """Plan the drain of `count` hosts, evenly spaced; judge the plan."""
    every = len(built.hosts) / count
    names = tuple(built.hosts[int(i * every)].name for i in range(count))
    began = time.perf_counter()
    plan = make_plan(built, policies.request(policy, hosts=names))
    seconds = time.perf_counter() - began
    wrong = check(built, plan)
    return {
        'vms': len(plan.migrations) + len(plan.left_out),
        'makespan_s': round(plan.makespan, 3),
        'lower_bound_s': round(plan.lower_bound, 3),
        'gap': round(plan.gap, 6),
        'post_copies': plan.post_copies,
        'left_out': len(plan.left_out),
        'seconds': round(seconds, 3),
        'checker': '; '.join(wrong[:5]) if wrong else 'ok',
        'peak_nic_load': round(plan.peak_load, 6),
        'data_gib': round(plan.data / units.GIB, 3),
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.clouds',
        description='Plan the drain of hosts in a cloud made from a trace.',
    )
    out.add_argument('--data', type=pathlib.Path, required=True)
    out.add_argument('--hosts', type=int, default=100)
    out.add_argument('--drain', type=int, default=20)
    out.add_argument(
        '--at',
        type=float,
        help='instant, seconds since the epoch; default: the middle',
    )
    out.add_argument('--nic-gbit-s', type=float, default=10.0)
    out.add_argument(
        '--traffic-scale',
        type=float,
        default=100.0,
        help="the trace's traffic is tiny against today's NICs: scale it",
    )
    out.add_argument(
        '--policy', choices=policies.NAMES, default=policies.DEFAULT
    )
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object; 0 if the checker accepts the plan."""
    args = parser().parse_args(argv)
    try:
        if not 1 <= args.drain < args.hosts:
            raise errors.InputError(
                'must be at least 1, below --hosts', '--drain'
            )
        if args.nic_gbit_s <= 0 or args.traffic_scale < 0:
            raise errors.InputError('must be positive', '--nic-gbit-s')
        arrays = trace(args.data)
        built = cloud(
            arrays,
            at_epoch(arrays, args.at),
            hosts=args.hosts,
            nic=units.from_mbit_s(args.nic_gbit_s * 1000),
            traffic_scale=args.traffic_scale,
        )
        found = drain(built, args.drain, args.policy)
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    asked = {
        'hosts': args.hosts,
        'drain': args.drain,
        'policy': args.policy,
        'nic_gbit_s': args.nic_gbit_s,
        'traffic_scale': args.traffic_scale,
        'taken_at': built.taken_at,
        'vms_in_cloud': len(built.vms),
    }
    print(json.dumps({**asked, **found}, indent=1))
    return 0 if found['checker'] == 'ok' else 1


if __name__ == '__main__':
    sys.exit(main())
