"""What kinds of ports VMs have: pages, batches, and who does not tell.

Neutron's own answers come from the playground in tests/functional.
"""

import threading
import time
import types
import unittest

from keystoneauth1 import exceptions as auth_errors

from tests.unit.test_telemetry_inventory import answered
from watcher_tsmig.telemetry.needs import ports


def port(number, vm, **values):
    return {
        'id': f'p{number:05}',
        'device_id': vm,
        'binding:host_id': 'a',
        'binding:vnic_type': 'normal',
        'binding:vif_type': 'ovs',
        'resource_request': None,
        **{k.replace('__', ':'): v for k, v in values.items()},
    }


class SmallNeutron:
    """openstacksdk's network proxy in front of a list of ports.

    :param silent: hosts about which it does not tell
    """

    def __init__(self, rows=(), page=2, silent=(), extended=200):
        self.rows, self.page = rows, page
        self.silent, self.extended = silent, extended
        self.asked = []
        self._lock = threading.Lock()

    def __call__(self):
        return self

    def get(self, path, params=None):
        with self._lock:
            self.asked.append((path, params))
        if path == ports.EXTENSION:
            if isinstance(self.extended, Exception):
                raise self.extended
            return types.SimpleNamespace(
                status_code=self.extended, headers={}, json=dict, url='',
                reason='no', text='', content=b'',
            )  # fmt: skip
        hosts = params.get('binding:host_id', [])
        if set(hosts) & set(self.silent):
            raise auth_errors.ConnectFailure('no Neutron here')
        rows = [
            row
            for row in self.rows
            if row['binding:host_id'] in hosts
            or row['device_id'] in params.get('device_id', [])
        ]
        after = params.get('marker', '')
        rows = [row for row in rows if row['id'] > after]
        most = min(params['limit'], self.page)
        shown = [
            {k: v for k, v in row.items() if k in params['fields']}
            for row in rows[:most]
        ]
        body = {'ports': shown}
        if len(rows) >= most:
            body['ports_links'] = [{'rel': 'next', 'href': 'http://n'}]
        elif after:
            body['ports_links'] = [{'rel': 'previous', 'href': 'http://n'}]
        return answered(body)


