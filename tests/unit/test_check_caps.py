"""The judge of caps: what ceilings, hosts, streams and windows permit."""

import dataclasses

from tests.unit.builders import plan
from tests.unit.builders import writes
from tests.unit.judge import GB
from tests.unit.judge import MB
from tests.unit.judge import RULES
from tests.unit.judge import ForecastCase
from tests.unit.judge import says
from watcher_tsmig.model import Link
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.values import Mode


class TestCaps(ForecastCase):
    def one(self, **values):
        return dataclasses.replace(says(20.0, 0.0, lcb=1.0), **values)

    def test_a_host_without_an_agent_gives_what_nova_gives(self):
        text = 'id-v: cap above what Nova gives on a'
        for given, agent, wrong in (
            (49 * MB, False, True),
            (50 * MB, False, False),
            (49 * MB, True, False),
        ):
            where = self.where(
                writes(0.0), a={'agent': agent, 'bandwidth': given}
            )
            if wrong:
                self.only(text, where, plan(self.one()), RULES)
            else:
                self.good(where, plan(self.one()), RULES)

    def test_after_the_switch_no_cap_of_nova_holds(self):
        where = self.where(
            writes(0.0), a={'agent': False, 'bandwidth': 49 * MB}
        )
        post = says(20.0, 0.039, 2.961, mode=Mode.POST_COPY, lcb=0.0)
        self.good(where, plan(post), RULES)

    def test_limit_and_room_are_not_below_the_cap(self):
        where = self.where(writes(0.0))
        for name, text in (
            ('limit', 'id-v: limit below its cap'),
            ('room', 'id-v: room below its cap'),
        ):
            for value in (50 * MB, 60 * MB, None):
                self.good(where, plan(self.one(**{name: value})), RULES)
            self.only(text, where, plan(self.one(**{name: 49 * MB})), RULES)

    def test_what_may_be_taken_is_what_the_ceiling_bounds(self):
        said = self.one(limit=60 * MB)
        where = self.where(writes(0.0))
        self.good(where, plan(said, ceiling=60 * MB), RULES)
        self.only(
            'id-v: cap above the ceiling',
            where,
            plan(said, ceiling=59 * MB),
            RULES,
        )

    def test_streams_carry_their_windows_each_round_trip(self):
        # of 4 MB in 0.1 s: 40 MB/s, and two of them 80
        links = tuple(
            Link(name=name, hosts=('a',), capacity=GB, rtt=0.05)
            for name in ('one', 'other')
        )
        where = self.where(writes(0.0), links=links)
        said = self.one(crosses=('one', 'other'))
        for streams, ceiling, good in (
            (1, 1e9, False),
            (2, 1e9, True),
            (2, 25 * MB, True),
            (2, 24 * MB, False),
        ):
            rules = dataclasses.replace(
                RULES,
                streams=streams,
                stream_ceiling=ceiling,
                stream_window=4 * MB,
            )
            # a stream that carries less has memory wait for it
            if good:
                self.good(where, plan(said), rules)
            else:
                found = ' '.join(check(where, plan(said), rules))
                self.assertIn(
                    f'cap above what {streams} streams carry over a path of '
                    '0.1 s',
                    found,
                )

    def test_a_disk_has_one_connection(self):
        # 4 MB in 0.1 s: 40 MB/s, where its share of the cap would be 50
        link = Link(name='wan', hosts=('a',), capacity=GB, rtt=0.1)
        rules = dataclasses.replace(RULES, streams=2, stream_window=4 * MB)
        where = self.where(
            writes(0.0),
            links=(link,),
            disk=1e8,
            disks=(1e8,),
            a={'agent': False},
        )
        for disk, good in ((2.5, True), (2.0, False)):
            said = self.one(crosses=('wan',), data=GB + 1e8)
            said = dataclasses.replace(
                said,
                takes=20.0 + disk,
                takes_low=20.0 + disk,
                takes_high=20.0 + disk,
            )
            if good:
                self.good(where, plan(said), rules)
            else:
                self.only('duration is', where, plan(said), rules)
