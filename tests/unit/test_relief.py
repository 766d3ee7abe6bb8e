"""Who leaves an overloaded host, where to, and why nobody does."""

import dataclasses
import unittest

from tests.unit import builders
from watcher_tsmig import errors
from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Group
from watcher_tsmig.model.history import Load
from watcher_tsmig.model.history import Moved
from watcher_tsmig.model.history import VmLoad
from watcher_tsmig.model.passage import Passage
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.relief import loads
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plan.relief.loads import Usage
from watcher_tsmig.plan.relief.relief import relieve
from watcher_tsmig.reasons import Reason

NOW = 1_000_000.0
SPAN = 300.0


def series(*values, end=NOW):
    """Points of 300 s, the last of which ends at `end`."""
    first = end - SPAN * len(values)
    return tuple(
        (first + SPAN * i, SPAN, value) for i, value in enumerate(values)
    )


def steady(cloud, points=3, cpus=None, busy=None, **values):
    """Every VM has been as busy as it is, for `points` spans.

    :param busy: CPUs busy for a VM, by its name
    """
    vms = {}
    for vm in cloud.vms:
        traffic = vm.traffic
        cpu = (busy or {}).get(vm.name)
        vms[vm.id] = VmLoad(
            tx=series(*points * [traffic.tx]) if traffic else (),
            rx=series(*points * [traffic.rx]) if traffic else (),
            cpu=series(*points * [cpu]) if cpu is not None else (),
        )
    return Usage(vms={**vms, **values}, cpus=cpus or {})


def relief(cloud, usage=None, moves=(), limits=None, **given):
    request = policies.request(
        'balanced', **{'vms': tuple(vm.id for vm in cloud.vms), **given}
    )
    return relieve(
        cloud,
        usage or steady(cloud),
        moves,
        limits or Limits(),
        request,
        now=NOW,
    )


def crowded(*more, hosts='a b c', **values):
    """Host a sends 900 of its 1000 Mbit/s, by three VMs."""
    return builders.cloud(
        hosts,
        builders.vm('big', 'a', tx=450),
        builders.vm('mid', 'a', tx=300),
        builders.vm('small', 'a', tx=150),
        *more,
        **values,
    )


class Base(unittest.TestCase):
    def only(self, found):
        (busy,) = found.hosts
        return busy

    def assert_stays(self, reason, found):
        self.assertEqual((), found.choices)
        self.assertIs(reason, self.only(found).reason)


