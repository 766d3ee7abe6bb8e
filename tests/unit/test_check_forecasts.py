"""The judge's own forecasts: rounds, switches and limits worked by hand.

A VM of 1 GB, all of it resident, under rules that lose nothing on the wire
and spend nothing on set-up: at 50 MB/s a pass takes 20 s.
"""

import dataclasses

from tests.unit.builders import plan
from tests.unit.builders import writes
from tests.unit.judge import GB
from tests.unit.judge import MB
from tests.unit.judge import RULES
from tests.unit.judge import ForecastCase
from tests.unit.judge import says
from watcher_tsmig.model import Contents
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.reasons import Reason

#: As `RULES`, where Nova raises the limit in four steps of 20 s.
STEPS = dataclasses.replace(RULES, downtime_steps=4, downtime_delay=10.3)
#: Writes 15 MB within a quarter of a second, and no more in any time.
HOT = WorkingSet(resident=GB, samples=((0.25, 15 * MB), (1.0, 15 * MB)))


def least(curve, first=GB, idle=0.0, full=1.0):
    """The bandwidth at which the 64th round is half a second, by halving.

    :param curve: bytes that are sent again after so many s
    :param full: how many times its bytes QEMU counts when it stops
    """
    low, high = MB, 50 * MB
    for _ in range(60):
        rate = (low + high) / 2
        seconds = first / rate + idle
        for _ in range(63):
            seconds = curve(seconds) / rate
        if seconds * full > 0.5:
            low = rate
        else:
            high = rate
    return high


class TestPreCopy(ForecastCase):
    #: of rounds that fall by 0.4: 20, 8, 3.2, 1.28, 0.512 and 0.2048 s
    TOTAL = 33.1968
    LCB = least(lambda t: min(20 * MB * t, GB))

    def test_rounds_of_a_constant_writer(self):
        said = says(self.TOTAL, 0.2048, lcb=self.LCB)
        self.right(self.where(writes(20 * MB)), said)

    def test_who_writes_unmeasured_is_taken_to_write_as_is_assumed(self):
        said = says(self.TOTAL, 0.2048, lcb=self.LCB)
        where = self.where(None)
        self.right(where, said, assume_dirty_rate=20 * MB)
        # and no faster than all of it each second: no round is shorter
        fast = plan(said, assume_dirty_rate=9 * GB)
        self.only('does not converge', where, fast, RULES)

    def test_pages_that_were_sampled_say_nothing_of_writing(self):
        # without a measured curve, nor of what a first pass sends
        seen = Contents(pages=10**8, zero=0.5, written=10**8, blanked=0.25)
        said = says(self.TOTAL, 0.2048, lcb=self.LCB)
        where = self.where(None, contents=seen)
        self.right(where, said, assume_dirty_rate=20 * MB)

    def test_the_lcb_is_found_to_a_thousandth(self):
        where = self.where(writes(20 * MB))
        for share, text in (
            (1.002, 'id-v: would converge below its LCB'),
            (0.9999, 'id-v: does not converge at its LCB'),
        ):
            said = says(self.TOTAL, 0.2048, lcb=self.LCB * share)
            self.only(text, where, plan(said), RULES)
        said = says(self.TOTAL, 0.2048, lcb=self.LCB * 1.0005)
        self.good(where, plan(said), RULES)

    def test_at_no_bandwidth_at_all_nothing_ends(self):
        self.only(
            'id-v: does not converge at its LCB',
            self.where(writes(0.0)),
            plan(says(20.0, 0.0, lcb=0.0)),
            RULES,
        )

    def test_who_writes_as_fast_as_is_sent_does_not_end(self):
        said = says(40.0, 0.0, lcb=50 * MB)
        self.only(
            'does not converge', self.where(writes(50 * MB)), plan(said), RULES
        )

    def test_a_paused_vm_writes_nothing(self):
        where = self.where(writes(40 * MB), state='paused')
        self.right(where, says(20.0, 0.0, lcb=1.0))

    def test_between_two_samples_the_chord_counts(self):
        # within 20 s 150 MB and not 120: the sample in the dent is too low
        work = WorkingSet(
            resident=GB,
            samples=((10.0, 100 * MB), (20.0, 120 * MB), (30.0, 200 * MB)),
        )
        rounds = [20.0, 150 / 50, 30 / 50, 6 / 50]
        lcb = least(lambda t: MB * min(10 * t, 50 + 5 * t, 1000))
        said = says(sum(rounds), rounds[-1], lcb=lcb)
        self.right(self.where(work), said)

    def test_each_sample_that_is_not_in_a_dent_is_a_corner(self):
        # 8 MB/s from 10 to 11 s, and 92 / 19 from there on
        work = WorkingSet(
            resident=GB,
            samples=((10.0, 100 * MB), (11.0, 108 * MB), (30.0, 200 * MB)),
        )
        second = (108 + 9 * 92 / 19) / 50
        rounds = [20.0, second, second / 5, second / 25]

        def curve(t):
            return MB * min(10 * t, 20 + 8 * t, 108 + (t - 11) * 92 / 19, 1000)

        said = says(sum(rounds), rounds[-1], lcb=least(curve))
        self.right(self.where(work), said)

    def test_a_disk_goes_first_and_shares_the_cap_with_the_memory(self):
        # under an agent's cap as many shares as disks and one
        where = self.where(
            writes(20 * MB), disk=3e8, disks=(2e8, 1e8), a={'agent': True}
        )
        ahead = 3 * 2e8 / (50 * MB)
        sent = 50 * MB * self.TOTAL + 3e8
        lcb = {'lcb': self.LCB, 'data': sent}
        self.right(where, says(ahead + self.TOTAL, 0.2048, **lcb))
        # without one they have all of it together
        ahead = 3e8 / (50 * MB)
        where = self.where(
            writes(20 * MB), disk=3e8, disks=(2e8, 1e8), a={'agent': False}
        )
        self.right(where, says(ahead + self.TOTAL, 0.2048, **lcb))


