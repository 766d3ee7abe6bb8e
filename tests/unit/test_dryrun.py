"""A dry run weighs pages as QEMU writes them, and stops as QEMU stops."""

import importlib.util
import zlib

import numpy as np
import testtools

from watcher_tsmig import errors
from watcher_tsmig import forecast
from watcher_tsmig.forecast import contents
from watcher_tsmig.forecast import dryrun
from watcher_tsmig.forecast import pages
from watcher_tsmig.forecast.contents import Contents
from watcher_tsmig.forecast.contents import Round
from watcher_tsmig.forecast.pages import PAGE
from watcher_tsmig.forecast.pages import Method
from watcher_tsmig.forecast.pages import Mix
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

MIB = 1024.0**2
PLAIN = Rules(downtime_limit=0.3, efficiency=1.0)
PRE = Contents(first=PAGE, missed=PAGE, hit=PAGE)


def noise(count, seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 256, (count, PAGE), dtype=np.uint8)


def uleb(value):
    return bytes([value]) if value < 128 else divmod128(value)


def divmod128(value):
    high, low = divmod(value, 128)
    return bytes([low | 128, high])


def encode(old, new):
    """XBZRLE byte by byte with QEMU's checks of the buffer; None: over."""
    out, i = b'', 0
    while i < PAGE:
        if len(out) + 2 > PAGE:
            return None
        start = i
        while i < PAGE and old[i] == new[i]:
            i += 1
        if i == PAGE:
            return out
        out += uleb(i - start)
        if len(out) + 2 > PAGE:
            return None
        start = i
        while i < PAGE and old[i] != new[i]:
            i += 1
        out += uleb(i - start)
        if len(out) + i - start > PAGE:
            return None
        out += new[start:i].tobytes()
    return out


def size(old, new):
    found = encode(old, new)
    return -1 if found is None else len(found)


class TestXbzrle(testtools.TestCase):
    def check(self, old, new):
        expected = [size(a, b) for a, b in zip(old, new, strict=True)]
        self.assertEqual(expected, pages.xbzrle(old, new).tolist())
        return expected

    def test_an_unchanged_page_is_0_and_a_new_one_overflows(self):
        old = noise(2)
        new = old.copy()
        new[1] ^= 0xFF
        self.assertEqual([0, -1], self.check(old, new))

    def test_runs_of_128_need_two_bytes_for_their_length(self):
        old = noise(4)
        new = old.copy()
        for row, (start, stop) in enumerate(
            ((127, 130), (128, 131), (0, 127), (0, 128))
        ):
            new[row, start:stop] ^= 0xFF
        self.assertEqual([5, 6, 129, 131], self.check(old, new))

    def test_the_last_run_of_equal_bytes_is_left_out(self):
        old = noise(2)
        new = old.copy()
        new[0, :1] ^= 0xFF
        new[1, -1:] ^= 0xFF
        self.assertEqual([3, 4], self.check(old, new))

    def test_it_overflows_where_the_encoding_would_not_fit_a_page(self):
        old = noise(6)
        new = old.copy()
        # 1 + 2 + n bytes: n = 4093 fits, but not with a rest behind it
        for row, changed in enumerate((4091, 4092, 4093, 4094, 4095)):
            new[row, :changed] ^= 0xFF
        new[5, -4093:] ^= 0xFF
        found = self.check(old, new)
        self.assertEqual([4094, -1, -1, -1, -1, 4096], found)

    def test_scattered_changes_equal_the_encoding_byte_by_byte(self):
        rng = np.random.default_rng(7)
        old = noise(60)
        new = old.copy()
        for row in range(60):
            share = rng.choice([0.0005, 0.01, 0.2, 0.45, 0.5, 0.9])
            new[row][rng.random(PAGE) < share] ^= 0xFF
        found = self.check(old, new)
        self.assertIn(-1, found)
        self.assertTrue(any(s > 1000 for s in found))


