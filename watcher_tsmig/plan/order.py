"""Orders in which the list scheduler tries migrations, and their neighbours.

Migrations of equal length between hosts that take one at a time are the
edges of a bipartite multigraph, and a schedule in rounds is an edge
colouring. Koenig: as many colours suffice as the busiest host has
migrations. So one order is by colour, and swapping two colours along a
chain (Kempe) turns a colouring into another one as short. The other orders
are by how critical the NICs are.
"""

import collections

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray


def critical(
    source: IntArray,
    destination: IntArray,
    seconds: FloatArray,
    post: BoolArray,
) -> list[IntArray]:
    """By the busier of the two NICs, busiest first, then by own time.

    Of one host's VMs the post-copied first frees its outgoing side for
    the rest, the pre-copied first keeps the destination's incoming side:
    two orders. All arguments have shape (n,).
    """
    hosts = int(max(source.max(initial=0), destination.max(initial=0))) + 1
    out = np.bincount(source, seconds, hosts)[source]
    into = np.bincount(destination, seconds, hosts)[destination]
    busiest = -np.maximum(out, into)
    rows = np.arange(len(source))
    return [
        np.lexsort((rows, -seconds, late, busiest)) for late in (~post, post)
    ]


def colours(source: IntArray, destination: IntArray) -> IntArray:
    """A proper edge colouring with the fewest colours, shape (n,).

    No two migrations of one colour share a source or a destination.
    Source: Koenig's theorem by alternating paths.
    """
    n = len(source)
    colour = np.full(n, -1, dtype=np.intp)
    at: dict[tuple[str, int], dict[int, int]] = collections.defaultdict(dict)
    for edge in range(n):
        u = ('s', int(source[edge]))
        v = ('d', int(destination[edge]))
        free_u, free_v = _free(at[u]), _free(at[v])
        if free_u not in at[v]:
            wanted = free_u
        else:
            _flip(at, colour, source, destination, v, free_u, free_v)
            wanted = free_u
        colour[edge] = wanted
        at[u][wanted] = edge
        at[v][wanted] = edge
    return colour


def _free(used: dict[int, int]) -> int:
    colour = 0
    while colour in used:
        colour += 1
    return colour


def _flip(
    at: dict[tuple[str, int], dict[int, int]],
    colour: IntArray,
    source: IntArray,
    destination: IntArray,
    node: tuple[str, int],
    a: int,
    b: int,
) -> None:
    """Swap colours a and b along the path that leaves `node` by a."""
    path = []
    wanted = a
    while wanted in at[node]:
        edge = at[node][wanted]
        path.append(edge)
        node = (
            ('d', int(destination[edge]))
            if node[0] == 's'
            else ('s', int(source[edge]))
        )
        wanted = b if wanted == a else a
    for edge in path:
        for end in (('s', int(source[edge])), ('d', int(destination[edge]))):
            if at[end].get(int(colour[edge])) == edge:
                del at[end][int(colour[edge])]
    for edge in path:
        colour[edge] = b if colour[edge] == a else a
        for end in (('s', int(source[edge])), ('d', int(destination[edge]))):
            at[end][int(colour[edge])] = edge


def kempe(
    colour: IntArray,
    source: IntArray,
    destination: IntArray,
    edge: int,
    other: int,
) -> IntArray:
    """The colouring with two colours swapped on the chain through `edge`.

    :param other: the colour to swap with that of `edge`
    """
    pair = (int(colour[edge]), other)
    inside = np.isin(colour, pair)
    chain = np.zeros(len(colour), dtype=bool)
    chain[edge] = True
    while True:
        near = inside & (
            np.isin(source, source[chain])
            | np.isin(destination, destination[chain])
        )
        if not (near & ~chain).any():
            break
        chain |= near
    swapped = colour.copy()
    swapped[chain & (colour == pair[0])] = pair[1]
    swapped[chain & (colour == pair[1])] = pair[0]
    return swapped


def by_colour(colour: IntArray, seconds: FloatArray) -> IntArray:
    """Rows by colour, the longest first within each."""
    return np.lexsort((np.arange(len(colour)), -seconds, colour))


def move_forward(
    order: IntArray, ends: FloatArray, random: np.random.Generator
) -> IntArray:
    """The order with one migration, likely a late one, moved forward.

    :param ends: shape (n,), when each ends in the order's schedule, s
    """
    weight = (ends[order[1:]] + 1.0) ** 2
    at = 1 + int(random.choice(len(weight), p=weight / weight.sum()))
    to = int(random.integers(at))
    moved = order.tolist()
    moved.insert(to, moved.pop(at))
    return np.array(moved, dtype=np.intp)
