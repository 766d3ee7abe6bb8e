"""Several operators, several appliers, and hosts that go meanwhile."""

import signal
import time

from tests.minicloud import stages
from tests.minicloud.cases.test_states import Base
from tests.minicloud.operators import eventually
from watcher_tsmig.model.passage import UNDER_WAY

LOOK_EVERY = 0.3
APPLIER = 'watcher-applier'


class TestParallel(Base):
    def fill(self, *hosts, names=('web', 'db')):
        return [
            self.boot(name, host, flavor='tiny')
            for host in hosts
            for name in names
        ]

    def drains(self, hosts, **parameters):
        """A plan for each host, made one after the other."""
        return [
            self.operator.plan_of(
                self.operator.audit(hosts=[host], **parameters)
            )
            for host in hosts
        ]

    def test_three_drains_of_three_hosts_of_five_leave_them_empty(self):
        hosts = ('compute1', 'compute2', 'compute3')
        ids = self.fill(*hosts)
        plans = self.drains(hosts)
        for plan in plans:
            self.operator.start(plan)
        for host, plan in zip(hosts, plans, strict=True):
            ended = self.operator.ended(plan, within=400)
            self.operator.tells(ended, f'{host} is empty')
        for server in ids:
            self.assertNotIn(self.operator.host_of(server), hosts)
            # before, at most to one whose own drain was not planned yet
            self.assertLessEqual(len(self.operator.migrations(server)), 2)

    def test_where_a_destination_dies_its_vms_go_elsewhere(self):
        ids = self.fill('compute1', names=('a', 'b', 'c'))
        (plan,) = self.drains(['compute1'])
        moves = self.operator.moves(plan)
        dies = moves[-1]['input_parameters']['destination_node']
        bed = self.operator.bed
        bed.stop(dies, signal.SIGKILL)
        self.addCleanup(
            eventually,
            f'{dies} up',
            lambda: self.operator.service(dies)['state'] == 'up',
        )
        self.addCleanup(stages.start_service, bed, dies)
        self.operator.start(plan)
        ended = self.operator.ended(plan, within=500)
        self.operator.tells(ended, 'compute1 is empty')
        for server in ids:
            self.assertNotIn(self.operator.host_of(server), ('compute1', dies))

    def test_two_appliers_together_stay_below_the_limits(self):
        bed = self.operator.bed
        second = f'{APPLIER}-2'
        stages.start_service(bed, APPLIER, second).ready(says='Starting')
        self.addCleanup(bed.stop, second)
        hosts = ('compute1', 'compute2')
        ids = self.fill(*hosts)
        plans = self.drains(hosts, max_in_cluster=1)
        for plan in plans:
            self.operator.start(plan)
        seen, began = [], time.monotonic()
        while time.monotonic() - began < 300:
            seen.append(self.in_flight())
            states = {self.operator.plan(p['uuid'])['state'] for p in plans}
            if not states & {'PENDING', 'ONGOING'}:
                break
            time.sleep(LOOK_EVERY)
        self.assertEqual({'SUCCEEDED'}, states)
        print(f'at most {max(seen)} at once, seen {len(seen)} times')
        self.assertEqual(1, max(seen))
        for server in ids:
            self.assertNotIn(self.operator.host_of(server), hosts)
            self.assertEqual(1, len(self.operator.migrations(server)))

    def in_flight(self):
        """How many migrations are, by Nova's records."""
        _, body = self.operator.nova('GET', '/os-migrations')
        return sum(m['status'] in UNDER_WAY for m in body['migrations'])
