"""The command: draw slips, try each, and tell which no test notices."""

import argparse
import pathlib
import signal
import sys
import tempfile

from tools.mutants import running
from tools.mutants import telling
from tools.mutants import trial
from tools.mutants.running import Verdict
from tools.mutants.slips import Slip
from tools.mutants.slips import modules
from tools.mutants.slips import slips

ROOT = pathlib.Path(__file__).resolve().parents[2]
KNOWN = ROOT / 'tools' / 'mutants-equivalent.txt'
OUT = ROOT / 'build' / 'mutants.txt'
# What the tests run without a slip
SEEN = ROOT / 'build' / 'mutants'


def arguments(words: list[str]) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        prog='sh tools/mutants.sh',
        description='Try small slips in the code, one at a time, and tell '
        'which of them no unit or property test notices.',
    )
    parser.add_argument(
        'names', nargs='+', metavar='PACKAGE',
        help='of watcher_tsmig, or a module: execute, execute/follow.py',
    )  # fmt: skip
    parser.add_argument(
        '--sample', type=int, metavar='N',
        help='try only so many, drawn from all of them alike',
    )  # fmt: skip
    parser.add_argument(
        '--seed', type=int, default=1, help='of the draw (default 1)'
    )
    parser.add_argument(
        '--jobs', type=int, default=1, help='tried at a time (default 1)'
    )
    parser.add_argument(
        '--near',
        action='store_true',
        help='only with test modules that import a module themselves: '
        'faster, and what others notice counts as survived',
    )
    parser.add_argument(
        '--out', type=pathlib.Path, default=OUT,
        help='where the survivors go (default build/mutants.txt)',
    )  # fmt: skip
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Try what is asked for."""
    asked = arguments(words)
    try:
        paths = {p for name in asked.names for p in modules(ROOT, name)}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    texts = {path: (ROOT / path).read_text('utf-8') for path in sorted(paths)}
    every = [
        slip for path, text in texts.items() for slip in slips(path, text)
    ]
    drawn = trial.drawn(every, asked.sample, asked.seed)
    print(f'{len(drawn)} of {len(every)} slips, seed {asked.seed}', flush=True)
    found = followed(drawn, texts, asked)
    survivors = [slip for slip, v in found if v == Verdict.SURVIVED]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(
        ''.join(
            telling.place(slip.path, slip.line, slip.diff(texts[slip.path]))
            for slip in survivors
        )
    )
    whole = len(found) == len(every)
    print(telling.told(((slip.path, v) for slip, v in found), whole))
    print(f'{len(survivors)} survivors are in {asked.out}')
    return 0


def followed(
    drawn: list[Slip], texts: dict[str, str], asked: argparse.Namespace
) -> list[tuple[Slip, str]]:
    """What came of each; of those that were tried, where interrupted."""
    # told to end, as by Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    known = telling.equivalents(KNOWN.read_text('utf-8'))
    found: list[tuple[Slip, str]] = []
    with tempfile.TemporaryDirectory(prefix='mutants-') as folder:
        try:
            copies = [
                running.copied(ROOT, pathlib.Path(folder) / str(i))
                for i in range(asked.jobs)
            ]
            for slip, v in trial.tried(
                drawn, texts, known, copies, SEEN, near=asked.near
            ):
                found.append((slip, v))
                if v == Verdict.SURVIVED:
                    print(f'{len(found)}: {slip.path}:{slip.line}', flush=True)
        except KeyboardInterrupt:
            print(f'interrupted after {len(found)}')
    return found


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
