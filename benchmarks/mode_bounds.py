"""Bounds on the largest load by what really fits on each link.

The linear relaxation fills a link with shares of VMs; here a link takes
whole ones. Guess a largest load T and give each VM a price per link that
it may be on, in either mode: g = sum over VMs of the lesser of what its
two modes are worth, minus sum over links of the most that a set of VMs
which fits T is worth. Modes within T put a set that fits on each link and
are worth the former at least, so g > 0 proves that there are none. This is
the Lagrangian dual of the programme with one column per set (Dantzig and
Wolfe 1960), as strong as all cover cuts of single links together; prices
are found by subgradients with Polyak's steps (Held, Wolfe and Crowder
1974). A link's best set is exact, by meeting in the middle (Horowitz and
Sahni 1974), or where it has too many VMs that of shares, which is no less.
It judges plan/modes, which does without it: a proof makes no plan better.
Every VM here has a choice.
"""

from collections.abc import Callable

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.modes.game import EQUAL
from watcher_tsmig.plan.modes.relax import Relaxed
from watcher_tsmig.plan.modes.relax import Shares
from watcher_tsmig.plan.modes.relax import allowed

# The links with the fewest VMs are exact, as many as so many sets of their
# halves allow: looking at all takes some milliseconds. None is with more VMs
# in a half than HALF.
SETS = 1_500_000
HALF = 16
FILLED = -1
# Guesses are no closer than this share of themselves.
FINE = 3e-4
# The step aims at so much below the least sum that was met, as a share of
# it; at CLOSER of that after STALL steps that brought it no nearer. A guess
# is given up where 0 is HOPELESS times as far, or LEAST is aimed at. Of each
# step KEEP is what the one before was. All by trial.
AIM = 1e-3
LEAST = 1e-5
CLOSER = 0.6
STALL = 10
HOPELESS = 4.0
KEEP = 0.7
# A sum that is less than 0 by this is so whatever was rounded.
PROVEN = 1e-9
TINY = 1e-30


class Halves:
    """Knapsacks of r links, each with at most 2 h items in two halves.

    What does not depend on the values is done once: the weights of all
    sets of a half, one half's in order; and, for the room at hand, how
    many of those go with each set of the other half.
    """

    def __init__(
        self, item: IntArray, weight: FloatArray, link: IntArray
    ) -> None:
        """Items of weight inf are there to fill up.

        :param item: shape (r, 2 h), what the items are called
        :param weight: shape (r, 2 h), in the room's unit
        :param link: shape (r,), what the links are called
        """
        self.item, self.link = item, link
        self._h = h = weight.shape[1] // 2
        self._r = np.arange(len(weight))
        self._start = (self._r << h)[:, None]
        one = _sums(weight[:, :h])
        self._other = _sums(weight[:, h:])
        self._order = np.argsort(one, axis=1, kind='stable')
        self._sorted = np.take_along_axis(one, self._order, axis=1)
        self._order += self._start

    def fit(self, room: FloatArray) -> None:
        """From here on the links have so much room; shape (r,), >= 0."""
        left = room[:, None] - self._other
        last = [
            np.searchsorted(row, here, side='right') - 1
            for row, here in zip(self._sorted, left, strict=True)
        ]
        self._last = np.array(last)
        self._out = self._last < 0
        self._last = np.maximum(self._last, 0) + self._start

    def best(self, value: FloatArray) -> tuple[float, BoolArray]:
        """(sum of the links' best values, their items; shape (r, 2 h)).

        :param value: shape (r, 2 h), >= 0
        """
        h = self._h
        most = _sums(value[:, :h]).ravel()[self._order]
        np.maximum.accumulate(most, axis=1, out=most)
        total = _sums(value[:, h:])
        total += most.ravel()[self._last]
        total[self._out] = -np.inf
        other = total.argmax(axis=1)
        last = self._last[self._r, other]
        # the first set that is worth as much as the best that fits
        first = (most < most.ravel()[last][:, None]).sum(axis=1)
        one = self._order[self._r, first] - self._start[:, 0]
        code = one | other << h
        taken: BoolArray = (code[:, None] >> np.arange(2 * h) & 1) > 0
        return float(total[self._r, other].sum()), taken


