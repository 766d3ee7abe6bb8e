"""What owners, classes and requests permit of a VM's migration."""

import unittest

from tests.unit.builders import cloud
from tests.unit.builders import idle
from watcher_tsmig.model.cloud import PAUSED
from watcher_tsmig.plan.problem import permits
from watcher_tsmig.plan.values import Request


class TestPreCopyOnly(unittest.TestCase):
    def setUp(self):
        self.cloud = cloud(
            'a b',
            idle('free', 'a'),
            idle('bronze', 'a', sla='bronze'),
            idle('gold', 'a', sla='gold'),
            idle('owned', 'a', post_copy=False),
            idle('paused', 'a', state=PAUSED),
        )

    def named(self, **asked):
        request = Request(hosts=('a',), **asked)
        found = permits.pre_copy_only(self.cloud, request)
        return {vm.name for vm in self.cloud.vms if vm.id in found}

    def test_who_forbids_it_is_never_post_copied(self):
        self.assertEqual({'gold', 'owned', 'paused'}, self.named())

    def test_nobody_is_where_the_request_forbids_it(self):
        self.assertEqual(
            {'free', 'bronze', 'gold', 'owned', 'paused'},
            self.named(allow_post_copy=False),
        )
