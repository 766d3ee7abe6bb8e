"""The lock that appliers share, on a stand-in for tooz.

Tooz is installed only where an operator names a coordinator.
"""

import sys
import types
import unittest
from unittest import mock

from watcher_tsmig import errors
from watcher_tsmig.execute.starting import sharing

URL = 'etcd3+http://user:s3cret@host:2379'


class Coordination:
    """As much of tooz.coordination as is used; what it does, in its order."""

    def __init__(self):
        self.did = []
        self.fails = {}
        self.free = True

    def get_coordinator(self, url, member):
        self._do('made', url)
        self.members = [*getattr(self, 'members', ()), member]
        lock = types.SimpleNamespace(acquire=self.acquire, release=self.let)
        return types.SimpleNamespace(
            start=lambda start_heart: self._do('started', start_heart),
            stop=lambda: self._do('stopped'),
            get_lock=lambda name: self._do('named', name) or lock,
        )

    def acquire(self, blocking):
        self._do('acquired', blocking)
        return self.free

    def let(self):
        self._do('released')

    def _do(self, what, *with_what):
        self.did.append((what, *with_what))
        if what in self.fails:
            raise self.fails[what]


class TestLock(unittest.TestCase):
    def setUp(self):
        self.tooz = Coordination()
        patched = mock.patch.dict(
            sys.modules, {'tooz.coordination': self.tooz}
        )
        patched.start()
        self.addCleanup(patched.stop)

    def held(self):
        with sharing.lock_of(URL)():
            self.tooz.did.append(('inside',))

    def done(self):
        return [what for what, *_ in self.tooz.did]

    def refused(self):
        with self.assertRaises(errors.CloudError) as caught:
            self.held()
        text = str(caught.exception)
        # a URL may hold a password
        self.assertNotIn('s3cret', text)
        self.assertNotIn('inside', self.done())
        return text

    def test_it_is_held_inside_and_given_back_with_its_session(self):
        self.held()
        self.assertEqual(
            [
                ('made', URL),
                ('started', True),
                ('named', b'watcher-tsmig-admission'),
                ('acquired', 120.0),
                ('inside',),
                ('released',),
                ('stopped',),
            ],
            self.tooz.did,
        )

    def test_every_holder_is_somebody_else(self):
        self.held()
        self.held()
        self.assertEqual(2, len(set(self.tooz.members)))

    def test_it_is_given_back_where_something_fails_inside(self):
        with self.assertRaises(ZeroDivisionError), sharing.lock_of(URL)():
            raise ZeroDivisionError
        self.assertEqual(['released', 'stopped'], self.done()[-2:])

    def test_a_coordinator_that_is_away_is_told_by_its_kind(self):
        for step in ('made', 'started', 'acquired'):
            self.tooz.fails = {step: OSError('no route')}
            self.assertEqual(
                'the coordinator (etcd3+http) is away: OSError',
                self.refused(),
            )
        # the session that was begun ends
        self.assertEqual('stopped', self.done()[-1])
        self.assertNotIn('released', self.done())

    def test_a_lock_that_somebody_keeps_is_not_waited_for_without_end(self):
        self.tooz.free = False
        self.assertEqual(
            'another applier has kept the lock for 120 s', self.refused()
        )
        self.assertEqual(['acquired', 'stopped'], self.done()[-2:])

    def test_what_cannot_be_given_back_ends_by_itself(self):
        # what it guarded has happened
        self.tooz.fails = {'released': OSError(), 'stopped': OSError()}
        self.held()
        self.assertEqual(['released', 'stopped'], self.done()[-2:])
