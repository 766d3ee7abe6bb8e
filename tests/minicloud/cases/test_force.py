"""What is in force on real hosts: Nova's limit, caps, networks, agents."""

from tests.minicloud.cases.test_states import Base
from tests.minicloud.operators import eventually

MBIT_S = 1e6 / 8
MIB = 1 << 20


class TestHosts(Base):
    def test_f5_a_plan_knows_how_many_nova_runs_at_once(self):
        for name in ('one', 'two'):
            self.boot(name)
        audit = self.operator.audit(
            hosts=['compute1'],
            policy='fast',
            max_per_source=2,
            bandwidth_ceiling_mbit_s=100,
        )
        moves = self.operator.moves(self.operator.plan_of(audit))
        starts = sorted(
            m['input_parameters']['planned_start_s'] for m in moves
        )
        # Nova's limit is 1 from a host
        self.assertGreater(starts[1], starts[0])

    def test_f6_an_action_that_succeeded_says_how_it_went(self):
        server = self.boot('one', flavor='tiny')
        plan = self.operator.plan_of(self.operator.audit(vms=[server]))
        self.operator.start(plan)
        self.operator.ended(plan)
        (move,) = self.operator.moves(plan)
        self.assertEqual('SUCCEEDED', move['state'])
        self.assertRegex(move['status_message'] or '', r'[0-9] s')

    def test_f7_idle_vms_that_nobody_measured_are_not_post_copied(self):
        self.permit_post_copy()
        for name in ('one', 'two', 'three'):
            self.boot(name)
        audit = self.operator.audit(hosts=['compute1'], policy='fast')
        for move in self.operator.moves(self.operator.plan_of(audit)):
            self.assertEqual('pre-copy', move['input_parameters']['mode'])

    def test_f13_migrations_may_have_a_network_of_their_own(self):
        self.operator.aggregate(
            'apart',
            ['compute1', 'compute2'],
            **{'tsmig:migration_nic_mbit_s': '10000'},
        )
        server = self.boot('one')
        self.operator.feed(server, 600 * MBIT_S, MBIT_S)
        self.operator.fed()
        audit = self.operator.audit(vms=[server], destinations=['compute2'])
        (move,) = self.operator.moves(self.operator.plan_of(audit))
        self.assertGreater(move['input_parameters']['cap_mbit_s'], 1000)

    def test_a_drain_of_an_untouched_nova_takes_what_was_planned(self):
        ids = [
            self.boot(name, flavor='big') for name in ('one', 'two', 'three')
        ]
        for server in ids:
            self.operator.feed_gauges(
                server,
                memory_resident=1024,
                memory_dirty_t1=4,
                memory_dirty_t8=30,
                memory_dirty_t60=61,
            )
        self.operator.fed()
        audit = self.operator.audit(
            hosts=['compute1'],
            policy='fast',
            max_per_source=3,
            # so slow that the wire counts, and not how fast Nova is here
            bandwidth_ceiling_mbit_s=500,
        )
        plan = self.operator.plan_of(audit)
        planned = self.operator.planned(plan)
        self.operator.start(plan)
        self.operator.succeeds(plan)
        took = self.operator.took(ids)
        print(f'planned {planned:.1f} s, took {took:.1f} s')
        self.assertLess(abs(took / planned - 1), 0.2, (took, planned))


class TestWrongForecasts(Base):
    """VMs write twice or half of what was measured; the governor acts."""

    # 1 GiB at 1 Gbit/s; MiB/s written, and MiB that are written at all
    RATE, HOT = 20, 200

    def told(self, host, rate):
        names = [f'{host}-{i}' for i in range(3)]
        ids = [self.boot(n, host=host, flavor='big') for n in names]
        for server in ids:
            self.operator.feed_gauges(
                server,
                memory_resident=1024,
                memory_dirty_t1=rate,
                memory_dirty_t4=min(4 * rate, self.HOT),
                memory_dirty_t60=self.HOT,
            )
        return ids

    def true(self, ids, rate):
        for server in ids:
            self.operator.hypervisors(
                'shape',
                uuid=server,
                writes=rate * MIB,
                hot=self.HOT * MIB,
            )

    def taken_with_the_truth(self, rate):
        """Seconds that the same takes whose planner knew what they write."""
        ids = self.told('compute2', rate)
        self.true(ids, rate)
        self.operator.fed()
        self.drain('compute2')
        return self.operator.took(ids)

    def drain(self, host):
        audit = self.operator.audit(
            hosts=[host],
            destinations=['compute3', 'compute4'],
            # what is switched at once takes as long whatever it writes
            allow_post_copy=False,
        )
        plan = self.operator.plan_of(audit)
        self.operator.start(plan)
        self.operator.succeeds(plan)
        return plan

    def wrong_by(self, factor):
        ids = self.told('compute1', self.RATE)
        self.true(ids, self.RATE * factor)
        right = self.taken_with_the_truth(self.RATE * factor)
        plan = self.drain('compute1')
        took = self.operator.took(ids)
        print(f'with the truth {right:.1f} s, took {took:.1f} s')
        self.assertLess(took / right, 1.25)
        for move in self.operator.moves(plan):
            given = move['input_parameters']
            if (
                self.operator.took([given['resource_id']])
                > given['deadline_s']
            ):
                self.operator.tells(move, 'deadline')

    def test_they_write_twice_as_much(self):
        self.wrong_by(2)

    def test_they_write_half_as_much(self):
        self.wrong_by(0.5)


class TestCaps(Base):
    def drained(self, **asked):
        """A VM moved under a cap; the action, and caps seen meanwhile."""
        server = self.boot('one')
        audit = self.operator.audit(
            vms=[server], bandwidth_ceiling_mbit_s=500, **asked
        )
        plan = self.operator.plan_of(audit)
        (move,) = self.operator.moves(plan)
        seen = set()
        self.operator.start(plan)

        def look():
            found = self.operator.hypervisors('domain', uuid=server)
            if found['job']:
                seen.add(found['speeds']['pre'])
            (record, *_) = self.operator.migrations(server) or [{}]
            return record.get('status') == 'completed'

        eventually('completed', look, 90)
        self.operator.succeeds(plan)
        (ended,) = self.operator.moves(plan)
        return move, ended, seen, server

    def test_a_cap_is_in_force_and_gone_afterwards(self):
        move, ended, seen, server = self.drained()
        self.assertEqual(
            'enforced', move['input_parameters']['cap_enforcement']
        )
        # of 500 Mbit/s, 56.6 MiB/s are memory
        self.assertEqual({57}, seen)
        self.operator.tells(ended, 'cap 504 Mbit/s enforced')
        left = self.operator.hypervisors('domain', uuid=server)['speeds']
        self.assertEqual(0, left['post'])
        self.assertGreater(left['pre'], 1 << 40)

    def test_without_agents_a_cap_is_advisory_and_nothing_waits_for_them(self):
        self.without_agents()
        _, ended, seen, _ = self.drained()
        self.assertNotIn(57, seen)
        self.operator.tells(ended, 'advisory')
