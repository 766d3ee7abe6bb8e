"""The bound by knapsacks is below the best, and above the relaxation's."""

import itertools
from unittest import mock

import numpy as np
import testtools
from scipy import sparse

from benchmarks import mode_bounds
from benchmarks import modes
from watcher_tsmig.plan.modes import contention
from watcher_tsmig.plan.modes import game as game_module
from watcher_tsmig.plan.modes import relax
from watcher_tsmig.plan.modes.game import Game

# Steps of the prices that these small games need.
LITTLE = 500


def random_game(seed):
    """Up to 12 VMs on up to 3 links a mode; uneven everything."""
    random = np.random.default_rng(seed)
    n, m = int(random.integers(4, 13)), int(random.integers(3, 8))
    draw = (
        lambda: random.uniform(50, 150, (m, n)),
        lambda: random.lognormal(3, 1.5, (m, n)),
        lambda: random.integers(0, 4, (m, n)) * 100.0,
    )[seed % 3]
    # with one link a mode, where the bound is at its best, every other time
    links = random.random((2, m, n)).argsort(axis=1)
    on = links < (1 if seed % 2 else random.integers(1, 4, (2, 1, n)))
    forced = random.random(n)
    return Game(
        capacity=random.choice([500.0, 1000.0, 2500.0], m),
        base=random.uniform(0, 200, m) * random.integers(0, 2, m),
        pre=sparse.csc_array(draw() * on[0]),
        post=sparse.csc_array(draw() * on[1]),
        may_pre=forced > 0.1,
        may_post=forced < 0.9,
        risk=np.ones(n),
        extra=np.zeros(n),
    )


def least(game):
    """The least largest load of all modes."""
    n = len(game.risk)
    if n == 0:
        return float((game.base / game.capacity).max())
    rows = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(float)
    load = game.base + (1 - rows) @ game.pre.T + rows @ game.post.T
    return float((load / game.capacity).max(axis=1).min())


def bound(game, most, steps=LITTLE):
    """(the relaxation's, the knapsacks')."""
    parts = relax.shares(game)
    relaxed = relax.bound(parts, most)
    asked = itertools.count(1)
    return relaxed.bound, mode_bounds.bound(
        parts, relaxed, most, lambda: next(asked) > steps
    )


class TestOneKnapsack(testtools.TestCase):
    def cases(self):
        for seed in range(100):
            random = np.random.default_rng(seed)
            r, k = 3, int(random.integers(1, 9))
            h = (k + 1) // 2
            weight = random.uniform(50, 150, (r, k))
            value = weight * random.uniform(0, 1, (r, k))
            room = random.uniform(0, 100 * k, r)
            pad = ((0, 0), (0, 2 * h - k))
            yield (
                np.pad(weight, pad, constant_values=np.inf),
                np.pad(value, pad),
                room,
            )

    def best(self, weight, value, room):
        """By a table of all sets."""
        k = len(weight)
        sets = (np.arange(1 << k)[:, None] >> np.arange(k) & 1) > 0
        heavy = np.where(sets, weight, 0.0).sum(axis=1)
        worth = np.where(sets, value, 0.0).sum(axis=1)
        return worth[heavy <= room].max()

    def both(self, kind):
        for weight, value, room in self.cases():
            item = np.arange(weight.size).reshape(weight.shape)
            knapsack = kind(item, weight, np.arange(len(room)))
            # the room can be changed
            knapsack.fit(room / 2)
            knapsack.fit(room)
            total, taken = knapsack.best(value)
            self.assertAlmostEqual(total, (taken * value).sum())
            heavy = (taken * np.where(taken > 0, weight, 0.0)).sum(axis=1)
            self.assertTrue((heavy <= room + 1e-9).all())
            rows = zip(weight, value, room, strict=True)
            yield total, sum(self.best(*row) for row in rows)

    def test_halves_find_the_best_set(self):
        for found, best in self.both(mode_bounds.Halves):
            self.assertAlmostEqual(best, found)

    def test_shares_are_worth_no_less(self):
        more = 0
        for found, best in self.both(mode_bounds.Filled):
            self.assertGreaterEqual(found, best - 1e-9)
            more += found > best + 1e-9
        self.assertGreater(more, 50)


class TestBound(testtools.TestCase):
    def test_it_is_never_above_the_best(self):
        raised = 0
        for seed in range(80):
            game = game_module.decided(random_game(seed))
            best = least(game)
            most = best * (1.0, 1.1)[seed % 4 > 1]
            low, found = bound(game, most)
            self.assertGreaterEqual(found, low)
            self.assertLessEqual(found, best * (1 + 1e-9), seed)
            raised += found > low * 1.001
        self.assertGreater(raised, 8)

    def test_it_is_not_either_where_links_take_shares(self):
        for seed in range(40):
            game = game_module.decided(random_game(seed))
            best = least(game)
            with mock.patch.object(mode_bounds, 'HALF', 1 + seed % 3):
                low, found = bound(game, best * 1.1)
            self.assertGreaterEqual(found, low)
            self.assertLessEqual(found, best * (1 + 1e-9), seed)

    def test_it_is_the_best_nearly_where_the_relaxation_is_far_below(self):
        for seed in range(5):
            game = modes.game(20, 6, 'uniform', seed, 'one')
            best = contention.modes(game).value
            low, found = bound(game, best * 1.05)
            self.assertLess(low, best * 0.98)
            self.assertGreater(found, best - 0.2 * (best - low))

    def test_who_may_not_look_knows_no_more(self):
        game = modes.game(60, 6, 'uniform', 1, 'one')
        low, found = bound(game, 1e4, steps=0)
        self.assertEqual(low, found)
