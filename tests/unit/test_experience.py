"""What migrations teach of the VMs that nobody measured."""

import dataclasses
import math

import numpy as np
import testtools
from hypothesis import given
from hypothesis import strategies

from watcher_tsmig import errors
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.learned.experience import Prior
from watcher_tsmig.forecast.learned.experience import Subject
from watcher_tsmig.forecast.learned.experience import binned
from watcher_tsmig.forecast.learned.experience import working_sets
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.observed import Basis
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.model.trace import CLOCK
from watcher_tsmig.model.trace import MOST_ROUNDS
from watcher_tsmig.model.trace import Trace

PRIOR = Prior(rate=50e6, link=125e6)
KIN = ('flavor:a', 'image:b', 'project:c')


def rounds(rate):
    """What a VM dirties that writes `rate` in 1 s, and less in more."""
    return tuple((t, rate * t**0.7) for t in (20.0, 8.0, 2.0, 1.0))


def trace(vm, at=1.0, **values):
    return Trace(**{'vm': vm, 'at': at, 'memory': 8e9, **values})


def learned(subject, *traces, kin=None):
    found = working_sets([subject], traces, kin or {}, PRIOR)
    return found.get(subject.id)


def takes(work, rate, rules=PRIOR.rules):
    """s of the pre-copy of such a VM of 8 GB."""
    terms = Terms(zero=8e9 - work.resident)
    return float(pre_copy(fit([work]), rate, rules, terms=terms).t_sum[0])


class TestOwn(testtools.TestCase):
    vm = Subject(id='vm', memory=8e9, kin=KIN)

    def test_a_vm_that_never_moved_has_none(self):
        self.assertIsNone(learned(self.vm))
        self.assertIsNone(learned(self.vm, trace('other', first_pass=1e9)))
        self.assertIsNone(learned(self.vm, trace('vm')))

    def test_its_rounds_are_its_curve(self):
        work = learned(
            self.vm, trace('vm', 7.0, first_pass=3e9, rounds=rounds(40e6))
        )
        self.assertEqual(3e9, work.resident)
        self.assertEqual('own-migrations', work.basis)
        self.assertEqual(7.0, work.measured_at)
        at = np.array([1.0, 2.0, 8.0, 20.0])
        curve = fit([work])
        for t in at:
            dirtied = float(curve.at(np.array([t]))[0])
            self.assertLess(abs(dirtied / (40e6 * t**0.7) - 1), 0.02)

    def test_below_its_shortest_round_it_is_no_straight_line(self):
        work = learned(self.vm, trace('vm', rounds=rounds(40e6)))
        short = float(fit([work]).at(np.array([0.1]))[0])
        self.assertLess(abs(short / (40e6 * 0.1**0.7) - 1), 0.05)

    def test_one_odd_round_and_one_odd_migration_are_not_believed(self):
        odd = [
            trace('vm', i, first_pass=3e9, rounds=rounds(40e6))
            for i in range(1, 5)
        ]
        odd.append(
            trace('vm', 9.0, first_pass=9e8, rounds=((8.0, 1e6), (1.0, 9e8)))
        )
        work = learned(self.vm, *odd)
        self.assertEqual(3e9, work.resident)
        dirtied = float(fit([work]).at(np.array([8.0]))[0])
        self.assertLess(abs(dirtied / (40e6 * 8**0.7) - 1), 0.05)

    def test_a_changed_workload_is_believed_after_three_of_five(self):
        old = [trace('vm', i, rounds=rounds(40e6)) for i in range(1, 9)]
        new = [trace('vm', i, rounds=rounds(10e6)) for i in (11, 12, 13)]
        for many, rate in ((1, 40e6), (3, 10e6)):
            # in whatever order they come
            work = learned(self.vm, *new[:many], *old)
            dirtied = float(fit([work]).at(np.array([2.0]))[0])
            self.assertLess(abs(dirtied / (rate * 2**0.7) - 1), 0.05)

    def test_what_was_measured_of_its_memory_counts_before(self):
        measured = dataclasses.replace(self.vm, resident=2e9)
        work = learned(
            measured, trace('vm', first_pass=3e9, rounds=rounds(40e6))
        )
        self.assertEqual(2e9, work.resident)

    def test_a_resized_vm_works_with_about_what_it_did(self):
        small = dataclasses.replace(self.vm, memory=4e9)
        self.assertEqual(
            3e9, learned(small, trace('vm', first_pass=3e9)).resident
        )
        # and never more than all of it, though QEMU sends its own, too
        self.assertEqual(
            4e9, learned(small, trace('vm', first_pass=8.1e9)).resident
        )

    def test_what_only_post_copies_showed_is_no_writing(self):
        work = learned(self.vm, trace('vm', first_pass=3e9))
        self.assertEqual((3e9, ()), (work.resident, work.samples))


