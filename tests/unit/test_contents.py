"""What a sample of pages says, and what those weigh in a migration."""

import dataclasses

import numpy as np
import testtools

from tests.unit.builders import vm
from tests.unit.builders import writes
from watcher_tsmig import errors
from watcher_tsmig import forecast
from watcher_tsmig.forecast import contents
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Contents
from watcher_tsmig.model import Host
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model import observed
from watcher_tsmig.model import snapshot
from watcher_tsmig.model.rules import QEMU
from watcher_tsmig.model.rules import Rules

SEEN = Contents(
    pages=1024,
    zero=0.25,
    written=100,
    blanked=0.5,
    apart=2.0,
    measured_at=1.7e9,
    source='agent',
)


class TestValue(testtools.TestCase):
    def test_what_cannot_be_counted_is_refused_by_name(self):
        for values, place in (
            ({'pages': 0}, 'pages'),
            ({'pages': 1.5}, 'pages'),
            ({'zero': 1.01}, 'zero'),
            ({'zero': -0.1}, 'zero'),
            ({'blanked': 2.0}, 'blanked'),
            ({'written': 1025}, 'written'),
            ({'apart': 0.0}, 'apart'),
            ({'measured_at': -1.0}, 'measured_at'),
            ({'source': ''}, 'source'),
        ):
            error = self.assertRaises(
                errors.InputError, dataclasses.replace, SEEN, **values
            )
            self.assertEqual(place, error.place)

    def test_a_share_is_sure_as_far_as_wilson_has_it(self):
        # 40 pages are 10 looks, half of them zero: 95 % one-sided is 0.269
        self.assertAlmostEqual(0.2693, observed.surely(0.5, 40), 4)
        self.assertEqual(0.0, observed.surely(0.0, 4096))
        self.assertEqual(0.0, observed.surely(1.0, 0))
        self.assertLess(0.997, observed.surely(1.0, 4096))
        self.assertLess(observed.surely(1.0, 4096), 1.0)

    def test_a_snapshot_carries_it(self):
        whole = Cloud(
            hosts=(Host(name='a', memory=1e10, vcpus=4.0),),
            vms=(vm('db', 'a', contents=SEEN), vm('web', 'a')),
        )
        text = snapshot.dumps(whole)
        self.assertEqual(whole, snapshot.loads(text))
        # and one of a release that knew no contents is read as before
        old = text.replace('1.7', '1.6').replace(', "contents": null', '')
        old = (
            old[: old.index(', "contents": {')]
            + '},'
            + (old[old.index('},\n{"id": "id-web"') + 2 :])
        )
        self.assertIsNone(snapshot.loads(old).vms[0].contents)


def weighed(*some, memory=4e9, resident=4e9):
    n = len(some)
    return contents.weighed(
        Terms(), some, np.full(n, memory), np.full(n, resident)
    )


SURE = Contents(pages=10**8, zero=0.75, written=10**7, blanked=0.9)


class TestWeights(testtools.TestCase):
    def test_pages_that_nobody_sampled_weigh_what_they_did(self):
        terms = weighed(None, SEEN)
        self.assertEqual(0.0, terms.blank[0])
        self.assertEqual(0.0, terms.duplicate[0])
        self.assertEqual(SEEN.surely_zero, terms.blank[1])
        self.assertEqual(SEEN.surely_blanked, terms.duplicate[1])

    def test_memory_that_is_not_resident_is_zero_already(self):
        # 1 GB of 4 is not zero; of 2 GB resident that is half
        terms = weighed(SURE, resident=2e9)
        self.assertAlmostEqual(0.5, float(terms.blank[0]), 3)
        # and of half a GB resident nothing can be
        terms = weighed(SURE, resident=0.5e9)
        self.assertEqual(0.0, float(terms.blank[0]))

    def test_zeros_go_for_nine_bytes_a_page_in_every_round(self):
        curves = forecast.fit([writes(200e6, 4e9)])
        rules = dataclasses.replace(QEMU, window=0.0)
        found = forecast.pre_copy(curves, 1e8, rules, terms=weighed(SURE))
        page, zero = 4104 / 4096, 9 / 4096
        first = 4e9 * (0.25 * page + 0.75 * zero)
        again = 0.1 * page + 0.9 * zero
        # 1 s a million pages of zeros, in which it writes, too
        seconds = first / 1e8 + 3e9 / 4096 * QEMU.zero_pre_copy
        second = 200e6 * seconds * again
        self.assertAlmostEqual(1.0, float(found.rounds[0, 0]) / first, 2)
        self.assertAlmostEqual(1.0, float(found.rounds[0, 1]) / second, 2)
        self.assertTrue(found.converges[0])
        unseen = forecast.pre_copy(curves, 1e8, rules)
        self.assertFalse(unseen.converges[0])

    def test_zeros_do_not_make_the_stop_milder(self):
        # a hot set that is all dirty at once: QEMU stops when its pages, at
        # full size, fit the downtime limit, whatever they weigh
        hot = WorkingSet(resident=1e9, samples=((1e-3, 60e6), (1.0, 60e6)))
        curves = forecast.fit([hot])
        rules = Rules(downtime_limit=0.5, efficiency=1.0)
        terms = Terms(duplicate=0.9)
        plain, zeros = (
            forecast.least_convergent_bandwidth(curves, rules, terms=t)
            for t in (Terms(), terms)
        )
        self.assertAlmostEqual(1.0, plain[0] / 120e6, 6)
        self.assertAlmostEqual(1.0, zeros[0] / 120e6, 6)
        found = forecast.pre_copy(curves, 130e6, rules, terms=terms)
        sent = 60e6 * (0.1 + 0.9 * 9 / 4096)
        self.assertAlmostEqual(sent / 130e6, found.t_downtime[0], 6)