class TestZeros(ForecastCase):
    rules = dataclasses.replace(RULES, zero_pre_copy=4.096e-6)

    def test_memory_that_is_not_resident_costs_nine_bytes_and_time_a_page(
        self,
    ):
        # 1 GB of zeros in pages of 4096: 9 / 4096 GB and 1 s
        where = self.where(writes(0.0), memory=2 * GB)
        zeros = 9 / 4096 * GB
        total = (GB + zeros) / (50 * MB) + 1.0
        self.right(where, says(total, 0.0, data=GB + zeros, lcb=1.0))

    def test_zeros_that_were_sampled_weigh_as_little(self):
        seen = Contents(pages=10**8, zero=0.5, written=10**8, blanked=0.25)
        blank, again = seen.surely_zero, seen.surely_blanked
        where = self.where(writes(20 * MB), contents=seen)
        first = GB * (1 - blank + blank * 9 / 4096)
        each = 1 - again + again * 9 / 4096
        rounds = [first / (50 * MB) + blank * 1.0]
        # whether it stops QEMU asks of the pages at full size
        while rounds[-1] / each > 0.5:
            rounds.append(rounds[-1] * 0.4 * each)
        total = sum(rounds)
        sent = first + 50 * MB * sum(rounds[1:])
        lcb = least(lambda t: 20 * MB * each * t, first, blank, 1 / each)
        said = says(total, rounds[-1], data=sent, lcb=lcb)
        self.right(where, said)


