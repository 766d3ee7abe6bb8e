"""An agent over a hypervisor that behaves as libvirt does with caps."""

import json
import pathlib
import tempfile
import unittest

from watcher_tsmig import files
from watcher_tsmig.agent import facts
from watcher_tsmig.agent import journal
from watcher_tsmig.agent import verbs
from watcher_tsmig.agent.agent import Agent
from watcher_tsmig.agent.keeper import Keeper
from watcher_tsmig.agent.ledger import FORM
from watcher_tsmig.agent.values import CARRIED
from watcher_tsmig.agent.values import UNLIMITED
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.agent.virt import Libvirt
from watcher_tsmig.errors import InputError
from watcher_tsmig.units import MIB

# On the wire, of a MiB/s of memory.
WIRE = MIB / CARRIED

VM = '5f1c7c7e-0000-4000-8000-000000000001'
OTHER = '5f1c7c7e-0000-4000-8000-000000000002'
FREE = Speeds()


class Libvirtd:
    """One domain: a job ends with the cap that it began with."""

    def __init__(self):
        self.now_in_force = FREE
        self.at_start = None
        self.going = Job()
        self.there = True
        self.active = True
        self.local_disks = 0

    def begin(self, bandwidth=0, **values):
        """As Nova migrates; its bandwidth overrides what was set."""
        self.at_start = self.now_in_force.pre
        if bandwidth:
            self.now_in_force = Speeds(
                pre=bandwidth, post=self.now_in_force.post
            )
        self.going = Job(direction=Direction.OUTGOING, **values)

    def fail(self):
        self.now_in_force = Speeds(
            pre=self.at_start, post=self.now_in_force.post
        )
        self.going = Job()

    def succeed(self):
        self.there = False

    def restart(self):
        """It forgets a pre-copy's cap; QEMU keeps the post-copy's."""
        self.now_in_force = Speeds(post=self.now_in_force.post)

    def _domain(self, vm):
        if vm != VM or not self.there:
            raise Refusal(Code.UNKNOWN_VM, f'{vm} is not on this host')

    def speeds(self, vm):
        self._domain(vm)
        return self.now_in_force

    def set_speeds(self, vm, speeds):
        self._domain(vm)
        self.now_in_force = speeds

    def runs(self, vm):
        self._domain(vm)
        return self.active

    def disks(self, vm):
        self._domain(vm)
        return self.local_disks

    def job(self, vm):
        self._domain(vm)
        return self.going

    def memory(self, vm):
        return 1e9

    def versions(self):
        return {'libvirt': '9.0.0', 'qemu': '8.0.0'}


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.time = 1000.0
        self.libvirt = Libvirtd()
        self.boot()

    def boot(self):
        """The agent starts, on what an earlier one left."""
        self.keeper = Keeper(
            self.libvirt, self.folder / 'caps.json', lambda: self.time
        )
        self.agent = Agent(
            self.libvirt, self.keeper, dict, dict, lambda: self.time
        )

    def ask(self, verb, vm=VM, issued=None, **arguments):
        self.time += 0.01
        return self.agent.answer(
            {
                'verb': verb,
                'arguments': {'vm': vm, **arguments},
                'issued': self.time if issued is None else issued,
            }
        )

    def cap(self, pre, post=None, ttl=60, **more):
        return self.ask(
            'set_caps',
            pre=None if pre is None else pre * WIRE,
            post=None if post is None else post * WIRE,
            ttl=ttl,
            **more,
        )

    def code(self, answer):
        self.assertFalse(answer['ok'], answer)
        return answer['code']


class TestSpeeds(unittest.TestCase):
    def test_a_cap_is_the_nearest_whole_one_and_never_none(self):
        for rate, whole in (
            (1.0, 1),
            (0.11, 1),
            (1.4, 1),
            (1.6, 2),
            (12.3, 12),
            (1e20, UNLIMITED),
        ):
            found = Speeds.of(rate * WIRE, rate * WIRE, least=1.0)
            self.assertEqual(Speeds(pre=whole, post=whole), found)

    def test_it_is_never_below_what_ends(self):
        for least, whole in ((None, 13), (12.2, 13), (12.0, 12), (5.0, 12)):
            floor = None if least is None else least * WIRE
            found = Speeds.of(12.3 * WIRE, None, least=floor)
            self.assertEqual(whole, found.pre)

    def test_what_is_asked_is_the_wire_and_what_is_capped_its_memory(self):
        # 200 Mbit/s of frames hold 22.6 MiB/s of memory
        self.assertEqual(23, Speeds.of(25e6, None, least=1.0).pre)
        self.assertAlmostEqual(23 * WIRE, Speeds(pre=23).told()['pre'])

    def test_parts_share_a_cap(self):
        speeds = Speeds.of(30 * WIRE, 30 * WIRE, parts=3)
        self.assertEqual(Speeds(pre=10, post=30), speeds)
        self.assertAlmostEqual(30 * WIRE, speeds.told(3)['pre'])

    def test_no_limit_is_told_as_none(self):
        self.assertEqual({'pre': None, 'post': None}, FREE.told())
        self.assertEqual({'pre': None, 'post': None}, Speeds(pre=0).told())


