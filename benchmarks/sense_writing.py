"""Sentences on what a VM writes, where that was measured: idle or database.

Nobody here sends or receives much: that is sense_traffic.py's. How well the
writing is known, and what a VM's owner was promised, is sense_known.py's.
"""

import dataclasses

from benchmarks.sense_cases import HOT
from benchmarks.sense_cases import Case
from benchmarks.sense_cases import both
from benchmarks.sense_cases import cloud
from benchmarks.sense_cases import host
from benchmarks.sense_cases import idle
from benchmarks.sense_cases import moves_by
from benchmarks.sense_cases import pre_copies_all
from benchmarks.sense_cases import stays
from benchmarks.sense_cases import switches
from benchmarks.sense_cases import writer
from tests.unit import builders
from watcher_tsmig.model.observed import Contents
from watcher_tsmig.model.rules import NovaSettings
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.reasons import Reason

# Nova's own defaults: its downtime limit rises from 50 to 500 ms in ten
# steps, 75 s for each GiB.
STOCK = NovaSettings(
    downtime_limit=0.5, downtime_steps=10, downtime_delay=75.0
)

IDLE = (
    Case(
        sentence='An idle VM is pre-copied: a switch would win nothing',
        clouds=(cloud('a b', *idle(1)), cloud('a b', *idle(1), gbit=10)),
        holds=pre_copies_all,
    ),
    Case(
        sentence='Two idle VMs are pre-copied, whatever a shorter plan is '
        'worth: seconds are no reason to risk a VM',
        clouds=(cloud('a b', *idle(2)), cloud('a b', *idle(2), gbit=10)),
        holds=pre_copies_all,
    ),
    Case(
        sentence='Five idle VMs are pre-copied, on 1 Gbit/s too',
        clouds=(cloud('a b', *idle(5)), cloud('a b c', *idle(5))),
        holds=pre_copies_all,
    ),
    Case(
        sentence='Twelve idle VMs are pre-copied to two hosts',
        clouds=(cloud('a b c', *idle(12)), cloud('a b c', *idle(12), gbit=10)),
        holds=pre_copies_all,
    ),
    Case(
        sentence='Idle VMs are pre-copied where Nova raises its downtime '
        'limit in steps: what they write fits into the first of them',
        clouds=tuple(
            cloud('a b', *idle(n), gbit=gbit, a=host('a', gbit, nova=STOCK))
            for n, gbit in ((1, 1), (5, 1), (5, 10), (12, 10))
        ),
        holds=pre_copies_all,
    ),
    Case(
        sentence='VMs that write a tenth of what their link carries are '
        'pre-copied: a second pass of a tenth costs nobody anything',
        clouds=(
            cloud('a b', *(writer(f'w{i}', 10, 2) for i in range(4))),
            cloud('a b', *(writer(f'w{i}', 60) for i in range(6)), gbit=10),
        ),
        holds=pre_copies_all,
    ),
    Case(
        sentence='An idle VM of 48 GB is pre-copied: it lasts as long by '
        'either mode, and a post-copy would be at risk all that time',
        clouds=(
            cloud('a b', writer('large', 0.5, 48)),
            cloud('a b', writer('large', 0.5, 48), *idle(3), gbit=10),
        ),
        holds=pre_copies_all,
    ),
)

DATABASES = (
    Case(
        sentence='A database that writes faster than its link carries is '
        'switched to post-copy where everybody permits it',
        clouds=(cloud('a b', HOT), cloud('a b c', writer('db', 300, 16))),
        holds=switches('db'),
    ),
    Case(
        sentence='It stays where its owner forbids post-copy, and no pre-copy '
        'is begun that does not end',
        clouds=(cloud('a b', dataclasses.replace(HOT, post_copy=False)),),
        holds=stays(Reason.DOES_NOT_CONVERGE, 'db'),
    ),
    Case(
        sentence='It stays where its class promises less outage than a '
        'post-copy has',
        clouds=(cloud('a b', dataclasses.replace(HOT, sla='gold')),),
        holds=stays(Reason.DOES_NOT_CONVERGE, 'db'),
    ),
    Case(
        sentence='It stays where its host, or any other, was never declared '
        'able to post-copy: nobody finds that out by trying',
        clouds=(
            cloud('a b', HOT, a=host('a', post_copy=None)),
            cloud('a b', HOT, b=host('b', post_copy=False)),
        ),
        holds=stays(Reason.DOES_NOT_CONVERGE, 'db'),
    ),
    Case(
        sentence='It goes to the one host that can post-copy, though another '
        'has more room',
        clouds=(
            cloud(
                'a b c',
                HOT,
                b=host('b', post_copy=None, memory=256e9),
                c=host('c', memory=16e9),
            ),
        ),
        holds=both(
            switches('db'),
            lambda plan: plan.migrations[0].destination == 'c',
        ),
    ),
    Case(
        sentence='It keeps nobody else from being pre-copied',
        clouds=(cloud('a b c', HOT, *idle(5)),),
        holds=switches('db'),
    ),
    Case(
        sentence='A database that 1 Gbit/s hardly carries is pre-copied on a '
        'link ten times as fast: there it converges at once',
        clouds=(cloud('a b', writer('db', 100), gbit=10),),
        holds=pre_copies_all,
    ),
    Case(
        sentence='A VM that writes the same 400 MB over and over is switched '
        'only after its first pass, when little is left to wait for',
        clouds=(
            cloud(
                'a b',
                builders.vm(
                    'db',
                    'a',
                    memory=16e9,
                    working_set=builders.WorkingSet(
                        resident=16e9,
                        samples=((1.0, 2e8), (2.0, 4e8), (60.0, 4e8)),
                    ),
                ),
            ),
        ),
        holds=moves_by(Mode.HYBRID, 'db'),
    ),
    Case(
        sentence='A VM whose pre-copy ends with room to spare is pre-copied '
        'by the gentle, though it sends its memory twice',
        clouds=(
            cloud('a b', writer('v', 45, 8)),
            cloud('a b', writer('v', 45, 2), *idle(2)),
        ),
        holds=pre_copies_all,
        policies=('gentle',),
    ),
    Case(
        sentence='Under fast, a pre-copy that takes twice as long as a '
        'post-copy and is all of the plan is worth a switch',
        clouds=(cloud('a b', writer('v', 62, 8)),),
        holds=switches('v'),
        policies=('fast',),
    ),
    Case(
        sentence='A post-copy that makes the plan less than a tenth shorter '
        'is none',
        clouds=(
            cloud('a b', writer('v', 6, 8)),
            cloud('a b', writer('v', 60, 2), writer('long', 1, 30)),
        ),
        holds=pre_copies_all,
    ),
    Case(
        sentence='It is slowed down, as far as its operator permits, where '
        'nothing else moves it',
        clouds=(
            cloud(
                'a b',
                writer('db', 150, 2),
                a=host(
                    'a',
                    post_copy=False,
                    nova=NovaSettings(downtime_limit=0.5, auto_converge=True),
                ),
            ),
        ),
        holds=lambda plan: (
            [m.reason for m in plan.migrations] == [Reason.THROTTLED]
        ),
        asked={'max_throttle': 0.9},
    ),
    Case(
        sentence='It is pre-copied where an agent saw that most of what it '
        'writes are zeros',
        clouds=(
            cloud(
                'a b',
                dataclasses.replace(
                    HOT,
                    post_copy=False,
                    contents=Contents(
                        pages=20_000, zero=0.9, written=9_000, blanked=0.97
                    ),
                ),
            ),
        ),
        holds=pre_copies_all,
    ),
)

CASES = (*IDLE, *DATABASES)