class TestRisingLimit(ForecastCase):
    """20 s of the first pass, then rounds of 0.3 s each.

    The limit is 125, 218, 312, 406 ms, and from 80 s on half a second.
    """

    rules = STEPS
    #: the least rate at which 15 MB go within the half second
    LCB = 30 * MB

    def said(self, takes=40.3, **values):
        rounds = (takes - 20.0) / 0.3
        data = GB + rounds * 15 * MB
        return says(takes, 0.3, **{'data': data, 'lcb': self.LCB, **values})

    def test_a_step_that_admits_the_rest_is_waited_for(self):
        # the step to 312 ms comes at 40 s: 66.7 rounds, so at 40.1 s
        where = self.where(HOT)
        said = self.said(20.0 + 67 * 0.3 + 0.3)
        self.good(where, plan(said), STEPS)
        # a round more or less is within what a hair decides, two are not
        for more, good in ((0.3, True), (-0.3, True), (0.6, False)):
            other = self.said(said.takes + more)
            if good:
                self.good(where, plan(other), STEPS)
            else:
                self.only('replayed', where, plan(other), STEPS)
        other = self.said(said.takes - 0.6)
        self.only('replayed', where, plan(other), STEPS)

    def test_rounds_that_still_fall_are_not_waited_for(self):
        # 0.2048 s are too many for the 125 ms of the first minute, but
        # 0.08192 s are not
        rules = dataclasses.replace(STEPS, downtime_delay=30.0)
        rounds = [20.0, 8.0, 3.2, 1.28, 0.512, 0.2048, 0.08192]
        lcb = TestPreCopy.LCB
        said = says(sum(rounds), rounds[-1], lcb=lcb)
        self.good(self.where(writes(20 * MB)), plan(said), rules)
        late = says(60.1, 0.0, lcb=lcb)
        self.only('replayed', self.where(writes(20 * MB)), plan(late), rules)

    def test_a_step_that_just_admits_the_rest_is_enough(self):
        # the step to 312 ms comes at 40 s, the next 20 s later
        hot = WorkingSet(
            resident=GB, samples=((0.25, 15.6 * MB), (1.0, 15.6 * MB))
        )
        takes = 20.0 + 65 * 0.312 + 0.312
        data = GB + 66 * 15.6 * MB
        said = says(takes, 0.312, data=data, lcb=31.2 * MB)
        self.good(self.where(hot), plan(said), STEPS)

    def test_the_last_step_is_waited_for_too(self):
        # 0.45 s, where 406 ms are the last but one: from 80 s on
        hot = WorkingSet(
            resident=GB, samples=((0.25, 22.5 * MB), (1.0, 22.5 * MB))
        )
        takes = 20.0 + 134 * 0.45 + 0.45
        data = GB + 135 * 22.5 * MB
        said = says(takes, 0.45, data=data, lcb=45 * MB)
        self.good(self.where(hot), plan(said), STEPS)
        early = says(20.45, 0.45, data=GB + 22.5 * MB, lcb=45 * MB)
        self.only('replayed', self.where(hot), plan(early), STEPS)

    def test_the_steps_are_longer_for_more_disk(self):
        # 5 GB of both are 4.66 GiB: 55 s a step, so that what is due when
        # the pass ends at 100 s waits until 110 s
        rules = dataclasses.replace(STEPS, downtime_delay=12.0)
        where = self.where(
            HOT, disk=4 * GB, disks=(4 * GB,), a={'agent': False}
        )
        takes = 100.0 + 34 * 0.3 + 0.3
        data = 5 * GB + 35 * 15 * MB
        said = says(takes, 0.3, data=data, lcb=self.LCB)
        self.good(where, plan(said), rules)

    def test_the_steps_are_longer_for_more_memory(self):
        # 3 GiB with zeros that cost nothing: floor(30.9) = 30 s a step
        size = 3 * 1024.0**3
        rules = dataclasses.replace(STEPS, zero_page=0.0)
        where = self.where(HOT, memory=size)
        said = self.said(20.0 + 134 * 0.3 + 0.3)
        self.good(where, plan(said), rules)
        for more in (-0.6, 0.6):
            other = self.said(said.takes + more)
            self.only('replayed', where, plan(other), rules)

    def test_novas_timeout_ends_what_waits_too_long(self):
        # per GiB, of which a small guest counts as two
        where = self.where(HOT)
        said = self.said(20.0 + 67 * 0.3 + 0.3, lcb=50 * MB)
        late, good = (
            dataclasses.replace(STEPS, completion_timeout=timeout)
            for timeout in (20.1, 20.3)
        )
        self.good(where, plan(said), good)
        self.only('does not converge', where, plan(said), late)

    def test_a_round_above_the_last_step_never_ends(self):
        said = self.said(lcb=29 * MB)
        self.only(
            'does not converge at its LCB',
            self.where(HOT),
            plan(dataclasses.replace(said, takes=40.4, takes_high=41.0)),
            STEPS,
        )


