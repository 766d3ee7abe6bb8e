"""The simulated cloud, asked by unmodified clients over HTTP.

Simulated time stands still but where a test pushes it, so nothing here
waits or depends on how fast the machine is.
"""

import dataclasses
import pathlib
import re
import signal
import stat
import subprocess
import sys

import fixtures as python_fixtures
import openstack.exceptions
import testtools
from keystoneauth1 import exceptions as ksa_exceptions

from tests.functional import fixtures
from watcher_tsmig import units
from watcher_tsmig.playground.cloud.rack import rack


class TestIdentity(fixtures.SharedPlayground):
    def test_a_wrong_password_gets_no_token(self):
        session = self.playground.session_of(
            self.playground.env, password='guess'
        )
        self.assertRaises(ksa_exceptions.Unauthorized, session.get_token)

    def test_a_made_up_token_is_refused_by_every_service(self):
        for kind in ('compute', 'placement', 'metric', 'image', 'network'):
            url = self.playground.session.get_endpoint(service_type=kind)
            path = {
                'compute': '/servers/detail',
                'placement': '/resource_providers',
                'metric': '/v1/resource/generic',
                'image': '/v2/images/any',
                'network': '/v2.0/ports',
            }[kind]
            answer = self.playground.session.get(
                url + path,
                authenticated=False,
                headers={'X-Auth-Token': 'guess'},
                raise_exc=False,
            )
            self.assertEqual(401, answer.status_code, kind)

    def test_a_revoked_token_is_refused(self):
        session = self.playground.session_of(self.playground.env)
        token = session.get_token()

        def status():
            return session.get(
                '/servers',
                endpoint_filter={'service_type': 'compute'},
                authenticated=False,
                headers={'X-Auth-Token': token},
                raise_exc=False,
            ).status_code

        self.assertEqual(200, status())
        session.delete(
            self.playground.env['OS_AUTH_URL'] + '/auth/tokens',
            headers={'X-Subject-Token': token},
        )
        self.assertEqual(401, status())

    def test_a_user_without_the_admin_role_may_not_look_around(self):
        session = self.playground.session_of(self.playground.reader)
        self.assertRaises(
            ksa_exceptions.Forbidden,
            session.get,
            '/servers/detail',
            endpoint_filter={'service_type': 'compute'},
        )

    def test_the_ready_file_is_for_its_owner_only(self):
        mode = self.playground.ready_file.stat().st_mode
        self.assertEqual(0o600, stat.S_IMODE(mode))


class TestInventory(fixtures.SharedPlayground):
    def test_servers_are_those_of_the_cloud(self):
        expected = {
            (vm.id, vm.name, vm.host, vm.memory, vm.vcpus) for vm in rack().vms
        }
        found = {
            (
                s.id,
                s.name,
                s.compute_host,
                s.flavor.ram * units.MIB,
                s.flavor.vcpus,
            )
            for s in self.playground.cloud.compute.servers(all_projects=True)
        }
        self.assertEqual(expected, found)

    def test_servers_come_in_pages_without_a_gap(self):
        compute = self.playground.cloud.compute
        whole = [s.id for s in compute.servers(all_projects=True)]
        paged = [s.id for s in compute.servers(all_projects=True, limit=5)]
        self.assertEqual(whole, paged)

    def test_placement_has_the_memory_of_each_host(self):
        cloud = self.playground.cloud
        for node in cloud.compute.hypervisors(details=True):
            total = {
                i.resource_class: i.total
                for i in cloud.placement.resource_provider_inventories(node.id)
            }
            host = rack().host(node.name)
            self.assertEqual(host.memory, total['MEMORY_MB'] * units.MIB)
            self.assertEqual(host.vcpus, total['VCPU'])

    def test_aggregates_declare_speed_and_post_copy(self):
        declared = {
            (host, key, value)
            for a in self.playground.cloud.compute.aggregates()
            for host in a.hosts
            for key, value in a.metadata.items()
        }
        expected = set()
        for host in rack().hosts:
            expected.add((host.name, 'tsmig:post_copy', 'true'))
            expected.add((host.name, 'tsmig:nic_mbit_s', '1000'))
        self.assertEqual(expected, declared)

    def test_a_disabled_service_says_so_and_why(self):
        compute = self.playground.cloud.compute
        (service,) = compute.services(host='spare-08', binary='nova-compute')
        compute.disable_service(service, disabled_reason='broken fan')
        (after,) = compute.services(host='spare-08')
        self.assertEqual(
            ('disabled', 'broken fan'), (after.status, after.disabled_reason)
        )


