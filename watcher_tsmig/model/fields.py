"""Checks of single fields, each naming the field that is wrong.

Only form is judged here: is it a number in range, a text, a flag, a tuple
of the right kind. What fields mean together is judged by their values.
"""

import reprlib
import sys

from watcher_tsmig import errors

MAX_TEXT = 255
# An integer beyond every float is a number, but cannot be calculated with.
MAX_NUMBER = sys.float_info.max

MAX_SHOWN = 60


def shown(value: object) -> str:
    # what is not the right kind may be megabytes long; an error is one line
    text = reprlib.repr(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + '...'


def number(
    name: str, value: object, *, low: float, above: bool = False
) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise errors.InputError(f'{shown(value)} is not a number', name)
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise errors.InputError(f'{shown(value)} is not a finite number', name)
    if value < low or (above and value == low):
        bound = 'above' if above else 'at least'
        raise errors.InputError(
            f'{shown(value)} must be {bound} {low:g}', name
        )


def whole(name: str, value: object, *, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise errors.InputError(f'{shown(value)} is not a whole number', name)
    number(name, value, low=low)


def kind(name: str, value: object, wanted: type) -> None:
    if value is not None and not isinstance(value, wanted):
        raise errors.InputError(
            f'{shown(value)} is not a {wanted.__name__}', name
        )


def choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise errors.InputError(
            f'{shown(value)} is none of {", ".join(known)}', name
        )


def items(name: str, values: object, kind: type) -> None:
    if not isinstance(values, tuple):
        raise errors.InputError('is not a tuple', name)
    for i, value in enumerate(values):
        if not isinstance(value, kind):
            raise errors.InputError(
                f'{shown(value)} is not a {kind.__name__}', f'{name}[{i}]'
            )


def text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise errors.InputError(f'{shown(value)} is not a text', name)
    if not value or len(value) > MAX_TEXT:
        raise errors.InputError(
            f'must have 1 to {MAX_TEXT} characters, has {len(value)}', name
        )


def flag(name: str, value: object, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if not isinstance(value, bool):
        raise errors.InputError(f'{shown(value)} is not true or false', name)


def unique(where: str, field: str, values: list[str]) -> set[str]:
    """The values as a set; `where[i].field` is where each stands."""
    seen: dict[str, int] = {}
    for i, value in enumerate(values):
        if value in seen:
            raise errors.InputError(
                f'{value!r} is already that of {where}[{seen[value]}]',
                f'{where}[{i}].{field}',
            )
        seen[value] = i
    return set(seen)