class TestPostCopy(ForecastCase):
    def test_every_page_goes_once_and_the_disks_before(self):
        where = self.where(
            writes(200 * MB), disk=1e8, disks=(1e8,), a={'agent': True}
        )
        said = says(
            20.0 + 4.0,
            0.039,
            3.0 - 0.039,
            mode=Mode.POST_COPY,
            lcb=0.0,
            data=GB + 1e8,
        )
        self.right(where, said)

    def test_its_pages_of_zeros_take_their_own_time(self):
        rules = dataclasses.replace(
            RULES, zero_pre_copy=9.0, zero_post_copy=4.096e-6, zero_page=0.0
        )
        where = self.where(writes(0.0), memory=2 * GB)
        said = says(21.0, 0.039, 2.961, mode=Mode.POST_COPY, lcb=0.0, data=GB)
        self.good(where, plan(said), rules)

    def test_an_outage_shorter_than_the_pause_is_all_pause(self):
        rules = dataclasses.replace(RULES, post_copy_outage=0.02)
        said = says(20.0, 0.02, 0.0, mode=Mode.POST_COPY, lcb=0.0)
        self.good(self.where(writes(0.0)), plan(said), rules)


class TestHybrid(ForecastCase):
    def hybrid(self, *args, **values):
        return says(*args, mode=Mode.HYBRID, lcb=0.0, **values)

    def test_what_the_first_pass_left_dirty_is_post_copied(self):
        # 400 MB of it; the 2 MB of a tenth of a second, page by page, wait
        # behind 128 KiB each
        slow = 2 * MB / 4096 * (131072 + 4096) / (50 * MB)
        said = self.hybrid(28.0, 0.039, slow)
        self.right(self.where(writes(20 * MB)), said)

    def test_the_slow_phase_is_not_longer_than_the_transfer(self):
        # 100 MB, all hot: 2 s, where faults one by one would take 66
        hot = WorkingSet(
            resident=GB, samples=((0.01, 100 * MB), (1.0, 100 * MB))
        )
        self.right(self.where(hot), self.hybrid(22.0, 0.039, 2.0))

    def test_no_more_is_left_than_all(self):
        said = self.hybrid(40.0, 0.039, 20.0)
        self.right(self.where(writes(400 * MB)), said)

    def test_one_that_fits_the_limit_after_its_pass_has_ended(self):
        # 20 MB dirtied: 0.4 s
        said = self.hybrid(20.4, 0.4)
        self.right(self.where(writes(MB)), said)

    def test_one_that_fits_the_limit_at_once_has_ended_in_one_pass(self):
        small = writes(MB, 20 * MB)
        where = self.where(small, memory=20 * MB)
        self.right(where, self.hybrid(0.4, 0.4))

    def test_one_that_does_not_fit_it_goes_on(self):
        # 0.8 s, and what 1 MB/s writes in it; or 0.4 s that QEMU takes for
        # 0.8, for half of its pages are zeros again
        where = self.where(writes(MB, 40 * MB), memory=40 * MB)
        self.right(where, self.hybrid(0.816, 0.016))
        seen = Contents(pages=10**8, zero=0.0, written=10**8, blanked=0.5)
        again = seen.surely_blanked
        rest = 40 * MB * (1 - again + again * 9 / 4096)
        slow = 0.2 * MB / 4096 * (131072 + 4096) / (50 * MB)
        said = self.hybrid(20 + rest / (50 * MB), 0.039, slow, data=GB + rest)
        self.right(self.where(writes(2 * MB), contents=seen), said)

    def test_what_just_fits_the_limit_has_ended(self):
        # half a second: of all, or of what was dirtied in 20 s
        where = self.where(writes(MB, 25 * MB), memory=25 * MB)
        self.right(where, self.hybrid(0.5, 0.5))
        lcb = least(lambda t: MB * t, 25 * MB)
        self.right(where, says(0.5, 0.5, lcb=lcb))
        self.right(self.where(writes(1.25 * MB)), self.hybrid(20.5, 0.5))

    def test_a_disk_goes_before_the_pass(self):
        where = self.where(
            writes(20 * MB), disk=1e8, disks=(1e8,), a={'agent': True}
        )
        slow = 2 * MB / 4096 * (131072 + 4096) / (50 * MB)
        data = 28 * 50 * MB + 1e8
        self.right(where, self.hybrid(32.0, 0.039, slow, data=data))
        where = self.where(
            writes(MB), disk=1e8, disks=(1e8,), a={'agent': True}
        )
        data = 20.4 * 50 * MB + 1e8
        self.right(where, self.hybrid(24.4, 0.4, data=data))


