"""Sentences on the applications' traffic: modes, bursts, whose turn it is."""

import dataclasses

from benchmarks.sense_cases import SAME
from benchmarks.sense_cases import Case
from benchmarks.sense_cases import both
from benchmarks.sense_cases import cloud
from benchmarks.sense_cases import host
from benchmarks.sense_cases import idle
from benchmarks.sense_cases import modes
from benchmarks.sense_cases import move
from benchmarks.sense_cases import moves_all
from benchmarks.sense_cases import moves_by
from benchmarks.sense_cases import never_switched
from benchmarks.sense_cases import pre_copies_all
from benchmarks.sense_cases import switches
from benchmarks.sense_cases import together
from tests.unit import builders
from watcher_tsmig import units
from watcher_tsmig.model import Vm
from watcher_tsmig.model.traffic import Spread
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan

LARGE = {'memory': 16e9, 'working_set': builders.writes(1e6, 8e9)}
MBIT = units.from_mbit_s(1)
APART = {'nic': {'separate': True}}


def _senders(count: int, tx: float, rx: float = 5.0) -> tuple[Vm, ...]:
    return tuple(
        builders.vm(f's{i}', 'a', tx, rx, **LARGE) for i in range(count)
    )


def _design() -> tuple[Vm, ...]:
    return (
        builders.vm('vm1', 'a', 200, 400, **LARGE),
        builders.vm('vm2', 'a', 300, 500, **LARGE),
    )


_worked = both(moves_by(Mode.POST_COPY, 'vm1'), moves_by(Mode.PRE_COPY, 'vm2'))

MODES = (
    Case(
        sentence='The worked example: VM1 sends 200 and receives 400 Mbit/s, '
        'VM2 300 and 500. By pre-copy both fill a NIC of 550 Mbit/s, so VM1 '
        'is post-copied and VM2 pre-copied, which loads none by more than 400',
        clouds=(cloud('a b', *_design(), gbit=0.55),),
        holds=_worked,
        policies=('gentle', 'balanced'),
    ),
    Case(
        sentence='The worked example on 1 Gbit/s, where nobody loses either '
        'way: VM1 is post-copied where time counts, as it halves the plan',
        clouds=(cloud('a b', *_design()),),
        holds=_worked,
        policies=('balanced',),
    ),
    Case(
        sentence='A VM that only sends, and fills most of the NIC that its '
        'memory has to leave by, is switched where time counts',
        clouds=(cloud('a b', *_senders(1, 600)),),
        holds=switches('s0'),
        policies=('balanced', 'fast'),
    ),
    Case(
        sentence='A VM that only receives is pre-copied: its own traffic '
        'stays out of the way of its memory',
        clouds=(
            cloud('a b', builders.vm('r', 'a', 5, 600, **LARGE)),
            cloud('a b', builders.vm('r', 'a', 5, 300), *idle(2)),
        ),
        holds=both(moves_all, never_switched('r')),
    ),
    Case(
        sentence='A VM that sends a twentieth of its NIC is pre-copied: what '
        'a post-copy spares is nothing',
        clouds=(
            cloud('a b', *_senders(1, 50)),
            cloud('a b', *_senders(1, 500), gbit=10),
        ),
        holds=pre_copies_all,
    ),
    Case(
        sentence='Five VMs that send a hundredth of their NIC each are all '
        'pre-copied',
        clouds=(cloud('a b c', *_senders(5, 100), gbit=10),),
        holds=pre_copies_all,
    ),
    Case(
        sentence='Where the VMs of a host fill its NIC, one at least is '
        'switched to make room for the others',
        clouds=(cloud('a b c', *_senders(3, 310)),),
        holds=lambda plan: moves_all(plan) and plan.post_copies >= 1,
        policies=('balanced', 'fast'),
    ),
    Case(
        sentence='A fast writer that receives much is switched after its '
        'first pass: at once, all that would come to where its memory goes',
        clouds=(
            cloud(
                'a b',
                builders.vm(
                    'db', 'a', 5, 900, working_set=builders.writes(2e8, 4e8)
                ),
            ),
        ),
        holds=moves_by(Mode.HYBRID, 'db'),
    ),
    Case(
        sentence='A sender is pre-copied where one of both hosts cannot '
        'post-copy, and still all of it moves',
        clouds=(
            cloud('a b', *_senders(1, 600), b=host('b', post_copy=None)),
            cloud('a b', *_senders(1, 600), a=host('a', post_copy=False)),
        ),
        holds=pre_copies_all,
    ),
    Case(
        sentence='On a separate migration network a sender and a receiver '
        "are pre-copied as idle VMs are: their traffic is in nobody's way",
        clouds=tuple(
            cloud(
                'a b',
                *vms,
                a=host('a', **APART),
                b=host('b', **APART),
            )
            for vms in (
                _senders(3, 300),
                _senders(3, 5, 300),
                _senders(3, 0, 0),
                (*_senders(1, 800), *idle(2)),
            )
        ),
        holds=pre_copies_all,
    ),
    Case(
        sentence='On a separate migration network a plan takes as long with '
        'traffic as without',
        clouds=tuple(
            cloud(
                'a b',
                *_senders(3, tx),
                a=host('a', **APART),
                b=host('b', **APART),
            )
            for tx in (0, 300)
        ),
        holds=lambda quiet, loud: (
            modes(quiet) == modes(loud)
            and abs(quiet.makespan - loud.makespan) <= SAME * quiet.makespan
        ),
    ),
)