def _sums(values: FloatArray) -> FloatArray:
    """Sums of all sets; column c has the items of the bits of c.

    :param values: shape (r, h)
    :returns: shape (r, 2^h)
    """
    r, h = values.shape
    out = np.zeros((r, 1 << h))
    for i in range(h):
        k = 1 << i
        np.add(out[:, :k], values[:, i, None], out=out[:, k : 2 * k])
    return out


class Filled:
    """Knapsacks of r links, at most k items each, that take shares."""

    def __init__(
        self, item: IntArray, weight: FloatArray, link: IntArray
    ) -> None:
        """As `Halves`; shapes (r, k), (r, k), (r,)."""
        self.item, self.link = item, link
        self._weight = weight

    def fit(self, room: FloatArray) -> None:
        """From here on the links have so much room; shape (r,), >= 0."""
        self._room = room[:, None]
        self._fits = self._weight <= self._room

    def best(self, value: FloatArray) -> tuple[float, FloatArray]:
        """(sum of the links' best values, shares of their items)."""
        value = np.where(self._fits, value, 0.0)
        weight = np.where(self._fits, self._weight, 1.0)
        order = np.argsort(-value / weight, axis=1, kind='stable')
        weight = np.take_along_axis(
            np.where(self._fits, weight, 0.0), order, axis=1
        )
        before = np.cumsum(weight, axis=1) - weight
        share = np.clip(
            (self._room - before) / np.where(weight > 0, weight, 1.0), 0, 1
        )
        out = np.zeros_like(value)
        np.put_along_axis(out, order, share, axis=1)
        out *= self._fits
        return float((out * value).sum()), out


class Prices:
    """What VMs are worth on links, to exclude one guess after another.

    An entry is a VM, in one mode, on one link. VMs that have one mode only
    below `most` are background; those that add nothing in one of their
    modes can be there for nothing, and have no entries.

    :ivar value: shape (e,), >= 0; the lesser sides of all VMs sum to 1
    """

    def __init__(self, parts: Shares, price: FloatArray, most: float) -> None:
        may_pre, may_post = allowed(parts, most)
        only_pre, only_post = may_pre & ~may_post, may_post & ~may_pre
        self._base = parts.base - parts.pre.sum(axis=1)
        self._base += parts.pre @ only_pre.astype(np.float64)
        self._base += parts.post @ only_post.astype(np.float64)
        pre, post = parts.pre.tocoo(), parts.post.tocoo()
        link = np.concatenate((pre.row, post.row))
        weight = np.concatenate((pre.data, post.data))
        vm = np.concatenate((pre.col, post.col))
        side = np.arange(len(vm)) >= pre.nnz
        self._n = n = len(may_pre)
        many = np.bincount(vm + n * side, weight > 0, 2 * n).reshape(2, n)
        counts = (may_pre & may_post & many.all(axis=0))[vm] & (weight > 0)
        link, weight = link[counts], weight[counts]
        self._vm, self._side = vm[counts], side[counts]
        self._many = many.sum(axis=0)
        self._knapsacks = _knapsacks(link, weight, len(self._base))
        self.value = self._even(price[link] * weight)
        # what the VMs' lesser sides grow by, if both grow alike
        self._up = self._alike(np.full(len(link), 0.5))

    @property
    def whole(self) -> bool:
        """Whether there is a link that takes whole VMs only."""
        return any(isinstance(k, Halves) for k in self._knapsacks)

    def _sides(self, entries: FloatArray) -> FloatArray:
        """Sums of the entries of each VM's two modes; shape (2, n)."""
        at = self._vm + self._n * self._side
        sums: FloatArray = np.bincount(at, entries, 2 * self._n).astype(float)
        return sums.reshape(2, self._n)

    def _even(self, value: FloatArray) -> FloatArray:
        """Both sides of a VM as low as the lesser, all summing to 1."""
        sides = self._sides(value)
        least = sides.min(axis=0)
        factor = least / np.where(sides > 0, sides, 1.0)
        factor /= max(float(least.sum()), TINY)
        out: FloatArray = value * factor[self._side.astype(int), self._vm]
        return out

    def _alike(self, change: FloatArray) -> FloatArray:
        """The nearest change that keeps both sides of each VM alike."""
        one, other = self._sides(change)
        turn = (one - other)[self._vm] / self._many[self._vm]
        out: FloatArray = change + np.where(self._side, turn, -turn)
        return out

    def _excess(self) -> tuple[float, FloatArray]:
        """(links' sum less 1, its subgradient); < 0 is a proof."""
        total = -1.0
        taken = np.zeros(len(self.value))
        # one more for what fills a half up
        value = np.append(self.value, 0.0)
        for knapsacks in self._knapsacks:
            most, items = knapsacks.best(value[knapsacks.item])
            real = knapsacks.item < len(taken)
            taken[knapsacks.item[real]] = items[real]
            total += most
        return total, self._alike(taken) - self._up

    def excludes(self, guess: float, over: Callable[[], bool]) -> bool:
        """Whether prices are found that prove this guess out of reach."""
        room = guess * (1 + EQUAL) + EQUAL - self._base
        if room.min(initial=np.inf) < 0:
            return True
        if not self.value.any():
            return False
        for knapsacks in self._knapsacks:
            knapsacks.fit(room[knapsacks.link])
        aim, least, stalled = AIM, np.inf, 0
        best, last = self.value, np.zeros(len(self.value))
        while not over():
            excess, slope = self._excess()
            if excess < -PROVEN:
                return True
            stalled = 0 if excess < least - aim / STALL else stalled + 1
            if excess < least:
                least, best = excess, self.value
            if stalled > STALL:
                aim, stalled = aim * CLOSER, 0
                if least > HOPELESS * aim or aim < LEAST:
                    break
                self.value, last = best, np.zeros(len(best))
                continue
            last = (
                slope if not last.any() else KEEP * last + (1 - KEEP) * slope
            )
            size = float((last * last).sum())
            if size <= TINY:
                break
            step = (excess - least + aim) / size
            self.value = self._even(np.maximum(self.value - step * last, 0.0))
        self.value = best
        return False