class TestWhoLeaves(Base):
    def test_the_cheapest_enough_vm_leaves_and_no_other(self):
        # 300 Mbit/s must go: `mid` does, `small` does not, `big` as well
        # but it has more memory to send
        cloud = builders.cloud(
            'a b',
            builders.vm(
                'big', 'a', tx=450, working_set=builders.writes(10e6, 3e9)
            ),
            builders.vm('mid', 'a', tx=300),
            builders.vm('small', 'a', tx=150),
        )
        found = relief(cloud)
        self.assertEqual((('id-mid', 'b'),), found.choices)
        busy = self.only(found)
        self.assertEqual((Load.TX, 'a', None), self.facts(busy))
        self.assertAlmostEqual(0.9, busy.share)
        self.assertAlmostEqual(0.6, busy.after)
        self.assertEqual(900.0, busy.held)

    def facts(self, busy):
        return busy.load, busy.host, busy.reason

    def test_what_a_host_receives_counts_too(self):
        cloud = builders.cloud(
            'a b',
            builders.vm('one', 'a', rx=500),
            builders.vm('two', 'a', rx=400),
        )
        found = relief(cloud)
        self.assertIs(Load.RX, self.only(found).load)
        self.assertEqual(1, len(found.choices))

    def test_busy_cpus_count_where_they_are_known(self):
        cloud = builders.cloud(
            'a b', builders.vm('one', 'a'), builders.vm('two', 'a')
        )
        busy = {'one': 9.0, 'two': 6.0}
        usage = steady(cloud, busy=busy, cpus={'a': 16.0, 'b': 16.0})
        found = relief(cloud, usage)
        self.assertIs(Load.CPU, self.only(found).load)
        self.assertEqual(1, len(found.choices))
        self.assertEqual((), relief(cloud, steady(cloud, busy=busy)).hosts)

    def test_a_quiet_cloud_is_left_alone(self):
        cloud = builders.cloud('a b', builders.vm('one', 'a', tx=790))
        self.assertEqual((), relief(cloud).hosts)

    def test_a_vm_that_nobody_measured_is_no_relief(self):
        cloud = crowded(builders.vm('dark', 'a', traffic=None))
        found = relief(cloud)
        self.assertNotIn('id-dark', found.vms)
        self.assertEqual({'a': 1}, found.unmeasured)

    def test_where_less_than_wanted_can_go_that_goes(self):
        cloud = builders.cloud(
            'a b',
            builders.vm('fixed', 'a', tx=750, locked=True),
            builders.vm('free', 'a', tx=100),
        )
        found = relief(cloud)
        self.assertEqual((('id-free', 'b'),), found.choices)
        self.assertIs(Reason.NO_CANDIDATE, self.only(found).reason)
        (stays,) = found.left_out
        self.assertEqual(('fixed', 'locked'), (stays.name, stays.reason))

    def test_not_for_less_than_the_margin(self):
        cloud = builders.cloud(
            'a b',
            builders.vm('fixed', 'a', tx=850, locked=True),
            builders.vm('free', 'a', tx=40),
        )
        self.assert_stays(Reason.NO_GAIN, relief(cloud))

    def test_many_small_vms_may_make_the_margin_together(self):
        vms = [builders.vm(f'v{i:02}', 'a', tx=30) for i in range(30)]
        wide = builders.host('a', memory=1e12, vcpus=99.0)
        found = relief(builders.cloud('a b', *vms, a=wide), limits=few(10))
        self.assertEqual(10, len(found.choices))
        self.assertAlmostEqual(0.6, self.only(found).after)

    def test_no_more_than_one_audit_may_move(self):
        vms = [builders.vm(f'v{i:02}', 'a', tx=30) for i in range(30)]
        found = relief(builders.cloud('a b', *vms), limits=few(4))
        self.assertEqual(4, len(found.choices))
        self.assertIs(Reason.NEXT_AUDIT, self.only(found).reason)

    def test_the_busiest_host_comes_first(self):
        cloud = crowded(
            builders.vm('x', 'b', tx=500),
            builders.vm('y', 'b', tx=480),
            hosts='a b c d',
        )
        found = relief(cloud, limits=few(1))
        self.assertEqual(['b', 'a'], [busy.host for busy in found.hosts])
        self.assertEqual('b', cloud.vm(found.vms[0]).host)
        self.assertIs(Reason.NEXT_AUDIT, found.hosts[1].reason)

    def test_only_those_of_the_request_leave(self):
        found = relief(crowded(), vms=('id-big',))
        self.assertEqual(('id-big',), found.vms)


def few(count):
    return Limits(max_vms=count)

    def test_who_could_not_move_for_the_planner_is_not_chosen_here(self):
        for given, reason in (
            ({'state': 'busy'}, Reason.BUSY),
            ({'locked': True}, Reason.LOCKED),
            ({'refused': 'it has a vTPM'}, Reason.REFUSED),
        ):
            with self.subTest(given):
                cloud = crowded()
                vms = tuple(
                    dataclasses.replace(vm, **given)
                    if vm.name == 'mid'
                    else vm
                    for vm in cloud.vms
                )
                found = relief(dataclasses.replace(cloud, vms=vms))
                self.assertNotIn('id-mid', found.vms)
                self.assertEqual(
                    {'id-mid': reason},
                    {out.vm: out.reason for out in found.left_out},
                )