class TestCaps(Base):
    def test_they_are_set_before_and_in_flight_and_taken_back(self):
        answer = self.cap(16, 8)
        self.assertEqual(16 * WIRE, answer['result']['caps']['pre'])
        self.assertEqual(Speeds(pre=16, post=8), self.libvirt.now_in_force)
        self.libvirt.begin()
        self.cap(24, 8)
        self.assertEqual(24, self.libvirt.now_in_force.pre)
        self.libvirt.fail()
        self.assertEqual(16, self.libvirt.now_in_force.pre)
        self.assertFalse(self.ask('clear_caps')['result']['ours'])
        self.assertEqual(FREE, self.libvirt.now_in_force)

    def test_a_domains_own_cap_comes_back(self):
        self.libvirt.now_in_force = Speeds(pre=99, post=7)
        self.cap(16, 8)
        self.ask('clear_caps')
        self.assertEqual(Speeds(pre=99, post=7), self.libvirt.now_in_force)

    def test_cleared_in_flight_it_comes_back_after_the_job_too(self):
        self.cap(16)
        self.libvirt.begin()
        self.assertTrue(self.ask('clear_caps')['result']['ours'])
        self.assertEqual(FREE, self.libvirt.now_in_force)
        # the job ends with what it began with, which was ours
        self.libvirt.fail()
        self.assertEqual(16, self.libvirt.now_in_force.pre)
        self.keeper.tick()
        self.assertEqual(FREE, self.libvirt.now_in_force)
        self.assertEqual({}, self.keeper.entries())

    def test_set_in_flight_libvirt_itself_goes_back(self):
        self.libvirt.now_in_force = Speeds(pre=99)
        self.libvirt.begin(bandwidth=50)
        self.cap(16, 8)
        self.libvirt.fail()
        self.ask('clear_caps')
        self.assertEqual(Speeds(pre=99), self.libvirt.now_in_force)

    def test_what_differs_is_put_right_and_counted(self):
        self.cap(16)
        self.libvirt.begin(bandwidth=100)
        self.keeper.tick()
        self.assertEqual(16, self.libvirt.now_in_force.pre)
        self.libvirt.restart()
        self.keeper.tick()
        self.assertEqual(16, self.libvirt.now_in_force.pre)
        self.assertEqual(2, self.ask('job')['result']['corrected'])

    def test_what_nobody_renews_ends(self):
        self.cap(16, ttl=10)
        self.time += 9
        self.keeper.tick()
        self.assertEqual(16, self.libvirt.now_in_force.pre)
        self.cap(16, ttl=10)
        self.time += 9
        self.keeper.tick()
        self.assertEqual(16, self.libvirt.now_in_force.pre)
        self.time += 2
        self.keeper.tick()
        self.assertEqual(FREE, self.libvirt.now_in_force)

    def test_what_a_dead_agent_left_is_taken_back(self):
        self.cap(16, 8)
        self.boot()
        self.assertEqual(0, self.keeper.restore())
        self.assertEqual(FREE, self.libvirt.now_in_force)

    def test_in_flight_it_is_taken_back_again_by_the_next_start(self):
        self.cap(16)
        self.libvirt.begin()
        self.boot()
        self.assertEqual(1, self.keeper.restore())
        self.libvirt.fail()
        self.boot()
        self.assertEqual(0, self.keeper.restore())
        self.assertEqual(FREE, self.libvirt.now_in_force)

    def test_a_domain_that_has_left_took_them_along(self):
        self.cap(16)
        self.libvirt.begin()
        self.libvirt.succeed()
        self.keeper.tick()
        self.assertEqual({}, self.keeper.entries())

    def test_late_and_overtaken_requests_are_not_obeyed(self):
        self.cap(16)
        set_at = self.time
        self.assertEqual('late', self.code(self.cap(8, issued=set_at - 1)))
        self.assertEqual('late', self.code(self.cap(8, issued=set_at)))
        self.ask('clear_caps')
        self.assertEqual('late', self.code(self.cap(8, issued=set_at)))
        self.assertEqual(FREE, self.libvirt.now_in_force)
        for far in (-61, 31):
            late = self.cap(8, issued=self.time + far)
            self.assertEqual('late', self.code(late))

    def test_old_entries_are_forgotten(self):
        self.cap(16)
        self.ask('clear_caps')
        self.time += 121
        self.keeper.tick()
        self.assertEqual({}, journal.load(self.folder / 'caps.json', FORM))

    def test_unfit_domains_are_refused(self):
        self.libvirt.going = Job(direction=Direction.INCOMING)
        self.assertEqual('unfit', self.code(self.cap(16)))
        self.libvirt.going = Job()
        self.libvirt.active = False
        self.assertEqual('unfit', self.code(self.cap(16)))
        self.assertEqual('unknown-vm', self.code(self.ask('job', vm=OTHER)))
        self.assertEqual({}, self.keeper.entries())

    def test_memory_gets_what_copied_disks_leave(self):
        self.libvirt.local_disks = 2
        self.cap(30, disks=True)
        self.assertEqual(10, self.libvirt.now_in_force.pre)
        self.libvirt.begin(iteration=0)
        self.keeper.tick()
        self.assertEqual(10, self.libvirt.now_in_force.pre)
        for copied, left in ((100 * MIB, 30), (104 * MIB, 26)):
            self.libvirt.going = Job(
                direction=Direction.OUTGOING,
                iteration=1,
                disk_processed=copied,
            )
            self.time += 1
            self.keeper.tick()
            self.assertEqual(left, self.libvirt.now_in_force.pre)
        answer = self.ask('job')['result']
        self.assertAlmostEqual(30 * WIRE, answer['caps']['pre'])
        self.assertEqual(0, answer['corrected'])


