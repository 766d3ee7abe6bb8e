"""The last look at a host: who is there, who is moved, what is told."""

import unittest

from watcher_tsmig import errors
from watcher_tsmig.execute.breaker import Breaker
from watcher_tsmig.execute.compute import Passage
from watcher_tsmig.execute.compute import Resident
from watcher_tsmig.execute.emptying import Errand
from watcher_tsmig.execute.emptying import empty

HOST = 'cmp-7'


def resident(name, **values):
    given = {'vm_state': 'active', 'task': None, **values}
    return Resident(vm=f'id-{name}', name=name, **given)


def passage(name, source, destination):
    return Passage(
        vm=f'id-{name}',
        source=source,
        destination=destination,
        status='running',
    )


class Hosts:
    """A Nova whose looks come from a list; the last one stays."""

    def __init__(self, *looks):
        self.looks = list(looks)

    def passages(self, host):
        assert host == HOST
        return self.looks[0][1]

    def residents(self, host):
        return (self.looks.pop(0) if self.looks[1:] else self.looks[0])[0]

    def pause(self, wanted):
        return wanted


class Clock:
    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


class TestEmptying(unittest.TestCase):
    def setUp(self):
        self.moves = []
        self.refuses, self.kind = {}, errors.DestinationError
        self.clock = Clock()
        self.cancelled = False

    def move(self, who, to):
        self.moves.append((who.name, to))
        if to in self.refuses:
            why = self.refuses[to]
            if self.kind is errors.DestinationError:
                raise errors.DestinationError(f'late: {why}; plan again', why)
            raise self.kind(why)

    def found(self, *looks, to=('b', 'c'), **values):
        given = {'planned': {}, 'stays': {}, 'patience': 60.0}
        breaker = values.pop('breaker', None)
        errand = Errand(host=HOST, destinations=to, **{**given, **values})
        return empty(
            Hosts(*looks),
            errand,
            self.move,
            cancelled=lambda: self.cancelled,
            clock=self.clock,
            breaker=breaker,
        )

    def test_a_host_without_vms_is_empty(self):
        found = self.found(([], []))
        self.assertTrue(found.empty)
        self.assertEqual('cmp-7 is empty', found.told())
        self.assertEqual(0.0, self.clock.time)

    def test_it_waits_for_a_migration_that_is_not_over(self):
        leaving = ([resident('one')], [passage('one', HOST, 'b')])
        found = self.found(
            leaving, leaving, ([], []), planned={'id-one': ('b',)}
        )
        self.assertTrue(found.empty)
        self.assertEqual(6.0, self.clock.time)
        self.assertEqual([], self.moves)

    def test_a_vm_on_its_way_here_is_awaited_and_moved_on(self):
        found = self.found(
            ([], [passage('late', 'b', HOST)]),
            # it is here, and not yet at rest
            ([resident('late', task='migrating')], []),
            ([resident('late')], []),
            ([], []),
        )
        self.assertTrue(found.empty)
        self.assertEqual([('late', 'b')], self.moves)
        self.assertIn('came late and moved: late to b', found.told())

    def test_a_destination_that_takes_one_is_as_good_as_new(self):
        def move(who, to):
            self.moves.append((who.name, to))
            if who.name == 'one':
                raise errors.DestinationError('no', 'no')

        self.move = move
        one, two, three = map(resident, ('one', 'two', 'three'))
        self.found(
            ([one], []), ([one], []), ([two], []), ([three], []), ([], []),
            planned={'id-two': ('c',)},
        )  # fmt: skip
        # both refused the first, and c has taken the second since
        self.assertEqual(
            [('one', 'b'), ('one', 'c'), ('two', 'c'), ('three', 'c')],
            self.moves,
        )

    def test_a_migration_that_broke_off_weighs_as_much_as_a_refusal(self):
        kinds = {'b': errors.DestinationError, 'c': errors.MigrationError}

        def move(who, to):
            self.moves.append((who.name, to))
            if who.name != 'three' and to in kinds:
                raise kinds[to](*['no'] * (2 if to == 'b' else 1))

        self.move = move
        one, two, three = map(resident, ('one', 'two', 'three'))
        self.found(
            ([one], []), ([one], []), ([two], []), ([two], []),
            ([two], []), ([three], []), ([], []),
        )  # fmt: skip
        # of equals the first that is offered, then what was less often bad
        self.assertEqual(
            [
                ('one', 'b'), ('one', 'c'), ('two', 'b'), ('two', 'c'),
            ],
            self.moves[:4],
        )  # fmt: skip
        self.assertEqual('three', self.moves[-1][0])

    def test_a_destination_that_refuses_is_followed_by_the_next(self):
        self.refuses = {'b': 'b is down'}
        found = self.found(
            ([resident('late')], []), ([resident('late')], []), ([], [])
        )
        self.assertEqual([('late', 'b'), ('late', 'c')], self.moves)
        self.assertTrue(found.empty)

    def test_one_that_goes_nowhere_is_named_with_the_last_reason(self):
        self.refuses = {'b': 'b is down', 'c': 'c is full'}
        found = self.found(([resident('late')], []))
        self.assertEqual(2, len(self.moves))
        self.assertFalse(found.empty)
        self.assertFalse(found.as_planned)
        self.assertIn('1 VM: late (c is full)', found.told())

    def test_one_that_comes_again_and_again_is_named_in_the_end(self):
        found = self.found(([resident('back')], []))
        self.assertEqual([('back', 'b'), ('back', 'c')], self.moves)
        self.assertFalse(found.as_planned)
        self.assertIn('back (came late)', found.told())

    def test_one_that_cannot_move_at_all_is_tried_twice_and_no_more(self):
        self.refuses = {'b': 'is locked', 'c': 'is locked'}
        self.kind = errors.MigrationError
        found = self.found(([resident('late')], []))
        self.assertEqual([('late', 'b'), ('late', 'c')], self.moves)
        self.assertIn('late (is locked)', found.told())

    def test_what_broke_once_goes_elsewhere(self):
        self.refuses, self.kind = {'b': 'it broke'}, errors.MigrationError
        late = [resident('late')], []
        found = self.found(late, late, ([], []))
        self.assertEqual([('late', 'b'), ('late', 'c')], self.moves)
        self.assertTrue(found.empty)

    def test_what_broke_once_is_tried_there_again_if_nowhere_else(self):
        self.refuses, self.kind = {'b': 'it broke'}, errors.MigrationError
        self.found(([resident('late')], []), to=('b',))
        self.assertEqual([('late', 'b'), ('late', 'b')], self.moves)

    def test_a_host_that_refused_one_is_the_last_for_the_next(self):
        self.refuses = {'b': 'b is down'}
        both = [resident('one', memory=2.0), resident('two', memory=1.0)], []
        two = both[0][1:], []
        found = self.found(both, both, two, ([], []))
        self.assertEqual(
            [('one', 'b'), ('one', 'c'), ('two', 'c')], self.moves
        )
        self.assertTrue(found.empty)

    def test_the_largest_goes_first(self):
        both = [resident('small', memory=1.0), resident('big', memory=2.0)]
        self.found((both, []), (both[:1], []), ([], []))
        self.assertEqual(['big', 'small'], [name for name, _ in self.moves])

    def test_who_was_left_there_stays_and_is_as_planned(self):
        found = self.found(
            ([resident('big'), resident('off', task='x')], []),
            stays={'id-big': 'no-room', 'id-off': 'locked'},
        )
        self.assertFalse(found.empty)
        self.assertTrue(found.as_planned)
        self.assertEqual(
            'cmp-7 is not empty, 2 VMs: big (no-room), off (locked)',
            found.told(),
        )

    def test_one_whose_own_migration_failed_goes_where_it_was_planned(self):
        found = self.found(
            ([resident('one')], []), ([], []), planned={'id-one': ('d', 'e')}
        )
        self.assertEqual([('one', 'd')], self.moves)
        self.assertTrue(found.empty)
        self.assertEqual(
            'cmp-7 is empty; left at another try: one to d', found.told()
        )

    def test_who_came_late_is_told_before_who_had_failed(self):
        one, late = resident('one', memory=2.0), resident('late')
        found = self.found(
            ([one, late], []),
            ([late], []),
            ([], []),
            planned={'id-one': ('d',)},
        )
        self.assertEqual(
            'cmp-7 is empty; came late and moved: late to b; left at another '
            'try: one to d',
            found.told(),
        )

    def test_what_refused_others_of_the_plan_is_the_last(self):
        breaker = Breaker()
        breaker.trip('b', 0.0, 'b is down')
        self.found(([resident('late')], []), ([], []), breaker=breaker)
        self.assertEqual([('late', 'c')], self.moves)

    def test_after_its_own_destinations_it_goes_to_others(self):
        self.refuses = {'d': 'd is full', 'b': 'b is full'}
        one = [resident('one')], []
        self.found(one, one, one, ([], []), planned={'id-one': ('d', 'b')})
        self.assertEqual(
            [('one', 'd'), ('one', 'b'), ('one', 'c')], self.moves
        )

    def test_one_that_was_busy_at_its_turn_goes_when_it_is_not(self):
        busy = [resident('one', task='image_uploading')], []
        found = self.found(
            busy,
            busy,
            ([resident('one')], []),
            ([], []),
            planned={'id-one': ('d',)},
        )
        self.assertEqual([('one', 'd')], self.moves)
        self.assertTrue(found.empty)

    def test_one_whose_destinations_nobody_knows_has_not_left(self):
        found = self.found(
            ([resident('one')], []), planned={'id-one': ()}, to=()
        )
        self.assertEqual([], self.moves)
        self.assertFalse(found.as_planned)
        self.assertIn('one (has not left)', found.told())

    def test_moving_is_not_waiting(self):
        late = [resident(f'v{i}') for i in range(3)]
        looks = [(late[i:], []) for i in range(4)]
        real = self.move

        def slow(who, to):
            self.clock.sleep(50.0)
            real(who, to)

        self.move = slow
        self.assertTrue(self.found(*looks).empty)

    def test_one_that_was_refused_everywhere_is_awaited_while_it_is_busy(self):
        self.refuses = {'b': 'b is full', 'c': 'c is full'}
        late = [resident('late')], []
        busy = [resident('late', task='deleting')], []
        found = self.found(late, late, busy, busy, ([], []))
        self.assertTrue(found.empty)
        self.assertEqual(6.0, found.waited)

    def test_an_old_refusal_is_no_reason_for_one_that_was_moved_since(self):
        self.refuses = {'b': 'b is down'}
        found = self.found(([resident('back')], []))
        self.assertEqual([('back', 'b'), ('back', 'c')], self.moves)
        self.assertIn('back (came late)', found.told())

    def test_who_goes_from_another_host_to_another_does_not_arrive(self):
        self.assertTrue(self.found(([], [passage('x', 'a', 'b')])).empty)

    def test_nobody_is_moved_where_nowhere_is_known(self):
        found = self.found(([resident('late')], []), to=())
        self.assertEqual([], self.moves)
        self.assertFalse(found.as_planned)
        self.assertIn('late (came late)', found.told())

    def test_the_wait_has_an_end(self):
        found = self.found(([resident('busy', task='spawning')], []))
        self.assertFalse(found.as_planned)
        self.assertIn('after 63 s', found.told())
        self.assertIn('busy (spawning)', found.told())

    def test_an_arrival_that_never_ends_is_told(self):
        found = self.found(([], [passage('late', 'b', HOST)]))
        self.assertFalse(found.empty)
        self.assertFalse(found.as_planned)
        self.assertIn('1 still arriving', found.told())

    def test_a_cancelled_plan_moves_nobody(self):
        self.cancelled = True
        found = self.found(([resident('late')], []))
        self.assertEqual([], self.moves)
        self.assertIn('late', found.told())