class TestSizes(testtools.TestCase):
    """What a guest of another size works with."""

    def resident(self, memory, *sent):
        traces = [
            trace('vm', float(i), memory=size, first_pass=first)
            for i, (size, first) in enumerate(sent)
        ]
        return learned(Subject(id='vm', memory=memory), *traces).resident

    def test_it_grows_as_it_grew(self):
        # by a quarter of what is more, from the nearest size on
        two = ((4e9, 2e9), (8e9, 3e9))
        for memory, first in (
            (16e9, 5e9),
            (2e9, 1.5e9),
            (5e9, 2.25e9),
            (7e9, 2.75e9),
            (8e9, 3e9),
        ):
            self.assertAlmostEqual(first, self.resident(memory, *two))

    def test_of_three_slopes_the_middle_one_counts(self):
        # 1/4, 1/2 and from the first to the last 3/8
        some = ((4e9, 2e9), (8e9, 3e9), (12e9, 5e9))
        self.assertAlmostEqual(6.5e9, self.resident(16e9, *some))

    def test_of_several_of_one_size_the_middle_one_counts(self):
        some = ((8e9, 1e9), (8e9, 3e9), (8e9, 3.2e9), (4e9, 2e9))
        self.assertEqual(3e9, self.resident(8e9, *some))

    def test_it_is_never_more_than_all(self):
        self.assertEqual(3e9, self.resident(3e9, (4e9, 4e9), (8e9, 4e9)))


class TestRounds(testtools.TestCase):
    vm = Subject(id='vm', memory=8e9, kin=KIN)

    def known(self, *traces, kin=None):
        """What is known from the shortest round on."""
        samples = learned(self.vm, *traces, kin=kin).samples
        return [s for s in samples if s[0] >= 1.0]

    def test_rounds_of_about_one_length_are_one(self):
        # within a factor of 1.25, the middle of their lengths and bytes
        self.assertEqual(
            [(1.2, 20.0), (1.26, 5.0)],
            binned([(1.26, 5.0), (1.0, 10.0), (1.24, 20.0), (1.2, 30.0)]),
        )

    def test_a_longer_round_with_less_shares_the_middle_with_the_shorter(self):
        one = trace('vm', rounds=((1.0, 9e7), (4.0, 6e7), (9.0, 9e7)))
        self.assertEqual([(1.0, 6e7), (4.0, 6e7), (9.0, 9e7)], self.known(one))

    def test_each_migration_has_one_vote_however_many_rounds_it_had(self):
        # 4 s: 80 MB by one with two rounds, 60 MB by one with that alone,
        # whose vote is the heavier
        two = trace('vm', 1.0, rounds=((1.0, 3e7), (4.0, 8e7)))
        one = trace('vm', 2.0, rounds=((4.0, 6e7),))
        self.assertEqual([(1.0, 3e7), (4.0, 6e7)], self.known(two, one))

    def test_the_newest_five_of_its_own_count(self):
        def some(many):
            old = [
                trace('vm', float(i), rounds=((1.0, 1e7),)) for i in range(9)
            ]
            new = [
                trace('vm', 10.0 + i, rounds=((1.0, 5e7),))
                for i in range(many)
            ]
            return new + old

        self.assertEqual([(1.0, 1e7)], self.known(*some(2)))
        self.assertEqual([(1.0, 5e7)], self.known(*some(3)))

    def test_the_newest_twenty_of_its_like_count(self):
        def some(many):
            return [
                trace(
                    f'vm{i}',
                    float(i),
                    rounds=((1.0, 5e7 if i < many else 1e7),),
                )
                for i in range(40)
            ]

        kin = {f'vm{i}': KIN for i in range(40)}
        self.assertEqual([(1.0, 1e7)], self.known(*some(29), kin=kin))
        self.assertEqual([(1.0, 5e7)], self.known(*some(31), kin=kin))

    def test_it_is_as_old_as_the_newest_that_told_any_of_it(self):
        wrote = trace('vm', 5.0, rounds=rounds(40e6))
        sent = trace('vm', 9.0, first_pass=3e9)
        self.assertEqual(9.0, learned(self.vm, wrote, sent).measured_at)
        self.assertEqual(5.0, learned(self.vm, wrote).measured_at)


