"""The mini-cloud from the command line: up, its tests, down, status."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from tests.minicloud import dashboard
from tests.minicloud import real_hosts
from tests.minicloud import stages
from tests.minicloud.bed import CHECKOUT
from tests.minicloud.bed import Bed
from tests.minicloud.bed import Failed
from tests.minicloud.bed import is_open
from tests.minicloud.configuration import PORTS

CASES = 'tests/minicloud/cases'
PAGES = 'tests/minicloud/pages'
GUESTS = 'tests/minicloud/guests'
KILLS = 'tests/minicloud/kills'


def up(bed: Bed, inside: tuple[stages.Stage, ...] = stages.INSIDE) -> None:
    """All stages, each timed."""
    began = time.monotonic()
    stages.clean(bed)
    for name, stage in stages.OUTSIDE:
        _timed(bed, name, stage)
    bed.enter()
    for name, stage in inside:
        _timed(bed, name, stage)
    print(f'up in {time.monotonic() - began:.1f} s', flush=True)


def _timed(bed: Bed, name: str, stage: stages.Callable[[Bed], None]) -> None:
    began = time.monotonic()
    try:
        stage(bed)
    except Failed as error:
        raise Failed(f'stage {name} failed: {error}') from None
    print(f'{name:10} {time.monotonic() - began:6.1f} s', flush=True)


def down(bed: Bed) -> None:
    """Everything in the namespace ends, and the namespace."""
    count = bed.stop_all()
    bed.remove_namespace()
    print(f'down: {count} processes ended', flush=True)


def status(bed: Bed) -> None:
    """Which services run, and which ports are open."""
    pids = bed.pids()
    if not pids:
        print('nothing is running')
        return
    for record in sorted((bed.folder / 'run').glob('*.pid')):
        name = record.stem
        pid = bed.pid(name)
        print(f'{name:24} {f"runs, pid {pid}" if pid else "does not run"}')
    bed.enter()
    opened = [
        f'{name} {port}' for name, port in PORTS.items() if is_open(port)
    ]
    print(f'ports open: {", ".join(opened) or "none"}')
    print(f'{len(pids)} processes, {_memory(pids) / 2**30:.2f} GiB (PSS)')


def _memory(pids: list[int]) -> float:
    """Proportional set size of all, bytes."""
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith('Pss:'):
                total += int(line.split()[1]) * 1024
    return total


def test(bed: Bed, patterns: list[str]) -> int:
    """The cases, against a mini-cloud that is up; it is brought up."""
    try:
        up(bed)
        status(bed)
        return cases(bed, patterns)
    finally:
        down(bed)


def horizon(bed: Bed, patterns: list[str]) -> int:
    """The pages of stock Horizon, in a mini-cloud brought up for it."""
    mine = not bed.pids()
    try:
        _timed(bed, 'dashboard', dashboard.install)
        if mine:
            up(bed)
        bed.enter()
        _timed(bed, 'horizon', dashboard.serve)
        return _tests(bed, PAGES, patterns)
    finally:
        if mine:
            down(bed)


def kills(bed: Bed, patterns: list[str]) -> int:
    """Runs that are killed; nothing may be left of them."""
    try:
        return _tests(bed, KILLS, patterns)
    finally:
        down(bed)


def libvirt(bed: Bed, patterns: list[str]) -> int:
    """Real guests under real Nova, in a mini-cloud brought up for them."""
    try:
        _timed(bed, 'kit', real_hosts.kit)
        up(bed, real_hosts.BEFORE)
        with real_hosts.hosts(bed):
            _timed(bed, 'watcher', stages.watcher)
            return _tests(bed, GUESTS, patterns)
    finally:
        down(bed)


def cases(bed: Bed, patterns: list[str]) -> int:
    """The cases, in a mini-cloud that is up."""
    if not bed.pids():
        raise Failed('the mini-cloud is not up: sh tools/minicloud.sh up')
    bed.enter()
    returncode = _tests(bed, CASES, patterns)
    print(f'expected to fail: {expected() or "none"}', flush=True)
    return returncode


def _tests(bed: Bed, folder: str, patterns: list[str]) -> int:
    """Run the tests of a folder, and count them in a line of its own."""
    repository = bed.folder / 'stestr'
    shutil.rmtree(repository, ignore_errors=True)
    repository.mkdir()
    environment = {
        **bed.environment(stages.openrc(bed)),
        'TSMIG_MINICLOUD': str(bed.folder),
        'PYTHON': '.venv/bin/python',
        'TSMIG_TEST_TIMEOUT': '2400',
        'PATH': f'{CHECKOUT}/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    }
    stestr = [sys.executable, '-m', 'stestr', '--repo-url']
    stestr += [str(repository)]
    done = subprocess.run(
        [*stestr, 'run', '--serial', '--test-path', folder, *patterns],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=2700,
        check=False,
    )
    last = subprocess.Popen(
        [*stestr, 'last', '--subunit'],
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
    )
    subprocess.run(
        [sys.executable, 'tools/count_tests.py'],
        cwd=CHECKOUT,
        stdin=last.stdout,
        timeout=60,
        check=False,
    )
    last.wait(60)
    return done.returncode


TESTING = {
    'test': test,
    'cases': cases,
    'horizon': horizon,
    'kills': kills,
    'libvirt': libvirt,
}
PLAIN = {'up': up, 'down': down, 'status': status}


def expected() -> str:
    """The faults that are known, and whose tests are expected to fail."""
    text = (CHECKOUT / 'tests/minicloud/cases/test_expected.py').read_text()
    found = re.findall(r'def test_(f[0-9]+)_', text)
    return ', '.join(number.upper() for number in found)


def main() -> int:
    """One command; its exit code."""
    parser = argparse.ArgumentParser(prog='minicloud', description=__doc__)
    parser.add_argument('command', choices=[*PLAIN, *TESTING])
    parser.add_argument('patterns', nargs='*', help='tests that match')
    parser.add_argument('--bed', type=pathlib.Path, default='.minicloud')
    parser.add_argument('--watcher', default='17.0.0', metavar='RELEASE')
    given = parser.parse_args()
    if os.getuid():
        print('The mini-cloud needs root, for a namespace.', file=sys.stderr)
        return 2
    given.bed.mkdir(mode=0o700, parents=True, exist_ok=True)
    bed = Bed(given.bed)
    (bed.folder / 'watcher').write_text(given.watcher)
    try:
        if given.command in TESTING:
            return TESTING[given.command](bed, given.patterns)
        PLAIN[given.command](bed)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
