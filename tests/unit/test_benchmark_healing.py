"""Hosts emptied while things befall the cloud: the benchmark and its parts."""

import contextlib
import dataclasses
import io
import json
import unittest

from benchmarks import healing
from benchmarks import healing_clouds
from benchmarks import healing_room
from benchmarks.healing_clouds import Case
from benchmarks.healing_clouds import Event
from benchmarks.healing_clouds import Kind
from benchmarks.healing_ways import WAYS
from benchmarks.healing_ways import carried_out
from benchmarks.lockstep import Lockstep
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.playground.cloud.cloud import identify

GIB = units.GIB
SPEED = units.from_mbit_s(10_000)


def host(name, gib=64, **values):
    return Host(
        name=name,
        memory=gib * GIB,
        vcpus=64.0,
        nic=Nic(capacity=SPEED),
        post_copy=True,
        max_outgoing=2,
        **values,
    )


def vm(name, at='a', gib=16, **values):
    return Vm(
        id=identify('vm', name),
        name=name,
        host=at,
        memory=gib * GIB,
        vcpus=1.0,
        traffic=Traffic(tx=0.0, rx=0.0),
        working_set=WorkingSet(resident=gib * GIB, samples=((1.0, 1e6),)),
        **values,
    )


def case(*events, hosts=('a', 'b', 'c'), vms=('one', 'two')):
    """A host `a` with two VMs, and two empty ones; nothing else is there."""
    cloud = Cloud(
        hosts=tuple(h if isinstance(h, Host) else host(h) for h in hosts),
        vms=tuple(v if isinstance(v, Vm) else vm(v) for v in vms),
    )
    request = policies.request(policies.DEFAULT, hosts=('a',))
    return Case(
        cloud=cloud, host='a', plan=make_plan(cloud, request), events=events
    )


def befalls(kind, at=1.0, name='', **values):
    return Event(
        at=at, kind=kind, vm=identify('vm', name) if name else '', **values
    )


def run(given, way='ours'):
    found, sim = carried_out(given, WAYS[way])
    return {d.host: d for d in found}, sim


def target(given):
    """Where our plan sends a VM first."""
    return given.plan.migrations[0].destination


class TestLockstep(unittest.TestCase):
    def test_who_sleeps_longer_wakes_later_and_no_time_passes_outside(self):
        clock, said = Lockstep(), []

        def one(name, *seconds):
            for s in seconds:
                clock.sleep(s)
                said.append((clock.now(), name))

        clock.start(lambda: one('slow', 5.0))
        clock.start(lambda: one('fast', 2.0, 2.0, 2.0))
        clock.run(lambda: True, 100.0)
        self.assertEqual(
            [(2.0, 'fast'), (4.0, 'fast'), (5.0, 'slow'), (6.0, 'fast')], said
        )

    def test_one_may_wait_for_others(self):
        clock, said = Lockstep(), []
        first = clock.start(lambda: clock.sleep(3.0))
        clock.start(lambda: (clock.wait([first]), said.append(clock.now())))
        clock.run(lambda: True, 100.0)
        self.assertEqual([3.0], said)

    def test_what_fails_fails_the_whole_and_the_rest_is_ended(self):
        clock = Lockstep()
        rest = clock.start(lambda: clock.sleep(1000.0))
        clock.start(lambda: 1 / 0)
        with self.assertRaises(ZeroDivisionError):
            clock.run(lambda: True, 100.0)
        rest.thread.join(10.0)
        self.assertFalse(rest.thread.is_alive())

    def test_nobody_works_past_its_end(self):
        clock = Lockstep()
        never = clock.start(lambda: clock.sleep(1000.0))
        clock.run(lambda: True, 100.0)
        self.assertEqual(0.0, clock.now())
        never.thread.join(10.0)
        self.assertFalse(never.thread.is_alive())


class TestRoom(unittest.TestCase):
    def why(self, *events, **values):
        return healing_room.emptiable(case(*events, **values))

    def test_there_is_room_where_all_fit_at_once(self):
        self.assertEqual({'a': ''}, self.why())
        small = host('b', gib=24)
        self.assertEqual(
            {'a': healing_room.NO_ROOM}, self.why(hosts=(host('a'), small))
        )

    def test_two_small_hosts_are_no_large_one(self):
        hosts = (host('a'), host('b', gib=24), host('c', gib=24))
        big = vm('big', gib=32)
        self.assertEqual({'a': ''}, self.why(hosts=hosts))
        self.assertEqual(
            {'a': healing_room.NO_ROOM}, self.why(hosts=hosts, vms=(big,))
        )

    def test_a_host_that_closes_takes_nobody(self):
        down = [befalls(Kind.DOWN, host=name) for name in 'bc']
        self.assertEqual({'a': ''}, self.why(down[0]))
        self.assertEqual({'a': healing_room.NO_ROOM}, self.why(*down))

    def test_what_others_take_and_who_comes_count(self):
        full = [
            befalls(Kind.FILLED, host=name, boots=(vm('x', name, 60),))
            for name in 'bc'
        ]
        self.assertEqual({'a': healing_room.NO_ROOM}, self.why(*full))
        come = befalls(Kind.BOOTED, boots=(vm('huge', gib=128),))
        self.assertEqual({'a': healing_room.NO_ROOM}, self.why(come))

    def test_a_host_that_nobody_may_leave_cannot_be_emptied(self):
        found = self.why(befalls(Kind.LOCKED, name='one'))
        self.assertEqual({'a': str(Kind.LOCKED)}, found)