class TestLike(testtools.TestCase):
    kin = {
        'twin': KIN,
        'cousin': ('flavor:a', 'image:b', 'project:x'),
        'stranger': ('flavor:x', 'image:y', 'project:z'),
        'vm': KIN,
    }
    vm = Subject(id='vm', memory=8e9, kin=KIN)

    def test_those_that_share_most_count_and_no_others(self):
        twin = trace('twin', first_pass=4e9, rounds=rounds(40e6))
        cousin = trace('cousin', first_pass=1e9, rounds=rounds(5e6))
        stranger = trace('stranger', first_pass=2e9, rounds=rounds(9e6))
        for traces, resident in (
            ((twin, cousin, stranger), 4e9),
            ((cousin, stranger), 1e9),
        ):
            work = learned(self.vm, *traces, kin=self.kin)
            self.assertEqual(resident, work.resident)
            self.assertEqual('migrations-of-like-vms', work.basis)
        self.assertIsNone(learned(self.vm, stranger, kin=self.kin))
        self.assertIsNone(learned(self.vm, twin))

    def test_its_own_memory_goes_with_the_writing_of_its_like(self):
        work = learned(
            self.vm,
            trace('vm', first_pass=3e9),
            trace('twin', first_pass=4e9, rounds=rounds(40e6)),
            kin=self.kin,
        )
        self.assertEqual(3e9, work.resident)
        self.assertEqual(Basis.LIKE, work.basis)
        self.assertTrue(work.samples)

    def test_its_own_duration_counts_before_the_rounds_of_others(self):
        work = learned(
            self.vm,
            trace('vm', first_pass=3e9, took=30.0, rate=125e6),
            trace('twin', rounds=rounds(400e6)),
            kin=self.kin,
        )
        self.assertEqual(Basis.OWN, work.basis)
        self.assertLess(abs(takes(work, 125e6) / 30.0 - 1), 0.01)

    def test_many_vms_at_once_learn_as_each_alone(self):
        traces = [
            trace('twin', first_pass=4e9, rounds=rounds(40e6)),
            trace('cousin', first_pass=1e9, rounds=rounds(5e6)),
        ]
        some = [
            Subject(id=f'vm{i}', memory=8e9, kin=kin)
            for i, kin in enumerate(self.kin.values())
        ]
        found = working_sets(some, traces, self.kin, PRIOR)
        for subject in some:
            alone = learned(subject, *traces, kin=self.kin)
            self.assertEqual(alone, found.get(subject.id))
        self.assertEqual(3, len(found))


