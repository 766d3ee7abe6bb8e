"""Modes are chosen by least contention, exactly where that is possible."""

import itertools

import numpy as np
import testtools
from scipy import sparse

from benchmarks.modes import of_pairs
from watcher_tsmig.plan.modes import contention
from watcher_tsmig.plan.modes import descent
from watcher_tsmig.plan.modes import exact
from watcher_tsmig.plan.modes import game as game_module
from watcher_tsmig.plan.modes import relax
from watcher_tsmig.plan.modes.descent import Effort
from watcher_tsmig.plan.modes.game import Game

# Enough to be good, not to be best.
LITTLE = Effort(moves=20_000)


def game(tx, rx, source=None, destination=None, **values):
    n = len(tx)
    source = np.array(source if source is not None else [0] * n)
    destination = np.array(destination if destination is not None else [1] * n)
    h = len(values.get('capacity', ())) or 1 + max(*source, *destination)
    given = {
        'capacity': np.full(h, 1000.0),
        'base_tx': np.zeros(h),
        'base_rx': np.zeros(h),
        'may_pre': np.ones(n, dtype=bool),
        'may_post': np.ones(n, dtype=bool),
        'extra': np.ones(n),
    }
    return of_pairs(
        source=source,
        destination=destination,
        tx=np.array(tx, dtype=float),
        rx=np.array(rx, dtype=float),
        **{**given, **values},
    )


def key(g, post):
    """(loads, largest first; risk; bytes), comparable."""
    vector, risk, extra = game_module.key(g, np.array(post, dtype=bool))
    return tuple(np.round(vector, 8)), round(risk, 6), round(extra, 6)


def enumerated(g):
    """The best key of all legal modes, by a table of all of them."""
    n = len(g.risk)
    rows = np.arange(1 << n)[:, None] >> np.arange(n) & 1
    rows = rows[np.where(rows, g.may_post, g.may_pre).all(axis=1)]
    pre, post = g.pre.toarray().T, g.post.toarray().T
    load = (g.base + (1.0 - rows) @ pre + rows.astype(float) @ post) / (
        g.capacity
    )
    worst = load.max(axis=1)
    rows = rows[worst <= worst.min() + 1e-9]
    load = -np.sort(-load[worst <= worst.min() + 1e-9], axis=1)
    for rank in range(load.shape[1]):
        kept = load[:, rank] <= load[:, rank].min() + 1e-9
        rows, load = rows[kept], load[kept]
    return min(key(g, row) for row in rows)


def random_case(seed):
    """Few hosts or many, one mode forced on some, uneven everything."""
    random = np.random.default_rng(seed)
    n = 20 if seed % 100 == 0 else int(random.integers(1, 13))
    h = int(random.integers(2, 8))
    source = random.integers(0, h, n)
    draw = (
        lambda: random.uniform(0, 300, n),
        lambda: random.lognormal(3, 2, n),
        lambda: random.integers(0, 4, n) * 100.0,
    )[seed % 3]
    forced = random.random(n)
    return game(
        draw(),
        draw(),
        source,
        (source + random.integers(1, h, n)) % h,
        capacity=random.choice([500.0, 1000.0, 2500.0], h),
        base_tx=random.uniform(0, 400, h),
        base_rx=random.uniform(0, 400, h),
        may_pre=forced > 0.15,
        may_post=forced < 0.85,
        risk=random.choice([1.0, 2.0, 5.0], n),
        extra=random.uniform(0, 100, n),
    )


class TestWorkedExample(testtools.TestCase):
    """Deshpande and Keahey, "Design (Example)": Mbit/s."""

    def setUp(self):
        super().setUp()
        self.game = game([200.0, 300.0], [400.0, 500.0])

    def peak(self, *post):
        return 1000 * game_module.loads(self.game, np.array(post)).max()

    def test_the_four_combinations(self):
        self.assertAlmostEqual(500.0, self.peak(False, False))
        self.assertAlmostEqual(400.0, self.peak(True, False))
        self.assertAlmostEqual(500.0, self.peak(False, True))
        self.assertAlmostEqual(900.0, self.peak(True, True))

    def test_the_first_vm_is_post_copied(self):
        found = contention.modes(self.game)
        self.assertEqual([True, False], found.post.tolist())
        self.assertAlmostEqual(0.4, found.value)
        self.assertEqual(0.0, found.gap)


