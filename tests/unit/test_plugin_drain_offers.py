"""Which hosts a drain disables, and where it lets late VMs go."""

from tests.unit import test_plugin_drain
from tests.unit import test_telemetry_inventory as cloud
from watcher_tsmig.plugin import drain


class Base(test_plugin_drain.Base):
    """Host a with two VMs, and as many others as a test names."""

    kind = drain.TrafficSensitiveDrain

    def hosts(self, **memory):
        """Others with these MiB; of `two` VMs, each takes 512."""
        nodes = [cloud.node('a')]
        for name, mib in memory.items():
            made = cloud.node(name)
            made.memory_mb_capacity = float(mib)
            nodes.append(made)
        self.model.nodes = nodes
        self.compute._services = [
            cloud.thing(
                host=node.hostname,
                binary='nova-compute',
                status='enabled',
                state='up',
            )
            for node in nodes
        ]

    def service(self, name):
        (found,) = [s for s in self.compute._services if s.host == name]
        return found

    def offered(self, **parameters):
        look = self.run_it(hosts=['a'], **parameters).solution.actions[-1]
        self.assertEqual('traffic_sensitive_verify', look['action_type'])
        return look['input_parameters']['destinations']


class TestOffered(Base):
    def test_who_comes_late_goes_first_to_where_most_room_is_left(self):
        # placement spreads: each VM goes to the emptiest
        self.hosts(b=4096, c=2048, d=8192)
        self.assertEqual(['d', 'b', 'c'], self.offered())

    def test_what_is_there_and_what_will_be_counts(self):
        self.hosts(b=2600, c=2200)
        # two VMs of 512 MiB will be at b, which then has less than c
        self.assertEqual(['c', 'b'], self.offered(destinations=['b', 'c'],
                                                  choices=['one=b', 'two=b'])
                         )  # fmt: skip
        self.compute._servers.append(cloud.server('three', host='c'))
        self.model.instances.append(cloud.instance('three'))
        self.assertEqual(
            ['b', 'c'],
            self.offered(choices=['one=b'], destinations=['b', 'c']),
        )

    def test_of_equals_the_name_decides(self):
        self.hosts(d=4096, c=4096, b=16384)
        found = self.offered(choices=['one=b', 'two=b'])
        self.assertEqual(['b', 'c', 'd'], found)

    def test_ten_hosts_are_enough(self):
        names = 'bcdefghijklm'
        self.hosts(**{name: 9000 + i for i, name in enumerate(names)})
        found = self.offered(choices=['one=b', 'two=c'])
        self.assertEqual([*reversed(names)][:10], found)

    def test_only_hosts_that_may_receive_vms_are_offered(self):
        self.hosts(b=9000, c=8000, d=7000, e=6000)
        self.service('c').status = 'disabled'
        self.service('d').state = 'down'
        self.assertEqual(['b', 'e'], self.offered())
        self.emptied = {'e': 'plan-1'}
        self.assertEqual(['b'], self.offered())

    def test_only_those_that_the_audit_names_are_offered(self):
        self.hosts(b=9000, c=8000, d=7000)
        self.assertEqual(['b', 'd'], self.offered(destinations=['d', 'b']))


class TestDisabled(Base):
    def disabled(self, **parameters):
        strategy = self.run_it(**parameters)
        return [
            action['input_parameters']['resource_name']
            for action in strategy.solution.actions
            if action['action_type'] == drain.CHANGE_STATE
        ]

    def test_each_host_that_is_emptied_is_disabled_once(self):
        self.hosts(b=4096, c=4096)
        self.assertEqual(['a', 'b'], self.disabled(hosts=['a', 'b', 'a']))

    def test_one_whose_vms_follow_cold_is_disabled_too(self):
        for server in self.compute._servers:
            server.vm_state = 'stopped'
        self.assertEqual(['a'], self.disabled(hosts=['a']))

    def test_one_that_keeps_all_its_vms_is_left_as_it_is(self):
        self.hosts(b=4096, c=4096)
        locked = cloud.server('held', host='b', is_locked=True)
        self.compute._servers.append(locked)
        self.model.instances.append(cloud.instance('held'))
        self.assertEqual(['a'], self.disabled(hosts=['a', 'b']))
        # nor is anybody sent to look at it
        looks = [
            action['input_parameters']['resource_id']
            for action in self.run_it(hosts=['a', 'b']).solution.actions
            if action['action_type'] == drain.VERIFY
        ]
        self.assertEqual(['a'], looks)

    def test_where_nobody_names_hosts_those_in_maintenance_are_emptied(self):
        self.hosts(b=4096, c=4096)
        self.service('a').status = 'disabled'
        # in maintenance as well, and without a VM
        self.service('c').status = 'disabled'
        strategy = self.run_it()
        looks = [
            action['input_parameters']['resource_id']
            for action in strategy.solution.actions
            if action['action_type'] == drain.VERIFY
        ]
        self.assertEqual(['a'], looks)
        self.assertEqual([], self.disabled())


class TestDeadline(Base):
    def test_a_blank_end_is_none(self):
        for text in ('', '  ', None):
            strategy = self.run_it(hosts=['a'], finish_by=text, deadline_s=90)
            self.assertEqual(90, strategy.plan.request.deadline)

    def test_remarks_come_before_what_telemetry_notes(self):
        self.run_it(hosts=['a'], policy='gentlest')
        text = self.audit.status_message
        self.assertIn('without a deadline the gentlest policy', text)
        self.assertLess(
            text.index('without a deadline'), text.index('no source')
        )


class TestNames(Base):
    def test_people_see_what_it_is(self):
        self.assertEqual(
            'Traffic-sensitive drain', self.kind.get_display_name()
        )
        self.assertEqual(
            'traffic_sensitive_migration', self.kind.get_goal_name()
        )
