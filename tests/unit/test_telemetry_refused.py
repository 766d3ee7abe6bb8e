"""What Gnocchi does not give, by its own words."""

import unittest

from gnocchiclient import exceptions as gnocchi_errors

from watcher_tsmig import errors
from watcher_tsmig.telemetry.metrics import refused

METRICS = ['metric-1', 'metric-2', 'metric-3']


def refusal(message, code=400):
    """Such an answer, as it gets here."""
    cause = gnocchi_errors.BadRequest(code, message)
    error = errors.CloudError(f'Gnocchi: measures: {message}')
    error.__cause__ = cause
    return error


class TestRefused(unittest.TestCase):
    def test_a_metric_that_was_asked_for_alone_is_the_one(self):
        for message in ('', {'reason': refused.NO_MATCH}):
            self.assertEqual(
                ['metric-1'], refused.named(refusal(message), ['metric-1'])
            )

    def test_of_several_those_are_meant_that_are_named(self):
        told = {'cause': 'unknown', 'detail': ['metric-3', 'metric-1']}
        self.assertEqual(
            ['metric-1', 'metric-3'], refused.named(refusal(told), METRICS)
        )
        self.assertEqual([], refused.named(refusal('no'), METRICS))

    def test_who_do_not_fit_together_may_each_be_given(self):
        for reason, found in (
            ('No granularity match', []),
            ('another', METRICS),
        ):
            told = {'reason': reason, 'detail': METRICS}
            self.assertEqual(found, refused.named(refusal(told), METRICS))

    def test_an_answer_is_a_refusal_where_we_are_at_fault(self):
        for code, is_one in (
            (399, False),
            (400, True),
            (401, False),  # of a token, not of a metric
            (403, True),
            (499, True),
            (500, False),
            ('400', False),
        ):
            found = refused.is_refusal(refusal('x', code))
            self.assertIs(is_one, found, code)
        self.assertFalse(refused.is_refusal(errors.CloudError('late')))

    def test_why_is_told_without_ids(self):
        for message, why in (
            ({'cause': 'a  b', 'reason': 'c', 'detail': ['id']}, 'a b'),
            ({'reason': 'c\nd'}, 'c d'),
            ('plain', 'plain'),
        ):
            error = refusal(message).__cause__
            self.assertEqual(why, refused.cause(error))
        self.assertEqual('too late', refused.cause(ValueError('too late')))
        untold = refusal({'detail': []}).__cause__
        self.assertEqual(str(untold), refused.cause(untold))
