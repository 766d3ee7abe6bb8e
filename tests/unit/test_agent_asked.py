"""Agents as those see them who ask: a socket, a bus, a driver by name."""

import concurrent.futures
import json
import pathlib
import socket
import tempfile
import threading
import types
import unittest

import oslo_messaging
from oslo_config import cfg

from tests.unit.test_agent import VM
from watcher_tsmig import errors
from watcher_tsmig.agent import bus
from watcher_tsmig.agent import driver
from watcher_tsmig.agent import local
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute.caps import NoCaps
from watcher_tsmig.plugin import agents

TOLD = {
    'caps': {'pre': 1e6, 'post': None},
    'wanted': {'pre': 1e6, 'post': None},
    'corrected': 2,
    'job': {'direction': 'outgoing', 'total': 5.0, 'of_a_newer_agent': 1},
}


class Echo:
    """An agent that remembers what it was asked."""

    def __init__(self, answer=None):
        self.requests = []
        self.go = threading.Event()
        self.go.set()
        self.told = answer or {'ok': True, 'result': TOLD}

    def answer(self, request):
        self.requests.append(request)
        self.go.wait(10)
        return self.told


class TestSocket(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = str(pathlib.Path(folder.name) / 'agent.sock')
        self.agent = Echo()
        self.server = local.Server(self.path, self.agent)
        self.addCleanup(self.server.server_close)
        thread = threading.Thread(
            target=self.server.serve_forever, args=(0.05,), daemon=True
        )
        thread.start()
        self.addCleanup(self.server.shutdown)

    def send(self, data):
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(self.path)
            line.sendall(data)
            with line.makefile('rb') as file:
                return file.readline()

    def test_it_is_for_its_user_only(self):
        mode = pathlib.Path(self.path).stat().st_mode
        self.assertEqual(0o600, mode & 0o777)

    def test_a_request_is_answered_and_says_who_asked(self):
        answer = local.ask(self.path, 'job', {'vm': VM})
        self.assertEqual(TOLD, answer['result'])
        (request,) = self.agent.requests
        self.assertEqual('job', request['verb'])
        self.assertRegex(request['by'], r'^uid \d+$')

    def test_what_is_no_request_reaches_the_agent_as_none(self):
        for data in (b'\n', b'{\n', b'\xff\xfe\n', b'[' * 5000 + b'\n'):
            self.assertTrue(json.loads(self.send(data))['ok'])
        long = b'"' + b'x' * (local.LONGEST_LINE + 10)
        self.send(long)
        self.assertEqual([None] * 5, self.agent.requests[:5])

    def test_too_many_at_once_are_closed_and_it_goes_on(self):
        self.agent.go.clear()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(self.quiet) for _ in range(20)]
            done = [f for f in asked if _ended(f)]
            self.agent.go.set()
            answers = [f.result() for f in asked]
        self.assertEqual(20 - local.AT_ONCE, len(done))
        self.assertEqual(local.AT_ONCE, sum(map(bool, answers)))
        self.assertTrue(local.ask(self.path, 'caps', {})['ok'])

    def quiet(self):
        try:
            return self.send(b'{}\n')
        except OSError:
            return b''

    def test_nobody_there_is_an_error_with_advice(self):
        with self.assertRaisesRegex(errors.CloudError, 'does it run'):
            local.ask(self.path + '.not', 'caps', {})


def _ended(future):
    try:
        future.result(1)
    except TimeoutError:
        return False
    return True