def _after(later: str, earlier: str):  # noqa: ANN202
    """One starts once the other has gone, or has taken its traffic away."""

    def holds(plan: Plan) -> bool:
        one, two = move(plan, later), move(plan, earlier)
        return (
            one is not None
            and two is not None
            and (
                one.start >= two.end * (1 - SAME)
                or (two.mode is Mode.POST_COPY and two.start <= one.start)
            )
        )

    return holds


GOLD = (
    Case(
        sentence='A gold VM waits until its link is empty: its bulky '
        'neighbour goes first',
        clouds=(
            cloud(
                'a b c',
                builders.vm(
                    'db',
                    'a',
                    5,
                    5,
                    sla='gold',
                    working_set=builders.writes(25e6, 2e9),
                ),
                builders.vm('bulk', 'a', 700, 5),
            ),
        ),
        holds=_after('db', 'bulk'),
    ),
    Case(
        sentence='A gold VM that sends much is pre-copied all the same: its '
        'class promises less outage than a post-copy has',
        clouds=(
            cloud('a b', builders.vm('v', 'a', 400, 5, sla='gold')),
            cloud(
                'a b',
                builders.vm('v', 'a', 400, 5, sla='gold'),
                *_senders(2, 200),
            ),
        ),
        holds=both(moves_all, never_switched('v')),
    ),
    Case(
        sentence='A bronze VM that sends as much may be switched; nobody else '
        'is for it',
        clouds=(
            cloud(
                'a b',
                builders.vm('v', 'a', 600, 5, sla='bronze', **LARGE),
                *idle(3),
            ),
        ),
        holds=switches('v'),
        policies=('balanced', 'fast'),
    ),
    Case(
        sentence='Of two hosts a VM goes to the one whose NIC is not busy',
        clouds=(
            cloud(
                'a b c',
                *idle(1),
                b=host('b', nic={'background_rx': 900, 'background_tx': 900}),
            ),
            cloud(
                'a b c',
                *idle(1),
                builders.vm('busy', 'b', 5, 850),
                c=host('c', memory=48e9),
            ),
        ),
        holds=lambda *plans: all(
            [m.destination for m in p.migrations] == ['c'] for p in plans
        ),
    ),
    Case(
        sentence='What receives goes to another host than what sends little '
        'and receives as much: no NIC gets all of it',
        clouds=(
            cloud(
                'a b c',
                builders.vm('r1', 'a', 5, 600),
                builders.vm('r2', 'a', 5, 600),
            ),
        ),
        holds=lambda plan: len({m.destination for m in plan.migrations}) == 2,
    ),
)


def bursting(name: str, bursts: float, p95: float = 500.0, **values) -> Vm:  # noqa: ANN003
    """A VM that sends 20 Mbit/s, and `p95` for a share of the next hour."""
    vm = builders.vm(name, 'a', 20, 5, **{**LARGE, **values})
    assert vm.traffic is not None
    spread = Spread(
        p50=20 * MBIT, p95=p95 * MBIT, bursts=bursts, watched=7 * 86400.0
    )
    traffic = dataclasses.replace(vm.traffic, tx_spread=spread)
    return dataclasses.replace(vm, traffic=traffic)


def _burst_fits(*plans: Plan) -> bool:
    """While a burst may come from its host, migrations leave it room.

    Until the VM has gone, its burst leaves by the NIC that they use.
    """
    return all(
        sum(m.cap for m in together(p, own)) <= (1000 - 500) * MBIT
        for p in plans
        for own in p.migrations
        if own.name == 'nightly' and not own.mode.early
    )


def _last(*plans: Plan) -> bool:
    """Nobody starts after the VM that is to burst, in this hour.

    Or it is switched, and takes its bursts along at once.
    """
    return all(
        own.mode.early
        or max(m.start for m in p.migrations) <= own.start * (1 + SAME)
        for p in plans
        for own in [move(p, 'nightly')]
        if own is not None
    )


BURSTS = (
    Case(
        sentence='A VM that is to burst in this hour is left room for its '
        'burst while it is pre-copied, as there is time enough',
        clouds=(
            cloud('a b', bursting('nightly', 0.9)),
            cloud('a b c', bursting('nightly', 0.8), *idle(3)),
        ),
        holds=both(moves_all, _burst_fits),
        policies=('gentle', 'balanced'),
    ),
    Case(
        sentence='A VM that is to burst goes after its calm neighbours, when '
        'its link is emptier',
        clouds=(
            cloud('a b', bursting('nightly', 0.9), *idle(3)),
            cloud(
                'a b c',
                bursting('nightly', 0.9),
                *(bursting(f'calm-{i}', 0.0) for i in range(2)),
            ),
        ),
        holds=both(moves_all, _last),
        policies=('gentle', 'balanced'),
    ),
    Case(
        sentence='Bursts that are not to come slow nobody down',
        clouds=(
            cloud('a b', bursting('nightly', 0.0)),
            cloud('a b', builders.vm('nightly', 'a', 20, 5, **LARGE)),
        ),
        holds=lambda one, other: (
            abs(one.makespan - other.makespan) <= SAME * one.makespan
        ),
    ),
    Case(
        sentence='A VM that is to burst goes all the same where the deadline '
        'leaves no time to be careful',
        clouds=(cloud('a b', bursting('nightly', 0.9), *idle(2)),),
        holds=moves_all,
        asked={'deadline': 130.0},
    ),
)

CASES = (*MODES, *GOLD, *BURSTS)