class TestPorts(unittest.TestCase):
    def read(self, neutron, vms):
        self.notes = []
        return ports.read_ports(neutron, vms, self.notes)

    def test_only_what_is_not_plain_is_told_of_all_pages(self):
        rows = [
            port(0, 'v0'),
            port(1, 'v1', binding__vnic_type='direct'),
            port(2, 'v2'),
            port(3, 'v1', binding__vif_type='vhostuser'),
            port(4, 'gone', binding__vnic_type='vdpa'),
            port(5, 'v3', resource_request={'resources': {'NET': 1}}),
            port(6, 'v4', resource_request={'request_groups': [{'id': 'g'}]}),
            port(7, 'v2', resource_request={'request_groups': []}),
        ]
        found = self.read(SmallNeutron(rows), {f'v{i}': 'a' for i in range(5)})
        self.assertEqual(
            {
                'v1': {'direct', ports.VHOST_USER},
                'v3': {ports.ASKING},
                'v4': {ports.ASKING_GROUPS},
            },
            found,
        )
        self.assertEqual([], self.notes)

    def test_ten_thousand_vms_are_sixteen_questions(self):
        vms = {f'v{i}': f'h{i % 400:03}' for i in range(10000)}
        rows = [
            port(number, vm, binding__host_id=host)
            for number, (vm, host) in enumerate(vms.items())
        ]
        neutron = SmallNeutron(rows, page=ports.PAGE)
        self.assertEqual({}, self.read(neutron, vms))
        self.assertEqual([], self.notes)
        self.assertEqual(16, len(neutron.asked))

    def test_who_is_away_is_asked_once_and_told(self):
        vms = {f'v{i}': f'h{i}' for i in range(3 * ports.HOSTS)}
        neutron = SmallNeutron(silent=vms.values())
        self.assertEqual({}, self.read(neutron, vms))
        self.assertEqual(1, len(neutron.asked))
        (note,) = self.notes
        self.assertIn(f'ports of {len(vms)} VMs are unknown', note)
        self.assertIn('no Neutron here', note)

    def test_what_is_told_of_some_hosts_counts(self):
        vms = {f'v{i}': f'h{i:03}' for i in range(ports.HOSTS + 2)}
        last = f'v{ports.HOSTS + 1}'
        rows = [port(0, 'v0', binding__vnic_type='vdpa')]
        rows[0]['binding:host_id'] = 'h000'
        neutron = SmallNeutron(rows, silent={vms[last]})
        self.assertEqual({'v0': {'vdpa'}}, self.read(neutron, vms))
        self.assertIn('ports of 2 VMs are unknown', self.notes[0])

    def test_who_hides_the_kind_or_shows_nothing_does_not_tell(self):
        hiding = port(0, 'v', binding__vnic_type='vdpa')
        del hiding['binding:vif_type']
        for rows, why in (
            ([hiding], 'hides binding:vif_type'),
            ([{'id': 'p', 'binding:host_id': 'a', 'device_id': 'v'}], 'KeyE'),
            ([], 'Neutron shows none'),
        ):
            self.assertEqual({}, self.read(SmallNeutron(rows), {'v': 'a'}))
            self.assertIn('ports of 1 VMs are unknown', self.notes[0])
            self.assertIn(why, self.notes[0])

    def test_a_page_again_and_again_ends(self):
        class Stuck(SmallNeutron):
            def get(self, path, params=None):
                return super().get(path, {**params, 'marker': ''})

        neutron = Stuck([port(0, 'v'), port(1, 'v')])
        self.assertEqual({}, self.read(neutron, {'v': 'a'}))
        self.assertEqual(2, len(neutron.asked))

    def test_no_more_is_asked_than_there_are_pages(self):
        rows = [
            port(i, f'v{i}', binding__vnic_type='smart-nic') for i in range(3)
        ]
        neutron = SmallNeutron(rows)
        found = self.read(neutron, {f'v{i}': 'a' for i in range(3)})
        self.assertEqual({'v0', 'v1', 'v2'}, set(found))
        self.assertEqual(
            [None, 'p00001'],
            [params.get('marker') for _, params in neutron.asked],
        )

    def test_a_refusal_of_neutron_is_told_as_one(self):
        class Refusing(SmallNeutron):
            def get(self, path, params=None):
                answer = answered({})
                answer.status_code, answer.url = 403, 'http://neutron'
                return answer

        self.read(Refusing(), {'v': 'a'})
        self.assertIn('403', self.notes[0])

    def test_of_more_pages_than_a_hundred_nothing_is_known(self):
        for many, notes in ((99, 0), (100, 1)):
            rows = [port(i, 'v') for i in range(many)]
            self.read(SmallNeutron(rows, page=1), {'v': 'a'})
            self.assertEqual(notes, len(self.notes), many)
        self.assertEqual(
            [
                'kinds of ports of 1 VMs are unknown: Neutron: ports: there '
                'are too many'
            ],
            self.notes,
        )

    def test_so_many_hosts_are_in_a_question_and_ports_in_an_answer(self):
        self.read(
            neutron := SmallNeutron(), {f'v{i}': f'h{i}' for i in range(26)}
        )
        hosts = [params['binding:host_id'] for _, params in neutron.asked]
        self.assertEqual([25, 1], [len(some) for some in hosts])
        self.assertEqual({1000}, {p['limit'] for _, p in neutron.asked})

    def test_four_questions_go_side_by_side(self):
        gate = threading.Barrier(4, timeout=10)
        under_way, most = [], []

        class Slow(SmallNeutron):
            def get(self, path, params=None):
                if params['binding:host_id'] != ['h']:
                    under_way.append(1)
                    most.append(len(under_way))
                    gate.wait()
                    under_way.pop()
                return super().get(path, params)

        self.addCleanup(setattr, ports, 'HOSTS', ports.HOSTS)
        ports.HOSTS = 1
        vms = {'v': 'h', **{f'v{i}': f'x{i}' for i in range(8)}}
        rows = [port(0, 'v', binding__host_id='h')]
        self.assertEqual({}, self.read(Slow(rows), vms))
        self.assertEqual([], self.notes)
        self.assertLessEqual(max(most), 4)

    def test_who_answers_too_late_does_not_tell(self):
        over = threading.Event()
        self.addCleanup(over.set)
        self.assertEqual(60.0, ports.WITHIN)
        for name in ('HOSTS', 'WITHIN'):
            self.addCleanup(setattr, ports, name, getattr(ports, name))
        ports.HOSTS, ports.WITHIN = 1, 0.0

        class Late(SmallNeutron):
            def get(self, path, params=None):
                if params.get('binding:host_id', ['a']) != ['a']:
                    over.wait(30)
                return super().get(path, params)

        began = time.monotonic()
        rows = [port(0, 'va', binding__vnic_type='macvtap')]
        found = self.read(Late(rows), {f'v{host}': host for host in 'abcdefg'})
        # not a moment for each of the six
        self.assertLess(time.monotonic() - began, 4.0)
        self.assertEqual({'va'}, set(found))
        self.assertEqual(
            ['kinds of ports of 6 VMs are unknown: TimeoutError'],
            [note for note in self.notes if 'kinds' in note],
        )

    def test_who_waits_when_the_time_is_over_is_not_asked_any_more(self):
        over = threading.Event()
        self.addCleanup(over.set)
        for name in ('HOSTS', 'WITHIN'):
            self.addCleanup(setattr, ports, name, getattr(ports, name))
        ports.HOSTS, ports.WITHIN = 1, 0.0

        class Late(SmallNeutron):
            def get(self, path, params=None):
                found = super().get(path, params)
                if params['binding:host_id'] != ['a']:
                    over.wait(30)
                return found

        before = set(threading.enumerate())
        neutron = Late()
        self.read(neutron, {f'v{host}': host for host in 'abcdefghijkl'})
        over.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
        self.assertLessEqual(len(neutron.asked), 1 + 4)

    def test_why_the_first_did_not_tell_is_told(self):
        class Angry(SmallNeutron):
            def get(self, path, params=None):
                (host,) = params['binding:host_id']
                if host != 'a':
                    raise auth_errors.ConnectFailure(f'not of {host}')
                return super().get(path, params)

        self.addCleanup(setattr, ports, 'HOSTS', ports.HOSTS)
        ports.HOSTS = 1
        self.read(Angry([port(0, 'v')]), {'v': 'a', 'w': 'b', 'x': 'c'})
        (note,) = self.notes
        self.assertIn('of 2 VMs', note)
        self.assertIn('not of b', note)

    def test_a_cloud_that_is_not_asked_is_not_told_of(self):
        self.assertEqual({}, self.read(None, {'v': 'a'}))
        neutron = SmallNeutron()
        self.assertEqual({}, self.read(neutron, {}))
        self.assertEqual([], self.notes + neutron.asked)


