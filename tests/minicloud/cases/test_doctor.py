"""The doctor and a snapshot, of a real cloud, by the stock client."""

import json
import os
import pathlib
import stat
import subprocess
import tempfile

import openstack

from tests.minicloud import stages
from tests.minicloud.cases.test_states import Base
from watcher_tsmig.model import snapshot
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.direct import reach
from watcher_tsmig.telemetry.direct import read_directly

MBIT_S = 1e6 / 8
PATIENCE = 120
READER = 'a-reader'


class TestDoctor(Base):
    def tsmig(self, *words, **changes):
        """Exit code, output and errors of a command."""
        bed = self.operator.bed
        done = subprocess.run(
            ['openstack', 'optimize', 'tsmig', *words],
            env=bed.environment({**stages.openrc(bed), **changes}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        self.assertNotIn('Traceback', done.stderr)
        return done.returncode, done.stdout, done.stderr

    def findings(self, *words, **changes):
        """Exit code, and by check what was found."""
        code, out, err = self.tsmig('doctor', '-f', 'json', *words, **changes)
        self.assertTrue(out, err)
        found = {}
        for row in json.loads(out):
            found.setdefault(row['Check'], []).append(row)
        return code, found

    def severities(self, found, check):
        return {row['Severity'] for row in found[check]}

    def fed(self, *names):
        for name in names:
            server = self.boot(name, flavor='tiny')
            self.operator.feed(server, MBIT_S, MBIT_S)
        self.operator.fed()

    def test_all_of_a_cloud_with_agents_is_asked(self):
        self.fed('one', 'two')
        conf = self.operator.bed.conf / 'watcher/watcher.conf'
        code, found = self.findings('--config-file', str(conf))
        told = [r for r in found['services'] if r['Severity'] != 'ok']
        self.assertEqual([], told)
        for check in ('versions', 'clocks', 'hosts', 'agents'):
            self.assertEqual(
                {'ok'}, self.severities(found, check), found[check]
            )
        for check in ('rights', 'placement', 'metrics', 'limits', 'nics'):
            self.assertEqual(
                {'ok'}, self.severities(found, check), found[check]
            )
        self.assertNotIn('error', self.severities(found, 'watcher'))
        self.assertNotIn('not-asked', self.severities(found, 'workers'))
        self.assertIn(code, (0, 1), found)

    def test_a_user_who_may_not_is_told_what_would_let_him(self):
        cloud = self.operator.cloud
        password = os.urandom(16).hex()
        user = cloud.identity.create_user(name=READER, password=password)
        self.addCleanup(cloud.identity.delete_user, user)
        project = cloud.identity.find_project('admin')
        role = cloud.identity.find_role('reader') or (
            cloud.identity.create_role(name='reader')
        )
        cloud.identity.assign_project_role_to_user(project, user, role)
        code, found = self.findings(OS_USERNAME=READER, OS_PASSWORD=password)
        self.assertEqual(2, code)
        refused = [r for r in found['rights'] if '403' in r['Finding']]
        self.assertIn(
            'os_compute_api:os-hypervisors:list-detail',
            ' '.join(row['Remedy'] for row in refused),
        )

    def test_a_snapshot_is_the_cloud_that_nova_shows(self):
        self.fed('one', 'two')
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'cloud.json'
            code, out, err = self.tsmig(
                'snapshot', 'create', str(path), '-f', 'json'
            )
            self.assertEqual(0, code, err)
            self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))
            found = snapshot.load(path)
        self.assertEqual({'one', 'two'}, {vm.name for vm in found.vms})
        self.assertTrue(all(vm.traffic for vm in found.vms), out)
        self.assertEqual(5, len(found.hosts))
        self.assertEqual({'compute1'}, {vm.host for vm in found.vms})
        # the host that has both has room for what Placement says
        again = read_directly(
            reach(openstack.connect()), Settings(), now=found.taken_at
        ).reading.cloud
        self.assertEqual(
            [(h.name, h.memory, h.vcpus, h.disk) for h in again.hosts],
            [(h.name, h.memory, h.vcpus, h.disk) for h in found.hosts],
        )
