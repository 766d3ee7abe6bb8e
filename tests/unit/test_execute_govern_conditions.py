"""The governor's conditions, each on both sides of its bound."""

import dataclasses
import math
import unittest

from tests.unit.test_execute_gauge import counters
from watcher_tsmig import errors
from watcher_tsmig.execute.governor import govern_state as states
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.govern_state import State
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.execute.governor.govern_values import Policy
from watcher_tsmig.execute.governor.govern_values import Prospect

BEGAN = 1000.0
# s after its begin, bytes sent and left, the round: 100 bytes/s, of which 30
# are written in the first round; the second has 300
FIRST = (0.0, 0.0, 1000.0, 1)
SECOND = (10.0, 1000.0, 300.0, 2)
THIRD = (13.0, 1300.0, 300.0, 3)
FOURTH = (16.0, 1600.0, 300.0, 4)


def state(*rows, now=None, policy=None, **values):
    """What is known after these looks, so many s after its begin."""
    found = State(
        Policy(**{'margin': 0.1, **(policy or {})}),
        Prospect(**{'deadline': 100.0, **values}),
        BEGAN,
    )
    for at, *row in rows:
        found.now = BEGAN + at
        found.gauge.look(BEGAN + at, counters(*row))
    if now is not None:
        found.now = BEGAN + now
    return found


class TestDeadline(unittest.TestCase):
    def test_it_has_passed_when_nothing_is_left_of_it(self):
        for now, passed in ((99.9, False), (100.0, True), (101.0, True)):
            self.assertIs(passed, states.past(state(now=now)))

    def test_it_is_near_by_the_policy_by_half_of_it_or_by_two_looks(self):
        seldom = ((0.0, 0.0, 1000.0), (20.0, 10.0, 990.0))
        for rows, deadline, lead in (
            ((), 100.0, 30.0),
            ((), 40.0, 20.0),
            (seldom, 100.0, 40.0),
            (seldom, 60.0, 30.0),
        ):
            for now, near in (
                (deadline - lead - 0.1, False),
                (deadline - lead, True),
                (deadline, False),
            ):
                found = state(*rows, now=now, deadline=deadline)
                self.assertEqual(lead, states.lead(found))
                self.assertIs(near, states.near(found), (deadline, now))

    def test_it_is_late_once_three_looks_say_so(self):
        rows = [(float(at), 10.0 * at, 1000.0 - 10.0 * at) for at in range(4)]
        # at 10 bytes/s it ends after 100 s
        for count, deadline, late in (
            (3, 99.0, True), (2, 99.0, False), (3, 100.0, False)
        ):  # fmt: skip
            found = state(*rows[:count], deadline=deadline)
            self.assertIs(late, states.late(found), (count, deadline))
        self.assertFalse(
            states.late(state(*rows[:3], now=99.0, deadline=99.0))
        )

    def test_where_nothing_is_known_nothing_is_overdue(self):
        self.assertFalse(states.overdue(state(now=1e6)))

    def test_for_long_it_has_been_foretold_to_be_late(self):
        found = state(policy={'patience': 40.0}, now=50.0)
        self.assertFalse(states.hopeless(found))
        for since, hopeless in ((10.0, True), (10.1, False)):
            found.overdue_at = BEGAN + since
            self.assertIs(hopeless, states.hopeless(found))

    def test_the_last_call_leaves_time_to_send_the_rest_once(self):
        # of each look 10 bytes more, of which as many are written
        rows = [(float(at), 10.0 * at, 1000.0 - 10.0 * at) for at in range(6)]
        for now, call in ((0.0, False), (39.9, False), (40.0, True)):
            # 950 left at 10 bytes/s are 95 s; the lead is 5
            found = state(*rows, deadline=140.0, policy={'lead': 5.0})
            found.gauge.dirty = 20.0
            found.now = BEGAN + now
            self.assertIs(call, states.last_call(found), now)
            found.acted = found.gauge.moves - 2
            self.assertFalse(states.last_call(found))
            found.acted = found.gauge.moves - 3
            self.assertIs(call, states.last_call(found), now)
        found.now = BEGAN + 140.0
        self.assertFalse(states.last_call(found))
        found.gauge.dirty = None
        self.assertFalse(states.last_call(found))
        # three looks are enough where no cap was changed
        found = state(*rows[:3], deadline=140.0, policy={'lead': 5.0}, now=40)
        found.gauge.dirty = 20.0
        self.assertTrue(states.last_call(found))
        # and there is none for what will not be late
        found.gauge.dirty = None
        self.assertFalse(states.last_call(found))


