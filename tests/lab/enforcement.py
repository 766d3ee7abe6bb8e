"""Facts about libvirt and QEMU that the agent stands on, measured.

    python -m tests.lab.enforcement FOLDER [FACT]...

FOLDER holds the laboratory's programs, see `prepare`. Prints a line for each
fact with what was measured or what was expected, and a sum at the end.
"""

import contextlib
import os
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Callable

from tests.lab import caps
from tests.lab import failures
from tests.lab import prepare
from tests.lab.facts import Lab
from tests.lab.facts import Surprise
from tests.lab.libvirtd import Daemon
from tests.lab.network import Network

# s; what is not begun by then is skipped, where nobody gives another budget
BUDGET = 420
# s over that until the process ends itself, and with it all that it started
GRACE = 120

FACTS: dict[str, Callable[[Lab], str]] = {
    'preset': caps.preset,
    'preset-zero': caps.none,
    'override': caps.override,
    'mid-flight': caps.mid_flight,
    'post-copy-default': caps.post_copy_default,
    'post-copy-cap': caps.post_copy,
    'abort': failures.abort,
    'destination': caps.destination,
    'restart': failures.restart,
    'restart-in-flight': failures.restart_in_flight,
    'crash-in-flight': failures.crash_in_flight,
    'disks': failures.disks,
    'long-cut': failures.long_cut,
    'short-cut': failures.short_cut,
    'statistics': caps.statistics,
}


def main(
    argv: list[str],
    facts: dict[str, Callable[[Lab], str]] = FACTS,
    usage: str = __doc__ or '',
    budget: float = BUDGET,
) -> int:
    """Measure the facts that are named, or all."""
    if not argv or set(argv[1:]) - set(facts):
        print(usage, 'FACT:', ', '.join(facts), file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    last = threading.Timer(budget + GRACE, os._exit, (3,))
    last.daemon = True
    last.start()
    try:
        names = argv[1:] or list(facts)
        counts = measure(
            pathlib.Path(argv[0]),
            {name: facts[name] for name in names},
            budget,
        )
    except prepare.LabError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        last.cancel()
    passed, failed, skipped = counts
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed else 0


def measure(
    folder: pathlib.Path,
    facts: dict[str, Callable[[Lab], str]],
    budget: float,
) -> tuple[int, int, int]:
    """Measure facts; how many passed, failed and were skipped.

    :raises LabError: the laboratory cannot be run here
    """
    kit = prepare.kit(folder)
    root = prepare.libvirt(folder)
    end = time.monotonic() + budget
    counts = [0, 0, 0]
    for name, fact in facts.items():
        begun = time.monotonic()
        if begun > end:
            verdict, words = 2, f'no time left of {budget:.0f} s'
        else:
            verdict, words = _one(kit, root, fact)
        counts[verdict] += 1
        told = ('ok', 'FAILED', 'skipped')[verdict]
        took = time.monotonic() - begun
        print(f'{told} {name} ({took:.0f} s): {words}', flush=True)
    return counts[0], counts[1], counts[2]


def _one(
    kit: prepare.Kit, root: pathlib.Path, fact: Callable[[Lab], str]
) -> tuple[int, str]:
    """Measure one fact with a network and daemons of its own."""
    try:
        with (
            Network(2) as network,
            contextlib.ExitStack() as stack,
        ):
            source, target = (
                stack.enter_context(Daemon(kit, root, network, host))
                for host in network.hosts
            )
            return 0, fact(Lab(network, source, target))
    except Surprise as surprise:
        return 1, str(surprise)
    except (OSError, RuntimeError, KeyError, AttributeError) as error:
        return 1, f'not measured, {type(error).__name__}: {error}'
    except Exception as error:
        if type(error).__name__ != 'libvirtError':
            raise
        return 1, f'not measured, libvirt refused: {error}'


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
