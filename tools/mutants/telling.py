"""What is told of slips: the shares, the survivors, and what is equivalent.

Only texts live here; what makes slips is not needed for them.
"""

import collections
import math
from collections.abc import Iterable
from collections.abc import Sequence

from tools.mutants.running import Verdict

EQUIVALENT = 'equivalent'
COLUMNS = (*Verdict, EQUIVALENT)
# A path and the lines of a diff, without white space around them
Known = tuple[str, ...]


def equivalents(text: str) -> set[Known]:
    """Slips that change nothing that could be noticed, from their file.

    A paragraph has the module's path, the diff, and why; after `#` is what
    is for people only.
    """
    found = set()
    for paragraph in text.split('\n\n'):
        lines = [
            line
            for line in paragraph.splitlines()
            if line and not line.startswith('#')
        ]
        if lines:
            path, *rest = lines
            diff = [line for line in rest if line[0] in '-+']
            found.add(known(path, diff))
    return found


def known(path: str, diff: Iterable[str]) -> Known:
    """As it is known by, wherever in the module it is now."""
    return path, *(line[0] + line[1:].strip() for line in diff)


def share(noticed: int, tried: int) -> str:
    """Of those tried, with the interval that a draw leaves (Wilson, 95 %)."""
    if not tried:
        return '-'
    z, p = 1.96, noticed / tried
    middle = (p + z * z / 2 / tried) / (1 + z * z / tried)
    half = z / (1 + z * z / tried)
    half *= math.sqrt(p * (1 - p) / tried + z * z / 4 / tried / tried)
    low, high = 100 * (middle - half), 100 * (middle + half)
    return f'{100 * p:.1f} % (95 %: {low:.0f} to {high:.0f})'


def told(found: Iterable[tuple[str, str]], whole: bool) -> str:
    """A line a module, and the sum; the equivalent are not of the share.

    :param found: a module's path and what came of one of its slips
    :param whole: they are all; else they were drawn
    """
    counts: dict[str, collections.Counter[str]] = {}
    for path, verdict in found:
        counts.setdefault(path, collections.Counter())[verdict] += 1
    total = sum(counts.values(), collections.Counter())
    lines = [f'{"":42}' + ''.join(f'{v:>11}' for v in COLUMNS)]
    for path, row in [*sorted(counts.items()), ('all', total)]:
        name = path.removeprefix('watcher_tsmig/')
        lines.append(f'{name:42}' + ''.join(f'{row[v]:11}' for v in COLUMNS))
    noticed = total[Verdict.NOTICED] + total[Verdict.TIMEOUT]
    tried = noticed + total[Verdict.SURVIVED]
    said = f'{100 * noticed / tried:.1f} %' if tried else 'nothing tried'
    lines.append(f'noticed: {said if whole else share(noticed, tried)}')
    return '\n'.join(lines)


def place(path: str, line: int, diff: Sequence[str]) -> str:
    """A paragraph of the survivors' file."""
    return '\n'.join((f'{path}:{line}', *diff, '', ''))