class TestDisk(Base):
    def full(self):
        """Nothing can be written any more."""

        def replace(path, text, *, durable=False):
            raise InputError('cannot be written: No space left', str(path))

        self.addCleanup(setattr, files, 'replace', files.replace)
        files.replace = replace

    def test_a_cap_that_cannot_be_written_down_is_not_set(self):
        self.full()
        with self.assertLogs('watcher_tsmig.agent.agent', 'ERROR'):
            self.assertEqual('internal', self.code(self.cap(16)))
        self.assertEqual(FREE, self.libvirt.now_in_force)

    def test_it_is_taken_back_all_the_same(self):
        for undo in (
            lambda: self.ask('clear_caps'),
            self.keeper.restore,
            self.expire,
        ):
            self.cap(16, ttl=10)
            before = files.replace
            self.full()
            with self.assertLogs('watcher_tsmig.agent.journal', 'ERROR'):
                undo()
            files.replace = before
            self.assertEqual(FREE, self.libvirt.now_in_force)

    def expire(self):
        self.time += 11
        self.keeper.tick()


class TestLedger(Base):
    def test_a_broken_file_is_put_aside(self):
        path = self.folder / 'caps.json'
        for text in ('{', '[]', '{"format": "9", "caps": {}}', '[' * 99999):
            path.write_text(text)
            with self.assertLogs('watcher_tsmig.agent.journal', 'ERROR'):
                self.assertEqual({}, journal.load(path, FORM))
            self.assertFalse(path.exists())
        self.assertTrue(list(self.folder.glob('*.broken')))

    def test_a_cap_is_written_down_before_it_is_set(self):
        written = []
        real = self.libvirt.set_speeds

        def look(vm, speeds):
            written.append(json.loads((self.folder / 'caps.json').read_text()))
            real(vm, speeds)

        self.libvirt.set_speeds = look
        self.cap(16)
        self.assertEqual(16, written[0]['caps'][VM]['wanted']['pre'])


class TestRequests(Base):
    def test_what_is_not_in_the_table_does_not_exist(self):
        good = {'vm': VM}
        for request in (
            None,
            [],
            'job',
            {},
            {'verb': 'destroy', 'arguments': good, 'issued': 1000},
            {'verb': 'job', 'arguments': good},
            {'verb': 'job', 'arguments': good, 'issued': '1000'},
            {'verb': 'job', 'arguments': good, 'issued': 1000, 'path': '/'},
            {'verb': 'job', 'arguments': {}, 'issued': 1000},
            {'verb': 'job', 'arguments': {'vm': VM + '\n'}, 'issued': 1000},
            {'verb': 'job', 'arguments': {'vm': VM.upper()}, 'issued': 1000},
            {'verb': 'job', 'arguments': {**good, 'x': 1}, 'issued': 1000},
            {'verb': 'job', 'arguments': good, 'issued': float('nan')},
        ):
            answer = self.agent.answer(request)
            self.assertEqual('malformed', self.code(answer), request)

    def test_bounds_of_a_cap(self):
        for pre in (0, -1, 1.1e12, 10**400, True, '5', float('nan')):
            answer = self.ask('set_caps', pre=pre, post=None, ttl=60)
            self.assertEqual('malformed', self.code(answer), pre)
        for ttl in (0, 4, 86401, None):
            answer = self.ask('set_caps', pre=1e6, post=None, ttl=ttl)
            self.assertEqual('malformed', self.code(answer), ttl)
        self.assertEqual(FREE, self.libvirt.now_in_force)

    def test_a_bug_is_told_without_its_insides(self):
        self.libvirt.job = lambda vm: 1 / 0
        with self.assertLogs('watcher_tsmig.agent.agent', 'ERROR'):
            answer = self.ask('job')
        self.assertEqual('internal', self.code(answer))
        self.assertIn('ZeroDivisionError', answer['reason'])

    def test_each_change_is_audited(self):
        with self.assertLogs('watcher_tsmig.agent.audit', 'INFO') as log:
            self.cap(16)
            self.cap(16, issued=1.0)
            self.ask('job')
        self.assertEqual(2, len(log.output))
        self.assertIn('done', log.output[0])
        self.assertIn('was made', log.output[1])

    def test_every_verb_of_the_table_is_done_by_somebody(self):
        for name, verb in verbs.VERBS.items():
            self.assertTrue(verb.what.endswith('.'), name)
            self.assertFalse(verb.arguments['additionalProperties'], name)