class TestSlowed(ForecastCase):
    """A VM that writes 150 MB/s, at 100 MB/s: 70 % of its CPUs go."""

    rules = dataclasses.replace(RULES, auto_converge=True)
    #: s; two rounds in which more than half was dirtied make a step: of 20 %
    #: after the second, then 10 % each. Until 40 % are taken all is dirty
    #: again; then 1.5 x (1 - 0.4), 0.5, 0.4 and at last 0.3 of a round is.
    ROUNDS = (
        *[10.0] * 7, 9.0, 8.1, 6.075, 4.55625, 2.73375, 1.64025, 0.7381125,
        0.332150625, 0.14946778125,
    )  # fmt: skip
    ASKED = {'max_throttle': 0.7, 'downtime_limit': 0.3}

    def slowed(self, rounds=ROUNDS, **values):
        total = sum(rounds)
        given = {
            'cap': 100 * MB,
            'lcb': 100 * MB,
            'data': 100 * MB * total,
            'reason': Reason.THROTTLED,
            **values,
        }
        reason = given.pop('reason')
        said = says(total, rounds[-1], **given)
        return dataclasses.replace(said, reason=reason)

    def bound(self, **values):
        return self.where(writes(150 * MB), a={'post_copy': False}, **values)

    def test_it_is_walked_as_qemu_slows_it(self):
        self.right(self.bound(), self.slowed(), **self.ASKED)

    def test_it_is_looked_at_once_a_second(self):
        # 150 MB: 1.5 s a pass. From the tenth round on a look is at two
        # rounds, or not before the end
        rounds = (
            *[1.5] * 7, 1.35, 1.215, 0.91125, 0.6834375, 0.512578125,
            0.307546875, 0.184528125,
        )  # fmt: skip
        where = self.where(
            writes(150 * MB, 150 * MB),
            memory=150 * MB,
            a={'post_copy': False},
        )
        asked = {**self.ASKED, 'max_throttle': 0.6}
        self.right(where, self.slowed(rounds), **asked)

    def test_more_than_is_permitted_is_not_taken(self):
        less = {**self.ASKED, 'max_throttle': 0.69}
        self.only(
            'does not converge',
            self.bound(),
            plan(self.slowed(), **less),
            self.rules,
        )

    def test_what_does_not_end_at_its_cap_is_named(self):
        said = plan(self.slowed(), **{**self.ASKED, 'max_throttle': 0.69})
        found = check(self.bound(), said, self.rules)
        self.assertIn('id-v: does not converge at its cap', found)

    def test_it_ends_at_its_lcb(self):
        # where less than 75 MB/s is too little at 50 % and 70 % taken
        self.good(
            self.bound(),
            plan(self.slowed(lcb=90 * MB), **self.ASKED),
            self.rules,
        )
        self.only(
            'id-v: does not converge at its LCB',
            self.bound(),
            plan(self.slowed(lcb=40 * MB), **self.ASKED),
            self.rules,
        )

    def test_auto_converge_has_to_be_on_and_post_copy_off(self):
        text = 'id-v: auto-converge is not on at a'
        said = plan(self.slowed(), **self.ASKED)
        self.only(text, self.bound(), said, RULES)
        free = self.where(writes(150 * MB), a={'post_copy': True})
        self.only(text, free, said, self.rules)

    def test_somebody_has_to_permit_it(self):
        text = 'id-v: nobody permits to slow it down'
        said = plan(self.slowed(), **self.ASKED)
        self.only(text, self.bound(sla='gold'), said, self.rules)
        for sla in ('silver', 'unheard of', None):
            self.good(self.bound(sla=sla), said, self.rules)
        nobody = plan(self.slowed(), **{**self.ASKED, 'max_throttle': 0.0})
        self.assertIn(text, check(self.bound(), nobody, self.rules))

    def test_one_that_would_end_by_itself_is_left_alone(self):
        where = self.where(writes(20 * MB), a={'post_copy': False})
        rounds = [10.0, 2.0, 0.4, 0.08]
        said = dataclasses.replace(
            says(12.48, 0.08, cap=100 * MB, lcb=100 * MB),
            data=100 * MB * sum(rounds),
            reason=Reason.THROTTLED,
        )
        self.only(
            'id-v: is slowed down, but would converge',
            where,
            plan(said, **self.ASKED),
            self.rules,
        )