class TestMix(testtools.TestCase):
    def test_it_tells_the_classes_apart(self):
        old = noise(10)
        new = old.copy()
        new[0:2] = 0  # zero now
        new[2:7, 5] ^= 0xFF  # a delta of 1 + 1 + 1 bytes
        new[7] ^= 0xFF  # another page
        found = pages.mix(new, old)
        self.assertEqual(
            (0.2, 0.2, 0.5, 3.0, 10),
            (
                found.zero,
                found.unchanged,
                found.delta,
                found.delta_bytes,
                found.pages,
            ),
        )
        self.assertAlmostEqual(0.1, found.plain)

    def test_pages_weigh_what_qemu_writes(self):
        mix = Mix(zero=0.25, unchanged=0.25, delta=0.25, delta_bytes=20)
        self.assertAlmostEqual(
            0.25 * 9 + 0.75 * 4104, mix.missed(Method.XBZRLE)
        )
        self.assertAlmostEqual(
            0.25 * 9 + 0.25 * (11 + 20) + 0.25 * 4104, mix.hit(Method.XBZRLE)
        )
        self.assertEqual(mix.missed(Method.PLAIN), mix.hit(Method.PLAIN))

    def test_zlib_is_one_stream_flushed_at_every_packet(self):
        text = np.frombuffer(b'a page of text, ' * 65536, dtype=np.uint8)
        sample = text[: 200 * PAGE].reshape(-1, PAGE)
        stream = zlib.compressobj(1)
        expected = 0
        for part in (sample[:128], sample[128:]):
            expected += len(stream.compress(part.tobytes()))
            expected += len(stream.flush(zlib.Z_SYNC_FLUSH))
        found = pages.mix(sample, channel=pages.stream(Method.ZLIB))
        self.assertAlmostEqual(expected / 200, found.packed)
        self.assertLess(found.packed, 0.05 * PAGE)

    def test_noise_does_not_compress(self):
        found = pages.mix(noise(64), channel=pages.stream(Method.ZLIB))
        self.assertGreater(found.packed, 0.98 * PAGE)

    def test_zstd_is_there_or_says_what_it_needs(self):
        if importlib.util.find_spec('compression') is None:
            error = self.assertRaises(
                errors.InputError, pages.stream, Method.ZSTD
            )
            self.assertIn('Python 3.14', str(error))
        else:
            found = pages.mix(noise(8), channel=pages.stream(Method.ZSTD))
            self.assertGreater(found.packed, 0.98 * PAGE)

    def test_bytes_are_as_good_as_an_array(self):
        sample = noise(3)
        self.assertEqual(pages.mix(sample), pages.mix(sample.tobytes()))

    def test_what_is_no_sample_is_refused_by_name(self):
        for given, name in (
            ((b'abc',), 'after'),
            ((b'',), 'after'),
            ((np.zeros((2, 100)),), 'after'),
            ((noise(2), noise(3)), 'before'),
        ):
            error = self.assertRaises(errors.InputError, pages.mix, *given)
            self.assertEqual(name, error.place)


def one(samples, resident=1000 * MIB):
    return forecast.fit([WorkingSet(resident=resident, samples=samples)])