class TestStall(unittest.TestCase):
    ROUNDS = (FIRST, SECOND, THIRD, FOURTH)

    def test_so_many_rounds_without_progress_are_one(self):
        for rounds, stalled in ((2, True), (3, False)):
            found = state(*self.ROUNDS, policy={'rounds': rounds})
            self.assertIs(stalled, states.stalled(found))

    def test_what_was_foretold_to_stand_still_is_none(self):
        for settles, stalled in ((16.0, True), (16.1, False)):
            found = state(*self.ROUNDS, settles=settles)
            self.assertIs(stalled, states.stalled(found))

    def test_of_long_rounds_one_is_enough_if_as_much_is_written(self):
        # the mark is of 10 s after the begin
        for now, dirty, stalled in (
            (50.0, 100.0, True),
            (49.9, 100.0, False),
            (50.0, 50.0, False),
        ):
            found = state(FIRST, SECOND, THIRD, now=now)
            found.gauge.dirty = dirty
            self.assertIs(stalled, states.stalled(found), (now, dirty))
        found = state(FIRST, SECOND, now=50.0)
        found.gauge.dirty = 100.0
        self.assertFalse(states.stalled(found))

    def test_each_trouble_is_one(self):
        self.assertTrue(states.trouble(state(*self.ROUNDS)))
        found = state(now=50.0)
        self.assertFalse(states.trouble(found))
        found.overdue_at = BEGAN
        self.assertTrue(states.trouble(found))


class TestBandwidth(unittest.TestCase):
    CAPS = {'caps': True, 'cap': 100.0, 'ceiling': 400.0}

    def found(self, *, dirty=30.0, **values):
        rows = ((0.0, 0.0, 1000.0), (5.0, 500.0, 500.0))
        found = state(*rows, **{**self.CAPS, **values})
        found.gauge.dirty = dirty
        return found

    def test_a_cap_holds_it_back_where_four_fifths_are_used(self):
        self.assertEqual(1.0, states.held(self.found()))
        self.assertEqual(1.25, states.held(self.found(cap=125.0)))
        for values in (
            {'cap': 125.5},
            {'cap': math.inf},
            {'caps': False},
            {'ceiling': math.inf},
            {'floor': 401.0},
        ):
            self.assertIsNone(states.held(self.found(**values)), values)
        self.assertIsNone(states.held(state(**self.CAPS)))

    def test_more_helps_where_there_is_more_and_less_is_written(self):
        step = {'policy': {'step': 0.25}}
        for values, helps in (
            ({}, True),
            ({'ceiling': 125.0, **step}, False),
            ({'ceiling': 126.0, **step}, True),
            ({'ceiling': 130.0, 'dirty': 130.0}, False),
            ({'ceiling': 130.0, 'dirty': 129.0}, True),
            ({'ceiling': 130.0, 'dirty': None}, True),
            # of 125 bytes/s 100 are memory
            ({'cap': 125.0, 'ceiling': 200.0, 'dirty': 160.0}, False),
            ({'cap': 125.0, 'ceiling': 201.0, 'dirty': 160.0}, True),
            ({'caps': False}, False),
        ):
            self.assertIs(helps, states.helps(self.found(**values)), values)

    def test_the_next_cap_is_what_is_written_and_an_increment(self):
        more = {'policy': {'increment': 50.0}}
        for values, cap in (
            ({**more}, 80.0),
            ({**more, 'dirty': None}, 50.0),
            ({**more, 'floor': 90.0}, 90.0),
            ({**more, 'ceiling': 79.0}, 79.0),
            # as much as of its cap is no memory
            ({**more, 'cap': 125.0}, 100.0),
            # 500 bytes in the 5 s that are left
            ({**more, 'takes': 10.0}, 130.0),
            # and in the last half of a second
            ({**more, 'takes': 5.5, 'ceiling': 2000.0}, 1030.0),
            ({**more, 'takes': 5.0}, 400.0),
            ({**more, 'takes': 4.0}, 400.0),
            ({**more, 'takes': 1000.0}, 80.0),
        ):
            self.assertAlmostEqual(cap, states.wanted(self.found(**values)))

    def test_another_cap_is_set_as_a_round_begins_and_if_it_differs(self):
        def differs(
            increment, *rows, cap=100.0, hurry=False, known=True, **policy
        ):
            found = state(
                *(rows or (FIRST, SECOND)),
                caps=True,
                cap=cap,
                ceiling=400.0,
                policy={'increment': increment, 'step': 0.25, **policy},
            )
            found.hurry = hurry
            if not known:
                found.gauge.dirty = None
            return states.differs(found)

        # 30 are written; from 125 on it is raised
        self.assertFalse(differs(95.0))
        self.assertTrue(differs(95.1))
        # and from 75 on lowered, if that is asked for and there is no hurry
        self.assertFalse(differs(44.0))
        self.assertTrue(differs(44.0, lower=True))
        self.assertFalse(differs(45.0, lower=True))
        self.assertFalse(differs(44.0, lower=True, hurry=True))
        again = (11.0, 1100.0, 200.0, 2)
        self.assertFalse(differs(99.0, FIRST, SECOND, again))
        self.assertFalse(differs(99.0, FIRST))
        self.assertFalse(differs(399.0, known=False))
        self.assertFalse(differs(99.0, cap=500.0, lower=True))


