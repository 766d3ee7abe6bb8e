"""Sentences on how sure it is that a pre-copy ends, and on service classes.

What is only assumed of a VM's writing, what was learned, and what is close to
the least bandwidth that will do.
"""

import dataclasses

from benchmarks.sense_cases import HOT
from benchmarks.sense_cases import ROOM
from benchmarks.sense_cases import Case
from benchmarks.sense_cases import both
from benchmarks.sense_cases import cloud
from benchmarks.sense_cases import idle
from benchmarks.sense_cases import modes
from benchmarks.sense_cases import move
from benchmarks.sense_cases import moves_all
from benchmarks.sense_cases import never_switched
from benchmarks.sense_cases import pre_copies_all
from benchmarks.sense_cases import switches
from benchmarks.sense_cases import together
from benchmarks.sense_cases import writer
from tests.unit import builders
from watcher_tsmig.model import Vm
from watcher_tsmig.model.observed import Basis
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import ServiceClass

LIKE, OWN = Basis.LIKE.value, Basis.OWN.value


def _unmeasured(count: int) -> tuple[Vm, ...]:
    return idle(count, working_set=None)


def _as_known_from(basis: str, vm: Vm) -> Vm:
    assert vm.working_set is not None
    work = dataclasses.replace(vm.working_set, basis=basis)
    return dataclasses.replace(vm, working_set=work)


def _has_room(*plans: Plan) -> bool:
    """Pre-copies have clearly more than their LCB; others switch."""
    return all(
        not p.left_out
        and all(m.mode.switches or m.cap >= ROOM * m.lcb for m in p.migrations)
        for p in plans
    )


ASSUMED = (
    Case(
        sentence='VMs whose writing nobody measured are pre-copied',
        clouds=(
            cloud('a b', *_unmeasured(1)),
            cloud('a b', *_unmeasured(4)),
            cloud('a b c', *_unmeasured(6), gbit=10),
        ),
        holds=pre_copies_all,
    ),
    Case(
        sentence='However fast a VM is assumed to write, that alone is no '
        'reason to post-copy it: measure it, or let somebody permit it',
        clouds=(cloud('a b', *_unmeasured(1)),),
        holds=never_switched('idle-a-0'),
        asked={'assume_dirty_rate': 300e6},
    ),
    Case(
        sentence='It is post-copied where the operator said that assumed '
        'writing is reason enough',
        clouds=(cloud('a b', *_unmeasured(1)),),
        holds=switches('idle-a-0'),
        asked={'assume_dirty_rate': 300e6, 'post_copy_assumed': True},
    ),
    Case(
        sentence='VMs that are taken to write as their like do are pre-copied '
        'where that can end',
        clouds=(
            cloud(
                'a b',
                *(_as_known_from(LIKE, writer(f'v{i}', 40)) for i in range(4)),
            ),
        ),
        holds=pre_copies_all,
    ),
    Case(
        sentence='What its like wrote is no reason to post-copy a VM, however '
        'much it was',
        clouds=(cloud('a b', _as_known_from(LIKE, HOT)),),
        holds=never_switched('db'),
    ),
    Case(
        sentence='What a VM wrote in its own migrations counts as measured: '
        'the database is switched',
        clouds=(cloud('a b', _as_known_from(OWN, HOT)),),
        holds=switches('db'),
    ),
    Case(
        sentence='A database that was measured is switched, its neighbours '
        'that were not are not',
        clouds=(cloud('a b c', HOT, *_unmeasured(3)),),
        holds=switches('db'),
    ),
)


def _alone(*plans: Plan) -> bool:
    """The tight one has the link for itself, or is switched."""
    return all(
        tight is not None
        and (tight.mode.switches or together(p, tight) == [tight])
        for p in plans
        for tight in [move(p, 'tight')]
    )


NEAR = (
    Case(
        sentence='Three VMs that each need half of the link do not share it '
        'by twos: whoever writes a little more would not end',
        clouds=(
            cloud(
                'a b',
                *(writer(f'v{i}', 48, post_copy=False) for i in range(3)),
            ),
            cloud('a b', *(writer(f'v{i}', 48) for i in range(3))),
        ),
        holds=_has_room,
    ),
    Case(
        sentence='A VM that needs three quarters of the link has it for '
        'itself, or is switched',
        clouds=(
            cloud('a b', writer('tight', 80, post_copy=False), *idle(3)),
            cloud('a b', writer('tight', 80), *idle(3)),
        ),
        holds=_alone,
    ),
    Case(
        sentence='A VM that is only taken to write as its like do has the '
        'link for itself where it is to need two fifths of it: they may '
        'differ by as much again',
        clouds=(
            cloud(
                'a b',
                _as_known_from(LIKE, writer('tight', 45, post_copy=False)),
                *idle(3),
            ),
        ),
        holds=_alone,
    ),
    Case(
        sentence='A VM that could just end on what the link leaves is '
        'switched rather than tried, where that is permitted',
        clouds=(cloud('a b', writer('v', 104)),),
        holds=switches('v'),
    ),
    Case(
        sentence='A VM that is slowed by nothing but a neighbour waits for a '
        'turn with more bandwidth',
        clouds=(
            cloud(
                'a b c',
                writer('tight', 70, post_copy=False),
                *(writer(f'w{i}', 5, 8) for i in range(3)),
            ),
        ),
        holds=_has_room,
    ),
)


def _spares_the_first(*plans: Plan) -> bool:
    """Nobody of class one is switched while one of class other is not."""
    return all(
        not modes(p)['precious'].switches or modes(p)['plain'].switches
        for p in plans
        if {'precious', 'plain'} <= set(modes(p))
    )


CLASSES = (
    Case(
        sentence='A gold VM is never post-copied for a shorter plan',
        clouds=(
            cloud('a b', writer('precious', 50, sla='gold'), *idle(3)),
            cloud('a b', writer('precious', 60, 8, sla='gold')),
        ),
        holds=both(moves_all, never_switched('precious')),
    ),
    Case(
        sentence='Of two VMs alike, the stop of the one whose class weighs '
        'more counts more: it is not the one that is switched',
        clouds=(
            cloud(
                'a b',
                builders.vm('precious', 'a', 350, 20, sla='first'),
                builders.vm('plain', 'a', 350, 20, sla='last'),
            ),
            cloud(
                'a b',
                writer('precious', 60, sla='first'),
                writer('plain', 60, sla='last'),
            ),
        ),
        holds=_spares_the_first,
        asked={
            'classes': (
                ServiceClass(name='first', weight=10.0),
                ServiceClass(name='last', weight=0.1),
            )
        },
    ),
)

CASES = (*ASSUMED, *NEAR, *CLASSES)
