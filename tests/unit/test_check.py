"""The checker finds what is wrong with a plan that was tampered with."""

import dataclasses

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.builders import writes
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode


class TestCheck(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud(
            'a b c d',
            vm('v', 'a', 10, 300, memory=40e9),
            vm('w', 'a', 300, 10, memory=40e9, working_set=writes(4e8)),
            vm('x', 'a', 5, 5, locked=True),
            d=host('d', post_copy=False, enabled=False),
        )
        self.plan = make_plan(
            self.cloud, policies.request('gentle', hosts=('a',))
        )
        self.assertEqual([], check(self.cloud, self.plan))
        self.assertEqual(2, len(self.plan.migrations))

    def found(self, plan):
        return ' / '.join(check(self.cloud, plan))

    def changed(self, name, **values):
        """The plan with one migration changed."""
        return dataclasses.replace(
            self.plan,
            migrations=tuple(
                dataclasses.replace(m, **values) if m.name == name else m
                for m in self.plan.migrations
            ),
        )

    def asked(self, **values):
        """The plan with its request changed."""
        request = dataclasses.replace(self.plan.request, **values)
        return dataclasses.replace(self.plan, request=request)

    def test_a_forgotten_vm(self):
        plan = dataclasses.replace(self.plan, left_out=())
        self.assertIn('id-x: neither moves', self.found(plan))

    def test_a_vm_that_moves_and_stays(self):
        both = dataclasses.replace(self.plan.left_out[0], vm='id-v')
        plan = dataclasses.replace(
            self.plan, left_out=(*self.plan.left_out, both)
        )
        self.assertIn('id-v: appears more than once', self.found(plan))

    def test_each_tampering_is_found(self):
        cases = (
            (self.changed('v', destination='nowhere'), 'not a host'),
            (self.changed('v', destination='d'), 'd cannot receive'),
            (self.changed('v', destination='a'), 'a is to be emptied'),
            (self.changed('v', source='b'), 'is on a, not b'),
            (self.changed('v', cap=1e4), 'cap below its LCB'),
            (self.changed('v', lcb=1.0), 'does not converge at its LCB'),
            (self.changed('v', takes=5.0), 'duration is'),
            (self.changed('v', data=5.0), 'data is'),
            (self.changed('v', downtime=9.0), 'pause is'),
            (self.changed('v', slow=9.0), 'slow phase is'),
            (self.changed('v', slot=99), 'there is no slot 99'),
            (self.changed('v', after=('id-z',)), 'which does not move'),
            (self.changed('v', cap=125e6), 'migrations use'),
            (self.asked(destinations=('d',)), 'not an allowed destination'),
            (self.asked(only_mode=Mode.PRE_COPY), 'is not pre-copy'),
            (self.asked(allow_post_copy=False), 'not permitted'),
            (self.asked(deadline=1.0), 'ends after the deadline'),
            (self.asked(ceiling=1e6), 'cap above the ceiling'),
            (
                dataclasses.replace(self.plan, lower_bound=1e9),
                'above the makespan',
            ),
        )
        for plan, text in cases:
            self.assertIn(text, self.found(plan))

    def test_two_at_once_where_one_may(self):
        plan = dataclasses.replace(
            self.plan,
            migrations=tuple(
                dataclasses.replace(m, start=0.0, after=())
                for m in self.plan.migrations
            ),
        )
        self.assertIn('2 leave a at once, at most 1 may', self.found(plan))

    def test_an_order_that_nothing_enforces(self):
        second = self.plan.migrations[1]
        plan = self.changed(second.name, after=())
        self.assertIn('nothing makes it wait', self.found(plan))

    def test_memory_given_twice(self):
        plan = self.changed('v', destination='b')
        plan = dataclasses.replace(
            plan,
            migrations=tuple(
                dataclasses.replace(m, destination='b')
                for m in plan.migrations
            ),
        )
        self.assertIn('bytes of VMs', self.found(plan))

    def test_a_locked_vm_that_moves(self):
        locked = dataclasses.replace(
            self.cloud,
            vms=tuple(
                dataclasses.replace(v, locked=True) for v in self.cloud.vms
            ),
        )
        self.assertIn('is locked', ' '.join(check(locked, self.plan)))

    def test_a_curve_that_changed_since(self):
        busier = dataclasses.replace(
            self.cloud,
            vms=tuple(
                dataclasses.replace(v, working_set=writes(3e8))
                for v in self.cloud.vms
            ),
        )
        self.assertIn('does not converge', ' '.join(check(busier, self.plan)))
