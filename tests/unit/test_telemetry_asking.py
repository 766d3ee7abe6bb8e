"""What becomes of a client's errors, and what Nova tells of groups and kin."""

import unittest

import requests
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from tests.unit.test_telemetry_inventory import server
from tests.unit.test_telemetry_inventory import thing
from watcher_tsmig import errors
from watcher_tsmig.model import Group
from watcher_tsmig.telemetry import asking
from watcher_tsmig.telemetry.inventory import groups
from watcher_tsmig.telemetry.inventory.kin import kin_of


class TestAsking(unittest.TestCase):
    def error(self, raised, *who):
        def call():
            raise raised

        with self.assertRaises(errors.CloudError) as caught:
            asking.ask('servers', call, *who)
        self.assertIs(raised, caught.exception.__cause__)
        return str(caught.exception)

    def test_an_answer_is_handed_on(self):
        self.assertEqual(7, asking.ask('servers', lambda: 7))

    def test_every_clients_error_says_who_failed_at_what(self):
        for raised in (
            sdk_errors.SDKException('a  b\nc'),
            auth_errors.ClientException('a b c'),
            requests.ConnectionError('a b c'),
        ):
            self.assertEqual('Nova: servers: a b c', self.error(raised))
            self.assertEqual(
                'Glance: servers: a b c', self.error(raised, 'Glance')
            )

    def test_an_error_without_words_is_told_by_its_kind(self):
        for raised, said in (
            (requests.ReadTimeout(), 'ReadTimeout'),
            (requests.ReadTimeout(' '), 'ReadTimeout'),
            (requests.ReadTimeout(' x '), 'x'),
        ):
            self.assertEqual(said, asking.text_of(raised))
            self.assertEqual(said, asking.brief(raised))

    def test_half_an_answer_is_the_clouds_fault(self):
        for raised in (
            AttributeError('x'), KeyError('x'), TypeError('x'),
            ValueError('x'),
        ):  # fmt: skip
            self.assertEqual(
                f'Nova: servers: its answer is not as expected ({raised!r})',
                self.error(raised),
            )

    def test_a_fault_of_ours_is_not_hidden(self):
        def call():
            raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            asking.ask('servers', call)

    def test_a_note_has_room_for_eighty_letters(self):
        for many, shown in (
            (79, 'x' * 79), (80, 'x' * 80), (81, 'x' * 79 + '…'),
            (500, 'x' * 79 + '…'),
        ):  # fmt: skip
            text = asking.brief(requests.ConnectionError('x' * many))
            self.assertEqual(shown, text)


def group(name, members=('one',), policy='affinity', **values):
    return thing(
        **{
            'id': name, 'policy': policy, 'policies': None,
            'member_ids': list(members), **values,
        }
    )  # fmt: skip


class Compute:
    """Nova's server groups, some at a time, and what it was asked."""

    def __init__(self, *rows, page=2):
        self.rows = rows
        self.page = page
        self.asked = []

    def server_groups(self, **query):
        self.asked.append(query)
        first = int(query['base_path'].rpartition('=')[2])
        return iter(self.rows[first : first + self.page])


class TestGroups(unittest.TestCase):
    def read(self, compute, vms=('one', 'two')):
        self.notes = []
        return groups.read_groups(compute, vms, self.notes)

    def test_every_policy_of_novas_is_known(self):
        for policy in (
            'affinity', 'anti-affinity', 'soft-affinity',
            'soft-anti-affinity',
        ):  # fmt: skip
            (found,) = self.read(Compute(group('g', policy=policy)))
            self.assertEqual(
                Group(id='g', policy=policy, members=('one',)), found
            )
            self.assertEqual([], self.notes)

    def test_another_policy_is_told_and_not_minded(self):
        for given, shown in (
            ({'policy': 'legacy'}, "'legacy'"),
            ({'policy': None, 'policies': []}, 'None'),
            ({'policy': None}, 'None'),
        ):
            self.assertEqual((), self.read(Compute(group('g', **given))))
            self.assertEqual(
                [f'server group g is not minded: {shown} is no known policy'],
                self.notes,
            )

    def test_an_older_novas_list_of_policies_counts_by_its_first(self):
        (found,) = self.read(
            Compute(group('g', policy=None, policies=['anti-affinity']))
        )
        self.assertEqual('anti-affinity', found.policy)

    def test_a_host_may_have_one_or_as_many_as_the_rule_says(self):
        for rules, many in (
            (None, 1.0), ({}, 1.0), ({'max_server_per_host': 3}, 3.0),
            ({'max_server_per_host': '2'}, 2.0),
            ({'max_server_per_host': 0}, 1.0),
            ({'max_server_per_host': -1}, 1.0),
        ):  # fmt: skip
            (found,) = self.read(Compute(group('g', rules=rules)))
            self.assertEqual(many, found.max_per_host, rules)

    def test_groups_of_others_are_left_out_and_members_told_once(self):
        found = self.read(
            Compute(
                group('c', ['gone', 'two', 'gone']),
                group('b', ['gone']),
                group('a', ['one']),
                group('d', []),
                thing(id='e', policy='legacy', member_ids=None),
            )
        )
        self.assertEqual(
            [('a', ('one',)), ('c', ('gone', 'two'))],
            [(one.id, one.members) for one in found],
        )
        # nobody minds the policy of a group that has nobody
        self.assertEqual([], self.notes)

    def test_all_projects_are_asked_for_page_by_page(self):
        compute = Compute(*(group(f'g{i}') for i in range(5)))
        self.assertEqual(5, len(self.read(compute)))
        self.assertEqual(
            [f'/os-server-groups?offset={n}' for n in (0, 2, 4, 5)],
            [query['base_path'] for query in compute.asked],
        )
        self.assertEqual(
            [True] * 4, [query['all_projects'] for query in compute.asked]
        )

    def test_pages_without_an_end_are_bounded(self):
        compute = Compute(*(group(f'g{i:03}') for i in range(150)), page=1)
        self.assertEqual(100, len(self.read(compute)))
        self.assertEqual(100, len(compute.asked))

    def test_a_nova_that_does_not_know_offsets_is_asked_twice(self):
        compute = Compute(group('g'))
        compute.server_groups = lambda **query: (
            compute.asked.append(query) or iter(compute.rows)
        )
        self.assertEqual(1, len(self.read(compute)))
        self.assertEqual(2, len(compute.asked))

    def test_a_nova_that_refuses_is_a_note(self):
        def refuse(**_):
            raise sdk_errors.ForbiddenException('policy')

        compute = Compute()
        compute.server_groups = refuse
        self.assertEqual((), self.read(compute))
        self.assertEqual(
            ['server groups are not minded: Nova: server groups: policy'],
            self.notes,
        )


class TestKin(unittest.TestCase):
    def test_a_vm_shares_its_flavor_its_image_and_its_project(self):
        flavor = thing(original_name='m1')
        for values, found in (
            (
                {'image': {'id': 'i'}, 'project_id': 'p'},
                ('flavor:m1', 'image:i', 'project:p'),
            ),
            ({'image': '', 'project_id': 'p'}, ('flavor:m1', 'project:p')),
            ({'image': {}, 'project_id': None}, ('flavor:m1',)),
        ):
            one = server('v', flavor=flavor, **values)
            self.assertEqual(found, kin_of(one))
