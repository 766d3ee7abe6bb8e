"""What may go wrong while a VM is moved: the table.

Each row is a fault (fault_values.py): a name, the step, what strikes, how the
VM may end, and what has to be said of it unless it arrived. Sources: Nova's
state machine and the failures that were met in clouds.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.fault_values import At
from benchmarks.fault_values import End
from benchmarks.fault_values import Fault
from benchmarks.fault_values import OnHost
from benchmarks.fault_values import OnVm
from benchmarks.fault_values import OnWatcher
from benchmarks.fault_values import Requests
from benchmarks.fault_values import Strike

# Regular expressions in `METHOD /path?query`, with what a bed puts in.
CALLS = {
    'server': r'GET \S*/servers/{vm}(\?|$)',
    'service': r'GET \S*/os-services\?\S*host={destination}\b',
    'records': r'GET \S*/os-migrations\?\S*{vm}',
    'statistics': r'GET \S*/servers/{vm}/migrations/',
    'start': r'POST \S*/servers/{vm}/action',
    'switch': r'POST \S*/servers/{vm}/migrations/\S+/action',
    'abort': r'DELETE \S*/servers/{vm}/migrations/',
    'actions': r'GET \S*/servers/{vm}/os-instance-actions',
    'residents': r'GET \S*/servers/detail\?\S*host={source}\b',
    'passages': r'GET \S*/os-migrations\?\S*host={source}\b',
}
# Longer than a request may take, s
LONG = 4.0
KINDS: dict[str, dict[str, Any]] = {
    '500': {'kind': 'status', 'status': 500},
    '503 twice': {'kind': 'status', 'status': 503, 'times': 2},
    'time-out': {'kind': 'silent', 'seconds': LONG},
    'slow': {'kind': 'slow', 'seconds': 0.6, 'times': 3},
    'truncated': {'kind': 'truncated'},
    '401': {'kind': 'status', 'status': 401},
}
ARRIVED, STAYED = frozenset({End.ARRIVED}), frozenset({End.STAYED})
EITHER = ARRIVED | STAYED
ERROR, DELETED = frozenset({End.ERROR}), frozenset({End.DELETED})
# Nova has not seen its end
SPLIT, UNSEEN = frozenset({End.SPLIT}), frozenset({End.SPLIT, End.BUSY})
# Its destination never answered
LATE = UNSEEN | ERROR
BEFORE = None
ACCEPTED, PREPARING = At(status='accepted'), At(status='preparing')
RUNNING = At(status='running', after=2.0)
POST_COPY = At(status='running (post-copy)', after=1.0)
COMPLETED = At(status='completed')
KILL = 'killed'
NO_ANSWER = 'Nova does not answer'


def _row(
    name: str,
    at: At | None,
    strike: Strike,
    ends: frozenset[End],
    says: str = '.',
    **more: Any,  # noqa: ANN401 - as Fault has them
) -> Fault:
    step = at.status if at else 'before the start'
    return Fault(
        name=f'{name}, {step}',
        step=step,
        strikes=(strike,),
        ends=ends,
        says=says,
        **more,
    )


def _outlived() -> list[Fault]:
    """Every call of Nova's API that fails and is asked again."""
    steps = (
        ('server', BEFORE),
        ('server', COMPLETED),
        ('service', BEFORE),
        ('records', BEFORE),
        ('records', RUNNING),
        ('residents', COMPLETED),
        ('passages', COMPLETED),
    )
    return [
        _row(f'{call} {kind}', at, Requests(call=call, at=at, **how), ARRIVED)
        for call, at in steps
        for kind, how in KINDS.items()
    ]


def _starts() -> list[Fault]:
    """Of some of them Nova made something, of others it did not."""
    kinds = {**KINDS, 'lost': {'kind': 'lost'}}
    done = ('slow', 'truncated', 'lost', '401')
    return [
        _row(
            f'start {kind}',
            BEFORE,
            Requests(call='start', **how),
            ARRIVED if kind in done else EITHER,
            'made no migration',
        )
        for kind, how in kinds.items()
    ]


