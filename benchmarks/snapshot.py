"""How long a snapshot of a large cloud takes, and what it asks for.

    python -m benchmarks.snapshot --vms 10000 --hosts 500

Makes an invented cloud (benchmarks.scale), serves it by the playground's
real HTTP APIs in a process of its own, and takes snapshots of it as the
command does: without measures, and with traffic and writing of every VM.
Prints one JSON object: seconds and CPU seconds of each step, requests and
seconds of waiting by service, and what is missing of what was made. The
playground's own work is in the seconds, on the same cores, but not in the
CPU seconds, and is told by itself; the delays of a real cloud's databases
are in neither.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from openstack import connection

from benchmarks import scale
from watcher_tsmig import errors
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import snapshot
from watcher_tsmig.playground.clients import session
from watcher_tsmig.playground.launch import playground
from watcher_tsmig.plugin.audits import patterns
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.direct import Origin
from watcher_tsmig.telemetry.direct import reach
from watcher_tsmig.telemetry.direct import read_directly
from watcher_tsmig.telemetry.sources import NOBODY

#: What is asked of whom.
KINDS = {
    'without_measures': Origin(name=NOBODY),
    'with_measures': Origin(),
}


def measured(
    facts: dict[str, Any], made: Cloud, kinds: Sequence[str]
) -> dict[str, object]:
    """These kinds of snapshot of a playground that serves this cloud."""
    found: dict[str, object] = {}
    for name in kinds:
        origin = KINDS[name]
        cloud = connection.Connection(session=session(facts['env']))
        access = reach(cloud)
        theirs = _cpu_of(facts['pid'])
        began, now, cpu = time.perf_counter(), time.time(), _cpu()
        read = read_directly(
            access, Settings(total_time=300.0), now=now, origin=origin
        )
        asked, read_cpu = time.perf_counter(), _cpu() - cpu
        reading = patterns.applied(read.reading, now)
        learned = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'cloud.json'
            snapshot.dump(reading.cloud, path)
            done, size = time.perf_counter(), path.stat().st_size
            all_cpu, theirs = _cpu() - cpu, _cpu_of(facts['pid']) - theirs
            same = snapshot.load(path) == reading.cloud
        vms = reading.cloud.vms
        found[name] = {
            'seconds': round(done - began, 2),
            'reading_seconds': round(asked - began, 2),
            'learning_seconds': round(learned - asked, 2),
            'cpu_seconds': round(all_cpu, 2),
            'reading_cpu_seconds': round(read_cpu, 2),
            'playground_cpu_seconds': round(theirs, 2),
            'requests': access.tally.total,
            'requests_by_service': access.tally.requests(access.endpoints),
            'seconds_waited_by_service': {
                service: round(took, 2)
                for service, took in access.tally.waits(
                    access.endpoints
                ).items()
            },
            'file_bytes': size,
            'file_says_the_same': same,
            'vms_missing': len(made.vms) - len(vms),
            'hosts_missing': len(made.hosts) - len(reading.cloud.hosts),
            'vms_with_traffic': sum(vm.traffic is not None for vm in vms),
            'vms_with_writing': sum(vm.working_set is not None for vm in vms),
            'notes': list(reading.notes),
        }
    return found


def _cpu() -> float:
    return time.process_time()


def _cpu_of(pid: int) -> float:
    """CPU seconds of another process, by Linux's /proc."""
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
    # a name in brackets, which may hold anything, and then 11 more fields
    user, system = stat.rpartition(')')[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog='python -m benchmarks.snapshot', description=__doc__
    )
    made.add_argument('--vms', type=int, default=10000)
    made.add_argument('--hosts', type=int, default=500)
    made.add_argument('--seed', type=int, default=1)
    made.add_argument(
        '--kind',
        action='append',
        choices=tuple(KINDS),
        help='repeat for several; default: both',
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; 1 where the playground did not start."""
    arguments = parser().parse_args(argv)
    made = scale.cloud(arguments.vms, arguments.hosts, arguments.seed)
    with tempfile.TemporaryDirectory(prefix='tsmig-') as folder:
        path = pathlib.Path(folder) / 'cloud.json'
        snapshot.dump(made, path)
        try:
            options = (f'--cloud={path}', '--speed=0', '--without-watcher')
            with playground(*options) as facts:
                kinds = arguments.kind or tuple(KINDS)
                found = measured(facts, made, kinds)
        except errors.CloudError as error:
            print(error, file=sys.stderr)
            return 1
    print(
        json.dumps(
            {
                'vms': arguments.vms,
                'hosts': arguments.hosts,
                'seed': arguments.seed,
                **found,
            },
            indent=2,
        )
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
