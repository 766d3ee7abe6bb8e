"""What is learned of a cloud's own migrations, by the real openstacksdk.

Simulated time stands still but where a test pushes it.
"""

import dataclasses

from tests.functional.test_playground_migrations import FIRST
from tests.functional.test_playground_migrations import Migrations
from watcher_tsmig.forecast.learned.experience import Prior
from watcher_tsmig.forecast.learned.experience import Subject
from watcher_tsmig.forecast.learned.experience import working_sets
from watcher_tsmig.playground.cloud.rack import rack
from watcher_tsmig.telemetry.inventory.kin import kin_of
from watcher_tsmig.telemetry.inventory.past import read_past
from watcher_tsmig.telemetry.inventory.servers import read_servers

SECOND = 'redis-09'


class TestPast(Migrations):
    def read(self):
        """The records, of VMs by the ids that they have here."""
        cloud = rack()
        vms = [
            dataclasses.replace(vm, id=self.ids[vm.name], disk=0.0)
            for vm in cloud.vms
        ]
        notes = []
        # where post-copy is permitted, a time tells nothing
        hosts = [dataclasses.replace(h, post_copy=None) for h in cloud.hosts]
        found = read_past(self.compute, hosts, vms, 2e9, notes)
        self.assertEqual([], notes)
        return found

    def test_a_vm_that_moved_alone_tells_of_itself_and_of_its_like(self):
        self.start()
        self.assertEqual((), self.read())
        self.migrate()
        self.playground.push(10.0)
        self.assertEqual((), self.read())
        self.playground.push(300.0)
        (trace,) = self.read()
        record = self.record()
        self.assertEqual('completed', record.status)
        self.assertEqual(self.ids[FIRST], trace.vm)
        kin = {s.id: kin_of(s) for s in read_servers(self.compute)}
        some = [
            Subject(id=vm, memory=trace.memory, kin=kin[vm])
            for vm in self.ids.values()
        ]
        found = working_sets(some, [trace], kin, Prior(rate=5e7, link=1e9))
        bases = {name: found.get(vm) for name, vm in self.ids.items()}
        self.assertEqual('own-migrations', bases[FIRST].basis)
        self.assertEqual('migrations-of-like-vms', bases[SECOND].basis)
        self.assertTrue(bases[SECOND].samples)

    def test_one_that_waits_for_another_of_its_source_tells_nothing(self):
        self.start()
        self.migrate()
        self.playground.push(5.0)
        self.migrate(SECOND)
        self.playground.push(600.0)
        self.assertEqual('completed', self.record(SECOND).status)
        self.assertEqual([self.ids[FIRST]], [t.vm for t in self.read()])
