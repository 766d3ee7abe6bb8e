"""The manager's ladder on real services: the dry run moves a VM.

The agents are the real ones on the cloud's own bus; only the pages that they
count are made when they are read.
"""

from tests.minicloud.cases.test_states import Base

# A guest of 1 GiB that writes 300 MB/s, on a link of 1 Gbit/s.
WRITES = {'writes': 300e6, 'hot': 900e6}
MEASURED = {
    'memory_resident': 1024,
    'memory_dirty_t1': 286,
    'memory_dirty_t4': 858,
    'memory_dirty_t60': 858,
}


class TestLadder(Base):
    def boot_writer(self, name, **shape):
        server = self.boot(
            name, flavor='big', metadata={'tsmig:post_copy': 'false'}
        )
        self.operator.hypervisors('shape', uuid=server, **WRITES, **shape)
        self.operator.feed_gauges(server, **MEASURED)
        return server

    def test_f17_the_dry_run_moves_one_that_its_writing_does_not_let(self):
        blanks = self.boot_writer('blanks', zeros=0.9)
        texts = self.boot_writer('texts', zeros=0.0)
        unseen = self.boot_writer('unseen')
        self.operator.fed()
        audit = self.operator.audit(vms=[blanks, texts, unseen])
        self.operator.tells(
            audit,
            'texts (does-not-converge)',
        )
        plan = self.operator.plan_of(audit)
        (move,) = self.operator.moves(plan)
        given = move['input_parameters']
        self.assertEqual('blanks', given['resource_name'])
        self.assertEqual('pre-copy', given['mode'])
        self.assertIn('of its writes are zeros', given['because'])
        self.operator.start(plan)
        self.operator.succeeds(plan)
        self.assertNotEqual('compute1', self.operator.host_of(blanks))