def _lasting() -> list[Fault]:
    """Nova never answers that call again."""
    rows = (
        ('server', BEFORE, STAYED, NO_ANSWER),
        ('service', BEFORE, EITHER, NO_ANSWER),
        ('records', RUNNING, ARRIVED, 'has not answered'),
        ('server', COMPLETED, ARRIVED, '.'),
    )
    always = {'kind': 'status', 'status': 503, 'times': None}
    return [
        _row(
            f'{call} never again',
            at,
            Requests(call=call, at=at, **always),
            ends,
            says,
        )
        for call, at, ends, says in rows
    ]


def _statuses() -> list[Fault]:
    """Every end of Nova's record, and none; a last look may try again."""
    rows = (
        ('refuse', BEFORE, EITHER, 'refuse'),
        ('no-host', ACCEPTED, EITHER, 'No valid'),
        ('unfit', ACCEPTED, EITHER, 'CPU'),
        ('fail', RUNNING, EITHER, 'failed'),
        ('error', RUNNING, ERROR, 'runs there.*--state active'),
        ('cancel', RUNNING, EITHER, 'somebody'),
        ('stall', RUNNING, EITHER, 'network'),
    )
    return [
        _row(f'migration {kind}', at, _ends(kind, 2.0), ends, says)
        for kind, at, ends, says in rows
    ]


def _rare() -> list[Fault]:
    """Calls that only something else brings about."""
    failed, silent = {'kind': 'status', 'times': 2}, {'agent': 'dead'}
    rows: tuple[tuple[str, Strike, frozenset[End], str], ...] = (
        ('abort', _ends('stall', 2.0), EITHER, 'network'),
        ('actions', _ends('unfit', 0.0), EITHER, 'CPU'),
        ('actions', _ends('fail', 2.0), EITHER, 'failed'),
        ('statistics', OnHost(which='source', change=silent), ARRIVED, '.'),
    )
    return [
        Fault(
            name=f'{call} 500 twice, {end}',
            step=call,
            strikes=(other, Requests(call=call, **failed)),
            ends=ends,
            says=says,
        )
        for call, other, ends, says in rows
        for end in [_kind(other)]
    ]


def _kind(strike: Strike) -> str:
    if isinstance(strike, OnVm):
        return str(strike.change['fault']['kind'])
    return 'no agent'


def _ends(kind: str, after: float, at: At | None = None) -> OnVm:
    return OnVm(change={'fault': {'kind': kind, 'after': after}}, at=at)


def _post_copies() -> list[Fault]:
    def force(status: int, times: int | None) -> Requests:
        return Requests(
            call='switch', kind='status', status=status, times=times
        )

    late = 'post-copy|deadline'
    rows: tuple[tuple[str, Strike, frozenset[End], str], ...] = (
        ('post-copy lost', _ends('lose', 5.0), ERROR, 'post-copy failed'),
        ('post-copy stalls', _ends('stall', 2.5), UNSEEN, 'network'),
        ('force refused', force(400, None), EITHER, late),
        ('force refused twice', force(409, 2), ARRIVED, '.'),
        ('force lost', force(202, None), EITHER, late),
        ('force lost twice', force(202, 2), ARRIVED, '.'),
        ('force 500 twice', force(500, 2), ARRIVED, '.'),
    )
    return [
        _row(name, POST_COPY, strike, ends, says, writer=True)
        for name, strike, ends, says in rows
    ]