class TestExtension(unittest.TestCase):
    def read(self, extended, kind='direct'):
        self.notes = []
        self.neutron = SmallNeutron(
            [port(0, 'v', binding__vnic_type=kind)], extended=extended
        )
        return ports.ports_of(self.neutron, 'v', self.notes)

    def test_a_port_that_cannot_be_on_two_hosts_is_told(self):
        self.assertEqual({'direct', ports.UNBOUND}, self.read(404))
        self.assertEqual({'direct'}, self.read(200))
        self.assertEqual([], self.notes)

    def test_so_is_each_kind_that_has_a_pci_device(self):
        for kind in (
            'direct', 'macvtap', 'direct-physical', 'virtio-forwarder',
            'vdpa', 'remote-managed',
        ):  # fmt: skip
            self.assertEqual({kind, ports.UNBOUND}, self.read(404, kind))
        for kind in ('baremetal', 'smart-nic', 'accelerator-direct'):
            self.assertEqual({kind}, self.read(404, kind))

    def test_where_that_is_unknown_it_is_taken_to_move(self):
        for trouble in (auth_errors.ConnectTimeout('x'), 500):
            self.assertEqual({'direct'}, self.read(trouble))
            (note,) = self.notes
            self.assertTrue(
                note.startswith(
                    'whether ports with PCI devices move is unknown, they '
                    'are taken to: '
                ),
                note,
            )

    def test_it_is_not_asked_for_other_ports(self):
        self.read(404, 'normal')
        self.assertEqual(1, len(self.neutron.asked))

    def test_one_vm_whose_ports_nobody_tells_has_unknown_ones(self):
        class Away(SmallNeutron):
            def get(self, path, params=None):
                raise auth_errors.ConnectFailure('no Neutron here')

        notes = []
        self.assertEqual(set(), ports.ports_of(Away(), 'v', notes))
        self.assertIn('no Neutron here', notes[0])
        self.assertEqual(set(), ports.ports_of(None, 'v', notes))
