"""The agent as the program that systemd starts, asks to stop, and runs again.

It serves in this process and thread, as it is installed; only libvirt is
that of the other tests.
"""

import contextlib
import io
import json
import logging
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time
import types
import unittest

import oslo_messaging
from oslo_config import cfg

from tests.unit.test_agent import FREE
from tests.unit.test_agent import VM
from tests.unit.test_agent import WIRE
from tests.unit.test_agent import Libvirtd
from watcher_tsmig import errors
from watcher_tsmig.agent import bus
from watcher_tsmig.agent import local
from watcher_tsmig.agent import options
from watcher_tsmig.agent import service
from watcher_tsmig.agent.keeper import Keeper
from watcher_tsmig.agent.memory.balloon import Lender
from watcher_tsmig.agent.values import GuestMemory
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

CAPS = {'vm': VM, 'pre': 16 * WIRE, 'post': None, 'ttl': 3600}
PATIENCE = 20.0


class Host(Libvirtd):
    """With a guest of 8 GiB, half of which are caches."""

    def __init__(self):
        super().__init__()
        self.size = 8 * GIB
        self.changed = threading.Event()

    def set_speeds(self, vm, speeds):
        super().set_speeds(vm, speeds)
        self.changed.set()

    def guest_memory(self, vm):
        self._domain(vm)
        caches = self.size - 4 * GIB
        return GuestMemory(
            most=8 * GIB, size=self.size, balloon=True, usable=caches,
            unused=0.0, caches=caches, swapped=0.0, told_at=time.time(),
            period=10,
        )  # fmt: skip

    def domains(self):
        # measuring takes longer than these tests
        return []

    def set_memory(self, vm, size):
        self.size = size
        self.changed.set()

    def set_period(self, vm, period):
        """It tells always."""


