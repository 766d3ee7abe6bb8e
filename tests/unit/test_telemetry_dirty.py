"""Working sets from the answers of a small Gnocchi."""

from tests.unit.test_telemetry_gnocchi import LAST
from tests.unit.test_telemetry_gnocchi import NOW
from tests.unit.test_telemetry_gnocchi import SPAN
from tests.unit.test_telemetry_gnocchi import Base
from watcher_tsmig import units
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import dirty


class TestDirty(Base):
    def read(self, memory=4e9):
        return dirty.read_writing(
            self.source(), {'vm-1': memory}, self.settings, NOW
        ).get('vm-1')

    def spans(self, found):
        """(seconds, bytes) of the newest observation of each span."""
        return {o.seconds: o.dirtied for o in found.observations}

    def test_observations_are_bytes_by_seconds(self):
        self.server.instance('vm-1', dirty_t1=10, dirty_t8=50, resident=900)
        found = self.read()
        self.assertEqual(
            {1.0: units.from_mib(10), 8.0: units.from_mib(50)},
            self.spans(found),
        )
        self.assertEqual(units.from_mib(900), found.resident)
        self.assertEqual('gnocchi', found.source)
        self.assertEqual(LAST + SPAN, found.observations[-1].at)

    def test_only_the_newest_of_each_span_are_taken(self):
        self.server.instance('vm-1', dirty_t1=10, resident=900)
        found = self.read()
        self.assertLessEqual(len(found.observations), dirty.NEWEST)

    def test_without_dirty_pages_the_vm_is_unknown(self):
        self.server.instance('vm-1', resident=900)
        self.assertIsNone(self.read())
        self.assertEqual([], self.server.fetches)

    def test_memory_that_is_not_zero_counts_before_what_is_resident(self):
        self.server.instance('vm-1', dirty_t1=10, resident=900, nonzero=300)
        self.assertEqual(units.from_mib(300), self.read().resident)

    def test_where_that_has_no_metric_what_is_resident_counts(self):
        self.settings = Settings(nonzero_metric='')
        self.server.instance('vm-1', dirty_t1=10, resident=900, nonzero=300)
        self.assertEqual(units.from_mib(900), self.read().resident)

    def test_old_memory_that_is_not_zero_gives_way_to_what_is_resident(self):
        found = dirty.writing_of(
            {
                'memory.dirty.t1': [(LAST, SPAN, 10.0)],
                'memory.nonzero': [(LAST - 2 * 86400, SPAN, 300.0)],
                'memory.resident': [(LAST, SPAN, 900.0)],
            },
            4e9,
            self.settings,
            NOW,
        )
        self.assertEqual(units.from_mib(900), found.resident)

    def test_without_resident_memory_all_of_it_counts(self):
        self.server.instance('vm-1', dirty_t1=10)
        self.assertEqual(4e9, self.read().resident)

    def test_nothing_exceeds_the_flavor(self):
        self.server.instance('vm-1', dirty_t1=9999, resident=9999)
        found = self.read(memory=1e9)
        self.assertEqual(1e9, found.resident)
        self.assertEqual({1.0: 1e9}, self.spans(found))

    def test_old_measures_are_unknown(self):
        self.settings = Settings(dirty_age=60.0)
        self.server.instance('vm-1', dirty_t1=10, resident=900)
        self.assertIsNone(
            dirty.writing_of(
                {'memory.dirty.t1': [(LAST - 3600, SPAN, 10.0)]},
                4e9,
                self.settings,
                NOW,
            )
        )
