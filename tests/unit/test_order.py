"""Edge colourings are proper and short; chains keep them so."""

import numpy as np
import testtools

from watcher_tsmig.plan import order


class TestColours(testtools.TestCase):
    def graphs(self):
        for seed in range(30):
            random = np.random.default_rng(seed)
            n = int(random.integers(1, 40))
            yield random.integers(0, 6, n), random.integers(6, 12, n)

    def assert_proper(self, colour, source, destination):
        for side in (source, destination):
            pairs = list(zip(side.tolist(), colour.tolist(), strict=True))
            self.assertEqual(len(pairs), len(set(pairs)))

    def test_as_many_colours_as_the_busiest_host_has_migrations(self):
        for source, destination in self.graphs():
            colour = order.colours(source, destination)
            self.assert_proper(colour, source, destination)
            busiest = max(
                np.bincount(source).max(), np.bincount(destination).max()
            )
            self.assertEqual(busiest, colour.max() + 1)

    def test_a_chain_swapped_is_as_good(self):
        random = np.random.default_rng(0)
        for source, destination in self.graphs():
            colour = order.colours(source, destination)
            for _ in range(5):
                colour = order.kempe(
                    colour,
                    source,
                    destination,
                    int(random.integers(len(colour))),
                    int(random.integers(colour.max() + 1)),
                )
                self.assert_proper(colour, source, destination)

    def test_orders_are_permutations(self):
        random = np.random.default_rng(0)
        for source, destination in self.graphs():
            n = len(source)
            seconds = random.uniform(1, 9, n)
            post = random.integers(0, 2, n).astype(bool)
            found = order.critical(source, destination, seconds, post)
            if n > 1:
                found.append(order.move_forward(found[0], seconds, random))
            for one in found:
                self.assertEqual(list(range(n)), sorted(one.tolist()))
