"""Runs the laboratory; tools/lab.sh calls it.

    python -m tests.lab smoke|record|contention|lcb [options]

Everything is bounded in time and cleaned up on every path: processes die
with this one, and namespaces of a run that was killed go with the next.
"""

import argparse
import asyncio
import contextlib
import functools
import pathlib
import signal
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from tests.lab import contention
from tests.lab import lcb
from tests.lab import matrix
from tests.lab import recording
from tests.lab import smoke
from tests.lab import story
from tests.lab.machine import LabFailure
from tests.lab.prepare import Kit
from tests.lab.prepare import LabError
from tests.lab.prepare import kit

# s that each command may take in all
SMOKE, RECORD, CONTENTION, LCB = 480, 3600, 5400, 1200


def say(text: str) -> None:
    """One line, at once."""
    print(text, flush=True)


async def _smoke(made: Kit, folder: pathlib.Path, args: Any) -> bool:
    return await smoke.run(made, folder, args.out / 'smoke', say)


async def _record(made: Kit, folder: pathlib.Path, args: Any) -> bool:
    bad = 0
    out = args.out / 'migrations'
    async for document in matrix.record(made, folder, out, args.only):
        bad += _tell(document)
    return not bad


async def _lcb(made: Kit, folder: pathlib.Path, args: Any) -> bool:
    documents = []
    out = args.out / 'lcb'
    async for document in lcb.record(made, folder, out, args.only):
        _tell(document)
        documents.append(document)
    wrong = lcb.verdict(documents)
    for sentence in wrong:
        say(f'FAILED: {sentence}')
    return not wrong


async def _contention(made: Kit, folder: pathlib.Path, args: Any) -> bool:
    for name, experiment in (
        ('pair', contention.pair),
        ('four', contention.four),
    ):
        which, _, variant = args.only.partition('/')
        if which not in name:
            continue
        runs: list[dict[str, object]] = []
        async for found in experiment(
            made, folder, args.repeats, functools.partial(_holds, variant)
        ):
            runs.append(found)
            say(story.line(found))
            story.write(args.out / f'contention-{name}.jsonl', runs)
        say(story.summary(name, runs))
    return True


def _holds(part: str, name: str) -> bool:
    return part in name


def _tell(document: dict[str, Any]) -> bool:
    """Say what a migration came to; whether it corrupted the guest."""
    outcome, bad = document['outcome'], document['integrity']['bad']
    if recording.completed(document):
        came = f'{outcome["total"]:.2f} s, down {outcome["downtime"]:.3f} s'
    else:
        came = 'did not end'
    say(
        f'{document["name"]}: {came}, {bad} pages bad, '
        f'load {document["machine"]["load"]}'
    )
    return bool(bad)


Command = Callable[[Kit, pathlib.Path, Any], Any]

#: Name -> (what it does, s that it may take)
COMMANDS: dict[str, tuple[Command, int]] = {
    'smoke': (_smoke, SMOKE),
    'record': (_record, RECORD),
    'contention': (_contention, CONTENTION),
    'lcb': (_lcb, LCB),
}


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Have a polite kill end as Ctrl-C does: through every `finally`."""

    def interrupt(*_: object) -> None:
        # once: another must not cut the cleaning up short
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(argv: list[str] | None = None) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog='python -m tests.lab')
    parser.add_argument('command', choices=COMMANDS)
    parser.add_argument('--kit', type=pathlib.Path, default='.lab/kit')
    parser.add_argument('--out', type=pathlib.Path, default='.lab/out')
    parser.add_argument(
        '--only',
        default='',
        help='names that hold this; of contention pair/gentle, too',
    )
    parser.add_argument('--repeats', type=int, default=5)
    args = parser.parse_args(argv)
    command, patience = COMMANDS[args.command]
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        made = kit(args.kit)
        with (
            _ended_by_signals(),
            tempfile.TemporaryDirectory(prefix='tsmig-lab-') as folder,
        ):
            done = asyncio.run(
                asyncio.wait_for(
                    command(made, pathlib.Path(folder), args), patience
                )
            )
    except (LabError, LabFailure) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except ExceptionGroup as several:
        # moves of one run go side by side; the first failure ends the others
        told = several.exceptions[0]
        if not isinstance(told, LabFailure):
            raise
        print(f'error: {told}', file=sys.stderr)
        return 1
    except TimeoutError:
        print(f'error: took more than {patience} s', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130
    return 0 if done else 1


if __name__ == '__main__':
    sys.exit(main())
