"""What is read of Gnocchi and of Placement, as they are."""

from tests.minicloud.cases.test_states import Base

MBIT_S = 1e6 / 8


class TestTelemetry(Base):
    def test_f22_a_metric_without_rates_is_told_by_its_vm(self):
        for name in ('one', 'two', 'odd'):
            server = self.boot(name, flavor='tiny')
            policy = 'ceilometer-low' if name == 'odd' else None
            more = {'policy': policy} if policy else {}
            self.operator.feed(server, MBIT_S, MBIT_S, **more)
        self.operator.fed()
        text = self.operator.audit(hosts=['compute1'])['status_message']
        self.assertIn('odd', text)
        self.assertNotIn('{', text)

    def test_f23_room_is_what_placement_says(self):
        # what a crash leaves: a consumer that is no server
        session, provider = self.operator.cloud.session, None
        rows = self.operator.cloud.placement.resource_providers()
        providers = {row.name: row.id for row in rows}
        provider = providers['compute2']
        body = {
            'allocations': {provider: {'resources': {'MEMORY_MB': 32000}}},
            'project_id': self.operator.cloud.current_project_id,
            'user_id': self.operator.cloud.current_user_id,
            'consumer_generation': None,
            'consumer_type': 'INSTANCE',
        }
        filters = {'service_type': 'placement', 'interface': 'internal'}
        path = '/allocations/00000000-0000-4000-8000-00000000f023'
        headers = {'OpenStack-API-Version': 'placement 1.38'}
        answer = session.put(
            path, json=body, headers=headers, endpoint_filter=filters
        )
        self.assertEqual(204, answer.status_code)
        self.addCleanup(
            session.delete, path, headers=headers, endpoint_filter=filters
        )
        self.boot('one', flavor='big')
        audit = self.operator.audit(
            hosts=['compute1'], destinations=['compute2']
        )
        self.assertIn('no-destination', audit['status_message'])
