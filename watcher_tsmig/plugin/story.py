"""What an audit says of itself in its status message, in 255 characters.

Texts only. The most important part comes first, and what no longer fits is
left away at the border of a part, never in the middle of a word.
"""

from collections.abc import Iterable
from collections.abc import Sequence

from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.units import human_time

LIMIT = 255


def of_plan(
    plan: Plan, hosts: Sequence[str], notes: Sequence[str] = ()
) -> str:
    """What moves, how long it takes, what stays and why, what is odd."""
    parts = [_moves(plan, hosts)]
    if plan.left_out:
        parts.append(_stays(plan.left_out, LIMIT - len(parts[0]) - 1))
    assumed = sum(bool(m.assumed) for m in plan.migrations)
    if assumed:
        parts.append(f'{assumed} planned on assumed values.')
    return joined([*parts, *(f'{note}.' for note in notes)])


def _moves(plan: Plan, hosts: Sequence[str]) -> str:
    where = listed(hosts, 90)
    if not plan.migrations:
        return f'Nothing moves from {where}.'
    count = len(plan.migrations)
    text = (
        f'{count} VM{"s leave" if count > 1 else " leaves"} {where} in '
        f'{human_time(plan.makespan)} (bound '
        f'{human_time(plan.lower_bound)})'
    )
    if plan.post_copies:
        text += f', {plan.post_copies} by post-copy'
    return text + '.'


def _stays(left_out: Sequence[LeftOut], room: int) -> str:
    count = len(left_out)
    head = f'{count} stay{"s" if count == 1 else ""}: '
    items = [f'{item.name} ({item.reason})' for item in left_out]
    return head + listed(items, room - len(head) - 1) + '.'


def unknown_hosts(
    parameter: str, unknown: Sequence[str], known: Iterable[str]
) -> str:
    """A host was named that the audit does not see."""
    head = (
        f'Nothing planned: {parameter} names {listed(unknown, 60)}, not '
        "in the audit's scope. Known: "
    )
    return clipped(head + listed(sorted(known), LIMIT - len(head) - 1) + '.')


def nothing_to_empty() -> str:
    """No host was named, and none is in maintenance."""
    return (
        'Nothing to do: no host in maintenance (disabled compute service) '
        "has VMs. Name hosts in the parameter 'hosts' to empty others."
    )


def failed(what: object) -> str:
    """Why there is no plan; the cloud's fault or the input's."""
    return clipped(f'Nothing planned: {what}')


def listed(items: Sequence[str], room: int) -> str:
    """The items with commas, and how many more did not fit."""
    text = ''
    for i, item in enumerate(items):
        rest = len(items) - i - 1
        more = f' and {rest} more' if rest else ''
        longer = f'{text}, {item}' if text else item
        if len(longer) + len(more) > room and text:
            return f'{text} and {rest + 1} more'
        text = longer
    return text if len(text) <= max(room, 8) else clipped(text, max(room, 8))


def joined(parts: Iterable[str]) -> str:
    """The parts that fit, in order."""
    text = ''
    for part in parts:
        longer = f'{text} {part}' if text else clipped(part)
        if len(longer) > LIMIT:
            break
        text = longer
    return text


def clipped(text: str, limit: int = LIMIT) -> str:
    """The text, cut with an ellipsis if it is too long."""
    return text if len(text) <= limit else text[: limit - 1] + '…'