class TestEnumerated(testtools.TestCase):
    def test_a_thousand_cases_are_as_good_as_enumeration(self):
        for seed in range(1000):
            g = random_case(seed)
            found = contention.modes(g)
            best = enumerated(g)
            self.assertEqual(best, key(g, found.post), seed)
            self.assertAlmostEqual(best[0][0], found.value)
            self.assertAlmostEqual(found.value, found.lower_bound)
            legal = np.where(found.post, g.may_post, g.may_pre)
            self.assertTrue(legal.all())


class TestOnePair(testtools.TestCase):
    def random_game(self, seed, n):
        random = np.random.default_rng(seed)
        return game(
            random.uniform(0, 100, n),
            random.uniform(0, 100, n),
            base_tx=np.array([random.uniform(0, 50), 0.0]),
            base_rx=np.array([0.0, random.uniform(0, 50)]),
            capacity=np.array([1000.0, 700.0]),
            risk=random.choice([1.0, 3.0], n),
        )

    def test_the_pareto_front_finds_the_same(self):
        for seed in range(20):
            g = self.random_game(seed, 8)
            links = np.array([0, 3])
            pair = game_module.part(g, np.arange(8), links)
            post, proven = exact.front(pair)
            self.assertTrue(proven)
            self.assertEqual(enumerated(g), key(g, post))

    def test_more_vms_than_can_be_enumerated_are_still_exact(self):
        g = self.random_game(1, contention.ENUMERATE + 5)
        found = contention.modes(g)
        self.assertEqual(0.0, found.gap)
        # Nothing that flips one or two of them is better.
        reached = key(g, found.post)
        for i, j in itertools.combinations(range(len(found.post)), 2):
            other = found.post.copy()
            other[[i, j]] = ~other[[i, j]]
            self.assertLessEqual(reached, key(g, other))

    def test_hundreds_of_vms_are_as_good_as_proven(self):
        found = contention.modes(self.random_game(2, 300))
        self.assertLess(found.gap, 1e-3)

    def test_equal_loads_prefer_less_risk(self):
        g = game([0.0, 0.0], [0.0, 0.0])
        found = contention.modes(g)
        self.assertEqual([False, False], found.post.tolist())
        g = game([5.0, 5.0], [5.0, 5.0], risk=np.array([2.0, 1.0]))
        found = contention.modes(g)
        self.assertEqual([False, True], found.post.tolist())

    def test_equal_risk_prefers_fewer_bytes(self):
        g = game([5.0, 5.0], [5.0, 5.0], extra=np.array([1.0, 2.0]))
        found = contention.modes(g)
        self.assertEqual([False, True], found.post.tolist())

    def test_a_mode_that_is_not_permitted_is_not_chosen(self):
        g = game(
            [500.0, 0.0],
            [0.0, 500.0],
            may_pre=np.array([True, False]),
            may_post=np.array([False, True]),
        )
        self.assertEqual([False, True], contention.modes(g).post.tolist())


