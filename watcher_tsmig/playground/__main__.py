"""The command ``python -m watcher_tsmig.playground``.

Arguments, signals and the one line that says it is ready; nothing else.
"""

import sys

from watcher_tsmig.playground import releases

if '--without-watcher' not in sys.argv:
    # Up to 16 Watcher patches modules that the imports below build upon.
    releases.patch()

import argparse
import gc
import os
import pathlib
import select
import shlex
import signal
import threading
import traceback

from watcher_tsmig import errors
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import snapshot
from watcher_tsmig.playground.cloud import clock
from watcher_tsmig.playground.cloud.rack import rack
from watcher_tsmig.playground.cloud.records import Habits
from watcher_tsmig.playground.serve import Playground
from watcher_tsmig.playground.serve import Settings

RACK = 'a rack of 16 VMs, of which N are written over and over; default: none'


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m watcher_tsmig.playground',
        description='A simulated cloud behind the real HTTP APIs, with real '
        'Watcher in front of it, on loopback only.',
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--cloud', metavar='SNAPSHOT', help='a snapshot file')
    source.add_argument(
        '--rack', type=int, nargs='?', const=0, metavar='N', help=RACK
    )
    parser.add_argument(
        '--speed',
        type=float,
        default=1.0,
        help='simulated seconds per second, 0 to '
        f'{clock.MAX_SPEED:g}; 0 stands still until pushed (default: 1)',
    )
    parser.add_argument(
        '--max-concurrent',
        type=int,
        default=Habits().max_concurrent,
        help="a host's outgoing live migrations at once (default: 1)",
    )
    parser.add_argument(
        '--without-watcher',
        action='store_true',
        help='only the cloud: Keystone, Nova, Placement, Gnocchi',
    )
    parser.add_argument(
        '--without-agents',
        action='store_true',
        help='no host has an agent, so that caps are advisory',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='GROUP/OPTION=VALUE',
        help='an option of Watcher or of a plug-in in it',
    )
    parser.add_argument(
        '--ready-file',
        type=pathlib.Path,
        help='written (mode 0600, JSON) once everything answers',
    )
    parser.add_argument(
        '--until-eof',
        action='store_true',
        help='end when standard input ends',
    )
    return parser.parse_args(argv)


def read_options(texts: list[str]) -> dict[str, dict[str, str]]:
    """Options by group, as ``--set`` has them.

    :raises errors.InputError: one is not GROUP/OPTION=VALUE
    """
    options: dict[str, dict[str, str]] = {}
    for text in texts:
        name, equals, value = text.partition('=')
        group, slash, option = name.rpartition('/')
        if not (equals and slash and group and option):
            raise errors.InputError('is not GROUP/OPTION=VALUE', text)
        options.setdefault(group, {})[option] = value
    return options


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        cloud=_load(arguments.cloud)
        if arguments.rack is None
        else rack(arguments.rack),
        speed=arguments.speed,
        habits=Habits(max_concurrent=arguments.max_concurrent),
        watcher=not arguments.without_watcher,
        agents=not arguments.without_agents,
        options=read_options(arguments.set),
    )


def _load(path: str) -> Cloud:
    try:
        return snapshot.load(path)
    except errors.SnapshotError as error:
        raise errors.InputError(f'{path}: {error}') from error


def _end_with_input(ended: threading.Event) -> None:
    # In a process that Watcher has patched only `select` lets others run
    # meanwhile, and it never wakes for the file 0.
    number = os.dup(sys.stdin.fileno())
    while select.select([number], [], []) and os.read(number, 4096):
        pass
    ended.set()


def _run(arguments: argparse.Namespace, ended: threading.Event) -> None:
    ready: pathlib.Path | None = arguments.ready_file
    with Playground(_settings(arguments)) as playground:
        # the cloud stays as long as the process: no need to look at it again
        gc.freeze()
        if ready:
            playground.announce(ready)
        variables = ' '.join(
            f'{k}={shlex.quote(v)}'
            for k, v in playground.environment().items()
        )
        print(f'playground is ready: export {variables}', flush=True)
        ended.wait()
        if ready:
            ready.unlink(missing_ok=True)


def main(arguments: argparse.Namespace) -> int:
    """Run a playground until a signal, or the end of the input."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if arguments.until_eof:
        threading.Thread(
            target=_end_with_input, args=(ended,), daemon=True
        ).start()
    try:
        _run(arguments, ended)
    except errors.InputError as e:
        print(f'playground: {e}', file=sys.stderr)
        return 2
    return 0


def _leave(code: int) -> None:
    """End the process although Watcher's pools still have threads.

    Everything of ours has ended by then, but nobody can join a thread whose
    action waits for its cloud.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    given = _arguments(sys.argv[1:])
    status = 1
    try:
        status = main(given)
    finally:
        if sys.exception() is not None:
            traceback.print_exc()
        _leave(status)
