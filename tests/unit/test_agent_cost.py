"""What a measurement costs, by the kernel's count of real processes."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from tests.unit.test_agent import OTHER
from tests.unit.test_agent import VM
from watcher_tsmig.agent.measure import cost
from watcher_tsmig.units import GIB

# A process that is called as it is told to be, with a thread that is, too;
# the main one works for 50 ms, the other for 80.
PROGRAM = """
import ctypes, sys, threading, time
libc = ctypes.CDLL(None)
def work(name, seconds):
    libc.prctl(15, name.encode(), 0, 0, 0)
    while time.thread_time() < seconds:
        pass
other = threading.Thread(
    target=lambda: (work(sys.argv[2], 0.08), done.set(), time.sleep(60)),
    daemon=True,
)
done = threading.Event()
work(sys.argv[1], 0.05)
other.start()
done.wait()
print('ready', flush=True)
sys.stdin.read()
"""


class TestHost(unittest.TestCase):
    def setUp(self):
        self.host = cost.Host()

    def process(self, main, thread, *arguments):
        process = subprocess.Popen(
            [sys.executable, '-c', PROGRAM, main, thread, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

        def end():
            process.stdin.close()
            process.wait(20)
            process.stdout.close()

        self.addCleanup(end)
        self.assertEqual('ready\n', process.stdout.readline())
        return end

    def test_the_thread_that_hashes_is_found_by_both_its_names(self):
        for name, vm in (('get_dirtyrate', VM), ('mig/dirtyrate', OTHER)):
            self.process('qemu', name, '-uuid', vm)
            found = self.host.hashing(vm, 100 * GIB)
            self.assertGreater(found, 0.07)
            self.assertLess(found, 0.3)

    def test_what_is_not_seen_costs_what_is_assumed(self):
        self.assertAlmostEqual(0.01024, self.host.hashing(VM, 2 * GIB))
        self.process('qemu', 'CPU 0/KVM', '-uuid', VM)
        self.assertAlmostEqual(0.01024, self.host.hashing(VM, 2 * GIB))

    def test_of_a_guest_only_its_main_thread_works_for_us(self):
        before = self.host.working(VM)
        self.process('qemu', 'CPU 0/KVM', '-uuid', VM)
        grown = self.host.working(VM) - before
        self.assertGreater(grown, 0.04)
        self.assertLess(grown, 0.08 + 0.04)

    def test_of_libvirts_daemon_all_threads_do_also_after_a_restart(self):
        for name in cost.DAEMONS:
            before = self.host.working(VM)
            end = self.process(name, 'rpc-worker')
            self.assertGreater(self.host.working(VM) - before, 0.12)
            end()
            self.assertLess(self.host.working(VM) - before, 0.12)

    def test_a_guest_that_is_another_process_now_is_found_again(self):
        end = self.process('qemu', 'get_dirtyrate', '-uuid', VM)
        self.assertGreater(self.host.hashing(VM, GIB), 0.07)
        end()
        self.assertEqual(0.00512, self.host.hashing(VM, GIB))
        self.process('qemu', 'get_dirtyrate', '-uuid', VM)
        self.assertGreater(self.host.hashing(VM, GIB), 0.07)

    def test_where_proc_is_hidden_nothing_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            for where in (folder, f'{folder}/not-there'):
                host = cost.Host(pathlib.Path(where))
                self.assertEqual(0.0, host.working(VM))
                self.assertEqual(0.00512, host.hashing(VM, GIB))
