"""Services that die under a migration; the VM must stay whole."""

import signal

from tests.minicloud import stages
from tests.minicloud.cases.test_states import Base
from tests.minicloud.operators import eventually


class TestCompute(Base):
    def test_a_source_that_dies_under_a_migration_keeps_its_vm(self):
        server = self.boot(
            'busy', flavor='big', metadata={'tsmig:post_copy': 'false'}
        )
        plan = self.operator.plan_of(self.operator.audit(hosts=['compute1']))
        self.operator.start(plan)
        self.operator.never_ends(server)
        bed = self.operator.bed
        bed.stop('compute1', signal.SIGKILL)
        # so that another try ends
        self.operator.hypervisors('shape', uuid=server, writes=1e6, hot=1e7)
        stages.start_service(bed, 'compute1')
        ended = self.operator.ended(plan, within=300)
        (move,) = self.operator.moves(plan)
        self.operator.tells(ended, 'compute1 is empty')
        if move['state'] == 'FAILED':
            self.operator.tells(move, 'on compute1')
            self.operator.tells(ended, 'left at another try')
        else:  # nobody had seen it run yet, so another destination might do
            self.operator.tells(move, 'instead of')
        self.operator.at_rest(server)
        host = self.operator.host_of(server)
        self.assertNotEqual('compute1', host)
        there = self.operator.hypervisors('guests', host=host)
        self.assertEqual([server], [g['uuid'] for g in there['guests']])

    def test_f26_a_source_that_is_dead_is_noticed(self):
        plan, _ = self.running()
        bed = self.operator.bed
        bed.stop('compute1', signal.SIGKILL)
        self.addCleanup(self.operator.ended, plan, within=300)
        self.addCleanup(
            eventually,
            'compute1 up',
            lambda: self.operator.service('compute1')['state'] == 'up',
        )
        self.addCleanup(stages.start_service, bed, 'compute1')
        # Nova takes a host for dead after 30 s
        self.operator.ended(plan, within=60)


class TestApplier(Base):
    def told(self, plan, words):
        """What the plan's one action says, once these words are in it."""
        (move,) = self.operator.moves(plan)
        text = move['status_message'] or ''
        return text if words in text else ''

    def test_f27_what_runs_is_followed_to_its_end_by_the_next_applier(self):
        plan, server = self.running()
        bed = self.operator.bed
        bed.stop('watcher-applier', signal.SIGKILL)
        self.addCleanup(self.operator.at_rest, server)
        stages.start_service(bed, 'watcher-applier').ready(says='Starting')
        # Watcher has cancelled the plan, and its deadline is minded again
        self.assertEqual('CANCELLED', self.operator.ended(plan)['state'])
        eventually('minded', lambda: self.told(plan, 'its deadline is in'))
        (record,) = self.operator.migrations(server)
        path = f'/servers/{server}/migrations/{record["id"]}'
        self.operator.nova('DELETE', path)
        self.operator.at_rest(server)
        text = 'Left behind by a stopped applier: busy: somebody aborted it'
        eventually('told', lambda: self.told(plan, text))
        self.assertEqual(1, len(self.operator.migrations(server)))

    def test_an_applier_that_dies_loses_no_vm_and_starts_none_twice(self):
        server = self.boot('one', flavor='big')
        plan = self.operator.plan_of(self.operator.audit(vms=[server]))
        self.operator.start(plan)
        eventually('a record', lambda: self.operator.migrations(server))
        bed = self.operator.bed
        bed.stop('watcher-applier', signal.SIGKILL)
        stages.start_service(bed, 'watcher-applier').ready(says='Starting')
        self.operator.ended(plan)
        self.operator.at_rest(server)
        self.assertEqual(1, len(self.operator.migrations(server)))
