"""Agents as those see them who ask: a socket, a bus, a driver by name."""

import concurrent.futures
import json
import os
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

    def test_a_line_of_64_kib_is_read_and_a_longer_one_is_not(self):
        self.assertEqual(1 << 16, local.LONGEST_LINE)
        for size, read in (
            (local.LONGEST_LINE, True),
            (local.LONGEST_LINE + 1, False),
        ):
            fill = size - len(b'{"x": ""}\n')
            self.send(b'{"x": "' + b'x' * fill + b'"}\n')
            self.assertIs(read, self.agent.requests[-1] is not None)

    def test_another_user_is_not_answered_and_root_always(self):
        # whoever runs the tests
        mine = 1000
        self.addCleanup(setattr, os, 'getuid', os.getuid)
        os.getuid = lambda: mine
        self.addCleanup(setattr, local, '_user', local._user)
        for user, answered in ((mine, True), (0, True), (mine + 7, False)):
            local._user = lambda line, user=user: user
            if answered:
                self.assertTrue(local.ask(self.path, 'caps', {})['ok'])
                continue
            with self.assertLogs('watcher_tsmig.agent.local', 'WARNING'):
                self.assertEqual(b'', self.quiet())
        self.assertEqual(2, len(self.agent.requests))

    def test_what_a_dead_agent_left_of_it_is_in_nobodys_way(self):
        self.server.shutdown()
        self.server.server_close()
        again = local.Server(self.path, self.agent)
        again.server_close()

    def test_one_that_cannot_be_made_is_named_and_changes_nothing(self):
        before = os.umask(0o022)
        self.addCleanup(os.umask, before)
        with self.assertRaises(errors.InputError) as caught:
            local.Server(f'{self.path}-not/there', self.agent)
        self.assertIn('cannot be made', str(caught.exception))
        self.assertIn('-not/there', str(caught.exception))
        self.assertEqual(0o022, os.umask(0o022))

    def test_neither_can_one_below_a_file_or_where_a_folder_is(self):
        folder = pathlib.Path(self.path).parent / 'folder'
        folder.mkdir()
        file = folder.with_name('file')
        file.touch()
        for path in (file / 'socket', folder):
            with self.assertRaisesRegex(errors.InputError, 'cannot be made'):
                local.Server(str(path), self.agent)

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
        # as long as an agent takes to start, not as one that was never there
        self.assertEqual((60.0, 15.0), (driver.FORGOTTEN, driver.BACK))
        self.away = False
        self.driver.ask('a', 'caps', {})
        self.away = True
        self.fails()
        self.time = driver.BACK - 0.1
        self.fails()
        self.assertEqual(2, self.asked)
        self.time = driver.BACK
        self.away = False
        self.driver.ask('a', 'caps', {})
        self.driver.ask('a', 'caps', {})
        self.assertEqual(4, self.asked)

    def test_one_that_is_silent_does_not_silence_another(self):
        self.fails()
        self.away = False
        self.driver.ask('b', 'caps', {})
        self.assertEqual(2, self.asked)


class TestDriver(unittest.TestCase):
    """What an agent is asked, word by word, and what is made of it."""

    def setUp(self):
        self.asked = []
        self.told = {**TOLD, 'restored': True}
        self.driver = driver.AgentCaps(types.SimpleNamespace(ask=self.ask))

    def ask(self, *question):
        self.asked.append(question)
        return self.told

    def test_a_cap_is_set_as_it_was_ordered(self):
        given = {
            'pre': 2e6, 'post': None, 'ttl': 60.0, 'disks': True, 'least': 1e6,
        }  # fmt: skip
        found = self.driver.set('a', VM, **given)
        self.assertEqual([('a', 'set_caps', {'vm': VM, **given})], self.asked)
        self.assertTrue(found.holds)
        self.assertTrue(found.ours)

    def test_a_cap_holds_where_it_is_what_was_asked_for(self):
        for wanted, ours, holds in (
            ({'pre': 1e6, 'post': None}, True, True),
            ({'pre': 2e6, 'post': None}, True, False),
            (None, False, False),
        ):
            self.told = {**TOLD, 'wanted': wanted}
            found = self.driver.look('a', VM)
            self.assertEqual((ours, holds), (found.ours, found.holds))
        self.assertEqual(('a', 'job', {'vm': VM}), self.asked[0])

    def test_it_is_taken_back_by_its_vm(self):
        self.driver.clear('a', VM)
        self.assertEqual([('a', 'clear_caps', {'vm': VM})], self.asked)

    def test_memory_is_given_back_and_taken_again(self):
        self.told = {
            'before': 8, 'given': 3, 'done': 1, 'why': '', 'restored': 1,
            'of_a_newer_agent': 1,
        }  # fmt: skip
        found = self.driver.give_back('a', VM, keep=7.0, ttl=60.0)
        self.assertEqual((8.0, 3.0, True), (
            found.before, found.given, found.done
        ))  # fmt: skip
        self.assertIs(True, self.driver.take_again('a', VM))
        self.driver.take_again('b', VM, size=9.0, ttl=30.0)
        self.assertEqual(
            [
                ('a', 'give_back', {'vm': VM, 'keep': 7.0, 'ttl': 60.0}),
                ('a', 'take_again', {'vm': VM}),
                ('b', 'take_again', {'vm': VM, 'size': 9.0, 'ttl': 30.0}),
            ],
            self.asked,
        )
        self.told['restored'] = 0
        self.assertIs(False, self.driver.take_again('a', VM))

    def test_an_answer_without_words_is_a_refusal_all_the_same(self):
        with self.assertRaises(Refusal) as caught:
            bus.result_of({})
        self.assertIs(Code.INTERNAL, caught.exception.code)
        self.assertEqual('no reason was told', caught.exception.reason)


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
