"""What a plan names as that which limits a bandwidth is what limits it."""

import testtools

from tests.unit import builders
from watcher_tsmig import units
from watcher_tsmig.model import Nic
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan


class TestBandwidth(testtools.TestCase):
    def test_the_link_with_the_least_room_limits_not_that_of_least_capacity(
        self,
    ):
        full = Nic(
            capacity=units.from_mbit_s(2000),
            background_rx=units.from_mbit_s(1800),
        )
        cloud = builders.cloud(
            'a b', builders.idle('x', 'a'), b=builders.host('b', nic=full)
        )
        for policy in policies.NAMES:
            plan = make_plan(cloud, policies.request(policy, hosts=('a',)))
            (found,) = plan.migrations
            self.assertEqual(
                "b's incoming NIC limits its bandwidth", found.binding
            )

    def test_what_others_take_meanwhile_leaves_less_room(self):
        # each destination alone has less than the source, but two share that
        less = Nic(capacity=0.9 * builders.GIGABIT)
        cloud = builders.cloud(
            'a b c',
            builders.idle('x', 'a'),
            builders.idle('y', 'a'),
            b=builders.host('b', nic=less),
            c=builders.host('c', nic=less),
        )
        to = (('id-x', 'b'), ('id-y', 'c'))
        request = policies.request('fast', choices=to, max_per_source=2)
        for found in make_plan(cloud, request).migrations:
            self.assertEqual(0.0, found.start)
            self.assertEqual(
                "a's outgoing NIC limits its bandwidth", found.binding
            )
