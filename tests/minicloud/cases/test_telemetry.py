"""What is read of Gnocchi and of Placement, as they are."""

import itertools
import time
import uuid

from tests.minicloud.cases.test_states import Base
from watcher_tsmig.telemetry.metrics.traffic import by_vm
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources.gnocchi import NO_SPAN
from watcher_tsmig.telemetry.sources.gnocchi import GnocchiSource

MBIT_S = 1e6 / 8
TX, RX = 80 * MBIT_S, 10 * MBIT_S
SENT, RECEIVED = 'network.outgoing.bytes', 'network.incoming.bytes'
BACK = 7200.0


def counter(rate, every, *, reset=0.0):
    """Samples of a counter of an old VM.

    :param reset: it began at zero on another host so many seconds ago
    """
    now, began = time.time(), 5e9
    moments = [now - every * k for k in range(int(BACK / every), -1, -1)]
    anew = now - reset if reset else now + 1
    return [
        (
            at,
            rate * (at - anew)
            if at >= anew
            else began + rate * (at - moments[0]),
        )
        for at in moments
    ]


class TestTelemetry(Base):
    def policy(self, *methods):
        """An archive policy with these aggregation methods only."""
        name = f'only-{"-".join(methods).replace(":", "-")}'
        definition = [{'granularity': '300s', 'timespan': '1d'}]
        self.operator.gnocchi.archive_policy.create(
            {
                'name': name,
                'aggregation_methods': list(methods),
                'definition': definition,
                'back_window': 0,
            }
        )
        return name

    def talks(self, policy, every, *, way=(SENT, RECEIVED), nics=1, **given):
        """A VM that nobody but Gnocchi knows, with such interfaces."""
        vm = str(uuid.uuid4())
        rates = {SENT: TX / nics, RECEIVED: RX / nics}
        for i in range(nics):
            self.operator.feed_nic(
                f'instance-0001-{vm}-tap{i}',
                vm,
                {w: counter(rates[w], every, **given) for w in way},
                policy,
            )
        return vm

    def test_f2_samples_every_30_s_are_read_as_what_they_are(self):
        server = self.boot('talks')
        self.operator.feed(server, TX, MBIT_S, every=30, count=60)
        self.operator.fed()
        audit = self.operator.audit(vms=[server])
        (move,) = self.operator.moves(self.operator.plan_of(audit))
        self.assertIn('sends 80 Mbit/s', move['input_parameters']['because'])

    def test_f2_traffic_is_what_was_sent_however_polled_and_kept(self):
        low, high = 'ceilometer-low-rate', 'ceilometer-high-rate'
        everies = (10, 30, 60, 300)
        counted = self.policy('rate:mean', 'count')
        per_sample = self.policy('rate:mean')
        vms = {
            (policy, every): self.talks(policy, every)
            for policy, every in itertools.product(
                (low, high, self.policy('last'), counted), everies
            )
        }
        vms |= {
            ('reset', policy, every): self.talks(policy, every, reset=1100)
            for policy, every in itertools.product((low, high), everies)
        }
        vms |= {
            ('migrated', policy, every): self.talks(policy, every, reset=3600)
            for policy, every in itertools.product((low, high), everies)
        }
        vms['two vNICs'] = self.talks(low, 60, nics=2)
        deaf = self.talks(low, 60, way=(SENT,))
        unclear = self.talks(per_sample, 30)
        self.operator.fed()
        now, settings = time.time(), Settings()
        source = GnocchiSource(self.operator.gnocchi, settings)
        told = source.traffic([*vms.values(), deaf, unclear], now)
        found = by_vm(told, settings, now, source.name)
        wrong = {
            what: traffic
            for what, vm in vms.items()
            if not (traffic := found.get(vm))
            or abs(traffic.tx / TX - 1) > 0.03
            or abs(traffic.rx / RX - 1) > 0.03
        }
        self.assertEqual({}, wrong)
        # what nobody measured is unknown, and never zero
        self.assertNotIn(deaf, found)
        self.assertNotIn(unclear, found)
        self.assertEqual(
            {(unclear, NO_SPAN)}, {(r.vm, r.why) for r in source.refusals}
        )

    def test_f22_a_metric_without_rates_is_told_by_its_vm(self):
        for name in ('one', 'two', 'odd'):
            server = self.boot(name, flavor='tiny')
            policy = self.policy('std') if name == 'odd' else None
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

    def test_a_vm_that_nobody_measures_is_planned_on_its_last_move(self):
        # large enough for its rounds to be seen
        server = self.boot('moves', flavor='big')
        assumed = []
        for _ in range(2):
            audit = self.operator.audit(vms=[server])
            plan = self.operator.plan_of(audit)
            (move,) = self.operator.moves(plan)
            assumed.append(move['input_parameters']['assumed'])
            self.operator.start(plan)
            self.operator.succeeds(plan)
        # at first there are at most others like it, of other cases
        self.assertIn('dirtying', assumed[0])
        self.assertNotIn('dirtying', assumed[1])
