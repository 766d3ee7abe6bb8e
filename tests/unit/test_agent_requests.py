"""Requests at the bounds of their form, and what each verb is given."""

import math
import types

from tests.unit.test_agent import VM
from tests.unit.test_agent import Base
from watcher_tsmig.agent import agent as agents
from watcher_tsmig.agent import verbs
from watcher_tsmig.agent.agent import Agent
from watcher_tsmig.agent.values import STEP
from watcher_tsmig.agent.values import UNLIMITED
from watcher_tsmig.agent.values import VALID
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.units import MIB

CAP = {'pre': 1e6, 'post': None, 'ttl': 60}
BACK = {'keep': 64 * MIB, 'ttl': 60}
# verb, arguments that fit beside the VM, one of them -> right, wrong values
BOUNDS = (
    ('set_caps', CAP, 'pre', (None, 0.1, 1, 1e12), (0, -1, 1e12 + 1, '1')),
    ('set_caps', CAP, 'post', (None, 0.1, 1e12), (0, -1, 1e12 + 1, True)),
    ('set_caps', CAP, 'ttl', (5, 5.5, 86400), (4.9, 86400.1, None, '9')),
    ('set_caps', CAP, 'disks', (True, False), (1, None, 'yes')),
    ('set_caps', CAP, 'least', (0, 1e12), (-1, 1e12 + 1, None, 'x')),
    ('give_back', BACK, 'keep', (16 * MIB, 1e15), (15.9 * MIB, 1e15 + 1, 'x')),
    ('give_back', BACK, 'ttl', (5, 86400), (4, 86401, None, 'x')),
    ('take_again', {}, 'size', (16 * MIB, 1e15), (15.9 * MIB, 1e15 + 1, None)),
    ('take_again', {}, 'ttl', (5, 86400), (4, 86401)),
    ('measure_writing', {'seconds': 1}, 'seconds', (1, 60), (0, 61, 1.5, 'x')),
    ('measure_writing', {'seconds': 1}, 'times', (1, 32), (0, 33, 1.5, 'x')),
    (
        'measure_writing',
        {'seconds': 1},
        'method',
        ('page-sampling', 'dirty-ring'),
        ('guess', None),
    ),
    (
        'sample_contents',
        {'pages': 16},
        'pages',
        (16, 4096),
        (15, 4097, 20.5, 'x'),
    ),
    (
        'sample_contents',
        {'pages': 16},
        'apart',
        (0, 10),
        (-0.1, 10.1, None, 'x'),
    ),
)
NEEDED = {
    'capabilities': (),
    'caps': (),
    'job': ('vm',),
    'set_caps': ('vm', 'pre', 'post', 'ttl'),
    'traffic': (),
    'clear_caps': ('vm',),
    'measure_writing': ('vm', 'seconds'),
    'writing': ('vm',),
    'give_back': ('vm', 'keep', 'ttl'),
    'take_again': ('vm',),
    'sample_contents': ('vm', 'pages'),
}
GOOD = {'vm': VM, 'seconds': 1, 'pages': 16, **CAP, **BACK}


def fits(verb, arguments, **more):
    request = {'verb': verb, 'arguments': arguments, 'issued': 1000, **more}
    try:
        verbs.read(request)
    except Refusal:
        return False
    return True