class Program(unittest.TestCase):
    # whether something of it cannot be stopped
    hangs = False

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.state = self.folder / 'state' / 'of' / 'agent'
        self.spool = self.folder / 'cache' / 'writing.json'
        self.socket = str(self.folder / 'agent.sock')
        self.host = Host()
        self.as_a_process_of_its_own()
        self.conf()

    def as_a_process_of_its_own(self):
        """What a program sets for all of its process is as it was after."""
        root = logging.getLogger()
        for where, name in (
            (root, 'handlers'),
            (root, 'level'),
            (sys, 'excepthook'),
        ):
            self.addCleanup(setattr, where, name, getattr(where, name))
        root.handlers = []
        self.addCleanup(logging.captureWarnings, False)
        # it would end the tests, and as if they had passed
        self.exits = []
        self.addCleanup(setattr, os, '_exit', os._exit)
        os._exit = self.exits.append
        for number in (signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))

        def back():
            cfg.CONF.reset()
            cfg.CONF.unregister_opt(service.COMMAND)

        self.addCleanup(back)

    def conf(self, **more):
        """The file that the agent is given."""
        given = {
            'state_dir': self.state, 'socket': self.socket, 'bus': False,
            'tick': 0.1, 'nova_config_files': '/not/there',
            'spool': self.spool, **more,
        }  # fmt: skip
        self.path = self.folder / 'agent.conf'
        self.path.write_text(
            '[DEFAULT]\ntransport_url = fake://\n'
            f'log_file = {self.folder}/log\n[tsmig_agent]\n'
            + ''.join(f'{name} = {value}\n' for name, value in given.items())
        )

    def run_it(self, *arguments):
        cfg.CONF.reset()
        given = ['--config-file', str(self.path), *arguments]
        try:
            return service.main(given, lambda conf: self.host)
        finally:
            for handler in logging.getLogger().handlers:
                handler.close()

    def serve(self, *, meanwhile, command=()):
        """Serve until somebody has done that, then be asked to stop."""
        found = []

        def other():
            try:
                self.there()
                found.append(meanwhile())
            except BaseException as error:
                found.append(error)
                raise
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        self.assertEqual(0, self.run_it(*command))
        thread.join(PATIENCE)
        self.assertEqual([0] if self.hangs else [], self.exits)
        return found[0]

    def there(self):
        """Wait until it answers."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(errors.CloudError):
                return local.ask(self.socket, 'caps', {})
            threading.Event().wait(0.01)
        raise TimeoutError

    def ask(self, verb, **arguments):
        return local.ask(self.socket, verb, arguments)

    def threads(self):
        named = ('socket', 'bus', 'stop')
        return [t for t in threading.enumerate() if t.name in named]

    def log(self):
        return (self.folder / 'log').read_text()

    def left(self, *, lent=False):
        """As an agent that was killed leaves it."""
        self.state.mkdir(parents=True, exist_ok=True)
        now = time.time()
        keeper = Keeper(self.host, self.state / 'caps.json', time.time)
        keeper.set(VM, Speeds(pre=16), parts=1, ttl=3600, issued=now)
        if lent:
            lender = Lender(self.host, self.state / 'memory.json', time.time)
            for again in range(2):
                lender.give_back(
                    VM, keep=64 * MIB, ttl=3600, issued=now + again
                )
            lender.tick()
            self.assertLess(self.host.size, 8 * GIB)


class TestServe(Program):
    def test_it_keeps_caps_and_takes_them_back_when_it_is_stopped(self):
        def meanwhile():
            answer = self.ask('set_caps', **CAPS)
            self.assertTrue(answer['ok'], answer)
            self.host.changed.clear()
            # as by a restart of libvirtd
            self.host.now_in_force = FREE
            self.assertTrue(self.host.changed.wait(PATIENCE))
            return self.host.now_in_force.pre

        self.assertEqual(16, self.serve(meanwhile=meanwhile))
        self.assertEqual(FREE, self.host.now_in_force)
        with self.assertRaises(errors.CloudError):
            self.ask('caps')

    def test_what_a_killed_one_left_is_taken_back_when_it_starts(self):
        self.left(lent=True)

        def look():
            return self.host.now_in_force, self.host.size

        self.assertEqual((FREE, 8 * GIB), self.serve(meanwhile=look))

    def test_memory_that_it_lent_is_back_when_it_has_stopped(self):
        def lend():
            for _ in range(2):
                answer = self.ask('give_back', vm=VM, keep=64 * MIB, ttl=3600)
                self.assertTrue(answer['ok'], answer)
            self.assertTrue(self.host.changed.wait(PATIENCE))
            return self.host.size

        self.assertLess(self.serve(meanwhile=lend), 8 * GIB)
        self.assertEqual(8 * GIB, self.host.size)

    def test_its_state_is_for_its_user_only(self):
        self.serve(meanwhile=lambda: None, command=['serve'])
        self.assertEqual(0o700, self.state.stat().st_mode & 0o777)
        # the second one finds it
        self.serve(meanwhile=lambda: None)

    def test_it_answers_on_the_bus_as_the_host_that_nova_calls_it(self):
        nova = self.folder / 'nova.conf'
        nova.write_text(
            '[DEFAULT]\nhost = cmp-7\nmax_concurrent_live_migrations = 3\n'
        )
        self.conf(
            bus=True, nova_config_files=nova, workers=3, tenant_interfaces='lo'
        )

        def ask():
            # none of them holds up its end
            self.assertTrue(all(t.daemon for t in self.threads()))
            transport = oslo_messaging.get_rpc_transport(cfg.CONF)
            caller = bus.Bus(transport, PATIENCE)
            return caller.ask('cmp-7', 'capabilities', {})

        found = self.serve(meanwhile=ask)
        self.assertEqual([], self.threads())
        self.assertEqual(3, found['nova']['max_outgoing'])
        self.assertEqual(3, cfg.CONF.executor_thread_pool_size)

    def test_a_bus_that_cannot_be_stopped_does_not_keep_caps(self):
        # oslo.messaging waits for a broker that is away without end
        back = threading.Event()
        self.addCleanup(back.set)
        for name, value in (
            ('STOP_WITHIN', 0.05),
            (
                '_listener',
                lambda *given: (
                    types.SimpleNamespace(stop=back.wait),
                    types.SimpleNamespace(cleanup=lambda: None),
                ),
            ),
        ):
            self.addCleanup(setattr, service, name, getattr(service, name))
            setattr(service, name, value)
        self.conf(bus=True)
        self.hangs = True
        self.serve(meanwhile=lambda: self.ask('set_caps', **CAPS))
        self.assertEqual(FREE, self.host.now_in_force)

    def test_without_a_socket_and_a_bus_it_keeps_what_it_has_to(self):
        self.conf(socket='')
        self.there = lambda: None
        self.serve(meanwhile=lambda: self.host.changed.wait(0.3))
        self.assertFalse(pathlib.Path(self.socket).exists())
        self.assertIn('has stopped, 0 caps and 0 smaller', self.log())

    def test_one_look_that_fails_does_not_keep_it_from_the_next(self):
        looks = []
        done = threading.Event()

        def job(vm):
            looks.append(vm)
            if len(looks) > 3:
                done.set()
            raise ZeroDivisionError

        def meanwhile():
            self.ask('set_caps', **CAPS)
            before, self.host.job = self.host.job, job
            self.assertTrue(done.wait(PATIENCE))
            self.host.job = before

        self.serve(meanwhile=meanwhile)
        self.assertIn('Keeper could not look', self.log())
        self.assertEqual(FREE, self.host.now_in_force)


class TestRestore(Program):
    def test_after_it_was_killed_systemd_has_everything_taken_back(self):
        self.left(lent=True)
        self.assertEqual(0, self.run_it('restore'))
        self.assertEqual(FREE, self.host.now_in_force)
        self.assertEqual(8 * GIB, self.host.size)
        self.assertNotIn('WARNING', self.log())

    def test_what_migrates_is_left_to_the_next_start_and_told(self):
        self.left()
        self.host.begin()
        self.assertEqual(0, self.run_it('restore'))
        self.assertIn(
            '1 VMs that migrate keep caps of ours; the next start of the '
            'agent looks at them again',
            self.log(),
        )
        self.assertNotIn('have not their whole memory', self.log())


class TestAsk(Program):
    def asked(self, *arguments):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = self.run_it('ask', *arguments)
        return code, json.loads(out.getvalue())

    def served(self):
        """An agent of somebody else at the socket, and what it is asked."""
        requests = []

        class Agent:
            def answer(self, request):
                requests.append(request)
                ok = request['verb'] == 'caps'
                return {'ok': ok, 'result': {'b': 1, 'a': 2}}

        server = local.Server(self.socket, Agent())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return requests

    def test_the_answer_is_printed_and_a_refusal_is_a_failure(self):
        self.served()
        code, found = self.asked('caps')
        self.assertEqual((0, {'b': 1, 'a': 2}), (code, found['result']))
        self.assertEqual(1, self.asked('job', f'vm={VM}')[0])

    def test_values_are_json_or_words(self):
        requests = self.served()
        self.asked(
            'set_caps', f'vm={VM}', 'pre=1e6', 'post=null', 'x', 'y=a=b'
        )
        self.assertEqual(
            {'vm': VM, 'pre': 1e6, 'post': None, 'x': '', 'y': 'a=b'},
            requests[0]['arguments'],
        )

    def test_nobody_there_is_said_with_advice_and_fails(self):
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            self.assertEqual(1, self.run_it('ask', 'caps'))
        self.assertIn('tsmig-agent: ', err.getvalue())
        self.assertIn('does it run', err.getvalue())
        self.assertFalse(self.state.exists())


class TestTrouble(Program):
    def said(self, *arguments):
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            self.assertEqual(1, self.run_it(*arguments))
        return err.getvalue()

    def test_a_folder_that_cannot_be_made_is_named(self):
        (self.folder / 'state').write_text('a file')
        self.assertIn(f'{self.state}: cannot be made', self.said('restore'))

    def test_an_option_out_of_its_bounds_stops_it_with_its_name(self):
        self.conf(tick=0.05)
        self.assertIn('tick', self.said('serve'))

    def test_a_socket_that_cannot_be_made_stops_it(self):
        self.conf(socket=self.folder / 'none' / 'agent.sock')
        self.assertIn('cannot be made', self.said())

    def test_libvirt_elsewhere_is_refused(self):
        self.conf(libvirt_uri='qemu+tcp://host/system')
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            given = ['--config-file', str(self.path)]
            self.assertEqual(1, service.main(given))
        self.assertIn('is not a local socket', err.getvalue())


class TestStop(unittest.TestCase):
    def test_each_is_stopped_whatever_becomes_of_the_other(self):
        stopped = []
        stops = [lambda: 1 / 0, lambda: stopped.append(1)]
        with self.assertLogs('watcher_tsmig.agent.service', 'ERROR') as logs:
            self.assertIs(True, service._stopped(stops))
        self.assertEqual([1], stopped)
        self.assertIn('was not stopped cleanly', logs.output[0])

    def test_a_bus_that_is_away_does_not_keep_it_from_ending(self):
        self.addCleanup(setattr, service, 'STOP_WITHIN', service.STOP_WITHIN)
        # systemd kills after 90
        self.assertLess(service.STOP_WITHIN, 45)
        service.STOP_WITHIN = 0.05
        back = threading.Event()
        self.addCleanup(back.set)
        self.assertIs(False, service._stopped([back.wait]))


class TestOptions(unittest.TestCase):
    """What an operator may set, and what holds where he sets nothing."""

    DEFAULTS = {
        'host': None,
        'libvirt_uri': 'qemu:///system',
        'state_dir': '/var/lib/tsmig-agent',
        'socket': '/run/tsmig-agent/agent.sock',
        'bus': True,
        'workers': 8,
        'tick': 1.0,
        'nova_config_files': [
            '/etc/nova/nova.conf',
            '/etc/nova/nova-compute.conf',
            '/etc/nova/nova.conf.d',
            '/etc/nova/nova-compute.conf.d',
        ],
        'tenant_interfaces': [],
        'survey_budget': 0.02,
        'survey_interval': 1800.0,
        'survey_at_once': 2,
        'survey_bitmap_share': 0.0,
        'spool': '/var/cache/tsmig-agent/writing.json',
    }
    BOUNDS = (
        ('workers', (1, 64), (0, 65)),
        ('tick', (0.1, 60.0), (0.09, 60.1)),
        ('survey_budget', (0.0, 1.0), (-0.01, 1.01)),
        ('survey_interval', (60.0, 86400.0), (59.9, 86401.0)),
        ('survey_at_once', (1, 16), (0, 17)),
        ('survey_bitmap_share', (0.0, 0.1), (-0.01, 0.11)),
    )

    def setUp(self):
        self.conf = cfg.ConfigOpts()
        options.register(self.conf)
        self.conf([], default_config_files=[], default_config_dirs=[])

    def test_defaults_are_those_of_a_distributions_packages(self):
        self.assertEqual(self.DEFAULTS, dict(self.conf.tsmig_agent))

    def test_bounds_hold(self):
        for name, right, wrong in self.BOUNDS:
            for value in right:
                self.conf.set_override(name, value, 'tsmig_agent')
            for value in wrong:
                with self.assertRaises(ValueError):
                    self.conf.set_override(name, value, 'tsmig_agent')

    def test_each_is_in_the_sample_file_and_explained(self):
        ((group, listed),) = options.list_opts()
        self.assertEqual('tsmig_agent', group)
        self.assertEqual(set(self.DEFAULTS), {opt.name for opt in listed})
        for opt in listed:
            self.assertTrue(opt.help.strip().endswith('.'), opt.name)
