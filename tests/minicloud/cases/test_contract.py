"""The playground answers as the real cloud does, item by item."""

import unittest

import openstack

from tests.functional.fixtures import Playground
from tests.minicloud import contract
from tests.minicloud.operators import Operator


class TestContract(unittest.TestCase):
    maxDiff = None

    def test_playground_and_real_cloud_agree_in_every_item(self):
        operator = Operator()
        operator.sweep()
        self.addCleanup(operator.sweep)
        for name in ('one', 'two'):
            server = operator.boot(name, 'compute1')
            operator.at_rest(server)
            operator.feed(server, 1e6, 1e6)
        operator.fed()
        real = contract.Cloud(openstack.connect().session).answers()
        playground = Playground()
        playground.setUp()
        self.addCleanup(playground.cleanUp)
        fake = contract.Cloud(playground.session, playground.push).answers()
        rows = contract.table(fake, real)
        print('item | playground | real | difference')
        for row in rows:
            print(' | '.join(row))
        unequal = [f'{row[0]}: {row[3]}' for row in rows if row[3]]
        self.assertGreaterEqual(len(rows), 60)
        self.assertEqual([], unequal)
