"""Modes are chosen by least contention, exactly where that is possible."""

import itertools

import numpy as np
import testtools

from watcher_tsmig.plan import contention
from watcher_tsmig.plan import descent
from watcher_tsmig.plan import exact
from watcher_tsmig.plan import game as game_module
from watcher_tsmig.plan.game import Game


def game(tx, rx, source=None, destination=None, **values):
    n = len(tx)
    source = np.array(source if source is not None else [0] * n)
    destination = np.array(destination if destination is not None else [1] * n)
    h = int(max(source.max(), destination.max())) + 1
    given = {
        'capacity': np.full(h, 1000.0),
        'base_tx': np.zeros(h),
        'base_rx': np.zeros(h),
        'may_pre': np.ones(n, dtype=bool),
        'may_post': np.ones(n, dtype=bool),
        'extra': np.ones(n),
    }
    return Game(
        source=source,
        destination=destination,
        tx=np.array(tx, dtype=float),
        rx=np.array(rx, dtype=float),
        **{**given, **values},
    )


def key(g, post):
    tx, rx = game_module.loads(g, np.array(post, dtype=bool))
    vector = sorted(np.concatenate((tx, rx)), reverse=True)
    return tuple(round(v, 9) for v in vector), sum(post)


def best_key(g):
    rows = itertools.product((False, True), repeat=len(g.tx))
    legal = [
        row
        for row in rows
        if all(
            (g.may_post[i] if post else g.may_pre[i])
            for i, post in enumerate(row)
        )
    ]
    return min(key(g, row) for row in legal)


class TestWorkedExample(testtools.TestCase):
    """Deshpande and Keahey, "Design (Example)": Mbit/s."""

    def setUp(self):
        super().setUp()
        self.game = game([200.0, 300.0], [400.0, 500.0])

    def peak(self, *post):
        tx, rx = game_module.loads(self.game, np.array(post))
        return 1000 * max(tx.max(), rx.max())

    def test_the_four_combinations(self):
        self.assertAlmostEqual(500.0, self.peak(False, False))
        self.assertAlmostEqual(400.0, self.peak(True, False))
        self.assertAlmostEqual(500.0, self.peak(False, True))
        self.assertAlmostEqual(900.0, self.peak(True, True))

    def test_the_first_vm_is_post_copied(self):
        self.assertEqual([True, False], contention.modes(self.game).tolist())


class TestOnePair(testtools.TestCase):
    def random_game(self, seed, n):
        random = np.random.default_rng(seed)
        return game(
            random.uniform(0, 100, n),
            random.uniform(0, 100, n),
            base_tx=np.array([random.uniform(0, 50), 0.0]),
            base_rx=np.array([0.0, random.uniform(0, 50)]),
            capacity=np.array([1000.0, 700.0]),
        )

    def test_enumeration_finds_the_best(self):
        for seed in range(20):
            g = self.random_game(seed, 8)
            self.assertEqual(best_key(g), key(g, contention.modes(g)))

    def test_the_pareto_front_finds_the_same(self):
        for seed in range(20):
            g = self.random_game(seed, 8)
            self.assertEqual(best_key(g), key(g, exact.front(g)))

    def test_more_vms_than_can_be_enumerated_are_still_exact(self):
        g = self.random_game(1, contention.ENUMERATE + 5)
        exact = key(g, contention.modes(g))
        searched = key(g, descent.search(g))
        self.assertLessEqual(exact[0], searched[0])
        # Nothing that flips one or two of them is better.
        post = contention.modes(g)
        for i, j in itertools.combinations(range(len(post)), 2):
            other = post.copy()
            other[[i, j]] = ~other[[i, j]]
            self.assertLessEqual(exact, key(g, other))

    def test_equal_loads_prefer_fewer_post_copies(self):
        g = game([0.0, 0.0], [0.0, 0.0])
        self.assertEqual([False, False], contention.modes(g).tolist())

    def test_a_mode_that_is_not_permitted_is_not_chosen(self):
        g = game(
            [500.0, 0.0],
            [0.0, 500.0],
            may_pre=np.array([True, False]),
            may_post=np.array([False, True]),
        )
        self.assertEqual([False, True], contention.modes(g).tolist())


class TestManyHosts(testtools.TestCase):
    def random_game(self, seed, n, hosts=3):
        random = np.random.default_rng(seed)
        return game(
            random.uniform(0, 300, n),
            random.uniform(0, 300, n),
            source=random.integers(0, hosts, n),
            destination=random.integers(hosts, 2 * hosts, n),
        )

    def test_a_few_vms_are_exact(self):
        for seed in range(10):
            g = self.random_game(seed, 9)
            self.assertEqual(best_key(g), key(g, contention.modes(g)))

    def test_search_leaves_nothing_that_one_flip_mends(self):
        for seed in range(10):
            g = self.random_game(seed, 40, hosts=5)
            post = contention.modes(g)
            reached = key(g, post)
            for i in range(len(post)):
                other = post.copy()
                other[i] = ~other[i]
                self.assertLessEqual(reached, key(g, other))

    def test_search_is_close_to_the_best(self):
        for seed in range(10):
            g = self.random_game(seed, 12)
            reached = key(g, descent.search(g))[0][0]
            self.assertLessEqual(reached, best_key(g)[0][0] * 1.1)
