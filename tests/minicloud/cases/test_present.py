"""What holds at the start is not what was planned: links, and writing."""

from tests.minicloud.cases.test_states import Base


class TestPresent(Base):
    def setUp(self):
        super().setUp()
        self.server = self.boot('one', flavor='big')
        self.operator.feed_gauges(
            self.server,
            memory_resident=1024,
            memory_dirty_t1=4,
            memory_dirty_t8=30,
            memory_dirty_t60=61,
        )
        self.operator.fed()

    def planned(self, **asked):
        audit = self.operator.audit(
            vms=[self.server],
            destinations=['compute2'],
            bandwidth_ceiling_mbit_s=500,
            **asked,
        )
        plan = self.operator.plan_of(audit)
        (move,) = self.operator.moves(plan)
        self.assertEqual('pre-copy', move['input_parameters']['mode'])
        return plan

    def ended(self, plan):
        self.operator.start(plan)
        ended = self.operator.ended(plan)
        (move,) = self.operator.moves(plan)
        return ended, move

    def writes(self, rate):
        self.operator.hypervisors(
            'shape', uuid=self.server, writes=rate, hot=3 * rate
        )

    def test_a_link_that_carries_more_leaves_a_smaller_cap(self):
        plan = self.planned()
        other = self.boot('other', flavor='tiny')
        # of 125 MB/s
        self.operator.hypervisors('shape', uuid=other, tx=90e6)
        ended, move = self.ended(plan)
        self.operator.tells(move, 'instead of 500 Mbit/s: compute1 sends')
        self.assertEqual('SUCCEEDED', ended['state'])
        self.assertEqual('compute2', self.operator.host_of(self.server))

    def test_a_full_link_at_the_destination_is_waited_for(self):
        plan = self.planned()
        other = self.boot('other', host='compute2', flavor='tiny')
        self.operator.hypervisors('shape', uuid=other, rx=125e6)
        _, move = self.ended(plan)
        self.assertEqual('FAILED', move['state'])
        self.operator.tells(move, 'compute2 receives')
        self.assertEqual([], self.operator.migrations(self.server))
        self.assertEqual('compute1', self.operator.host_of(self.server))

    def test_a_vm_that_would_never_end_is_not_begun(self):
        self.operator.nova(
            'POST',
            f'/servers/{self.server}/metadata',
            {'metadata': {'tsmig:post_copy': 'false'}},
        )
        plan = self.planned()
        self.writes(300e6)
        _, move = self.ended(plan)
        self.assertEqual('FAILED', move['state'])
        self.operator.tells(move, 'it writes')
        self.assertEqual([], self.operator.migrations(self.server))

    def test_a_vm_that_would_never_end_is_post_copied_where_it_may(self):
        self.permit_post_copy()
        plan = self.planned()
        self.writes(300e6)
        ended, move = self.ended(plan)
        self.assertEqual('SUCCEEDED', ended['state'])
        self.operator.tells(move, 'hybrid instead of pre-copy: it writes')
        self.assertEqual('compute2', self.operator.host_of(self.server))

    def test_what_the_audit_forbids_stays_forbidden(self):
        self.permit_post_copy()
        plan = self.planned(allow_post_copy=False)
        self.writes(300e6)
        _, move = self.ended(plan)
        self.assertEqual('FAILED', move['state'])
        self.assertEqual([], self.operator.migrations(self.server))
