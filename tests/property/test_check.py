"""What the judge says of order is true of every order of events.

Small random plans, whose every possible course is tried by brute force.
"""

import itertools

import hypothesis
import testtools
from hypothesis import strategies as st

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import plan
from tests.unit.builders import step
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.check import order
from watcher_tsmig.plan.check import rooms
from watcher_tsmig.plan.check.view import view

MANY = hypothesis.settings(max_examples=200, deadline=None)
HOSTS = 'abcd'
GB = 1e9
#: A host's memory, of VMs of 1 to 3 GB.
MEMORY = 4 * GB


@st.composite
def views(draw, most=6):
    """Up to six migrations, some of which wait for some before them."""
    count = draw(st.integers(1, most))
    vms, steps = [], []
    for i in range(count):
        source, destination = draw(
            st.lists(
                st.sampled_from(HOSTS), min_size=2, max_size=2, unique=True
            )
        )
        size = draw(st.integers(1, 3))
        vms.append(idle(str(i), source, memory=size * GB))
        waits = (
            draw(st.lists(st.sampled_from(steps), unique_by=id))
            if (steps)
            else []
        )
        start = max([m.end for m in waits], default=0.0)
        steps.append(
            step(
                str(i),
                f'{source}>{destination}',
                start + draw(st.integers(0, 3)) * 10.0,
                takes=draw(st.integers(1, 4)) * 10.0,
                slot=draw(st.integers(1, 3)),
                after=tuple(m.id for m in waits),
            )
        )
    full = {name: host(name, memory=MEMORY) for name in HOSTS}
    return view(cloud(' '.join(HOSTS), *vms, **full), plan(*steps), Rules())


def courses(seen):
    """(rows that have begun, rows that are surely over) in any course."""
    rows = range(len(seen.moves))
    for begun in itertools.product((False, True), repeat=len(seen.moves)):
        some = {i for i in rows if begun[i]}
        over = {k for i in some for k in rows if seen.before[i] >> k & 1}
        if over <= some:
            yield some, over


def overflows(seen, room):
    for begun, over in courses(seen):
        came = begun & set(room.comes)
        held = room.there + sum(room.comes[i] for i in came)
        held -= sum(room.goes[i] for i in over & set(room.goes))
        if came and held > room.most:
            return True
    return False


def overlap(seen, one, other):
    return (
        seen.moves[one].start < seen.over[other]
        and seen.moves[other].start < seen.over[one]
    )


def in_order(seen):
    """The view with what `order.exclusive` asks for added."""
    steps = []
    for i, m in enumerate(seen.moves):
        waits = {
            k.id
            for j, k in enumerate(seen.moves)
            if seen.over[j] <= m.start
            and i != j
            and (
                k.slot == m.slot
                or k.source == m.source
                or k.destination == m.destination
            )
        }
        waits |= set(m.after)
        given = {
            'mode': m.mode,
            'takes': m.takes,
            'slot': m.slot,
            'after': tuple(sorted(waits)),
        }
        way = f'{m.source}>{m.destination}'
        steps.append(step(m.name, way, m.start, **given))
    return view(seen.cloud, plan(*steps), seen.rules)


class TestOrder(testtools.TestCase):
    @MANY
    @hypothesis.given(views())
    def test_rooms_overflow_in_some_course_where_the_judge_says_so(self, seen):
        for room in rooms._rooms(seen):
            found = list(rooms._late(seen, room))
            self.assertEqual(overflows(seen, room), bool(found), found)

    @MANY
    @hypothesis.given(
        st.lists(
            st.tuples(st.integers(1, 5), st.frozensets(st.integers(10, 14))),
            max_size=6,
        ),
        st.lists(st.integers(1, 5), min_size=5, max_size=5),
    )
    def test_the_flow_is_the_least_that_cuts_what_comes_from_what_goes(
        self, comes, leaving
    ):
        goes = {10 + k: float(by) for k, by in enumerate(leaving)}
        cuts = []
        for kept in itertools.product((False, True), repeat=len(comes)):
            gone = {
                k
                for (_, b), kp in zip(comes, kept, strict=True)
                if kp
                for k in b
            }
            cut = sum(
                by for (by, _), kp in zip(comes, kept, strict=True) if not kp
            )
            cuts.append(cut + sum(goes[k] for k in gone))
        found = rooms._flow(
            {i: float(by) for i, (by, _) in enumerate(comes)},
            goes,
            {i: set(before) for i, (_, before) in enumerate(comes)},
        )
        self.assertAlmostEqual(min(cuts), found)

    @MANY
    @hypothesis.given(
        views(),
        st.lists(st.integers(1, 4), min_size=6, max_size=6),
        st.integers(1, 10),
    )
    def test_nothing_is_too_much_in_any_course_where_it_is_not_crowded(
        self, seen, weights, most
    ):
        seen = in_order(seen)
        self.assertEqual([], list(order.exclusive(seen)))
        rows = range(len(seen.moves))
        hypothesis.assume(
            not any(
                seen.moves[i].slot == seen.moves[k].slot
                and overlap(seen, i, k)
                for i, k in itertools.combinations(rows, 2)
            )
        )
        planned = max(
            sum(
                weights[k]
                for k in rows
                if seen.moves[k].start <= seen.moves[i].start < seen.over[k]
            )
            for i in rows
        )
        hypothesis.assume(planned <= most)
        given = [float(weights[i]) for i in rows]
        if list(order.crowded(seen, rows, given, float(most))):
            return
        for some, over in courses(seen):
            # the most that can run then: all that is not surely over
            running = some - over
            self.assertLessEqual(sum(weights[i] for i in running), most)
