"""The file of what was learned, as text and back."""

import dataclasses
import json

import testtools

from watcher_tsmig import errors
from watcher_tsmig.forecast.learned.conformal import Calibration
from watcher_tsmig.model.trace import Trace
from watcher_tsmig.plugin import lessons
from watcher_tsmig.plugin.lessons import Lessons


def trace(vm='vm', at=1.0, **values):
    return Trace(
        **{
            'vm': vm,
            'at': at,
            'memory': 8e9,
            'first_pass': 3e9,
            'rounds': ((12.345, 4e8), (2.0, 1e8)),
            **values,
        }
    )


class TestText(testtools.TestCase):
    def learned(self):
        calibration = Calibration()
        calibration.learn(10.0, 12.0, ('pre-copy',), ('pre-copy',))
        return Lessons(calibration=calibration)

    def test_what_was_learned_is_read_back(self):
        known = self.learned().with_trace(trace()).with_trace(trace('w', 2.0))
        text = known.dumps()
        again = Lessons.loads(text)
        self.assertEqual(known.traces, again.traces)
        self.assertEqual(1, again.calibration.outcomes)
        self.assertEqual(text, again.dumps())

    def test_without_a_file_nothing_is_known(self):
        found = Lessons.loads(None)
        self.assertEqual(((), 0), (found.traces, found.calibration.outcomes))

    def test_a_file_of_an_earlier_release_keeps_its_outcomes(self):
        found = Lessons.loads(self.learned().calibration.dumps())
        self.assertEqual(((), 1), (found.traces, found.calibration.outcomes))
        self.assertIn('"format_version": "2.0"', found.dumps())

    def test_what_is_no_such_file_is_refused_with_its_place(self):
        good = json.loads(self.learned().with_trace(trace()).dumps())
        row = good['traces'][0]
        for document, text in (
            ([], 'is not an object'),
            ({}, 'exactly the members'),
            ({**good, 'more': 1}, 'exactly the members'),
            ({**good, 'format_version': '3.0'}, 'this release reads 2.0'),
            ({**good, 'calibration': 3}, 'the calibration must be an object'),
            ({**good, 'traces': {}}, 'traces: must be a list'),
            ({**good, 'traces': [3]}, 'traces[0]: must be an object'),
            ({**good, 'traces': [row, {}]}, 'traces[1]: is no trace'),
            ({**good, 'traces': [{**row, 'x': 1}]}, 'traces[0]: is no trace'),
            ({**good, 'traces': [{**row, 'at': 'x'}]}, 'traces[0].at'),
            ({**good, 'traces': [{**row, 'rounds': 3}]}, 'traces[0]: is no'),
            (
                {**good, 'traces': [{**row, 'rounds': [[1]]}]},
                'traces[0].rounds[0]',
            ),
        ):
            error = self.assertRaises(
                errors.InputError, Lessons.loads, json.dumps(document)
            )
            self.assertIn(text, str(error))
        for text in ('', '{', '[' * 100_000):
            self.assertRaises(errors.InputError, Lessons.loads, text)


class TestBounds(testtools.TestCase):
    def test_the_newest_of_a_vm_stay(self):
        known = Lessons().with_trace(trace('other', 0.5))
        for at in (9.0, *range(1, 9), 10.0):
            known = known.with_trace(trace(at=float(at)))
        own = [t.at for t in known.traces if t.vm == 'vm']
        self.assertEqual([3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0], own)
        self.assertEqual(9, len(known.traces))

    def test_so_many_rounds_are_kept_of_all(self):
        old = lessons.MOST_ROUNDS
        self.addCleanup(setattr, lessons, 'MOST_ROUNDS', old)
        lessons.MOST_ROUNDS = 10
        known = Lessons()
        for i in range(6):
            known = known.with_trace(trace(f'vm{i}', float(i)))
        # each counts one and its two rounds
        self.assertEqual(['vm3', 'vm4', 'vm5'], [t.vm for t in known.traces])

    def test_what_was_seen_is_not_written_in_more_digits_than_it_has(self):
        seen = trace(rounds=((1.23456789, 123.456),))
        (row,) = json.loads(Lessons().with_trace(seen).dumps())['traces']
        self.assertEqual([[1.235, 123]], row['rounds'])
        bare = dataclasses.replace(seen, first_pass=None, rounds=())
        (row,) = json.loads(Lessons().with_trace(bare).dumps())['traces']
        self.assertEqual({'vm', 'at', 'memory', 'rounds'}, set(row))