class TestDryRun(testtools.TestCase):
    def test_without_compression_it_is_the_forecast_of_the_pattern(self):
        curve = one(((1.0, 40 * MIB), (4.0, 90 * MIB)))
        for rate in (20 * MIB, 60 * MIB, 100 * MIB):
            pattern = forecast.pre_copy(curve, rate, PLAIN)
            found = dryrun.dry_run(curve, rate, PLAIN, [PRE]).forecasts
            self.assertEqual(pattern.ending[0], found.ending[0])
            np.testing.assert_allclose(
                pattern.rounds[~np.isnan(pattern.rounds)],
                found.rounds[~np.isnan(found.rounds)],
            )
            self.assertEqual(float(pattern.t_sum[0]), float(found.t_sum[0]))

    def test_compression_makes_a_hopeless_vm_converge(self):
        curve = one(((1.0, 100 * MIB),))
        half = contents.counted(
            Method.ZLIB, Mix(packed=2000), Mix(packed=2000)
        )
        rate = 80 * MIB
        plain = dryrun.dry_run(curve, rate, PLAIN, [PRE]).forecasts
        packed = dryrun.dry_run(curve, rate, PLAIN, [half]).forecasts
        self.assertFalse(plain.converges[0])
        self.assertTrue(packed.converges[0])
        # bytes on the wire per page: its place in the packet, and itself
        self.assertAlmostEqual(
            1000 * 256 * (1344 / 128 + 2000), float(packed.rounds[0, 0])
        )

    def test_it_stops_at_full_size_as_qemu_does(self):
        # 30 MiB left never fit 0.3 s at 80 MiB/s, at whatever ratio
        curve = one(((0.001, 30 * MIB),))
        tiny = contents.counted(Method.ZLIB, Mix(packed=100), Mix(packed=100))
        found = dryrun.dry_run(curve, 80 * MIB, PLAIN, [tiny]).forecasts
        self.assertEqual(forecast.Ending.STALLS, found.ending[0])

    def test_a_slow_compressor_limits_the_rounds(self):
        curve = one(((1.0, 10 * MIB),))
        slow = contents.counted(
            Method.ZLIB,
            Mix(packed=400),
            Mix(packed=400),
            codec_rate=100 * MIB,
        )
        found = dryrun.dry_run(curve, 1000 * MIB, PLAIN, [slow]).forecasts
        self.assertGreaterEqual(float(found.t_sum[0]), 10.0)

    def test_xbzrle_knows_pages_from_the_third_pass_on(self):
        # A hot set of 50 MiB that fits the guest and the cache.
        curve = one(((1.0, 50 * MIB), (60.0, 50 * MIB)), resident=60 * MIB)
        delta = contents.counted(
            Method.XBZRLE,
            Mix(),
            Mix(delta=1.0, delta_bytes=100),
            memory=60 * MIB,
        )
        found = dryrun.dry_run(curve, 40 * MIB, PLAIN, [delta])
        hits, sent = found.hits[0], found.pages[0]
        self.assertEqual([0.0, 0.0], hits[:2].tolist())
        self.assertAlmostEqual(1.0, float(hits[2] / sent[2]))
        self.assertTrue(found.forecasts.converges[0])
        plain = dryrun.dry_run(curve, 40 * MIB, PLAIN, [PRE]).forecasts
        self.assertFalse(plain.converges[0])

    def test_classes_add_up_to_the_pages_of_each_round(self):
        curve = one(((1.0, 40 * MIB), (4.0, 90 * MIB)))
        mix = Mix(zero=0.1, unchanged=0.2, delta=0.3, delta_bytes=99)
        some = contents.counted(Method.XBZRLE, Mix(), mix)
        found = dryrun.dry_run(curve, 60 * MIB, PLAIN, [some])
        total = sum(found.classes(0).values())
        np.testing.assert_allclose(total, found.pages[0])
        self.assertEqual(0.0, found.classes(0)['delta'][0])

    def test_zero_pages_of_the_guest_weigh_nine_bytes_once(self):
        curve = one(((1.0, 1 * MIB),))
        with_zeros = Contents(memory=3000 * MIB)
        bare = dryrun.dry_run(curve, 100 * MIB, PLAIN, [Contents()])
        full = dryrun.dry_run(curve, 100 * MIB, PLAIN, [with_zeros])
        self.assertAlmostEqual(
            2000 * 256 * 9,
            float(full.forecasts.rounds[0, 0] - bare.forecasts.rounds[0, 0]),
        )

    def test_the_last_round_goes_at_the_links_rate(self):
        curve = one(((1.0, 20 * MIB),))
        capped = dryrun.dry_run(curve, 60 * MIB, PLAIN, [PRE])
        lifted = dryrun.dry_run(curve, 60 * MIB, PLAIN, [PRE], 600 * MIB)
        self.assertAlmostEqual(
            float(capped.forecasts.t_downtime[0]) / 10,
            float(lifted.forecasts.t_downtime[0]),
        )
        self.assertEqual(
            capped.forecasts.t_converge[0], lifted.forecasts.t_converge[0]
        )

    def test_many_in_one_call_equal_one_by_one(self):
        sets = [
            WorkingSet(resident=r * MIB, samples=((1.0, w * MIB),))
            for r, w in ((500, 5), (900, 60), (700, 300))
        ]
        kinds = [
            PRE,
            contents.counted(
                Method.XBZRLE, Mix(), Mix(delta=0.5, delta_bytes=64)
            ),
            contents.counted(Method.ZLIB, Mix(packed=1e3), Mix(packed=9e2)),
        ]
        together = dryrun.dry_run(forecast.fit(sets), 80 * MIB, PLAIN, kinds)
        for i, (each, kind) in enumerate(zip(sets, kinds, strict=True)):
            alone = dryrun.dry_run(
                forecast.fit([each]), 80 * MIB, PLAIN, [kind]
            )
            self.assertAlmostEqual(
                float(together.forecasts.t_sum[i]),
                float(alone.forecasts.t_sum[0]),
            )

    def test_a_wrong_bandwidth_or_count_is_the_callers_fault(self):
        curve = one(())
        for rate, kinds in ((0.0, [PRE]), (np.nan, [PRE]), (1.0, [])):
            self.assertRaises(
                ValueError, dryrun.dry_run, curve, rate, PLAIN, kinds
            )


