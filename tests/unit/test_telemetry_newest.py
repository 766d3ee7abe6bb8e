"""Of gauges only the newest measures are asked for, and no fewer are read."""

import unittest

from tests.unit.test_telemetry_gnocchi import LAST
from tests.unit.test_telemetry_gnocchi import NOW
from tests.unit.test_telemetry_gnocchi import SPAN
from tests.unit.test_telemetry_gnocchi import SmallGnocchi
from watcher_tsmig.telemetry.metrics.measures import Gnocchi

DAY = 86400.0
MANY = 6


class CountingGnocchi(SmallGnocchi):
    """It counts the rows that it sends."""

    def __init__(self):
        super().__init__()
        self.sent = 0

    def _kept(self, *args):
        kept = super()._kept(*args)
        self.sent += len(kept or ())
        return kept


class TestNewest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.server = CountingGnocchi()

    def gauge(self, name, *, every=1, ago=0.0, points=280):
        """A gauge sampled every so many spans until so many s ago."""
        self.server.rows[name] = [
            (LAST - ago - SPAN * every * i, SPAN, float(i))
            for i in reversed(range(points))
        ]

    def newest(self):
        gnocchi = Gnocchi(self.server, total_time=60.0, batch=4)
        found = gnocchi.newest(
            list(self.server.rows), 'mean', MANY, start=NOW - DAY, now=NOW
        )
        return {name: points[-MANY:] for name, points in found.items()}, (
            gnocchi
        )

    def whole(self):
        gnocchi = Gnocchi(self.server, total_time=60.0, batch=4)
        found = gnocchi.measures(
            list(self.server.rows), 'mean', granularity=None, start=NOW - DAY
        )
        return {name: points[-MANY:] for name, points in found.items()}

    def same(self):
        """The question that sent so many rows, which told what all do."""
        found, gnocchi = self.newest()
        sent, self.server.sent = self.server.sent, 0
        self.assertEqual(self.whole(), found)
        return gnocchi, sent

    def test_a_day_of_them_is_not_sent_where_half_an_hour_tells_all(self):
        for i in range(40):
            self.gauge(f'g{i:02}')
        _, sent = self.same()
        self.assertLess(sent, 0.2 * self.server.sent)

    def test_gauges_that_take_turns_are_asked_for_as_far_as_they_reach(self):
        for i in range(40):
            self.gauge(f'g{i:02}', every=7, ago=SPAN * (i % 7), points=41)
        gnocchi, _ = self.same()
        self.assertEqual(10, gnocchi.questions)

    def test_who_fell_silent_hours_ago_is_told_too(self):
        for i in range(40):
            self.gauge(f'g{i:02}', ago=20000.0 * (i in (13, 27)))
        gnocchi, sent = self.same()
        self.assertEqual(11, gnocchi.questions)
        self.assertLess(sent, 0.3 * self.server.sent)

    def test_who_is_seldom_measured_is_asked_for_once(self):
        for i in range(12):
            self.gauge(f'g{i:02}', points=3)
        gnocchi, _ = self.same()
        self.assertEqual(3, gnocchi.questions)

    def test_nothing_measured_is_nothing_found(self):
        found, gnocchi = self.newest()
        self.assertEqual(({}, 0), (found, gnocchi.questions))

    def test_who_is_refused_is_told_once(self):
        for i in range(12):
            self.gauge(f'a{i:02}')
        self.gauge('broken')
        found, gnocchi = self.newest()
        self.assertEqual([], found['broken'])
        self.assertEqual(['broken'], [r.id for r in gnocchi.refusals])
