"""Numbers that people type: Mbit/s, MiB, ms, s, weights; some as ranges.

Only parsing lives here. What is wrong ends in one InputError that names
the option; argparse would answer with its usage and another exit code.
"""

import math
from collections.abc import Iterable

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.forecast.migrations import CostWeights
from watcher_tsmig.plan.relief.candidates import WEIGHTS

#: So many bandwidths make a table that nobody reads.
MOST_BANDWIDTHS = 1000


def positive(text: str, option: str) -> float:
    """A finite number above 0.

    :raises errors.InputError: it is none
    """
    try:
        value = float(text)
    except ValueError:
        raise errors.InputError(f'{text!r} is not a number', option) from None
    if not 0 < value < math.inf:
        raise errors.InputError(f'{text!r} is not above 0 and finite', option)
    return value


def _range(text: str, option: str) -> list[float]:
    low, high, step = (positive(part, option) for part in text.split(':'))
    if high < low:
        raise errors.InputError(f'{text!r} goes down', option)
    count = math.floor((high - low) / step * (1 + 1e-9)) + 1
    if count > MOST_BANDWIDTHS:
        raise errors.InputError(
            f'{text!r} is {count} bandwidths, at most {MOST_BANDWIDTHS}',
            option,
        )
    return [low + i * step for i in range(count)]


def bandwidths(texts: Iterable[str], option: str) -> list[float]:
    """Bytes/s, rising and each once, from Mbit/s.

    :param texts: each ``500`` or ``LOW:HIGH:STEP``, both ends included
    :raises errors.InputError: one is neither
    """
    found: set[float] = set()
    for text in texts:
        if text.count(':') == 2:
            found.update(_range(text, option))
        elif ':' in text:
            raise errors.InputError(
                f'{text!r} is neither MBIT_S nor LOW:HIGH:STEP', option
            )
        else:
            found.add(positive(text, option))
    return [units.from_mbit_s(rate) for rate in sorted(found)]


def samples(
    texts: Iterable[str], option: str
) -> tuple[tuple[float, float], ...]:
    """Pairs (s, bytes) by rising time, from ``SECONDS:MIB``.

    :raises errors.InputError: one is no such pair, or a time comes twice
    """
    found: dict[float, float] = {}
    for text in texts:
        if text.count(':') != 1:
            raise errors.InputError(f'{text!r} is not SECONDS:MIB', option)
        seconds, size = text.split(':')
        time = positive(seconds, option)
        if time in found:
            raise errors.InputError(f'{time:g} s is given twice', option)
        try:
            mib = float(size)
        except ValueError:
            raise errors.InputError(
                f'{size!r} in {text!r} is not a number', option
            ) from None
        if not 0 <= mib < math.inf:
            raise errors.InputError(
                f'{size!r} in {text!r} is negative or not finite', option
            )
        found[time] = units.from_mib(mib)
    return tuple(sorted(found.items()))


def weights(text: str, option: str) -> CostWeights:
    """Weights of the cost by name, or three numbers >= 0.

    :raises errors.InputError: neither, or all of them 0
    """
    if text in WEIGHTS:
        return WEIGHTS[text]
    parts = text.split(':')
    try:
        found = [float(part) for part in parts]
    except ValueError:
        found = []
    if len(found) != 3:
        raise errors.InputError(
            f'{text!r} is neither one of {", ".join(WEIGHTS)} nor '
            'SECOND:DOWNTIME:BYTE',
            option,
        )
    if not all(0 <= value < math.inf for value in found) or not any(found):
        raise errors.InputError(
            f'{text!r} needs finite weights, none below 0 and one above',
            option,
        )
    return CostWeights(total=found[0], downtime=found[1], data=found[2])
