"""Sentences on order and time: how many at once, whose turn, deadlines."""

from benchmarks.sense_cases import Case
from benchmarks.sense_cases import big
from benchmarks.sense_cases import both
from benchmarks.sense_cases import cloud
from benchmarks.sense_cases import host
from benchmarks.sense_cases import idle
from benchmarks.sense_cases import most_at_once
from benchmarks.sense_cases import move
from benchmarks.sense_cases import moves_all
from benchmarks.sense_cases import pre_copies_all
from benchmarks.sense_cases import stays
from benchmarks.sense_cases import writer
from tests.unit import builders
from watcher_tsmig.model import Link
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.reasons import Reason


def _sent(plan: Plan) -> float:
    """Bytes per second that fill a NIC of 1 Gbit/s in the plan's time."""
    return plan.makespan * builders.GIGABIT


def _starts_first(name: str):  # noqa: ANN202
    def holds(plan: Plan) -> bool:
        first = move(plan, name)
        return (
            moves_all(plan)
            and first is not None
            and first.start <= min(m.start for m in plan.migrations)
            and plan.makespan <= first.end * 1.1
        )

    return holds


def _fits_the_uplink(plan: Plan) -> bool:
    """All cross it, and it is busy all the time, with what fits."""
    sent = sum(m.data for m in plan.migrations)
    return (
        moves_all(plan)
        and all(m.crosses == ('rack',) for m in plan.migrations)
        and sent <= _sent(plan)
    )


ORDER = (
    Case(
        sentence='More is not planned at once than Nova runs',
        clouds=(
            cloud('a b c', *idle(6), a=host('a', max_outgoing=1)),
            cloud('a b c', *idle(6), gbit=10, a=host('a', 10, max_outgoing=1)),
        ),
        holds=lambda *plans: all(
            moves_all(p) and most_at_once(p) == 1 for p in plans
        ),
    ),
    Case(
        sentence='Small VMs on a fast network go several at once where the '
        'policy lets them: setting a migration up takes longer than it',
        clouds=(cloud('a b c', *idle(8), gbit=25),),
        holds=lambda plan: moves_all(plan) and most_at_once(plan) > 1,
        policies=('balanced', 'fast'),
    ),
    Case(
        sentence='A slow NIC is not shared by more than helps: each would be '
        'at risk for longer and none would end sooner',
        clouds=(
            cloud('a b c', *idle(8), a=host('a', 0.1)),
            cloud(
                'a b c',
                *(writer(f'v{i}', 3, 2) for i in range(6)),
                a=host('a', 0.2),
            ),
        ),
        holds=lambda *plans: all(
            moves_all(p) and most_at_once(p) <= 3 for p in plans
        ),
    ),
    Case(
        sentence='The biggest VM starts first where the others fit beside it',
        clouds=(
            cloud(
                'a b c d e f',
                big('large', 24),
                *(big(f's{i}', 6, 'bc'[i % 2]) for i in range(4)),
            ),
        ),
        holds=_starts_first('large'),
        asked={'hosts': ('a', 'b', 'c'), 'max_in_cluster': 2},
    ),
    Case(
        sentence='Local disks go along and take their time; a switch would '
        'not spare any of it, as they go first by either mode',
        clouds=(
            cloud(
                'a b',
                *idle(1, disk=100e9),
                a=host('a', disk=500e9),
                b=host('b', disk=500e9),
            ),
        ),
        holds=lambda plan: (
            pre_copies_all(plan)
            and _sent(plan) >= 100e9
            and plan.migrations[0].copies > 0
        ),
    ),
    Case(
        sentence='A VM with a large disk stays behind a deadline that leaves '
        'no time for it, and the others go',
        clouds=(cloud('a b', *idle(2), writer('store', 1, disk=100e9)),),
        holds=both(
            stays(Reason.AFTER_DEADLINE, 'store'),
            lambda plan: len(plan.migrations) == 2 and plan.shortfall > 0,
        ),
        asked={'deadline': 600.0},
    ),
    Case(
        sentence="A rack's uplink is shared by all that leave the rack",
        clouds=(
            cloud(
                'a b c d',
                *idle(3),
                *idle(3, 'b'),
                links=(
                    Link(
                        name='rack',
                        hosts=('a', 'b'),
                        capacity=builders.GIGABIT,
                    ),
                ),
            ),
        ),
        holds=_fits_the_uplink,
        asked={'hosts': ('a', 'b')},
    ),
    Case(
        sentence='A VM stays in its rack where the uplink is full',
        clouds=(
            cloud(
                'a b c',
                *idle(2),
                links=(
                    Link(
                        name='rack',
                        hosts=('a', 'b'),
                        capacity=builders.GIGABIT,
                        background_out=0.95 * builders.GIGABIT,
                    ),
                ),
                c=host('c', memory=256e9),
            ),
        ),
        holds=lambda plan: (
            moves_all(plan)
            and {m.destination for m in plan.migrations} == {'b'}
        ),
    ),
    Case(
        sentence='A deadline that can be kept is kept, and nobody is '
        'post-copied for it who need not be',
        clouds=(cloud('a b c', *idle(5)),),
        holds=pre_copies_all,
        asked={'deadline': 80.0},
    ),
    Case(
        sentence='Behind a deadline that is too short as many go as can, and '
        'the plan says by how much it would be late',
        clouds=(cloud('a b', *idle(6)),),
        holds=lambda plan: (
            len(plan.migrations) >= 2
            and {x.reason for x in plan.left_out} == {Reason.AFTER_DEADLINE}
            and plan.shortfall > 0
        ),
        asked={'deadline': 30.0},
    ),
    Case(
        sentence='Where only a post-copy is in time it is taken, by the '
        'gentle too: the host is to be empty by then',
        clouds=(
            cloud(
                'a b',
                builders.vm(
                    's',
                    'a',
                    600,
                    5,
                    memory=16e9,
                    working_set=builders.writes(1e6, 8e9),
                ),
            ),
        ),
        holds=moves_all,
        asked={'deadline': 120.0},
    ),
)


CASES = ORDER