class TestLcb(testtools.TestCase):
    def test_a_little_less_does_not_converge(self):
        curve = one(((1.0, 40 * MIB), (4.0, 90 * MIB)))
        half = contents.counted(Method.ZLIB, Mix(packed=2e3), Mix(packed=2e3))
        plain = forecast.least_convergent_bandwidth(curve, PLAIN)
        for kind in (PRE, half):
            lcb = dryrun.least_convergent_bandwidth(curve, PLAIN, [kind])
            at = dryrun.dry_run(curve, lcb, PLAIN, [kind]).forecasts
            less = dryrun.dry_run(curve, lcb * (1 - 1e-6), PLAIN, [kind])
            self.assertTrue(at.converges[0])
            self.assertFalse(less.forecasts.converges[0])
            self.assertLessEqual(float(lcb[0]), float(plain[0]) * (1 + 1e-6))

    def test_no_bandwidth_makes_up_for_a_slow_compressor(self):
        curve = one(((1.0, 1 * MIB),))
        slow = contents.counted(
            Method.ZLIB, Mix(packed=4e2), Mix(packed=4e2), codec_rate=10 * MIB
        )
        lcb = dryrun.least_convergent_bandwidth(curve, PLAIN, [slow], 50.0)
        self.assertTrue(np.isinf(lcb[0]))


class TestObserved(testtools.TestCase):
    # Pages from a lab's dry run at 400 Mbit/s.
    LAB = ((2.931, 36979), (0.597, 7972), (0.297, 2750), (0.101, 1440))

    def test_rounds_become_samples_of_the_curve(self):
        rounds = [
            Round(seconds=t, dirty=p * PAGE, sent=p * 4104.0)
            for t, p in self.LAB
        ]
        pattern, kind = contents.from_rounds(rounds)
        self.assertEqual(
            [(0.297, 1440), (0.597, 2750), (2.931, 7972)],
            [(t, round(d / PAGE)) for t, d in pattern.samples],
        )
        self.assertEqual(36979 * PAGE, pattern.resident)
        self.assertAlmostEqual(4104.0, kind.first)
        self.assertAlmostEqual(4104.0, kind.hit)

    def test_a_shorter_round_that_dirtied_more_is_believed(self):
        rounds = [
            Round(seconds=t, dirty=d, sent=d)
            for t, d in ((4.0, 9e9), (0.3, 2e6), (1.0, 5e6), (0.1, 3e6))
        ]
        pattern, _ = contents.from_rounds(rounds)
        self.assertEqual(((0.3, 5e6), (1.0, 5e6), (4.0, 5e6)), pattern.samples)

    def test_rounds_that_are_none_are_refused_by_name(self):
        good = Round(seconds=1.0, dirty=1.0, sent=1.0)
        bad = Round(seconds=0.0, dirty=1.0, sent=1.0)
        for rounds, place in (([good], 'rounds'), ([good, bad], 'rounds[1]')):
            error = self.assertRaises(
                errors.InputError, contents.from_rounds, rounds
            )
            self.assertEqual(place, error.place)

    def test_contents_that_cannot_be_are_refused_by_name(self):
        for values, place in (
            ({'first': 0.0}, 'first'),
            ({'hit': 5000.0}, 'hit'),
            ({'codec_rate': -1.0}, 'codec_rate'),
        ):
            error = self.assertRaises(errors.InputError, Contents, **values)
            self.assertEqual(place, error.place)