class TestBus(unittest.TestCase):
    """On oslo.messaging's own transport within a process."""

    def setUp(self):
        self.transport = oslo_messaging.get_rpc_transport(cfg.CONF, 'fake://')
        self.agent = Echo()

    def serve(self, host):
        server = bus.server(self.transport, host, self.agent)
        server.start()
        self.addCleanup(server.stop)

    def test_the_agent_of_that_host_is_asked(self):
        self.serve('cmp-1')
        found = driver.AgentCaps(bus.Bus(self.transport, 5.0)).look(
            'cmp-1', VM
        )
        self.assertEqual(1e6, found.pre)
        self.assertIsNone(found.post)
        self.assertTrue(found.ours)
        self.assertEqual(2, found.corrected)
        self.assertIs(Direction.OUTGOING, found.job.direction)
        self.assertEqual('watcher', self.agent.requests[0]['by'])

    def test_a_refusal_keeps_its_code(self):
        self.agent.told = {'ok': False, 'code': 'unfit', 'reason': 'it moves'}
        self.serve('cmp-2')
        with self.assertRaises(Refusal) as caught:
            bus.Bus(self.transport, 5.0).ask('cmp-2', 'job', {'vm': VM})
        self.assertIs(Code.UNFIT, caught.exception.code)
        self.agent.told = {'ok': False, 'code': 'newer', 'reason': 'so'}
        with self.assertRaises(Refusal) as caught:
            bus.Bus(self.transport, 5.0).ask('cmp-2', 'job', {'vm': VM})
        self.assertIs(Code.INTERNAL, caught.exception.code)

    def test_a_host_without_an_agent_is_told(self):
        with self.assertRaisesRegex(errors.CloudError, 'no agent answers'):
            bus.Bus(self.transport, 0.2).ask('cmp-3', 'caps', {})


class TestBusAway(unittest.TestCase):
    """A broker that is away: oslo.messaging waits for it without end."""

    def setUp(self):
        self.back = threading.Event()
        self.addCleanup(self.back.set)
        transport = oslo_messaging.get_rpc_transport(cfg.CONF, 'fake://')
        self.bus = bus.Bus(transport, timeout=-bus.GRACE + 0.2)
        self.bus._client = types.SimpleNamespace(prepare=self.prepare)

    def prepare(self, server):
        def call(context, method, request):
            self.back.wait(30)
            return {'ok': True, 'result': {}}

        return types.SimpleNamespace(call=call)

    def test_a_question_is_bounded_and_so_are_those_under_way(self):
        for _ in range(bus.AT_ONCE + 3):
            with self.assertRaisesRegex(errors.CloudError, 'bus does not'):
                self.bus.ask('a', 'caps', {})
        waiting = [t for t in threading.enumerate() if t.name == 'tsmig-ask']
        self.assertLessEqual(len(waiting), bus.AT_ONCE)
        self.assertTrue(all(t.daemon for t in waiting))
        self.back.set()
        for thread in waiting:
            thread.join(5)
        self.assertEqual({}, self.bus.ask('a', 'caps', {}))


class TestSilence(unittest.TestCase):
    def setUp(self):
        self.time = 0.0
        self.away = True
        self.asked = 0
        self.driver = driver.AgentCaps(
            types.SimpleNamespace(ask=self.ask), lambda: self.time
        )

    def ask(self, host, verb, arguments):
        self.asked += 1
        if self.away:
            raise errors.CloudError(f'no agent answers on {host}')
        return {}

    def fails(self):
        with self.assertRaises(errors.CloudError):
            self.driver.ask('a', 'caps', {})

    def test_a_host_without_an_agent_is_not_asked_again_for_a_while(self):
        self.fails()
        self.time = driver.FORGOTTEN - 1
        self.fails()
        self.assertEqual(1, self.asked)
        self.time = driver.FORGOTTEN + 1
        self.fails()
        self.assertEqual(2, self.asked)

    def test_one_that_just_came_back_answers_where_a_migration_depends_on_it(
        self,
    ):
        self.fails()
        self.away = False
        self.driver.ask('a', 'caps', {}, insist=True)
        self.driver.ask('a', 'caps', {})
        self.assertEqual(3, self.asked)

    def test_one_that_has_answered_before_is_asked_again_soon(self):
        self.away = False
        self.driver.ask('a', 'caps', {})
        self.away = True
        self.fails()
        self.time = driver.BACK + 1
        self.away = False
        self.driver.ask('a', 'caps', {})
        self.assertEqual(3, self.asked)


class TestByName(unittest.TestCase):
    def of(self, name):
        return agents.cap_driver(
            types.SimpleNamespace(cap_driver=name, agent_timeout=5.0)
        )

    def test_a_driver_is_loaded_by_its_name_once(self):
        self.assertIsInstance(self.of('none'), NoCaps)
        self.assertIs(self.of('none'), self.of('none'))

    def test_a_wrong_name_says_the_right_ones(self):
        with self.assertRaisesRegex(errors.InputError, 'agent, none'):
            self.of('agnet')
