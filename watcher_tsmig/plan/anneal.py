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
from watcher_tsmig.plan.relax import TRUST
from watcher_tsmig.plan.relax import Relaxed
from watcher_tsmig.plan.relax import Shares

# How soft the largest load is, as a share of what a VM adds to a link in
# the mean; and the heat at the start and at the end, in the sum's own
# units. Found by trial: it freezes between 3 and 1.
SOFT = 0.2
HEAT = (4.0, 0.15)
# A VM stays in the mode that the relaxation gives it, if leaving it costs
# the links that hold the bound more than this share of the mean, in all.
DEAR = 0.4
# Numbers per colour and step that keep numpy's overhead small.
WIDTH = 400


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Colour:
    """c VMs that share no link, each on k links (padded), in r replicas.

    :ivar rows: shape (c,)
    :ivar links: k arrays of shape (c,)
    :ivar factors: k arrays of shape (c, r): what the VM's next flip
        multiplies the link's term of the sum by; changed in place
    :ivar post: shape (c, r), who is post-copied; changed in place
    """

    rows: IntArray
    links: list[IntArray]
    factors: list[FloatArray]
    post: BoolArray


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


def _classes(links: IntArray, m: int) -> list[IntArray]:
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
    return [np.array(rows) for rows in classes.values()]


def _near(relaxed: Relaxed, mean: float) -> IntArray:
    """VMs that are worth a flip."""
    holding = int((relaxed.price > TRUST).sum())
    return np.flatnonzero(relaxed.cost * holding <= DEAR * mean)


def _power(x: FloatArray) -> FloatArray:
    """The exponential, kept far from overflow."""
    out: FloatArray = np.exp(np.clip(x, -60.0, 60.0))
    return out


def anneal(parts: Shares, relaxed: Relaxed, effort: Effort) -> BoolArray:
    """The best modes of one annealing; shape (n,).

    Starts from the relaxation, each VM post-copied with its share as the
    probability.
    """
    m = parts.delta.shape[0]
    random = np.random.default_rng(effort.seed)
    mean = max(float(np.abs(parts.delta.data).mean()), TRUST)
    soft = SOFT * mean
    near = _near(relaxed, mean)
    links, values = _padded(parts, near)
    classes = _classes(links, m)
    r = max(1, round(WIDTH * len(classes) / max(len(near), 1)))
    post = np.repeat((relaxed.x > 0.5)[:, None], r, axis=1)
    post[near] = random.random((len(near), r)) < relaxed.x[near, None]
    load = parts.base[:, None] + parts.delta @ post.astype(np.float64)
    terms = np.zeros((m + 1, r))
    terms[:m] = _power((load - relaxed.bound) / soft)
    turn = np.where(post[near], -1.0, 1.0)
    colours = [
        _Colour(
            rows=near[rows],
            links=list(links[rows].T.copy()),
            factors=[
                _power(step[:, None] * turn[rows] / soft)
                for step in values[rows].T
            ],
            post=post[near[rows]],
        )
        for rows in classes
    ]
    best_peak = terms.max(axis=0)
    best = post.copy()
    for sweep in range(effort.sweeps):
        done = max(sweep / effort.sweeps, effort.spent())
        if done >= 1:
            break
        heat = HEAT[0] * (HEAT[1] / HEAT[0]) ** done
        for colour in colours:
            _flip(colour, terms, heat, random)
        peak = terms.max(axis=0)
        won = peak < best_peak
        if won.any():
            best_peak[won] = peak[won]
            for colour in colours:
                best[np.ix_(colour.rows, won)] = colour.post[:, won]
    out: BoolArray = best[:, int(best_peak.argmin())].copy()
    return out


def _flip(
    colour: _Colour,
    terms: FloatArray,
    heat: float,
    random: np.random.Generator,
) -> None:
    """Offer every VM of the colour a flip, in every replica, in place.

    :param terms: shape (m + 1, r), each link's term of the sum
    """
    here = [terms[link] for link in colour.links]
    change = np.zeros(colour.post.shape)
    for term, factor in zip(here, colour.factors, strict=True):
        change += term * (factor - 1.0)
    take = change < heat * random.standard_exponential(change.shape)
    links = zip(colour.links, here, colour.factors, strict=True)
    for link, term, factor in links:
        terms[link] = np.where(take, term * factor, term)
        factor[:] = np.where(take, 1.0 / factor, factor)
    np.logical_xor(colour.post, take, out=colour.post)
