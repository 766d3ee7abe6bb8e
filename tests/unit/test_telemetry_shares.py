"""Shares of Manila: who is asked for them, and who is not.

What Nova tells of them comes from the playground in tests/functional.
"""

import unittest

from keystoneauth1 import exceptions as auth_errors

from tests.unit.test_telemetry_inventory import answered
from watcher_tsmig.telemetry.needs import shares

NEWEST = (2, 104)


class Session:
    def __init__(self, kinds):
        self._kinds = kinds

    def get_endpoint(self, service_type, **_):
        if service_type not in self._kinds:
            raise auth_errors.EndpointNotFound(service_type)
        return 'http://there'


class Compute:
    region_name, interface = 'one', 'internal'

    def __init__(self, body, kinds=('shared-file-system',)):
        self.session = Session(kinds)
        self.body, self.asked = body, []

    def get(self, path, microversion):
        self.asked.append((path, microversion))
        if isinstance(self.body, Exception):
            raise self.body
        return answered(self.body)


class TestShares(unittest.TestCase):
    def has(self, compute, newest=NEWEST):
        self.notes = []
        return shares.has_shares(compute, 'vm-1', newest, self.notes)

    def test_a_vm_has_those_that_nova_lists(self):
        for rows in ([], [{'share_id': 's', 'status': 'active'}]):
            compute = Compute({'shares': rows})
            self.assertIs(bool(rows), self.has(compute))
            self.assertEqual([('/servers/vm-1/shares', '2.97')], compute.asked)
            self.assertEqual([], self.notes)

    def test_the_first_nova_that_has_them_is_asked(self):
        compute = Compute({'shares': [{'share_id': 's'}]})
        self.assertTrue(self.has(compute, (2, 97)))

    def test_nobody_is_asked_where_there_can_be_none(self):
        for compute, newest in (
            (Compute({}), (2, 96)),
            (Compute({}), None),
            (Compute({}, kinds=()), NEWEST),
        ):
            self.assertFalse(self.has(compute, newest))
            self.assertEqual([], compute.asked + self.notes)

    def test_a_nova_that_does_not_tell_holds_nobody_up(self):
        for body in (auth_errors.Forbidden('not yours'), {'nothing': []}):
            self.assertFalse(self.has(Compute(body)))
            self.assertIn('whether it has shares is unknown', self.notes[0])
