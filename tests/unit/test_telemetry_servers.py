"""Servers as Nova's JSON has them, page by page; and how new Nova is."""

import types
import unittest

from keystoneauth1 import exceptions as auth_errors

from tests.unit.test_telemetry_inventory import answered
from watcher_tsmig import errors
from watcher_tsmig.telemetry.inventory import servers

WHOLE = {
    'id': 'id-1',
    'name': 'one',
    'OS-EXT-SRV-ATTR:host': 'a',
    'OS-EXT-STS:vm_state': 'active',
    'OS-EXT-STS:task_state': 'migrating',
    'locked': True,
    'metadata': {'k': 'v'},
    'flavor': {
        'original_name': 'm1', 'ram': 512, 'vcpus': 2, 'disk': 3,
        'ephemeral': 4, 'swap': 5, 'extra_specs': {'a': 'b'}, 'more': 6,
    },
    'image': {'id': 'i'},
    'os-extended-volumes:volumes_attached': [{'id': 'v'}],
    'tenant_id': 'p',
    'OS-EXT-AZ:availability_zone': 'east',
    'pinned_availability_zone': 'west',
}  # fmt: skip


class Compute:
    """Nova in front of pages of rows."""

    service_type = 'compute'

    def __init__(self, *pages, version='2.98', newest=(2, 100)):
        self.pages, self.asked = pages, []
        self.default_microversion = version
        self.newest = newest

    def get_endpoint_data(self):
        if isinstance(self.newest, Exception):
            raise self.newest
        if self.newest == 'nothing':
            return None
        return types.SimpleNamespace(
            min_microversion=(2, 1), max_microversion=self.newest
        )

    def get(self, path, params, microversion):
        page = self.pages[len(self.asked)]
        self.asked.append((path, dict(params), microversion))
        body = {'servers': [{'id': i} for i in page]}
        if isinstance(page, dict):
            body = page
        elif len(self.asked) < len(self.pages):
            body['servers_links'] = [{'rel': 'next', 'href': 'x'}]
        return answered(body)


def read(*pages, **given):
    return servers.read_servers(Compute(*pages, **given))


class TestServers(unittest.TestCase):
    def test_a_server_is_what_nova_shows_of_it(self):
        (found,) = read({'servers': [WHOLE]})
        self.assertEqual(
            servers.Server(
                id='id-1',
                name='one',
                compute_host='a',
                vm_state='active',
                task_state='migrating',
                is_locked=True,
                metadata={'k': 'v'},
                flavor=servers.Flavor(
                    original_name='m1',
                    ram=512,
                    vcpus=2,
                    disk=3,
                    ephemeral=4,
                    swap=5,
                    extra_specs={'a': 'b'},
                ),
                image={'id': 'i'},
                attached_volumes=({'id': 'v'},),
                project_id='p',
                availability_zone='east',
                pinned_availability_zone='west',
                microversion='2.98',
            ),
            found,
        )

    def test_what_nova_does_not_show_is_not_there(self):
        empty = {
            'id': 'id-1', 'name': '', 'image': '', 'metadata': None,
            'OS-EXT-STS:vm_state': None, 'OS-EXT-AZ:availability_zone': '',
            'os-extended-volumes:volumes_attached': None, 'flavor': None,
        }  # fmt: skip
        for row in ({'id': 'id-1'}, empty):
            (found,) = read({'servers': [row]})
            self.assertEqual(
                servers.Server(
                    id='id-1',
                    name='id-1',
                    compute_host=None,
                    vm_state='',
                    task_state=None,
                    is_locked=False,
                    metadata={},
                    flavor=servers.Flavor(),
                    image=None,
                    attached_volumes=(),
                    project_id=None,
                    availability_zone=None,
                    pinned_availability_zone=None,
                    microversion='2.98',
                ),
                found,
            )

    def test_pages_go_on_after_the_last_one_of_each(self):
        compute = Compute('ab', 'cd', 'e')
        found = servers.read_servers(compute)
        self.assertEqual('abcde', ''.join(s.id for s in found))
        first = {'all_tenants': 'True', 'limit': 1000}
        self.assertEqual(
            [first, {**first, 'marker': 'b'}, {**first, 'marker': 'd'}],
            [params for _, params, _ in compute.asked],
        )
        self.assertEqual({'/servers/detail'}, {p for p, _, _ in compute.asked})

    def test_a_page_again_and_again_ends(self):
        compute = Compute('ab', 'ab', 'ab')
        self.assertEqual(2, len(servers.read_servers(compute)))
        self.assertEqual(2, len(compute.asked))

    def test_what_came_while_pages_went_is_there_once(self):
        found = read('ab', 'bc')
        self.assertEqual('abc', ''.join(s.id for s in found))

    def test_it_is_asked_with_the_version_that_was_chosen_or_the_newest(self):
        for chosen, newest, asked in (
            ('2.60', (2, 100), '2.60'),
            (None, (2, 100), '2.98'),
            (None, (2, 90), '2.90'),
        ):
            compute = Compute('a', version=chosen, newest=newest)
            (found,) = servers.read_servers(compute)
            self.assertEqual(asked, compute.asked[0][2])
            self.assertEqual(asked, found.microversion)

    def test_a_nova_without_versions_is_asked_without_one(self):
        compute = Compute('a', version=None, newest='nothing')
        (found,) = servers.read_servers(compute)
        self.assertIsNone(compute.asked[0][2])
        self.assertEqual('', found.microversion)

    def test_a_refusal_is_told_as_one(self):
        compute = Compute('a')
        refuse = answered({'forbidden': {'message': 'not yours'}})
        refuse.status_code, refuse.url = 403, 'http://nova'
        compute.get = lambda *_, **__: refuse
        with self.assertRaisesRegex(errors.CloudError, '403'):
            servers.read_servers(compute)

    def test_what_is_no_answer_is_novas(self):
        for body in ({}, {'servers': [{}]}, {'servers': None}):
            with self.assertRaisesRegex(errors.CloudError, 'Nova: servers'):
                read(body)


class TestNewest(unittest.TestCase):
    def test_how_new_nova_is_is_what_it_tells_or_unknown(self):
        for told, newest in (
            ((2, 100), (2, 100)),
            (('2', '96'), (2, 96)),
            (None, None),
            (('2', 'latest'), None),
            ('nothing', None),
            (auth_errors.ConnectFailure('away'), None),
        ):
            found = servers.newest_version(Compute(newest=told))
            self.assertEqual(newest, found, told)
