"""Local disks that go along with their VM, by Nova's own records."""

from tests.minicloud.cases.test_states import Base

GIB = 1 << 30
# of the NICs, bytes/s
LINK = 125e6


class TestDisks(Base):
    def moved(self, flavor):
        """The plan's numbers of a VM of that flavor, and what it took."""
        server = self.boot('stores', flavor=flavor)
        # its memory is small, and is not what this is about
        self.operator.hypervisors('shape', uuid=server, writes=1e6)
        plan = self.operator.plan_of(self.operator.audit(vms=[server]))
        (move,) = self.operator.moves(plan)
        self.operator.start(plan)
        ended = self.operator.ended(plan, within=600)
        (move,) = self.operator.moves(plan)
        self.assertEqual('SUCCEEDED', ended['state'], move['status_message'])
        self.assertEqual(
            move['input_parameters']['destination_node'],
            self.operator.host_of(server),
        )
        return move['input_parameters'], self.operator.lasted(server)

    def test_f12_a_disk_has_its_share_of_the_cap_and_is_in_the_plan(self):
        given, took = self.moved('disk')
        self.assertEqual('enforced', given['cap_enforcement'])
        cap = given['cap_mbit_s'] * LINK / 1000
        # half of the cap is the memory's, which waits
        self.assertGreater(given['planned_disks_s'], 2 * 2 * GIB / cap)
        self.assertGreater(took, 2 * 2 * GIB / cap)
        self.assertAlmostEqual(
            1, took / given['planned_duration_s'], delta=0.15
        )

    def test_f12_twenty_gib_of_disk_go_over_a_gigabit(self):
        self.without_agents()
        given, took = self.moved('store')
        self.assertGreater(given['planned_duration_s'], 20 * GIB / LINK)
        self.assertGreater(took, 20 * GIB / LINK)
        # nobody caps it, and it has what the plan left to others
        self.assertLess(took, given['planned_duration_s'] * 1.1)