class TestDurations(testtools.TestCase):
    """What Nova's records alone tell."""

    vm = Subject(id='vm', memory=8e9)

    def test_a_forecast_from_a_duration_is_that_duration(self):
        for took in (5.0, 20.0, 60.0, 68.0, 100.0, 400.0):
            work = learned(self.vm, trace('vm', took=took, rate=125e6))
            self.assertEqual(Basis.OWN, work.basis)
            self.assertLessEqual(work.resident, 8e9)
            told = takes(work, 125e6)
            self.assertLess(abs(told / took - 1), 0.05, took)

    def test_the_longer_it_took_the_more_it_sends_or_writes(self):
        some = [
            learned(self.vm, trace('vm', took=took, rate=125e6))
            for took in (10.0, 20.0, 60.0, 100.0, 400.0)
        ]
        sizes = [work.resident for work in some]
        self.assertEqual(sorted(sizes), sizes)
        self.assertEqual(8e9, sizes[-1])
        # bytes/s, apart from rounding
        needs = [
            round(work.samples[0][1] / work.samples[0][0]) for work in some
        ]
        self.assertEqual(sorted(needs), needs)
        self.assertGreater(needs[-1], needs[0])

    def test_where_nobody_tells_of_the_link_it_is_as_assumed(self):
        one, other = (
            learned(self.vm, trace('vm', took=100.0, rate=rate))
            for rate in (None, PRIOR.link)
        )
        self.assertEqual(one, other)

    def test_no_clock_is_so_good_that_a_vm_would_write_nothing(self):
        carried = 125e6 * PRIOR.rules.efficiency
        work = learned(
            self.vm, trace('vm', first_pass=4e9, took=1.0, rate=125e6)
        )
        ((seconds, dirtied),) = work.samples
        zeros = 4e9 / 4096 * PRIOR.rules.zero_pre_copy
        self.assertAlmostEqual(4e9 / carried + zeros, seconds)
        self.assertAlmostEqual(CLOCK * carried, dirtied)

    def total(self, size, writes):
        """s that a VM of 8 GB takes of which that much is not zero."""
        carried = 125e6 * PRIOR.rules.efficiency
        pages = (8e9 - size) / 4096
        first = (size + 9 * pages) / carried
        seconds = [first + pages * PRIOR.rules.zero_pre_copy]
        while seconds[-1] > PRIOR.rules.downtime_limit:
            seconds.append(min(writes * seconds[-1], size) / carried)
        return sum(seconds)

    def test_one_that_was_over_soon_sends_little(self):
        # and writes 50 MB/s, as is assumed of all
        work = learned(self.vm, trace('vm', took=40.0, rate=125e6))
        self.assertAlmostEqual(
            40.0, self.total(work.resident, 50e6), delta=0.001
        )
        seconds, dirtied = work.samples[-1]
        self.assertAlmostEqual(1.0, dirtied / (50e6 * seconds))
        zeros = (8e9 - work.resident) / 4096 * PRIOR.rules.zero_pre_copy
        carried = 125e6 * PRIOR.rules.efficiency
        self.assertAlmostEqual(work.resident / carried + zeros, seconds)

    def test_one_that_took_long_writes_much(self):
        # all of it is sent first
        work = learned(self.vm, trace('vm', took=200.0, rate=125e6))
        self.assertEqual(8e9, work.resident)
        seconds, dirtied = work.samples[-1]
        self.assertAlmostEqual(8e9 / 125e6 / PRIOR.rules.efficiency, seconds)
        self.assertGreater(dirtied / seconds, 50e6)
        self.assertAlmostEqual(
            200.0, self.total(8e9, dirtied / seconds), delta=0.5
        )

    def test_at_a_low_rate_less_writing_is_assumed(self):
        # of 10 MB/s half: more would not end
        work = learned(self.vm, trace('vm', took=300.0, rate=10e6))
        seconds, dirtied = work.samples[-1]
        self.assertAlmostEqual(
            5e6 * PRIOR.rules.efficiency, dirtied / seconds, delta=1.0
        )

    def test_what_a_switch_did_to_a_duration_nobody_knows(self):
        self.assertIsNone(
            learned(self.vm, trace('vm', took=40.0, switched=True))
        )

    def test_seen_rounds_count_before_any_duration(self):
        both = trace('vm', first_pass=3e9, rounds=rounds(40e6), took=999.0)
        work = learned(self.vm, both, trace('vm', 99.0, took=999.0))
        self.assertEqual(3e9, work.resident)
        dirtied = float(fit([work]).at(np.array([2.0]))[0])
        self.assertLess(abs(dirtied / (40e6 * 2**0.7) - 1), 0.02)

    def test_a_rule_of_other_losses_is_obeyed(self):
        plain = Prior(rate=50e6, link=125e6, rules=Rules(efficiency=1.0))
        (work,) = working_sets(
            [self.vm], [trace('vm', took=100.0)], {}, plain
        ).values()
        told = takes(work, 125e6, plain.rules)
        self.assertLess(abs(told / 100.0 - 1), 0.05)


class TestAnything(testtools.TestCase):
    sizes = strategies.floats(1e6, 1e12)
    spans = strategies.floats(1e-3, 1e5)

    @given(
        memory=sizes,
        first_pass=strategies.none() | sizes,
        rounds=strategies.lists(strategies.tuples(spans, sizes), max_size=9),
        took=strategies.none() | spans,
        rate=strategies.none() | strategies.floats(1e5, 1e10),
    )
    def test_whatever_was_seen_is_a_working_set_of_the_vm(
        self, memory, first_pass, rounds, took, rate
    ):
        seen = Trace(
            vm='vm',
            at=1.0,
            memory=memory,
            first_pass=first_pass,
            rounds=tuple(rounds),
            took=took,
            rate=rate,
        )
        subject = Subject(id='vm', memory=8e9)
        work = learned(subject, seen)
        self.assertEqual(seen.teaches, work is not None)
        if work is not None:
            self.assertIsInstance(work, WorkingSet)
            self.assertLessEqual(work.resident, 8e9)
            self.assertTrue(all(n <= 8e9 for _, n in work.samples))
            fit([work])


class TestTrace(testtools.TestCase):
    def test_what_nobody_can_have_seen_is_refused_by_name(self):
        for values, place in (
            ({'vm': ''}, 'vm'),
            ({'at': -1.0}, 'at'),
            ({'memory': 0.0}, 'memory'),
            ({'first_pass': 0.0}, 'first_pass'),
            ({'took': -1.0}, 'took'),
            ({'rate': math.inf}, 'rate'),
            ({'rounds': [(1.0, 1.0)]}, 'rounds'),
            ({'rounds': ((1.0,),)}, 'rounds[0]'),
            ({'rounds': ((1.0, 1.0), (0.0, 1.0))}, 'rounds[1]'),
            ({'rounds': ((1.0, -1.0),)}, 'rounds[0]'),
            ({'rounds': ((1.0, 1.0),) * (MOST_ROUNDS + 1)}, 'rounds'),
        ):
            error = self.assertRaises(
                errors.InputError, trace, **{'vm': 'vm', **values}
            )
            self.assertEqual(place, error.place)