class TestForm(Base):
    def test_what_is_at_a_bound_is_read_and_what_is_past_it_is_not(self):
        for verb, beside, name, right, wrong in BOUNDS:
            for values, expected in ((right, True), (wrong, False)):
                for value in values:
                    given = {'vm': VM, **beside, name: value}
                    self.assertIs(expected, fits(verb, given), given)

    def test_every_verb_needs_what_it_needs_and_takes_nothing_else(self):
        self.assertEqual(set(verbs.VERBS), set(NEEDED))
        for verb, names in NEEDED.items():
            given = {name: GOOD[name] for name in names}
            self.assertTrue(fits(verb, given), verb)
            self.assertFalse(fits(verb, {**given, 'path': '/'}), verb)
            for name in names:
                less = {k: v for k, v in given.items() if k != name}
                self.assertFalse(fits(verb, less), (verb, name))

    def test_a_vm_is_an_id_of_nova_and_nothing_like_one(self):
        for vm in (
            VM + '\n', 'x' + VM, VM[:-1], VM + '0', VM.replace('-', ''),
            VM.upper(), '', None, 7, VM.replace('5', 'g'),
            VM[:8] + VM[13:],
        ):  # fmt: skip
            self.assertFalse(fits('job', {'vm': vm}), vm)

    def test_when_and_by_whom_it_was_made_have_bounds(self):
        for name, right, wrong in (
            ('issued', (0, 1e11), (-0.1, 1e11 + 1, None, '1', float('inf'))),
            ('by', ('', 'x' * 255), ('x' * 256, 7)),
        ):
            for values, expected in ((right, True), (wrong, False)):
                for value in values:
                    found = fits('job', {'vm': VM}, **{name: value})
                    self.assertIs(expected, found, (name, value))
        for name in ('verb', 'arguments', 'issued'):
            request = {'verb': 'caps', 'arguments': {}, 'issued': 1}
            del request[name]
            self.assertRaises(Refusal, verbs.read, request)

    def test_a_number_that_is_not_finite_is_refused_wherever_it_is(self):
        for value in (float('nan'), float('inf'), -float('inf')):
            self.assertFalse(fits('set_caps', {'vm': VM, **CAP, 'ttl': value}))

    def test_a_request_that_is_too_deep_is_refused_wherever_it_is(self):
        deep = []
        for _ in range(9000):
            deep = [deep]
        for request in (
            {'verb': deep, 'arguments': {}, 'issued': 1},
            {'verb': 'job', 'arguments': {'vm': deep}, 'issued': 1},
        ):
            answer = self.agent.answer(request)
            self.assertEqual('malformed', self.code(answer))
            self.assertEqual('is too deep or too large', answer['reason'])

    def test_a_refusal_says_what_does_not_fit_and_is_short(self):
        for arguments, text in (
            ({'vm': VM, **CAP, 'ttl': 1}, 'ttl: does not fit minimum 5.0'),
            (dict(CAP), 'request: does not fit required'),
            ({'vm': 'x' * 9999, **CAP}, 'vm: does not fit pattern'),
        ):
            answer = self.agent.answer(
                {'verb': 'set_caps', 'arguments': arguments, 'issued': 1000}
            )
            self.assertEqual('malformed', self.code(answer))
            self.assertTrue(answer['reason'].startswith(text), answer)
            self.assertNotIn('xxx', answer['reason'])

    def test_only_what_changes_something_is_audited_and_may_be_late(self):
        changes = {name for name, v in verbs.VERBS.items() if v.changes}
        self.assertEqual(
            {
                'set_caps', 'clear_caps', 'measure_writing', 'give_back',
                'take_again', 'sample_contents',
            },
            changes,
        )  # fmt: skip


