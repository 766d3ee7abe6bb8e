"""Sentences on room and permission: who goes where, and who stays.

Relief among them: who leaves a host that is overloaded.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.sense_cases import SAME
from benchmarks.sense_cases import Case
from benchmarks.sense_cases import big
from benchmarks.sense_cases import both
from benchmarks.sense_cases import cloud
from benchmarks.sense_cases import goes_to
from benchmarks.sense_cases import host
from benchmarks.sense_cases import idle
from benchmarks.sense_cases import modes
from benchmarks.sense_cases import moves_all
from benchmarks.sense_cases import moves_by
from benchmarks.sense_cases import pre_copies_all
from benchmarks.sense_cases import stays
from benchmarks.sense_cases import writer
from tests.unit import builders
from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Group
from watcher_tsmig.model.history import VmLoad
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plan.relief.loads import Usage
from watcher_tsmig.plan.relief.relief import relieve
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.reasons import Reason

# When loads of an overloaded host were last measured, s since the epoch, how
# long a measurement is, s, and how many there are.
NOW, SPAN, POINTS = 1e6, 300.0, 3
LARGE = {'memory': 32e9, 'working_set': builders.writes(1e6, 24e9)}


def _apart(*names: str) -> Group:
    members = tuple(f'id-{name}' for name in names)
    return Group(id='g', policy=str(Affinity.APART), members=members)


ROOMS = (
    Case(
        sentence='Two VMs of one anti-affinity group go to two hosts',
        clouds=(
            cloud(
                'a b c',
                *idle(2),
                groups=(_apart('idle-a-0', 'idle-a-1'),),
                b=host('b', memory=512e9),
            ),
        ),
        holds=lambda plan: (
            moves_all(plan)
            and {m.destination for m in plan.migrations} == {'b', 'c'}
        ),
    ),
    Case(
        sentence='One of them stays where there is but one other host, and '
        'the plan says that its group keeps it',
        clouds=(
            cloud('a b', *idle(2), groups=(_apart('idle-a-0', 'idle-a-1'),)),
        ),
        holds=lambda plan: (
            len(plan.migrations) == 1
            and [x.reason for x in plan.left_out] == [Reason.SERVER_GROUP]
        ),
    ),
    Case(
        sentence='A full host gets nothing, the others share what there is',
        clouds=(cloud('a b c d', *idle(4), big('full', 62, 'b')),),
        holds=lambda plan: (
            moves_all(plan)
            and 'b' not in {m.destination for m in plan.migrations}
        ),
    ),
    Case(
        sentence='One VM that fits nowhere keeps nobody else from leaving',
        clouds=(cloud('a b', big('huge', 63), *idle(3), big('x', 9, 'b')),),
        holds=both(
            stays(Reason.NO_DESTINATION, 'huge'),
            lambda plan: len(plan.migrations) == 3,
        ),
    ),
    Case(
        sentence='Two full hosts swap their VMs through a third',
        clouds=(cloud('a b c', big('v', 40), big('w', 40, 'b')),),
        holds=lambda plan: not plan.left_out and len(plan.migrations) == 3,
        asked={'hosts': (), 'choices': (('id-v', 'b'), ('id-w', 'a'))},
    ),
    Case(
        sentence='Without a third host they stay, and are told why',
        clouds=(cloud('a b', big('v', 40), big('w', 40, 'b')),),
        holds=stays(Reason.MEMORY_CYCLE, 'v', 'w'),
        asked={'hosts': (), 'choices': (('id-v', 'b'), ('id-w', 'a'))},
    ),
    Case(
        sentence='A VM of a zone goes to a host of that zone, and never to '
        'one whose zone nobody knows',
        clouds=(
            cloud(
                'a b c d',
                *idle(2, zone='az1'),
                a=host('a', zone='az1'),
                c=host('c', zone='az1'),
                d=host('d', zone='az2'),
            ),
        ),
        holds=goes_to(**{'idle-a-0': 'c', 'idle-a-1': 'c'}),
    ),
    Case(
        sentence='Where its operator chose a host for a VM, it goes there, '
        'though another is emptier',
        clouds=(cloud('a b c', *idle(2), *idle(4, 'b')),),
        holds=both(moves_all, goes_to(**{'idle-a-0': 'b'})),
        asked={'choices': (('id-idle-a-0', 'b'),)},
    ),
    Case(
        sentence='Nothing goes to a host that is disabled or down',
        clouds=(
            cloud(
                'a b c d',
                *idle(3),
                b=host('b', enabled=False),
                c=host('c', up=False),
            ),
        ),
        holds=lambda plan: (
            moves_all(plan)
            and {m.destination for m in plan.migrations} == {'d'}
        ),
    ),
    Case(
        sentence='VMs are shared out among the hosts that there are',
        clouds=(cloud('a b c', *idle(6)),),
        holds=lambda plan: (
            [m.destination for m in plan.migrations].count('b') == 3
        ),
    ),
)

STATES = (
    Case(
        sentence='A paused VM is pre-copied in one pass: it writes nothing, '
        'whatever it wrote before',
        clouds=(
            cloud('a b', writer('held', 400, state='paused')),
            cloud('a b', *idle(1, state='paused', working_set=None)),
        ),
        holds=pre_copies_all,
    ),
    Case(
        sentence='A stopped VM stays, and the others leave',
        clouds=(
            cloud(
                'a b',
                writer('off', 1, active=False, state='stopped'),
                *idle(2),
            ),
        ),
        holds=both(
            stays(Reason.STOPPED, 'off'),
            lambda plan: len(plan.migrations) == 2,
        ),
    ),
    Case(
        sentence='A VM with an SR-IOV port stays, and the plan says what '
        'Nova refuses',
        clouds=(
            cloud('a b', writer('nfv', 1, refused='an SR-IOV port'), *idle(1)),
        ),
        holds=both(
            stays(Reason.REFUSED, 'nfv'),
            lambda plan: 'SR-IOV' in plan.left_out[0].because,
        ),
    ),
    Case(
        sentence='A VM that is pinned to its host stays, and so does one that '
        'its owner locked',
        clouds=(cloud('a b', writer('v', 1, allowed=('a',)), *idle(1)),),
        holds=stays(Reason.NOT_ALLOWED, 'v'),
    ),
    Case(
        sentence='Where nobody knows how fast a NIC is, the plan says what '
        'it assumed, and takes no more than that',
        clouds=(
            cloud('a b', *idle(2), gbit=10, b=builders.host('b', nic=None)),
        ),
        holds=lambda plan: (
            moves_all(plan)
            and all(
                'destination nic' in m.assumed
                and m.cap <= plan.request.assume_nic * (1 + SAME)
                for m in plan.migrations
            )
        ),
    ),
    Case(
        sentence='Every VM gets the mode that was asked for, if only one was',
        clouds=(cloud('a b', *idle(2)),),
        holds=moves_by(Mode.POST_COPY, 'idle-a-0', 'idle-a-1'),
        asked={'only_mode': Mode.POST_COPY},
    ),
    Case(
        sentence='Who cannot move in the only mode that was asked for stays',
        clouds=(cloud('a b', writer('db', 400), *idle(1)),),
        holds=both(
            stays(Reason.DOES_NOT_CONVERGE, 'db'),
            moves_by(Mode.PRE_COPY, 'idle-a-0'),
        ),
        asked={'only_mode': Mode.PRE_COPY},
    ),
)


def relieved(cloud: Cloud, policy: str, asked: Mapping[str, Any]) -> Plan:
    """What relief moves, planned; every VM was as busy as it is."""
    first = NOW - SPAN * POINTS

    def steady(value: float) -> tuple[tuple[float, float, float], ...]:
        return tuple((first + SPAN * i, SPAN, value) for i in range(POINTS))

    usage = Usage(
        vms={
            vm.id: VmLoad(tx=steady(vm.traffic.tx), rx=steady(vm.traffic.rx))
            for vm in cloud.vms
            if vm.traffic
        }
    )
    request = policies.request(
        policy, vms=tuple(vm.id for vm in cloud.vms), **asked
    )
    found = relieve(cloud, usage, (), Limits(), request, now=NOW)
    if not found.vms:
        return builders.plan(hosts=('a',))
    return make_plan(
        cloud,
        policies.request(
            policy, **{**asked, 'vms': found.vms, 'choices': found.choices}
        ),
    )


def _crowded() -> Cloud:
    """Host a sends 900 of its 1000 Mbit/s; `mid` alone brings it to 600."""
    return cloud(
        'a b c',
        builders.vm('large', 'a', tx=400, **LARGE),
        builders.vm('mid', 'a', tx=350),
        builders.vm('small', 'a', tx=150),
    )


RELIEF = (
    Case(
        sentence='The cheapest VM that is enough leaves an overloaded host, '
        'and no other',
        clouds=(_crowded(),),
        holds=lambda plan: set(modes(plan)) == {'mid'},
        made=relieved,
    ),
    Case(
        sentence='Nothing leaves hosts that are busy but not too busy',
        clouds=(
            cloud(
                'a b',
                builders.vm('v', 'a', tx=400),
                builders.vm('w', 'a', tx=300),
            ),
        ),
        holds=lambda plan: not plan.migrations,
        made=relieved,
    ),
    Case(
        sentence='A VM of a zone relieves its host though another host, of '
        'unknown zone, has more room',
        clouds=(
            cloud(
                'a b c',
                builders.vm('v', 'a', tx=500, zone='az1'),
                builders.vm('w', 'a', tx=450, zone='az1'),
                a=host('a', zone='az1'),
                b=host('b', memory=512e9),
                c=host('c', zone='az1'),
            ),
        ),
        holds=lambda plan: [m.destination for m in plan.migrations] == ['c'],
        made=relieved,
    ),
)

CASES = (*ROOMS, *STATES, *RELIEF)
