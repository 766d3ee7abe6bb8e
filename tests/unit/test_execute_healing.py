"""A destination that cannot take a VM is replaced by the next."""

from tests.unit.test_execute_migration import Base
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.execute.breaker import Breaker
from watcher_tsmig.execute.healing import healed
from watcher_tsmig.plan.values import Mode


class TestHealing(Base):
    def setUp(self):
        super().setUp()
        self.down()

    def healed(self, *destinations, **values):
        return healed(
            lambda to: self.go(order(destination=to, **values)), destinations
        )

    def down(self, *hosts):
        """Their compute services are, all others are up."""
        real = self.nova.services

        def services(**query):
            found = list(real(**query))
            for service in found:
                service.host = query['host']
                service.state = 'down' if query['host'] in hosts else 'up'
            return found

        self.nova.services = services

    def starts(self):
        return [call[1] for call in self.asked('start')]

    def test_the_planned_one_is_taken_if_it_can(self):
        outcome = self.healed('cmp-2', 'cmp-3')
        self.assertEqual('cmp-2', outcome.host)
        self.assertNotIn('instead', outcome.remark)

    def test_what_is_under_way_is_followed_whoever_refused_others(self):
        breaker = Breaker()
        for host in ('cmp-2', 'cmp-3'):
            breaker.trip(host, self.clock.now(), 'is full')
        tried = []

        def go(to):
            tried.append(to)
            raise errors.DestinationError('no', 'no')

        with self.assertRaises(errors.DestinationError):
            healed(
                go, ('cmp-2', 'cmp-3', 'cmp-4'), breaker=breaker,
                clock=self.clock, going='cmp-3',
            )  # fmt: skip
        self.assertEqual(['cmp-3', 'cmp-4', 'cmp-2'], tried)
        outcome = healed(
            lambda to: self.go(order(destination=to)), ('cmp-2', 'cmp-4'),
            clock=self.clock, going='cmp-4',
        )  # fmt: skip
        self.assertEqual('cmp-4', outcome.host)
        self.assertEqual('', outcome.remark)

    def test_a_destination_that_is_down_is_not_even_asked_for(self):
        self.down('cmp-2')
        outcome = self.healed('cmp-2', 'cmp-3')
        self.assertEqual('cmp-3', outcome.host)
        self.assertEqual(['cmp-3'], self.starts())
        self.assertIn('instead of cmp-2: cmp-2 is down', outcome.remark)
        self.assertNotIn('plan again', outcome.remark)

    def test_one_that_nova_refuses_before_it_sends_is_replaced(self):
        story = self.nova.story
        self.nova.story = [(2, 'accepted'), (None, 'error')]
        real = self.nova.post

        def post(path, json, microversion):
            if self.starts():
                self.nova.story = story
            return real(path, json, microversion)

        self.nova.post = post
        outcome = self.healed('cmp-2', 'cmp-3')
        self.assertEqual('cmp-3', outcome.host)
        self.assertEqual(['cmp-2', 'cmp-3'], self.starts())
        self.assertIn('instead of cmp-2: it failed', outcome.remark)

    def test_one_that_failed_while_it_was_sent_is_not_tried_again(self):
        self.nova.story = [(3, 'running'), (None, 'failed')]
        with self.assertRaises(errors.MigrationError) as caught:
            self.healed('cmp-2', 'cmp-3')
        self.assertNotIsInstance(caught.exception, errors.DestinationError)
        self.assertEqual(['cmp-2'], self.starts())

    def test_what_is_the_vms_own_fault_is_not_tried_elsewhere(self):
        self.nova.server.is_locked = True
        with self.assertRaises(errors.MigrationError) as caught:
            self.healed('cmp-2', 'cmp-3')
        self.assertIn('is locked', str(caught.exception))
        self.assertEqual([], self.starts())

    def test_a_vm_that_is_not_at_rest_is_not_tried_elsewhere(self):
        self.nova.story = [(2, 'accepted'), (None, 'error')]
        real = self.nova.get_server

        def broken(vm):
            if self.nova.status() == 'error':
                self.nova.server.vm_state = 'error'
            return real(vm)

        self.nova.get_server = broken
        with self.assertRaises(errors.MigrationError) as caught:
            self.healed('cmp-2', 'cmp-3')
        self.assertNotIsInstance(caught.exception, errors.DestinationError)
        self.assertEqual(['cmp-2'], self.starts())

    def test_where_none_will_do_the_last_reason_is_told(self):
        self.down('cmp-2', 'cmp-3')
        with self.assertRaises(errors.DestinationError) as caught:
            self.healed('cmp-2', 'cmp-3')
        self.assertIn('cmp-3 is down', str(caught.exception))

    def test_post_copy_that_is_not_permitted_there_may_be_elsewhere(self):
        def go(to):
            permitted = to == 'cmp-3'
            return self.go(
                order(
                    destination=to,
                    mode=Mode.POST_COPY,
                    post_copy_permitted=permitted,
                )
            )

        outcome = healed(go, ('cmp-2', 'cmp-3'))
        self.assertEqual('cmp-3', outcome.host)
        self.assertEqual(['cmp-3'], self.starts())
        self.assertIn('permit post-copy', outcome.remark)