class TestWhereTo(Base):
    def test_to_the_least_busy_host(self):
        cloud = crowded(builders.vm('other', 'b', tx=200))
        self.assertEqual('c', relief(cloud).choices[0][1])

    def test_no_destination_gets_above_the_lower_threshold(self):
        cloud = crowded(
            builders.vm('x', 'b', tx=310),
            builders.vm('y', 'c', rx=610),
        )
        found = relief(cloud)
        self.assertEqual((('id-small', 'b'),), found.choices)
        self.assertIs(Reason.NO_CANDIDATE, self.only(found).reason)

    def test_not_to_a_host_that_is_closed_full_or_not_allowed(self):
        for closed in (
            {'enabled': False},
            {'up': False},
            {'memory': 1e9},
            {'vcpus': 1.0},
        ):
            with self.subTest(closed):
                cloud = crowded(hosts='a b', b=builders.host('b', **closed))
                self.assert_stays(Reason.NO_CANDIDATE, relief(cloud))
        found = relief(crowded(), destinations=('c',))
        self.assertEqual({'c'}, {host for _, host in found.choices})

    def test_unmeasured_vms_of_a_destination_count_as_assumed(self):
        dark = [builders.vm(f'd{i}', 'b', traffic=None) for i in range(6)]
        cloud = crowded(*dark, hosts='a b')
        self.assert_stays(Reason.NO_CANDIDATE, relief(cloud))

    def test_members_of_a_group_stay_apart_or_together(self):
        cloud = crowded(builders.vm('other', 'b'), hosts='a b')
        for policy, members in (
            (Affinity.APART, ('id-big', 'id-mid', 'id-small', 'id-other')),
            (Affinity.TOGETHER, ('id-big', 'id-mid', 'id-small')),
        ):
            with self.subTest(policy):
                group = Group(id='g', policy=policy, members=members)
                bound = dataclasses.replace(cloud, groups=(group,))
                self.assert_stays(Reason.NO_CANDIDATE, relief(bound))

    def test_a_vm_of_a_zone_goes_where_the_planner_admits_it(self):
        # b has less to do, but nobody knows in which zone it is
        crowd = crowded(
            builders.vm('other', 'c', tx=100),
            c=builders.host('c', zone='az1'),
        )
        cloud = dataclasses.replace(
            crowd,
            vms=tuple(dataclasses.replace(v, zone='az1') for v in crowd.vms),
        )
        found = relief(cloud)
        self.assertEqual({'c'}, {host for _, host in found.choices})
        plan = make_plan(
            cloud,
            policies.request('balanced', vms=found.vms, choices=found.choices),
        )
        self.assertEqual(
            set(found.choices),
            {(m.vm, m.destination) for m in plan.migrations},
        )

    def test_not_where_one_that_is_on_its_way_takes_the_room(self):
        comes = builders.vm('comes', 'c', memory=62e9)
        cloud = crowded(
            comes,
            hosts='a b c',
            c=builders.host('c', enabled=False),
            passages=(
                Passage(vm='id-comes', source='c', destination='b', left=1e9),
            ),
        )
        self.assert_stays(Reason.NO_CANDIDATE, relief(cloud))

    def test_if_the_cheapest_set_finds_no_room_another_is_taken(self):
        # room for one VM of 4 GB: of two small ones only one would fit
        cloud = builders.cloud(
            'a b',
            builders.vm(
                'big', 'a', tx=400, working_set=builders.writes(10e6, 4e9)
            ),
            builders.vm('s1', 'a', tx=200),
            builders.vm('s2', 'a', tx=200),
            b=builders.host('b', memory=4e9),
        )
        limits = Limits(nic_high=0.7, nic_low=0.5)
        found = relief(cloud, limits=limits)
        self.assertEqual((('id-big', 'b'),), found.choices)


