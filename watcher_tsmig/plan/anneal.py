"""Modes by annealing, for games too large and too tight to be solved.

Minimised is the sum over links of exp((load - aim) / soft), a smooth
stand-in for the largest load. VMs are coloured so that those of a colour
share no link; all VMs of a colour then flip at once, each accepted by
itself (Metropolis), in several replicas: numpy works on whole colours.
Every VM here has a choice.
"""

import dataclasses

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.effort import Effort
from watcher_tsmig.plan.relax import Relaxed
from watcher_tsmig.plan.relax import Shares

# How soft the largest load is, as a share of it, at the start and at the
# end; and the temperature in the sum's own units. Found by trial.
SOFT = (0.03, 0.015)
HEAT = (2.0, 0.05)
# A VM whose flip alone raises the bound by more than this share of it is
# left in the mode that the relaxation gives it.
DEAR = 0.02
# Numbers per colour and step that keep numpy's overhead small.
WIDTH = 400


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Colour:
    """c VMs that share no link, each on k links (padded); r replicas.

    :ivar rows: shape (c,)
    :ivar links: k arrays of shape (c,)
    :ivar steps: k arrays of shape (c, 1), what post-copy adds
    """

    rows: IntArray
    links: list[IntArray]
    steps: list[FloatArray]


def _padded(parts: Shares, rows: IntArray) -> tuple[IntArray, FloatArray]:
    """(links, deltas) of these VMs, shape (c, k) each.

    A VM on fewer than k links gets the idle link m with delta 0.
    """
    delta = parts.delta[:, rows]
    counts = np.diff(delta.indptr)
    k = int(counts.max(initial=1))
    links = np.full((len(rows), k), parts.delta.shape[0])
    values = np.zeros((len(rows), k))
    row = np.repeat(np.arange(len(rows)), counts)
    place = np.arange(delta.nnz) - np.repeat(delta.indptr[:-1], counts)
    links[row, place] = delta.indices
    values[row, place] = delta.data
    return links, values


def _colours(links: IntArray, values: FloatArray, m: int) -> list[_Colour]:
    """Greedy colouring: each VM gets the first colour free on its links."""
    used = [0] * (m + 1)
    classes: dict[int, list[int]] = {}
    for row, mine in enumerate(links.tolist()):
        taken = 0
        for link in mine:
            taken |= used[link]
        bit = ~taken & (taken + 1)
        for link in mine:
            used[link] |= bit
        used[m] = 0
        classes.setdefault(bit, []).append(row)
    out = []
    for members in classes.values():
        rows = np.array(members)
        out.append(
            _Colour(
                rows=rows,
                links=list(links[rows].T.copy()),
                steps=[step[:, None] for step in values[rows].T.copy()],
            )
        )
    return out


def anneal(
    parts: Shares, relaxed: Relaxed, effort: Effort, sweeps: int
) -> BoolArray:
    """The best modes of one annealing; shape (n,).

    Starts from the relaxation, each VM post-copied with its share as the
    probability.
    """
    m, n = parts.delta.shape
    random = np.random.default_rng(effort.seed)
    level = relaxed.bound
    near = np.flatnonzero(relaxed.cost <= DEAR * level)
    links, values = _padded(parts, near)
    colours = _colours(links, values, m)
    r = max(1, round(WIDTH * len(colours) / max(len(near), 1)))
    post = np.repeat((relaxed.x > 0.5)[:, None], r, axis=1)
    post[near] = random.random((len(near), r)) < relaxed.x[near, None]
    load = np.zeros((m + 1, r))
    load[:m] = parts.base[:, None] + parts.delta @ post.astype(np.float64)
    sign = np.where(post[near], -1.0, 1.0)
    best, best_peak = post.copy(), load.max(axis=0)
    for sweep in range(sweeps):
        done = max(sweep / sweeps, effort.spent())
        if done >= 1:
            break
        soft = level * SOFT[0] * (SOFT[1] / SOFT[0]) ** done
        heat = HEAT[0] * (HEAT[1] / HEAT[0]) ** done
        for colour in colours:
            _flip(colour, load, sign, level, soft, heat, random)
        peak = load[:m].max(axis=0)
        won = peak < best_peak
        if won.any():
            best_peak[won] = peak[won]
            best[np.ix_(near, won)] = sign[:, won] < 0
    out: BoolArray = best[:, int(best_peak.argmin())].copy()
    return out


def _flip(
    colour: _Colour,
    load: FloatArray,
    sign: FloatArray,
    level: float,
    soft: float,
    heat: float,
    random: np.random.Generator,
) -> None:
    """Offer every VM of the colour a flip, in every replica, in place."""
    turn = sign[colour.rows]
    change = np.zeros(turn.shape)
    before, after = [], []
    for link, step in zip(colour.links, colour.steps, strict=True):
        here = load[link]
        there = here + step * turn
        change += np.exp(np.minimum((there - level) / soft, 60.0))
        change -= np.exp(np.minimum((here - level) / soft, 60.0))
        before.append(here)
        after.append(there)
    take = change < heat * random.standard_exponential(turn.shape)
    for i, link in enumerate(colour.links):
        load[link] = np.where(take, after[i], before[i])
    sign[colour.rows] = np.where(take, -turn, turn)
