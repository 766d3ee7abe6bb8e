"""What audits, plans and actions say of themselves, in 255 characters.

Texts only. The most important part comes first, and what no longer fits is
left away at the border of a part; a note may be cut, at the border of a word.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.execute import Outcome
from watcher_tsmig.model import Cloud
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.report import journeys
from watcher_tsmig.report import summary
from watcher_tsmig.units import human_size
from watcher_tsmig.units import human_time

LIMIT = 255
# Of it, at most for those that stay, so that more can be said.
STAYING = 120
# A note of which less than this is left says nothing.
CUT = 40
# A purchase that spares less than this is not worth a line, s.
WORTH = 1.0
REPORT = (
    'Please report it with the file of: '
    'openstack optimize tsmig snapshot create'
)


def of_plan(
    plan: Plan,
    hosts: Sequence[str],
    notes: Sequence[str] = (),
    *,
    cold: int = 0,
) -> str:
    """What moves, how long it takes, what stays and why, what is odd.

    What binds the plan is left away where everything else fits without it.

    :param cold: how many follow cold
    """
    odd = [f'{note}.' for note in notes]
    for binds in (True, False):
        parts = [*parts_of_plan(plan, hosts, binds=binds, cold=cold), *odd]
        if fitting(parts) == len(parts):
            return joined([*parts, *_purchase(plan)])
    parts = [*parts_of_plan(plan, hosts, cold=cold), *odd]
    text, rest = joined(parts), parts[fitting(parts) :]
    room = LIMIT - len(text) - 1
    words = rest[0][: room - 1].rpartition(' ')[0]
    return f'{text} {words}…' if len(words) > CUT and rest[0] in odd else text


def parts_of_plan(
    plan: Plan, hosts: Sequence[str], *, binds: bool = True, cold: int = 0
) -> list[str]:
    """What must be said of it, the most important part first.

    :param binds: whether to say what binds it
    :param cold: how many follow cold
    """
    parts = [_moves(plan, hosts, binds, cold)]
    if plan.shortfall > 0:
        parts.append(summary.missed(plan))
    if plan.left_out:
        room = min(LIMIT - sum(len(p) + 1 for p in parts), STAYING)
        parts.append(_stays(plan.left_out, room))
    assumed = journeys.assumed(plan)
    if assumed:
        parts.append(f'{assumed} planned on assumed values.')
    return parts


def beforehand(
    cloud: Cloud, hosts: Sequence[str], disabled: Collection[str]
) -> list[str]:
    """What an operator should know of hosts before they are emptied.

    :param disabled: of these, those that the plan disables first
    """
    notes = []
    for name in hosts:
        coming = sum(p.destination == name for p in cloud.passages)
        if coming:
            are = 's are' if coming > 1 else ' is'
            notes.append(f'{coming} VM{are} on the way to {name}')
        if cloud.host(name).enabled and name not in disabled:
            notes.append(
                f'{name} stays enabled, for nothing leaves it: new VMs may '
                'come'
            )
    return notes


def _purchase(plan: Plan) -> list[str]:
    best = summary.best(plan, least=WORTH)
    return [] if best is None else [summary.would(best)]


def _moves(plan: Plan, hosts: Sequence[str], binds: bool, cold: int) -> str:
    where = listed(hosts, 80)
    count = journeys.vms(plan)
    if not count and cold:
        return f'{cold} stopped VM{"s move" if cold > 1 else " moves"} cold.'
    if not count:
        return f'Nothing moves from {where}.' if hosts else 'Nothing moves.'
    by = f': {clipped(plan.critical, 60)}' if plan.critical and binds else ''
    text = (
        f'{_who(plan, count, hosts, where)} in {human_time(plan.makespan)} '
        f'(bound {human_time(plan.lower_bound)}{by})'
    )
    post_copied = journeys.post_copied(plan)
    if post_copied:
        text += f', {post_copied} by post-copy'
    through = len(journeys.onward(plan))
    if through:
        text += f', {through} through a third host'
    if cold:
        text += f', then {cold} cold'
    return text + '.'


def _who(plan: Plan, count: int, hosts: Sequence[str], where: str) -> str:
    leaving = {m.vm for m in plan.migrations if m.source in hosts}
    if len(leaving) == count:
        return f'{count} VM{"s leave" if count > 1 else " leaves"} {where}'
    text = f'{count} VM{"s move" if count > 1 else " moves"}'
    return f'{text}, {len(leaving)} of them from {where},' if leaving else text


def _stays(left_out: Sequence[LeftOut], room: int) -> str:
    count = len(left_out)
    head = f'{count} stay{"s" if count == 1 else ""}: '
    items = [f'{item.name} ({item.reason})' for item in left_out]
    return head + listed(items, room - len(head) - 1) + '.'


def of_action(given: Mapping[str, Any]) -> str:
    """Which VM one of our actions moves, and how, or where it looks.

    Watcher shows an action by its type, which many of ours share.

    :param given: its input parameters
    """
    if 'mode' not in given:
        return clipped(f'{given["resource_name"]} is to be empty then')
    return clipped(
        f'{given.get("resource_name") or given["resource_id"]} leaves '
        f'{given["source_node"]} for {given["destination_node"]} '
        f'by {given["mode"]}'
    )


def unknown_hosts(
    parameter: str, unknown: Sequence[str], known: Iterable[str]
) -> str:
    """A host was named that the audit does not see."""
    head = (
        f'Nothing planned: {parameter} names {listed(unknown, 60)}, not '
        "in the audit's scope. Known: "
    )
    return clipped(head + listed(sorted(known), LIMIT - len(head) - 1) + '.')


def unknown_vms(
    parameter: str, unknown: Sequence[str], known: Iterable[str]
) -> str:
    """A VM was named that the audit does not see."""
    head = (
        f'Nothing planned: {parameter} names {listed(unknown, 60)}, neither '
        "the name nor the id of a VM in the audit's scope. Known: "
    )
    return clipped(head + listed(sorted(known), LIMIT - len(head) - 1) + '.')


def shared_name(parameter: str, name: str, ids: Sequence[str]) -> str:
    """A name says which VM is meant only to who thinks of one of them."""
    head = (
        f'Nothing planned: {parameter} names {clipped(name, 60)}, which '
        f'{len(ids)} VMs are called. Give the id: '
    )
    return clipped(head + listed(sorted(ids), LIMIT - len(head) - 1) + '.')


def no_choice(parameter: str, text: str) -> str:
    """A choice is not one."""
    return (
        f'Nothing planned: {parameter} has {clipped(repr(text), 80)}, which '
        'is not VM=HOST, the name or id of a VM and the name of a host.'
    )


def two_hosts(parameter: str, name: str, one: str, other: str) -> str:
    """A VM cannot go to two places."""
    return (
        f'Nothing planned: {parameter} sends {clipped(name, 60)} to '
        f'{clipped(one, 60)} and to {clipped(other, 60)}.'
    )


def nothing_to_empty() -> str:
    """No host was named, and none is in maintenance."""
    return (
        'Nothing to do: no host in maintenance (disabled compute service) '
        'has VMs. Name hosts to empty, vms to move, or choices.'
    )


def all_closed(hosts: Sequence[str], plan: str) -> str:
    """Every destination is a host that another plan empties."""
    return (
        f'Nothing planned: other plans empty {listed(hosts, 60)}, and there '
        f'is no other destination. Start plan {plan} and wait for its end, '
        'or delete it.'
    )


def failed(what: object) -> str:
    """Why there is no plan; the cloud's fault or the input's."""
    return clipped(f'Nothing planned: {what}')


def ours(error: errors.InternalError) -> str:
    """Why there is no plan, that this is our fault, and how to report it."""
    head, tail = 'Nothing planned, by a bug of watcher-tsmig: ', f'. {REPORT}'
    return head + clipped(error.message, LIMIT - len(head + tail)) + tail


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


def of_outcome(name: str, outcome: Outcome, planned: float) -> str:
    """One migration that has ended well, for the action's message.

    :param planned: that it was to take, s; 0: nobody said
    """
    if not outcome.host:
        return clipped(f'{name} {outcome.remark}.')
    took = outcome.seconds if outcome.took is None else outcome.took
    of = f' of {human_time(planned)} planned' if planned else ''
    # so much that it is worth a word
    if outcome.queued >= 1.0:
        of += f" and {human_time(outcome.queued)} in Nova's queue"
    sent = f', {human_size(outcome.data)} sent' if outcome.data else ''
    parts = [
        f'{name} is on {outcome.host} after '
        f'{human_time(took - outcome.queued)}{of} ({outcome.mode}{sent})',
        *([outcome.remark] if outcome.remark else []),
    ]
    return clipped('; '.join(parts) + '.')


def joined(parts: Sequence[str]) -> str:
    """The parts that fit, in order."""
    return ' '.join(map(clipped, parts[: fitting(parts)]))


def fitting(parts: Sequence[str]) -> int:
    """How many of the parts fit, in order; the first does, cut if need be."""
    length = -1
    for i, part in enumerate(parts):
        length += 1 + len(part if i else clipped(part))
        if length > LIMIT:
            return i
    return len(parts)


def clipped(text: str, limit: int = LIMIT) -> str:
    """The text, cut with an ellipsis if it is too long."""
    return text if len(text) <= limit else text[: limit - 1] + '…'