class TestManyHosts(testtools.TestCase):
    def random_game(self, seed, n, hosts=3):
        random = np.random.default_rng(seed)
        forced = random.random(n)
        return game(
            random.uniform(0, 300, n),
            random.uniform(0, 300, n),
            source=random.integers(0, hosts, n),
            destination=random.integers(hosts, 2 * hosts, n),
            may_pre=forced > 0.1,
            may_post=forced < 0.9,
        )

    def test_search_leaves_nothing_that_one_flip_mends(self):
        for seed in range(10):
            g = self.random_game(seed, 60, hosts=5)
            post = contention.modes(g, LITTLE).post
            reached = key(g, post)
            for i in np.flatnonzero(g.free):
                other = post.copy()
                other[i] = ~other[i]
                self.assertLessEqual(reached, key(g, other))

    def test_the_bound_and_the_modes_stay_on_their_side_of_the_best(self):
        for seed in range(30):
            g = game_module.decided(self.random_game(seed, 12))
            best = enumerated(g)[0][0]
            post, bound = contention._search(g, Effort())
            self.assertLessEqual(bound, best + 1e-7)
            self.assertGreaterEqual(key(g, post)[0][0], best - 1e-7)
            self.assertLessEqual(key(g, post)[0][0], best * 1.05)

    def test_annealing_goes_on_where_no_flip_helps(self):
        g = game_module.decided(self.random_game(1, 150, hosts=6))
        parts = relax.shares(g)
        start = np.zeros(len(g.risk), dtype=bool)
        flipped = descent.descend(g, parts, start, LITTLE)
        found = descent.annealed(g, parts, flipped, LITTLE, 0.0)
        self.assertLess(key(g, found)[0][0], key(g, flipped)[0][0])

    def test_annealing_never_ends_with_more_than_it_began(self):
        # so little effort that it ends while it is still hot
        hot = Effort(moves=300)
        for seed in range(10):
            g = game_module.decided(self.random_game(seed, 60, hosts=5))
            parts = relax.shares(g)
            start = descent.descend(g, parts, g.may_post, LITTLE)
            found = descent.annealed(g, parts, start, hot, 0.0)
            self.assertLessEqual(key(g, found)[0][0], key(g, start)[0][0])

    def test_a_clock_ends_the_search(self):
        g = game_module.decided(self.random_game(1, 150, hosts=6))
        over = Effort(spent=lambda: 1.0)
        parts = relax.shares(g)
        start = descent.descend(g, parts, g.may_post, over)
        found = descent.annealed(g, parts, start, over, 0.0)
        self.assertEqual(start.tolist(), found.tolist())

    def test_forced_modes_are_respected_in_a_search(self):
        for seed in range(5):
            g = self.random_game(seed, 120, hosts=10)
            found = contention.modes(g, LITTLE)
            legal = np.where(found.post, g.may_post, g.may_pre)
            self.assertTrue(legal.all())
            self.assertLessEqual(found.lower_bound, found.value)

    def test_the_same_input_gives_the_same_modes(self):
        g = self.random_game(3, 80, hosts=8)
        one, two = contention.modes(g, LITTLE), contention.modes(g, LITTLE)
        self.assertEqual(one.post.tolist(), two.post.tolist())
        self.assertEqual(one.lower_bound, two.lower_bound)

    def test_an_elephant_does_not_make_the_bound_weak(self):
        # Unpruned, the relaxation would split it over both of its links.
        random = np.random.default_rng(0)
        n = 60
        rates = random.uniform(1, 2, n)
        rates[0] = 900.0
        g = game(
            rates, rates, random.integers(0, 5, n), random.integers(5, 10, n)
        )
        parts = relax.shares(g)
        plain = relax.solve(parts, g.may_pre, g.may_post).bound
        self.assertLess(plain, 0.5)
        found = contention.modes(g, LITTLE)
        self.assertGreaterEqual(found.lower_bound, 0.9 - 1e-6)
        self.assertLess(found.gap, 1e-6)

    def test_a_link_that_two_pairs_share_counts_both(self):
        # Rack uplink: link 4 carries what both sources send.
        pre = np.zeros((5, 2))
        post = np.zeros((5, 2))
        pre[0, 0] = pre[4, 0] = pre[1, 1] = pre[4, 1] = 100.0
        post[2, 0] = post[3, 1] = 150.0
        g = Game(
            capacity=np.array([1000.0, 1000.0, 1000.0, 1000.0, 1000.0]),
            base=np.zeros(5),
            pre=sparse.csc_array(pre),
            post=sparse.csc_array(post),
            may_pre=np.ones(2, dtype=bool),
            may_post=np.ones(2, dtype=bool),
            risk=np.array([1.0, 2.0]),
            extra=np.zeros(2),
        )
        self.assertEqual(
            [True, False], contention.modes(g, LITTLE).post.tolist()
        )


class TestGrain(testtools.TestCase):
    def modes(self, grain, tx=(500.0, 5.0), rx=(1.0, 1.0)):
        g = game(list(tx), list(rx), grain=grain)
        return contention.modes(g, LITTLE)

    def test_without_grain_every_gain_is_taken(self):
        self.assertEqual([True, True], self.modes(0.0).post.tolist())

    def test_a_small_gain_is_not_worth_a_post_copy(self):
        found = self.modes(0.01)
        self.assertEqual([True, False], found.post.tolist())
        self.assertAlmostEqual(0.005, found.value)
        self.assertAlmostEqual(0.002, found.lower_bound)

    def test_small_losses_do_not_add_up_to_a_large_one(self):
        found = self.modes(0.01, tx=[6.0] * 10, rx=[0.0] * 10)
        self.assertEqual(1, (~found.post).sum())