def _knapsacks(
    link: IntArray, weight: FloatArray, m: int
) -> list[Halves | Filled]:
    """The links' knapsacks; those with halves of one size together."""
    many = np.bincount(link, minlength=m)
    half = (many + 1) // 2
    # the largest links first have to do without
    order = np.argsort(half, kind='stable')
    sets = 2.0 ** np.minimum(half[order] + 1, 2 * HALF)
    over = (half[order] > HALF) | (np.cumsum(sets) > SETS)
    half[order[over]] = FILLED
    rows: dict[int, list[IntArray]] = {}
    ends = np.cumsum(many)[:-1]
    items = np.split(np.argsort(link, kind='stable'), ends)
    for i in np.flatnonzero(many):
        rows.setdefault(int(half[i]), []).append(items[i])
    out: list[Halves | Filled] = []
    for h, each in rows.items():
        width = 2 * h if h != FILLED else max(len(row) for row in each)
        item = np.full((len(each), width), len(link))
        for into, row in zip(item, each, strict=True):
            # in turn, so that both halves weigh alike
            row = row[np.argsort(-weight[row], kind='stable')]
            into[: len(row[::2])] = row[::2]
            into[width - len(row[1::2]) :] = row[1::2]
        kind = Halves if h != FILLED else Filled
        out.append(
            kind(item, np.append(weight, np.inf)[item], link[item[:, 0]])
        )
    return out


def bound(
    parts: Shares,
    relaxed: Relaxed,
    most: float,
    over: Callable[[], bool],
) -> float:
    """A largest load that no modes go below.

    :param most: a largest load that is known to be reachable
    :param over: asked now and then; true: what is proven so far will do
    """
    low, high = relaxed.bound, most
    prices = Prices(parts, relaxed.price, most)
    if not prices.whole:
        return low
    while high - low > FINE * high and not over():
        guess = (low + high) / 2
        if prices.excludes(guess, over):
            low = guess
        else:
            high = guess
    return low
