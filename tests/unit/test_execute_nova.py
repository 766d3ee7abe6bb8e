"""What Nova is asked, what it answers, and who does not move at all."""

from tests.unit.test_execute_migration import Base
from tests.unit.test_execute_migration import order
from watcher_tsmig.plan.values import Mode


class TestAsking(Base):
    def test_a_record_in_error_is_told_with_what_nova_says_of_its_action(self):
        self.nova.story = [(1, 'accepted'), (None, 'error')]
        path = '/servers/vm-1/os-instance-actions'
        self.nova.answers |= {
            path: {
                'instanceActions': [
                    {'action': 'live-migration', 'request_id': 'req-2'},
                    {'action': 'live-migration', 'request_id': 'req-1'},
                ]
            },
            f'{path}/req-2': {
                'instanceAction': {
                    'events': [
                        {
                            'event': 'conductor_migrate_server',
                            'result': 'Error',
                            'traceback': '  File "manager.py", line 1\n',
                            'details': 'No valid host was found. ',
                        }
                    ]
                }
            },
        }
        text = self.fails()
        self.assertIn('it failed: No valid host was found.', text)
        self.assertIn('active on cmp-1; plan again', text)

    def test_nova_is_asked_so_that_it_answers_before_it_has_checked(self):
        self.go()
        self.assertEqual(['2.34'], self.nova.versions)

    def test_an_old_nova_is_asked_as_it_can_be(self):
        self.nova.newest = (2, 30)
        self.go()
        self.assertEqual([], self.nova.versions)
        self.assertEqual([('start', 'cmp-2', 'auto')], self.nova.calls)

    def test_a_server_in_error_at_its_destination_has_not_arrived(self):
        real = self.nova.get_server

        def broken(vm):
            found = real(vm)
            if self.nova.status() == 'completed':
                found.vm_state = 'error'
            return found

        self.nova.get_server = broken
        self.assertIn('ERROR on cmp-2', self.fails())

    def test_a_paused_vm_moves(self):
        self.nova.server.vm_state = 'paused'
        self.assertEqual('cmp-2', self.go().host)

    def test_a_vm_that_does_not_move_live_is_told_with_its_remedy(self):
        for state, remedy in (
            ('stopped', 'openstack server migrate'),
            ('suspended', 'resume it'),
            ('error', 'openstack server set --state active'),
        ):
            self.nova.server.vm_state = state
            text = self.fails()
            self.assertIn(f'is {state}', text)
            self.assertIn(remedy, text)
        self.assertEqual([], self.nova.calls)


class TestRevalidation(Base):
    def test_what_changed_since_the_plan_stops_the_migration(self):
        cases = (
            ({'compute_host': 'cmp-9'}, {}, 'is on cmp-9, not on cmp-1'),
            ({'is_locked': True}, {}, 'is locked'),
            ({'vm_state': 'shelved'}, {}, 'is shelved'),
            ({'task_state': 'migrating'}, {}, 'is busy (migrating)'),
            ({}, {'state': 'down'}, 'cmp-2 is down'),
            ({}, {'status': 'disabled'}, 'cmp-2 is disabled'),
            ({}, {'host': 'cmp-3'}, 'cmp-2 has no compute service'),
        )
        for server, service, expected in cases:
            with self.subTest(expected):
                self.setUp()
                vars(self.nova.server).update(server)
                vars(self.nova.service).update(service)
                self.assertIn(expected, self.fails())
                self.assertEqual([], self.nova.calls)

    def test_a_vm_that_is_gone_is_not_moved(self):
        self.nova.gone = True
        outcome = self.go()
        self.assertEqual('', outcome.host)
        self.assertEqual('was deleted before it moved', outcome.remark)
        self.assertEqual([], self.nova.calls)

    def test_post_copy_is_never_forced_where_it_is_not_declared(self):
        text = self.fails(order(mode=Mode.POST_COPY))
        self.assertIn('tsmig:post_copy', text)
        self.assertEqual([], self.nova.calls)