class TestWhen(Base):
    def usage(self, *tx):
        cloud = crowded()
        dark = {vm.id: VmLoad() for vm in cloud.vms}
        load = VmLoad(tx=series(*(x * builders.GIGABIT for x in tx)))
        return Usage(vms={**dark, 'id-big': load})

    def test_a_short_peak_moves_nothing(self):
        found = relief(crowded(), self.usage(0.5, 0.5, 0.9))
        self.assert_stays(Reason.NOT_HELD, found)
        self.assertEqual(300.0, self.only(found).held)

    def test_a_lull_starts_the_time_anew(self):
        found = relief(crowded(), self.usage(0.9, 0.9, 0.79, 0.9))
        self.assert_stays(Reason.NOT_HELD, found)

    def test_without_a_time_to_wait_only_what_is_above_must_go(self):
        # receiving 700 is below the threshold; 300 of 900 sent must leave
        cloud = builders.cloud(
            'a b',
            builders.vm('heavy', 'a', tx=600, rx=0),
            builders.vm('light', 'a', tx=300, rx=0),
            builders.vm('sink', 'a', rx=700),
        )
        found = relief(cloud, limits=Limits(held=0.0))
        self.assertNotIn('id-sink', found.vms)
        self.assertEqual(1, len(found.choices))

    def test_old_measurements_say_nothing(self):
        cloud = crowded()
        old = VmLoad(tx=series(*5 * [1e9], end=NOW - 4000))
        found = relief(cloud, Usage(vms={'id-big': old}))
        self.assertEqual((), found.hosts)

    def test_a_vm_that_moved_lately_stays(self):
        moved = Moved(vm='id-big', source='b', destination='c', at=NOW - 60)
        found = relief(crowded(), moves=[moved])
        self.assertEqual(('id-mid',), found.vms)
        self.assertEqual(
            [('id-big', Reason.MOVED_LATELY)],
            [(x.vm, x.reason) for x in found.left_out],
        )
        later = Limits(cool_down=50.0)
        found = relief(crowded(), moves=[moved], limits=later)
        self.assertEqual(('id-big',), found.vms)

    def test_a_host_that_received_one_gives_none(self):
        moved = Moved(vm='id-big', source='b', destination='a', at=NOW - 60)
        self.assert_stays(
            Reason.RECEIVED_LATELY, relief(crowded(), moves=[moved])
        )

    def test_nothing_moves_live_from_a_host_that_is_down(self):
        cloud = crowded(a=builders.host('a', up=False))
        self.assert_stays(Reason.HOST_DOWN, relief(cloud))

    def test_in_the_mean_it_is_not_too_much(self):
        cloud = builders.cloud('a b', builders.vm('one', 'a', tx=500))
        usage = Usage(
            vms={'id-one': VmLoad(tx=series(*3 * [0.9 * builders.GIGABIT]))}
        )
        self.assert_stays(Reason.RELIEVED, relief(cloud, usage))


class TestLimits(unittest.TestCase):
    def test_thresholds_without_hysteresis_are_refused(self):
        for given in (
            {'nic_low': 0.79},
            {'cpu_low': 0.95},
            {'nic_high': 1.1},
            {'nic_low': 0.0},
            {'max_vms': 0},
            {'held': -1.0},
        ):
            with self.subTest(given), self.assertRaises(errors.InputError):
                Limits(**given)


class TestSums(unittest.TestCase):
    def test_a_last_span_that_is_still_coming_in_is_left_away(self):
        full = series(1.0, 1.0, 1.0)
        self.assertEqual(
            [2.0, 2.0], [x for _, _, x in loads.summed([full, full[:2]])]
        )
        self.assertEqual(
            [1.0, 2.0, 2.0], [x for _, _, x in loads.summed([full, full[1:]])]
        )

    def test_a_gap_ends_what_has_lasted(self):
        first, _, third = series(1.0, 1.0, 1.0)
        self.assertEqual(300.0, loads.held((first, third), 0.5, NOW, 1e6))


class TestPlanned(unittest.TestCase):
    def test_the_planner_moves_just_these_to_just_there(self):
        cloud = crowded()
        found = relief(cloud)
        plan = make_plan(
            cloud,
            policies.request('balanced', vms=found.vms, choices=found.choices),
        )
        self.assertEqual(
            set(found.choices),
            {(m.vm, m.destination) for m in plan.migrations},
        )

    def test_wrong_names_are_refused(self):
        for given in (
            {'vms': ('id-nobody',)},
            {'choices': (('id-big', 'z'),)},
            {'choices': (('id-nobody', 'b'),)},
        ):
            with self.subTest(given), self.assertRaises(errors.InputError):
                make_plan(crowded(), policies.request('balanced', **given))

    def test_a_choice_that_cannot_be_kept_says_so(self):
        full = builders.host('b', memory=1e9)
        plan = make_plan(
            crowded(b=full),
            policies.request('balanced', choices=(('id-big', 'b'),)),
        )
        (stays,) = plan.left_out
        self.assertIn('b, which was chosen for it', stays.because)