class TestSwitch(unittest.TestCase):
    ACT = {'does': Does.ACT, 'again': 3.0, 'wait': 15.0, 'tries': 2}

    def found(self, *rows, now=None, **values):
        given = {'post_copy': True, **values}
        return state(*rows, now=now, policy=self.ACT, **given)

    def test_it_may_be_asked_for_so_often_where_it_is_permitted(self):
        found = self.found()
        for tries, may in ((0, True), (1, True), (2, False)):
            found.tries = tries
            self.assertIs(may, states.switchable(found))
        self.assertFalse(states.switchable(self.found(post_copy=False)))

    #: a look a second at rounds of 10 s and 3 s
    LOOKS = (
        *((at, 100.0 * at, 1000.0 - 100.0 * at, 1) for at in range(5, 10)),
        *((at, 100.0 * at, 1300.0 - 100.0 * at, 2) for at in range(10, 13)),
    )

    def test_it_is_time_as_a_round_begins_that_is_no_burst(self):
        self.assertTrue(states.minimum(self.found(FIRST, SECOND)))
        for left, time in ((375.0, True), (376.0, False)):
            rows = (*self.LOOKS, (13, 1300.0, left, 3))
            self.assertIs(time, states.minimum(self.found(*rows)), left)

    def test_it_is_time_as_the_rest_is_sent_before_the_next_look(self):
        for count, time in ((8, True), (7, False)):
            found = self.found(*self.LOOKS[:count])
            self.assertIs(time, states.minimum(found), count)
        seldom = [(at, 100.0 * at, 1000.0 - 100.0 * at) for at in (4, 6, 8)]
        self.assertTrue(states.minimum(self.found(*seldom)))

    def test_it_is_not_time_where_nobody_knows_what_is_left_or_sent(self):
        self.assertFalse(states.minimum(self.found()))
        self.assertFalse(states.minimum(self.found(FIRST)))
        found = self.found()
        found.gauge.look(BEGAN, Counters(bandwidth=100.0))
        self.assertFalse(states.minimum(found))

    def test_a_minimum_is_waited_for_and_not_for_longer_than_that(self):
        for since, time in ((5.0, True), (5.1, False)):
            found = self.found(now=20.0)
            found.wanted_at = BEGAN + since
            self.assertIs(time, states.minimum(found))

    def test_between_two_requests_some_time_passes(self):
        for since, time in ((7.0, True), (7.1, False)):
            found = self.found(FIRST, SECOND)
            found.tries, found.tried_at = 1, BEGAN + since
            self.assertIs(time, states.minimum(found))

    def test_what_is_only_told_is_told_once(self):
        found = state(FIRST, SECOND, policy={'does': Does.OBSERVE})
        self.assertTrue(states.minimum(found))
        found.tries = 1
        self.assertFalse(states.minimum(found))


class TestValues(unittest.TestCase):
    def test_who_sets_nothing_is_governed_alike_after_an_upgrade(self):
        self.assertEqual(
            {
                'does': Does.OBSERVE,
                'increment': 50e6 / 8,
                'step': 0.05,
                'margin': 0.04,
                'rounds': 2,
                'patience': 40.0,
                'wait': 15.0,
                'lead': 30.0,
                'again': 3.0,
                'tries': 20,
                'lower': False,
                'abort': False,
            },
            dataclasses.asdict(Policy()),
        )
        nothing = Prospect(deadline=1.0)
        self.assertEqual((0.0, 0.0), (nothing.settles, nothing.floor))

    def refused(self, kind, name, value):
        given = {'deadline': 1.0} if kind is Prospect else {}
        with self.assertRaises(errors.InputError, msg=(name, value)) as caught:
            kind(**{**given, name: value})
        self.assertIn(f'{name}: is ', str(caught.exception))

    def test_settings_that_make_no_sense_are_refused_by_their_names(self):
        for name in ('increment', 'patience', 'wait', 'lead', 'again'):
            for value in (0.0, -1.0, math.inf, math.nan):
                self.refused(Policy, name, value)
            self.assertTrue(Policy(**{name: 0.5}))
        for name in ('step', 'margin'):
            for value in (0.0, 1.0, 1.5, math.nan):
                self.refused(Policy, name, value)
            self.assertTrue(Policy(**{name: 0.99}))
        for name in ('rounds', 'tries'):
            self.refused(Policy, name, 0)
            self.assertTrue(Policy(**{name: 1}))

    def test_forecasts_that_make_no_sense_are_too(self):
        for name in ('deadline', 'takes', 'cap', 'ceiling'):
            for value in (0.0, -1.0, math.nan):
                self.refused(Prospect, name, value)
            for value in (0.5, math.inf):
                self.assertTrue(Prospect(**{'deadline': 1.0, name: value}))
        for name in ('floor', 'settles'):
            for value in (-0.1, math.inf, math.nan):
                self.refused(Prospect, name, value)
            self.assertTrue(Prospect(**{'deadline': 1.0, name: 0.0}))

    def test_a_cap_may_be_set_where_somebody_can_and_it_has_room(self):
        for values, capable in (
            ({}, False),
            ({'caps': True}, False),
            ({'caps': True, 'ceiling': 5.0}, True),
            ({'caps': True, 'ceiling': 5.0, 'floor': 5.0}, True),
            ({'caps': True, 'ceiling': 5.0, 'floor': 5.1}, False),
            ({'ceiling': 5.0}, False),
        ):
            found = Prospect(deadline=1.0, **values)
            self.assertIs(capable, found.capable, values)