class TestFacts(Base):
    def told(self, text):
        path = self.folder / 'nova.conf'
        path.write_text(text)
        return facts.capabilities(self.libvirt, [str(path), '/not/there'])

    def test_novas_defaults_where_it_says_nothing(self):
        nova = self.told('[DEFAULT]\n')['nova']
        self.assertEqual(1, nova['max_outgoing'])
        self.assertIsNone(nova['bandwidth'])
        self.assertEqual(0.5, nova['downtime_limit'])
        self.assertEqual(75, nova['downtime_delay'])
        self.assertGreater(nova['stream_window'], 1e5)
        self.assertIs(False, nova['post_copy'])

    def test_what_it_says(self):
        nova = self.told(
            '[DEFAULT]\nmax_concurrent_live_migrations = 0\n'
            '[libvirt]\nlive_migration_bandwidth = 100\n'
            'live_migration_permit_post_copy = true\n'
            'live_migration_permit_auto_converge = true\n'
        )['nova']
        self.assertEqual(facts.NO_LIMIT, nova['max_outgoing'])
        self.assertAlmostEqual(100 * WIRE, nova['bandwidth'])
        self.assertIs(True, nova['post_copy'])
        # Nova leaves it out where post-copy is permitted
        self.assertIs(False, nova['auto_converge'])

    def test_a_file_that_cannot_be_read_is_a_note_without_its_content(self):
        for text in (
            '[DEFAULT]\nmax_concurrent_live_migrations = s3cret\n',
            'transport_url s3cret\n',
        ):
            told = self.told(text)
            self.assertIsNone(told['nova'])
            self.assertIn('cannot be read', ' '.join(told['notes']))
            self.assertNotIn('s3cret', json.dumps(told))

    def test_folders_are_read_as_nova_reads_them(self):
        folder = self.folder / 'nova.conf.d'
        folder.mkdir()
        for name, limit in (('20.conf', 4), ('10.conf', 2), ('30.bak', 9)):
            (folder / name).write_text(
                f'[DEFAULT]\nmax_concurrent_live_migrations = {limit}\n'
            )
        told = facts.capabilities(self.libvirt, [str(folder)])
        self.assertEqual(4, told['nova']['max_outgoing'])

    def test_a_device_that_only_root_may_open_is_no_userfaultfd(self):
        device = self.folder / 'userfaultfd'
        for name, value in (
            ('USERFAULTFD', self.folder / 'none'),
            ('USERFAULTFD_DEVICE', device),
        ):
            self.addCleanup(setattr, facts, name, getattr(facts, name))
            setattr(facts, name, value)
        permitted = '[libvirt]\nlive_migration_permit_post_copy = true\n'
        self.assertFalse(self.told(permitted)['userfaultfd'])
        device.touch(0o600)
        told = self.told(permitted)
        self.assertFalse(told['userfaultfd'])
        self.assertIn('no migration would start', ' '.join(told['notes']))
        device.chmod(0o660)
        self.assertTrue(self.told(permitted)['userfaultfd'])

    def test_the_nic_is_that_of_the_address(self):
        told = self.told(
            '[libvirt]\nlive_migration_inbound_addr = 127.0.0.1\n'
        )
        self.assertEqual('lo', told['nic']['name'])
        told = self.told('[DEFAULT]\nmy_ip = 203.0.113.77\n')
        self.assertIsNone(told['nic'])
        self.assertIn('no interface', ' '.join(told['notes']))

    def test_libvirt_is_reached_by_a_local_socket_only(self):
        for uri in (
            'qemu+tcp://host/system',
            'qemu+ssh://root@host/system',
            'qemu:///system?no_verify=1',
            'qemu+unix:///system?socket=/a;b',
        ):
            with self.assertRaises(InputError):
                Libvirt(uri)
