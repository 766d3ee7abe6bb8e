"""Both compute drivers on the real cloud, by the playground's contract."""

import time
import unittest

from tests.functional.compute_contract import Contract
from tests.minicloud.operators import Operator
from tests.minicloud.operators import eventually


class OnMinicloud(Contract):
    """A VM that writes too fast to move by itself, deleted afterwards."""

    source, destination = 'compute1', 'compute2'

    def setUp(self):
        super().setUp()
        self.operator = Operator()
        self.addCleanup(self.operator.sweep)
        self.session = self.operator.cloud.session
        self.endpoint = {
            'region_name': self.operator.cloud.config.get_region_name(),
            'interface': self.operator.cloud.config.get_interface('compute'),
        }
        self.vm = self.operator.boot('busy', self.source, flavor='big')
        self.operator.at_rest(self.vm)
        self.operator.hypervisors(
            'shape', uuid=self.vm, writes=300e6, hot=900e6
        )

    def elapse(self, seconds):
        time.sleep(seconds)

    def set_service(self, host, status, reason=None):
        body = {'status': status}
        if reason:
            body['disabled_reason'] = reason
        path = f'/os-services/{self.operator.service(host)["id"]}'
        self.operator.nova('PUT', path, body)

    def test_a_deleted_vm_is_none_and_takes_its_records_along(self):
        nova = self.nova()
        record, _ = self.running(nova)
        nova.abort(self.vm, record.id)
        eventually('at rest', lambda: nova.server(self.vm).task is None)
        self.operator.delete(self.vm)
        self.assertIsNone(nova.server(self.vm))
        self.assertEqual([], nova.records(self.vm))


class TestOpenStackSdk(OnMinicloud, unittest.TestCase):
    name = 'openstacksdk'


class TestNovaClient(OnMinicloud, unittest.TestCase):
    name = 'novaclient'