class TestTelemetry(fixtures.SharedPlayground):
    def rate(self, vm_id, metric):
        gnocchi = self.playground.gnocchi
        total = 0.0
        for resource in gnocchi.resource.search(
            'instance_network_interface', {'=': {'instance_id': vm_id}}
        ):
            measures = gnocchi.metric.get_measures(
                metric,
                resource_id=resource['id'],
                aggregation='rate:mean',
                granularity=300,
            )
            _, granularity, value = measures[-1]
            total += value / granularity
        return total

    def test_the_interfaces_of_a_vm_sum_to_its_traffic(self):
        for vm in rack().vms[::5]:
            self.assertAlmostEqual(
                vm.traffic.tx, self.rate(vm.id, 'network.outgoing.bytes'), 3
            )
            self.assertAlmostEqual(
                vm.traffic.rx, self.rate(vm.id, 'network.incoming.bytes'), 3
            )

    def test_a_counter_grows_by_its_rate(self):
        gnocchi, vm = self.playground.gnocchi, rack().vms[0]
        (first, *_) = gnocchi.resource.search(
            'instance_network_interface', {'=': {'instance_id': vm.id}}
        )
        metric = first['metrics']['network.outgoing.bytes']
        counts = gnocchi.metric.get_measures(metric, aggregation='mean')
        rates = gnocchi.metric.get_measures(metric, aggregation='rate:mean')
        self.assertAlmostEqual(
            rates[-1][2] / (counts[-1][2] - counts[-2][2]), 1.0, 6
        )

    def test_many_metrics_come_with_one_question(self):
        gnocchi, vm = self.playground.gnocchi, rack().vms[0]
        metrics = gnocchi.resource.get('instance', vm.id)['metrics']
        names = ('memory.dirty.t1', 'memory.dirty.t60')
        wanted = [metrics[name] for name in names]
        answer = gnocchi.aggregates.fetch(
            ['metric', *([m, 'mean'] for m in wanted)], granularity=300
        )
        last = [answer['measures'][m]['mean'][-1][2] for m in wanted]
        samples = dict(vm.working_set.samples)
        self.assertEqual(
            [samples[1] / units.MIB, samples[60] / units.MIB], last
        )

    def test_vanished_metrics_are_gone_and_come_back(self):
        vm = rack().vms[1]
        self.playground.change(vm.id, metrics='gone')
        self.assertEqual(0.0, self.rate(vm.id, 'network.outgoing.bytes'))
        self.playground.change(vm.id, metrics='live')
        self.assertLess(0.0, self.rate(vm.id, 'network.outgoing.bytes'))

    def test_a_vm_that_nobody_measured_has_no_metrics(self):
        whole = rack()
        bare = dataclasses.replace(
            whole.vms[0], traffic=None, working_set=None
        )
        cloud = dataclasses.replace(whole, vms=(bare,))
        playground = self.useFixture(fixtures.Playground(cloud))
        found = playground.gnocchi.resource.search(
            'generic',
            {
                'or': [
                    {'=': {'id': bare.id}},
                    {'=': {'instance_id': bare.id}},
                ]
            },
        )
        self.assertEqual([{}, {}, {}], [r['metrics'] for r in found])


class TestEnds(testtools.TestCase):
    def test_it_ends_with_its_input_and_leaves_nothing(self):
        playground = self.useFixture(fixtures.Playground())
        before = fixtures.temporary_folders(playground.folder)
        self.assertEqual(1, len(before))
        self.assertEqual(0, playground.stop())
        after = fixtures.temporary_folders(playground.folder)
        self.assertEqual([], after)
        self.assertFalse(playground.ready_file.exists())

    def test_it_ends_cleanly_on_a_signal(self):
        playground = self.useFixture(fixtures.Playground())
        playground.process.send_signal(signal.SIGTERM)
        self.assertEqual(0, playground.process.wait(fixtures.STOP_SECONDS))
        self.assertEqual([], fixtures.temporary_folders(playground.folder))

    def test_a_broken_snapshot_is_one_line_and_no_traceback(self):
        path = self.useFixture(python_fixtures.TempDir()).join('cloud.json')
        pathlib.Path(path).write_text('{"format_version":')
        done = subprocess.run(
            [
                *(sys.executable, '-m', 'watcher_tsmig.playground'),
                *('--cloud', path),
            ],
            cwd=fixtures.TOP,
            capture_output=True,
            text=True,
            timeout=fixtures.START_SECONDS,
        )
        self.assertEqual(2, done.returncode)
        self.assertEqual(1, len(done.stderr.splitlines()), done.stderr)

    def test_its_one_line_has_what_a_shell_needs(self):
        playground = self.useFixture(fixtures.Playground())
        words = dict(re.findall(r'(OS_\w+)=(\S+)', playground.line))
        self.assertEqual(playground.env, words)


class TestErrors(fixtures.SharedPlayground):
    def test_nova_says_what_it_misses_in_its_own_form(self):
        compute = self.playground.cloud.compute
        error = self.assertRaises(
            openstack.exceptions.NotFoundException,
            compute.get_server,
            'no-such-server',
        )
        self.assertIn('no-such-server', str(error))

    def test_an_unknown_microversion_is_406(self):
        answer = self.playground.session.get(
            '/servers',
            endpoint_filter={'service_type': 'compute'},
            headers={'OpenStack-API-Version': 'compute 2.999'},
            raise_exc=False,
        )
        self.assertEqual(406, answer.status_code)

    def test_a_body_that_is_not_json_is_400(self):
        vm = self.vm('redis-01')
        answer = self.playground.session.post(
            f'/servers/{vm.id}/action',
            endpoint_filter={'service_type': 'compute'},
            data='{',
            raise_exc=False,
        )
        self.assertEqual(400, answer.status_code)

    def test_a_body_too_large_is_413(self):
        answer = self.playground.session.post(
            '/servers/any/action',
            endpoint_filter={'service_type': 'compute'},
            data=b' ' * (2 << 20),
            raise_exc=False,
            connect_retries=0,
        )
        self.assertEqual(413, answer.status_code)
