"""What guests write, measured by an agent on a host whose time is made up."""

import threading
import time
import types

from tests.unit.test_agent import OTHER
from tests.unit.test_agent import VM
from tests.unit.test_agent import Base
from tests.unit.test_agent import Libvirtd
from watcher_tsmig.agent.measure import writing
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Writing
from watcher_tsmig.units import MIB

THIRD = '5f1c7c7e-0000-4000-8000-000000000003'


class Guests(Libvirtd):
    """Each measurement takes its time and `late` seconds more."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.late = 0.0
        self.rates = [12]
        self.asked = []
        self.began = {}
        self.go = threading.Event()
        self.go.set()
        # called before a measurement is looked at
        self.meanwhile = lambda: None

    def _domain(self, vm):
        """Every one is here."""

    def sleep(self, seconds):
        self.go.wait(10)
        self.now += seconds

    def measure(self, vm, seconds, method):
        self.asked.append((vm, seconds, method))
        self.began[vm] = self.now, seconds

    def writing(self, vm):
        self.meanwhile()
        began, seconds = self.began[vm]
        # as decimals have it
        if round(self.now - began - seconds - self.late, 6) < 0:
            return Writing(status='measuring')
        rate = self.rates[min(len(self.asked), len(self.rates)) - 1]
        return Writing(status='measured', seconds=seconds, rate=rate * MIB)


class Measured(Base):
    def setUp(self):
        super().setUp()
        self.libvirt = Guests()
        self.addCleanup(self.libvirt.go.set)
        self.boot()
        self.addCleanup(setattr, writing, 'time', time)
        writing.time = types.SimpleNamespace(
            sleep=self.libvirt.sleep, monotonic=lambda: self.libvirt.now
        )

    def begin(self, vm=VM, seconds=2, **more):
        return self.ask('measure_writing', vm=vm, seconds=seconds, **more)

    def told(self, vm=VM):
        """What is known when all that was begun has ended."""
        for thread in threading.enumerate():
            if thread.name == 'writing':
                self.assertTrue(thread.daemon)
                thread.join(10)
        return self.ask('writing', vm=vm)['result']


class TestMeasured(Measured):
    def test_once_by_sampling_where_no_more_is_asked(self):
        answer = self.begin()
        self.assertTrue(answer['ok'])
        self.assertEqual('measuring', answer['result']['status'])
        self.assertIsNone(answer['result']['dirtied'])
        self.assertEqual(0, answer['result']['times'])
        found = self.told()
        self.assertEqual([(VM, 2, Method.SAMPLING)], self.libvirt.asked)
        self.assertEqual(
            {
                'status': 'measured',
                'seconds': 2,
                'method': 'page-sampling',
                'began': 1000.01,
                'times': 1,
                # half of the MiB/s that is cut off is added
                'dirtied': 25 * MIB,
                'error': None,
                'trouble': '',
            },
            found,
        )

    def test_the_mean_of_several_comes_with_its_error(self):
        self.libvirt.rates = [10, 12, 14, 12]
        self.begin(seconds=1, times=4, method='dirty-ring')
        found = self.told()
        self.assertEqual([(VM, 1, Method.RING)] * 4, self.libvirt.asked)
        self.assertEqual((4, 12.5 * MIB), (found['times'], found['dirtied']))
        # 1.63 of deviation by the root of four
        self.assertAlmostEqual(0.8165 * MIB, found['error'], delta=100)

    def test_two_are_enough_for_an_error(self):
        self.libvirt.rates = [10, 12]
        self.begin(seconds=1, times=2)
        self.assertAlmostEqual(MIB, self.told()['error'])

    def test_what_was_never_asked_for_is_unstarted(self):
        self.assertEqual({'status': 'unstarted'}, self.told())

    def test_a_measurement_that_is_late_is_waited_for(self):
        self.libvirt.late = 9.9
        self.begin()
        self.assertEqual('', self.told()['trouble'])
        self.assertAlmostEqual(11.9, self.libvirt.now)

    def test_one_that_never_comes_is_given_up(self):
        self.libvirt.late = 10.5
        self.begin()
        found = self.told()
        self.assertEqual(
            f'{VM}: no measurement of 2 s after 12 s', found['trouble']
        )
        self.assertEqual('measured', found['status'])
        self.assertIsNone(found['dirtied'])


class TestTrouble(Measured):
    def test_a_guest_that_does_not_run_or_moves_is_not_measured(self):
        self.libvirt.active = False
        self.assertEqual('unfit', self.code(self.begin()))
        self.libvirt.active = True
        self.libvirt.begin()
        answer = self.begin()
        self.assertEqual('unfit', self.code(answer))
        self.assertIn('has a job under way', answer['reason'])
        self.assertEqual([], self.libvirt.asked)
        self.assertEqual({'status': 'unstarted'}, self.told())

    def test_a_migration_that_begins_meanwhile_ends_it_with_what_there_is(
        self,
    ):
        # during one a measurement would hold up libvirt
        def moves():
            self.libvirt.going = Job(direction=Direction.OUTGOING)

        self.libvirt.meanwhile = moves
        self.begin(times=3)
        found = self.told()
        self.assertEqual((1, 25 * MIB), (found['times'], found['dirtied']))
        self.assertEqual(f'{VM} has a job under way', found['trouble'])
        self.assertEqual('measured', found['status'])
        self.assertEqual(1, len(self.libvirt.asked))

    def test_what_libvirt_refuses_is_told(self):
        def refuses():
            raise Refusal(Code.HYPERVISOR, 'libvirt: no')

        self.libvirt.meanwhile = refuses
        self.begin()
        self.assertEqual('libvirt: no', self.told()['trouble'])

    def test_a_bug_is_told_by_its_name_and_logged_and_ends_it(self):
        self.libvirt.meanwhile = lambda: 1 / 0
        with self.assertLogs('watcher_tsmig.agent.measure.writing', 'ERROR'):
            self.begin()
            found = self.told()
        self.assertEqual('ZeroDivisionError', found['trouble'])
        self.assertEqual('measured', found['status'])


class TestAtOnce(Measured):
    def test_two_vms_of_a_host_are_measured_at_once_and_one_only_once(self):
        self.libvirt.go.clear()
        self.assertTrue(self.begin()['ok'])
        answer = self.begin()
        self.assertEqual('busy', self.code(answer))
        self.assertEqual(f'{VM} is being measured', answer['reason'])
        self.assertTrue(self.begin(OTHER)['ok'])
        answer = self.begin(THIRD)
        self.assertEqual('busy', self.code(answer))
        self.assertEqual('2 VMs are being measured', answer['reason'])
        self.libvirt.go.set()
        self.assertEqual('measured', self.told()['status'])
        self.assertTrue(self.begin(THIRD)['ok'])
        self.assertEqual('measured', self.told(THIRD)['status'])

    def test_how_far_it_is_can_be_asked_meanwhile(self):
        self.libvirt.rates = [4, 6]
        seen = []

        def look():
            if len(self.libvirt.asked) == 2:
                seen.append(self.ask('writing')['result'])

        self.libvirt.meanwhile = look
        self.begin(times=2)
        self.told()
        self.assertEqual('measuring', seen[0]['status'])
        self.assertEqual((1, 9 * MIB), (seen[0]['times'], seen[0]['dirtied']))

    def test_of_too_many_vms_the_one_measured_longest_ago_is_forgotten(self):
        self.addCleanup(setattr, writing, 'KEPT', writing.KEPT)
        self.assertGreaterEqual(writing.KEPT, 1000)
        writing.KEPT = 2
        # the first one again, so that the second is the oldest
        for vm in (VM, OTHER, VM, THIRD):
            self.begin(vm)
            self.told(vm)
        known = [self.told(vm)['status'] for vm in (VM, OTHER, THIRD)]
        self.assertEqual(['measured', 'unstarted', 'measured'], known)