def _hosts() -> list[Fault]:
    """The destination when the VM is to start, and computes that die."""
    disabled, down = {'enabled': False}, {'up': False}
    dead = r'nova-compute on .* down|Timed out|Nova reports completed'
    to, source = 'destination', 'source'
    rows: tuple[
        tuple[str, str, Mapping[str, Any], At | None, frozenset[End], str], ...
    ] = (
        ('disabled', to, disabled, BEFORE, EITHER, 'is disabled'),
        ('disabled', to, disabled, RUNNING, ARRIVED, '.'),
        ('down', to, down, BEFORE, EITHER, 'is down'),
        ('full', to, {'full': True}, BEFORE, EITHER, 'No valid host'),
        ('dies', to, down, ACCEPTED, EITHER, dead),
        ('dies', to, down, PREPARING, EITHER | LATE, dead),
        ('dies', to, down, RUNNING, EITHER | LATE, dead),
        ('dies', to, down, POST_COPY, LATE, dead),
        ('dies', source, down, ACCEPTED, STAYED | UNSEEN, dead),
        ('dies', source, down, PREPARING, STAYED | UNSEEN, dead),
        ('dies', source, down, RUNNING, STAYED | UNSEEN, dead),
        ('dies', source, down, POST_COPY, UNSEEN, dead),
    )
    return [
        _row(
            f'{which} {what}',
            at,
            OnHost(which=which, change=change, at=at),
            ends,
            says,
            writer=at is POST_COPY,
        )
        for what, which, change, at, ends, says in rows
    ]


def _restarts() -> list[Fault]:
    """A nova-compute that dies and is back after a while."""
    return [
        Fault(
            name=f'source restarts, {at.status}',
            step=at.status,
            strikes=tuple(
                OnHost(
                    which='source',
                    change={'up': up},
                    at=At(status=at.status, after=at.after + wait),
                )
                for up, wait in ((False, 0.0), (True, 5.0))
            ),
            # it may arrive while nobody at its source looks
            ends=EITHER | ERROR | SPLIT,
            says='failed|no longer|nova-compute',
            of={End.SPLIT: 'correct its host'},
        )
        for at in (ACCEPTED, RUNNING)
    ]


def _vms() -> list[Fault]:
    moved = frozenset({End.ELSEWHERE})
    away = 'no longer exists|deleted'
    rows: tuple[
        tuple[str, Mapping[str, Any], At | None, frozenset[End], str], ...
    ] = (
        ('moved', {'host': 'elsewhere'}, BEFORE, moved, 'not on .* any more'),
        ('locked', {'locked': True}, BEFORE, STAYED, 'locked'),
        ('stopped', {'active': False}, BEFORE, STAYED, 'stopped'),
        ('deleted', {'deleted': True}, BEFORE, DELETED, away),
        ('deleted', {'deleted': True}, RUNNING, DELETED, away),
        ('deleted', {'deleted': True}, COMPLETED, DELETED, away),
    )
    return [
        _row(f'VM {what}', at, OnVm(change=change, at=at), ends, says)
        for what, change, at, ends, says in rows
    ]


def _agents() -> list[Fault]:
    return [
        _row(
            f'agent {mood}',
            at,
            OnHost(which='source', change={'agent': mood}, at=at),
            ARRIVED,
        )
        for mood in ('dead', 'slow', 'lying', 'ahead', 'behind')
        for at in (BEFORE, RUNNING)
    ]


def _others() -> list[Fault]:
    machine = ('database locked', 'disk full', 'clock of the cloud jumps')
    drained = Fault(
        name='destination drained by another plan',
        step='before the start',
        ends=EITHER,
        says='is disabled',
        drained=True,
    )
    return [
        drained,
        *(
            _row(
                what,
                RUNNING,
                OnWatcher(what=what, at=RUNNING),
                ARRIVED,
                alone=True,
            )
            for what in machine
        ),
    ]


def _kills() -> list[Fault]:
    """Watcher is killed, all of it, and started again."""
    return [
        _row(
            'Watcher killed',
            at,
            OnWatcher(what=KILL, at=at, seconds=0.0),
            ARRIVED,
            alone=True,
            killed=True,
            writer=at is POST_COPY,
        )
        for at in (ACCEPTED, PREPARING, RUNNING, POST_COPY, COMPLETED)
    ]


FAULTS: tuple[Fault, ...] = (
    *_outlived(),
    *_starts(),
    *_lasting(),
    *_statuses(),
    *_rare(),
    *_post_copies(),
    *_hosts(),
    *_restarts(),
    *_vms(),
    *_agents(),
    *_others(),
    *_kills(),
)