class TestWays(unittest.TestCase):
    def test_where_nothing_befalls_every_way_empties_the_host(self):
        for name in WAYS:
            with self.subTest(name):
                found, _ = run(case(), name)
                self.assertTrue(found['a'].emptied and found['a'].said)

    def test_ours_goes_elsewhere_where_a_destination_goes_down(self):
        given = case()
        down = befalls(Kind.DOWN, 5.0, host=target(given))
        given = dataclasses.replace(given, events=(down,))
        found, sim = run(given)
        self.assertTrue(found['a'].emptied and found['a'].said)
        self.assertFalse(any(s.host == 'a' for s in sim.servers.values()))
        found, _ = run(given, 'ours without healing')
        self.assertFalse(found['a'].emptied or found['a'].said)

    def test_only_ours_sees_who_came_late(self):
        late = befalls(Kind.BOOTED, boots=(vm('late'),))
        found, _ = run(case(late))
        self.assertTrue(found['a'].emptied and found['a'].said)
        for way in ('ours without healing', 'stock'):
            found, _ = run(case(late), way)
            self.assertEqual(('late',), found['a'].left)
            self.assertTrue(found['a'].said)

    def test_ours_awaits_a_busy_vm_and_stock_fails(self):
        busy = befalls(Kind.BUSY, 0.0, 'one', lasts=40.0)
        found, _ = run(case(busy))
        self.assertTrue(found['a'].emptied and found['a'].said)
        found, _ = run(case(busy), 'stock')
        self.assertEqual(('one',), found['a'].left)
        self.assertFalse(found['a'].said)

    def test_ours_says_that_a_locked_vm_stays(self):
        found, _ = run(case(befalls(Kind.LOCKED, 0.0, 'one')))
        self.assertEqual(('one',), found['a'].left)
        self.assertFalse(found['a'].emptied or found['a'].said)

    def test_a_second_drain_is_judged_for_itself(self):
        vms = ('one', 'two', vm('other', 'b'))
        found, sim = run(case(befalls(Kind.DRAINED, host='b'), vms=vms))
        self.assertEqual({'a', 'b'}, set(found))
        self.assertTrue(all(d.emptied and d.said for d in found.values()))
        self.assertEqual({'c'}, {s.host for s in sim.servers.values()})

    def test_a_vm_that_is_deleted_is_not_missed(self):
        given = case(befalls(Kind.DELETED, 0.0, 'one'))
        found, sim = run(given)
        self.assertTrue(found['a'].emptied)
        self.assertEqual({'in_error': 0, 'lost': 0}, healing.harm(given, sim))


class TestTheCommand(unittest.TestCase):
    def printed(self, *argv):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = healing.main(argv)
        return code, out.getvalue(), err.getvalue()

    def test_the_same_seed_draws_the_same_and_another_another(self):
        first = healing_clouds.draw(3, 0)
        self.assertEqual(first, healing_clouds.draw(3, 0))
        self.assertNotEqual(first.cloud, healing_clouds.draw(4, 0).cloud)

    def test_totals_are_those_of_the_rows(self):
        code, text, _ = self.printed('--seed', '5', '--clouds', '2')
        self.assertEqual(0, code)
        found = json.loads(text)
        rows = [row for row in found['rows'] if row['room']]
        for name, total in found['totals'].items():
            emptied = sum(row['ways'][name]['emptied'] for row in rows)
            self.assertEqual(len(rows), total['with_room'])
            self.assertEqual(emptied, total['emptied'])
            self.assertEqual(0, total['vms_lost'])
        self.assertEqual(0, found['totals']['ours']['reported_empty_but_not'])

    def test_bad_input_is_refused(self):
        code, _, said = self.printed('--clouds', '0')
        self.assertEqual(1, code)
        self.assertIn('--clouds', said)


if __name__ == '__main__':
    unittest.main()
