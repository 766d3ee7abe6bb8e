"""What a relief says of itself in its status message, in 255 characters.

Texts only. First which host is how busy and for how long, then what moves,
or why nothing does.
"""

from collections.abc import Iterator
from collections.abc import Sequence

from watcher_tsmig.model import Cloud
from watcher_tsmig.model.history import Load
from watcher_tsmig.plan.relief.busy import Busy
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plan.relief.busy import Relief
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plugin import story
from watcher_tsmig.reasons import Reason
from watcher_tsmig.units import human_time

DOES = {
    Load.TX: '{host} sends {share:.0%} of its NIC',
    Load.RX: '{host} receives {share:.0%} of its NIC',
    Load.CPU: '{host} keeps {share:.0%} of its CPUs busy',
}

WHY = {
    Reason.NOT_HELD: 'not for long enough yet',
    Reason.HOST_DOWN: 'it is down, nothing moves live from it',
    Reason.RECEIVED_LATELY: 'it received a VM within the cool-down',
    Reason.RELIEVED: 'in the mean it is not above what it may keep',
    Reason.NO_CANDIDATE: 'no VM that can go would be enough',
    Reason.NO_GAIN: 'what can go would not lower it by the margin',
    Reason.NEXT_AUDIT: 'more is for the next audit',
}


def of_plan(plan: Plan, found: Relief, notes: Sequence[str] = ()) -> str:
    """Who is relieved by what, how long it takes, and who is not."""
    names = {m.vm: (m.name, m.destination) for m in plan.migrations}
    parts = []
    for busy in found.hosts:
        moves = [
            f'{names[vm][0]} to {names[vm][1]}'
            for vm, _ in busy.choices
            if vm in names
        ]
        if moves:
            text = f'{busy_for(busy)}; {story.listed(moves, 80)}'
            if len(moves) == len(busy.choices):
                text += f', which leaves {busy.after:.0%}'
            parts.append(f'{text}.')
    sources = [busy.host for busy in found.hosts if busy.choices]
    parts += story.parts_of_plan(plan, sources)
    parts += [_stays(busy, found) for busy in found.hosts if busy.reason]
    parts += [*_unmeasured(found), *(f'{note}.' for note in notes)]
    return story.joined(parts)


def nothing(
    found: Relief, limits: Limits, cloud: Cloud, notes: Sequence[str]
) -> str:
    """Nobody is too busy, or nobody can be helped."""
    parts = [_stays(busy, found) for busy in found.hosts]
    if parts:
        parts.insert(0, 'Nothing moves.')
    elif found.busiest is None:
        count = len(cloud.vms)
        parts = [f'Nothing planned: none of {count} VMs is measured.']
    else:
        parts = [
            f'Nothing to do: no NIC was above {limits.nic_high:.0%}, no '
            f'CPUs above {limits.cpu_high:.0%} for {human_time(limits.held)}.',
            f'The busiest: {_does(found.busiest)}.',
        ]
    parts += [*_unmeasured(found), *(f'{note}.' for note in notes)]
    return story.joined(parts)


def no_vms() -> str:
    """There is nothing that could be moved."""
    return 'Nothing to do: there are no VMs on the hosts to look at.'


def busy_for(busy: Busy) -> str:
    """How busy a host is, and for how long."""
    return f'{_does(busy)} for {human_time(busy.held)}'


def lines(found: Relief) -> Iterator[str]:
    """All of it, for a log."""
    for busy in found.hosts:
        moves = ', '.join(f'{vm} to {host}' for vm, host in busy.choices)
        yield (
            f'{busy_for(busy)} (threshold {busy.high:.0%}): '
            f'{moves or "nothing"} leaves [{busy.reason or "enough"}]'
        )
    for item in found.left_out:
        yield f'{item.name} ({item.vm}) [{item.reason}]: {item.because}'


def _does(busy: Busy) -> str:
    return DOES[busy.load].format(
        host=story.clipped(busy.host, 60), share=busy.share
    )


def _stays(busy: Busy, found: Relief) -> str:
    assert busy.reason is not None
    text = f'{busy_for(busy)}: {WHY[busy.reason]}'
    cannot = [
        f'{item.name} ({item.reason})'
        for item in found.left_out
        if item.host == busy.host
    ]
    if cannot and busy.reason in (Reason.NO_CANDIDATE, Reason.NO_GAIN):
        text += ', not ' + story.listed(cannot, 80)
    return text + '.'


def _unmeasured(found: Relief) -> Iterator[str]:
    count = sum(found.unmeasured.values())
    if count:
        yield (
            f'{count} VM{"s are" if count > 1 else " is"} not measured, '
            f'on {story.listed(sorted(found.unmeasured), 60)}.'
        )