class TestAnswers(Base):
    def test_a_request_may_be_a_minute_old_and_half_of_one_ahead(self):
        for age, right in (
            (VALID, True), (VALID + 1, False),
            (-VALID / 2, True), (-VALID / 2 - 1, False),
        ):  # fmt: skip
            self.setUp()
            issued = self.time - age
            answer = self.agent.answer(
                {
                    'verb': 'set_caps',
                    'arguments': {'vm': VM, **CAP},
                    'issued': issued,
                }
            )
            self.assertIs(right, answer['ok'], age)
        self.assertEqual(60.0, VALID)

    def test_what_is_no_request_is_audited_with_what_is_wrong(self):
        with self.assertLogs('watcher_tsmig.agent.audit', 'WARNING') as logs:
            self.agent.answer({'verb': 'destroy'})
        self.assertIn('refused: ', logs.output[0])
        self.assertIn('does not fit', logs.output[0])

    def test_a_rate_of_one_step_is_told_and_none_is_no_limit(self):
        self.assertAlmostEqual(STEP, Speeds(pre=1, post=1).told()['pre'])
        self.assertAlmostEqual(STEP, Speeds(pre=1, post=1).told()['post'])
        self.assertEqual(STEP, Speeds(pre=1).rate(post_copy=False))
        self.assertEqual(math.inf, Speeds(pre=1).rate(post_copy=True))
        # libvirt's own: the most MiB/s whose bytes fit in 63 bits
        self.assertEqual(8796093022207, UNLIMITED)
        self.assertIsNone(Speeds(pre=UNLIMITED).told()['pre'])
        self.assertIsNotNone(Speeds(pre=UNLIMITED - 1).told()['pre'])

    def test_an_old_question_is_answered_all_the_same(self):
        self.assertTrue(self.ask('job', issued=1.0)['ok'])

    def test_a_cap_is_told_with_what_was_before_and_until_when(self):
        self.libvirt.now_in_force = type(self.libvirt.now_in_force)(pre=100)
        self.cap(16, ttl=60)
        self.time = 2000.0
        answer = self.agent.answer(
            {'verb': 'caps', 'arguments': {}, 'issued': 2000}
        )
        told = answer['result']['vms'][VM]
        self.assertAlmostEqual(1060.01, told['until'])
        self.assertFalse(told['restoring'])
        self.assertLess(told['wanted']['pre'], told['before']['pre'])

    def test_a_cap_is_shared_with_disks_only_where_they_go_along(self):
        self.libvirt.local_disks = 3
        for more, cap in (
            ({}, 40),
            ({'disks': False}, 40),
            ({'disks': True}, 10),
        ):
            self.assertTrue(self.cap(40, **more)['ok'])
            self.assertEqual(cap, self.libvirt.now_in_force.pre, more)

    def test_what_no_lender_gives_back_is_refused(self):
        for verb, given in (('give_back', BACK), ('take_again', {})):
            answer = self.ask(verb, **given)
            self.assertEqual('unfit', self.code(answer))
            self.assertIn('gives no memory back', answer['reason'])

    def test_a_lender_is_given_what_was_asked(self):
        calls = []
        lender = types.SimpleNamespace(
            give_back=lambda vm, **how: calls.append((vm, how)) or {'a': 1},
            take_again=lambda vm, **how: calls.append((vm, how)) or {'b': 2},
        )
        self.agent = Agent(
            self.libvirt, self.keeper, dict, dict, lambda: self.time, lender
        )
        found = [
            self.ask('give_back', **BACK)['result'],
            self.ask('take_again', size=32 * MIB, ttl=9)['result'],
            self.ask('take_again')['result'],
        ]
        self.assertEqual([{'a': 1}, {'b': 2}, {'b': 2}], found)
        times = [how.pop('issued') for _, how in calls]
        self.assertEqual([1000.01, 1000.02, 1000.03], [
            round(at, 2) for at in times
        ])  # fmt: skip
        self.assertEqual(
            [
                (VM, {'keep': 64 * MIB, 'ttl': 60.0}),
                (VM, {'size': 32 * MIB, 'ttl': 9}),
                (VM, {'size': None, 'ttl': None}),
            ],
            calls,
        )

    def test_the_hosts_facts_and_traffic_are_told(self):
        self.agent = Agent(
            self.libvirt,
            self.keeper,
            lambda: {'x': 1},
            lambda: {'y': 2},
            lambda: self.time,
        )
        for verb, told in (
            ('capabilities', {'x': 1}),
            ('traffic', {'y': 2}),
        ):
            answer = self.agent.answer(
                {'verb': verb, 'arguments': {}, 'issued': 1000}
            )
            self.assertEqual({'ok': True, 'result': told}, answer)

    def test_only_so_many_vms_are_sampled_at_once(self):
        nested = []

        def sample(_, vm, count, apart, chance):
            nested.append((vm, count, apart))
            # somebody else asks meanwhile
            answer = self.ask('sample_contents', pages=17, apart=2)
            return {'inside': answer.get('code')}

        self.replace(agents, 'at_rest', lambda *_: None)
        self.replace(agents, 'sample', sample)
        answer = self.ask('sample_contents', pages=16)
        self.assertEqual({'inside': None}, answer['result'])
        # the third is refused, and does not look
        self.assertEqual([(VM, 16, 0.0), (VM, 17, 2.0)], nested)
        self.assertTrue(self.ask('sample_contents', pages=16)['ok'])
        self.assertEqual(4, len(nested))

    def test_a_vm_under_way_is_not_sampled(self):
        self.libvirt.begin()
        answer = self.ask('sample_contents', pages=16)
        self.assertIn('has a job under way', answer['reason'])

    def replace(self, where, name, value):
        self.addCleanup(setattr, where, name, getattr(where, name))
        setattr(where, name, value)
