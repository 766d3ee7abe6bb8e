"""Destinations: which host each VM goes to.

Most restricted first, then largest memory, each to the host that the
placement prefers among those that admit it and have room; where that leaves
VMs out, an integer program looks for a placement that does not. How the VMs
then travel is contention.py's, and whether another destination would serve
them better joint.py's task.
"""

from collections.abc import Callable

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.placement import rescue
from watcher_tsmig.plan.problem import eligibility
from watcher_tsmig.plan.problem import headroom
from watcher_tsmig.plan.problem import problem as problem_module
from watcher_tsmig.plan.problem.problem import NOWHERE
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.problem.vacancy import Vacancy
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Placement
from watcher_tsmig.reasons import Reason

# Two preferences are equal within this share.
EQUAL = 1e-9
# Other destinations that a migration carries along.
ALTERNATIVES = 3

_Key = Callable[[IntArray], FloatArray]
_Test = Callable[[Problem, int], bool]
_Text = Callable[[Problem, int], str]


def destinations(
    problem: Problem, kept: float = 1.0
) -> tuple[IntArray, list[LeftOut]]:
    """A destination host for each VM.

    Spread gives every link incoming volume for about the same time, and up
    to that fair share keeps one host's VMs together, for fewer pairs of
    hosts wait for each other then; else it prefers the path with least
    volume before this one, then the NIC that receives least once the VMs
    are there, then the most free memory. Pack prefers the fullest host
    with room. Soft server groups come before all of these.

    :param kept: up to so much of its fair share; less than all of it leaves
        room for traffic that arrives
    :returns: shape (n,), host or `NOWHERE`; and those left out
    """
    state = State(problem, kept)
    chosen = np.full(len(problem.vms), NOWHERE, dtype=np.intp)
    for row in map(int, _order(problem)):
        fits = state.fits(row)
        if fits.any():
            chosen[row] = state.prefer(row, fits)
            state.put(row, int(chosen[row]))
    if (chosen == NOWHERE).any():
        chosen = rescue.rescued(problem, chosen)
    homeless = np.flatnonzero(chosen == NOWHERE)
    return chosen, [_no_destination(problem, int(row)) for row in homeless]


def _order(problem: Problem) -> IntArray:
    memory = problem.size[:, 0]
    few = problem.admitted.sum(axis=1)
    rows = np.arange(len(memory))
    return np.lexsort((rows, problem.source, -memory, few))


class State:
    """What is free and what comes in while destinations are chosen."""

    def __init__(self, problem: Problem, kept: float = 1.0) -> None:
        self.problem, self.kept = problem, kept
        links = problem.network
        self.vacancy = Vacancy(
            problem.free_after(), problem.size, problem.groups
        )
        self.app = problem.app.copy()
        self.volume = np.zeros(len(links.capacity))
        self.room = self._rooms(self.app)
        h = links.hosts
        self.into = self.room[h : 2 * h]
        open_rate = self.into[problem.receives].sum()
        self.fair = problem.curves.resident.sum() / max(open_rate, EQUAL)
        self.partners: dict[int, set[int]] = {}
        self.behind = links.behind
        self.at: dict[int, int] = {}

    def fits(self, row: int) -> BoolArray:
        """Hosts that admit the VM and have room for it, shape (h,)."""
        out: BoolArray = self.problem.admitted[row] & self.vacancy.fits(row)
        return out

    def prefer(self, row: int, fits: BoolArray) -> int:
        """The host that the request's placement prefers among `fits`."""
        rows = np.flatnonzero(fits)
        for key in self._keys(row, rows):
            if len(rows) == 1:
                break
            values = key(rows)
            least = values.min()
            rows = rows[values <= least + EQUAL * abs(least)]
        return int(rows[0])

    def put(self, row: int, host: int) -> None:
        """The VM goes there."""
        self.at[row] = host
        self.partners.setdefault(int(self.problem.source[row]), set()).add(
            host
        )
        self.vacancy.put(row, host)
        self._count(row, host, 1.0)

    def take(self, row: int) -> None:
        """The VM does not go where it was to go."""
        host = self.at.pop(row)
        self.vacancy.take(row, host)
        self._count(row, host, -1.0)

    def times(self) -> FloatArray:
        """How long each link would be busy at its room, s, shape (m,)."""
        out: FloatArray = self.volume / self.room
        return out

    def _count(self, row: int, host: int, sign: float) -> None:
        problem = self.problem
        path = problem.network.path(int(problem.source[row]), host)
        self.volume[list(path)] += sign * problem.curves.resident[row]
        self._brings(row, host, sign)

    def _brings(self, row: int, host: int, sign: float) -> None:
        """The VM's traffic leaves less of its host's NIC to the next."""
        links = self.problem.network
        link = links.hosts + host
        self.app[link] += sign * self.problem.rx[row] * links.tenants[link]
        self.room[link] = self._rooms(self.app)[link]

    def _rooms(self, app: FloatArray) -> FloatArray:
        """What migrations may use of each link, > 0, shape (m,)."""
        return np.maximum(headroom.room(self.problem, app), EQUAL)

    def _keys(self, row: int, rows: IntArray) -> list[_Key]:
        keys: list[_Key] = []
        mine = self.vacancy.softly(row)
        if mine:
            keys.append(
                lambda at: np.sum(
                    [
                        -there[at] if group.together else there[at]
                        for group, there in mine
                    ],
                    axis=0,
                )
            )
        free = self.vacancy.free[:, 0]
        if self.problem.request.placement is Placement.PACK:
            return [*keys, lambda at: free[at]]
        busy = self.busy(row)
        partner = self._partner(row, busy)
        h = self.problem.network.hosts
        capacity = self.problem.network.capacity[h : 2 * h]
        tenants = self.problem.network.tenants[h : 2 * h]
        rx = self.problem.rx[row] * tenants
        return [
            *keys,
            lambda at: 1.0 - partner[at],
            lambda at: busy[at],
            lambda at: (self.app[h + at] + rx[at]) / capacity[at],
            lambda at: -free[at],
        ]

    def busy(self, row: int, early: bool = False) -> FloatArray:
        """How long the path's busiest incoming link would be, shape (h,).

        :param early: the VM's own traffic is there before its memory
        """
        h = self.problem.network.hosts
        volume = float(self.problem.curves.resident[row])
        into = self.into
        if early:
            comes = self.problem.rx[row] * self.problem.network.tenants
            into = self._rooms(self.app + comes)[h : 2 * h]
        busy: FloatArray = (self.volume[h : 2 * h] + volume) / into
        if len(self.behind):
            shared = (self.volume[2 * h :] + volume) / self.room[2 * h :]
            out, into = shared[0::2, None], shared[1::2, None]
            here = self.behind[:, [self.problem.source[row]]]
            leaves = np.where(here & ~self.behind, out, 0.0)
            enters = np.where(self.behind & ~here, into, 0.0)
            busy = np.maximum(busy, np.maximum(leaves, enters).max(axis=0))
        return busy

    def _partner(self, row: int, busy: FloatArray) -> BoolArray:
        partner = np.zeros(len(busy), dtype=bool)
        source = int(self.problem.source[row])
        partner[list(self.partners.get(source, ()))] = True
        partner &= busy <= self.fair * self.kept * (1 + problem_module.SLACK)
        return partner


def _no_destination(problem: Problem, row: int) -> LeftOut:
    vm = problem.vms[row]
    for applies, reason, text in _WHY:
        if applies(problem, row):
            return problem_module.left_out(
                problem, row, reason, text(problem, row)
            )
    raise AssertionError(f'the last row of _WHY applies to {vm.id}')


def alternatives(
    problem: Problem, rows: IntArray, source: IntArray, destination: IntArray
) -> list[tuple[str, ...]]:
    """Other hosts that have room for each move once all have ended.

    None for a VM whose host the operator chose, or that moves twice.

    :param rows: shape (k,), the VM of each move
    """
    free = problem.free.copy()
    np.add.at(free, source, problem.size[rows])
    after = Vacancy(free, problem.size, problem.groups)
    for row, there in zip(rows, destination, strict=True):
        after.put(int(row), int(there))
    moved = np.bincount(rows, minlength=len(problem.vms))
    out = []
    for row, here, there in zip(rows, source, destination, strict=True):
        fits = problem.admitted[row] & after.fits(int(row))
        fits[[here, there]] = False
        if moved[row] > 1 or problem.chosen[row] != NOWHERE:
            fits[:] = False
        found = np.flatnonzero(fits)
        best = found[np.argsort(-after.free[found, 0], kind='stable')]
        out.append(tuple(problem.names[i] for i in best[:ALTERNATIVES]))
    return out


def _alone(problem: Problem, row: int) -> BoolArray:
    """Hosts that would have room if the VM were the only one to move."""
    out: BoolArray = (problem.free_after() >= problem.size[row]).all(axis=1)
    return out


# Why a VM has no destination, first match wins.
_WHY: tuple[tuple[_Test, Reason, _Text], ...] = (
    (
        lambda p, row: p.chosen[row] != NOWHERE,
        Reason.NO_DESTINATION,
        lambda p, row: (
            f'{p.names[p.chosen[row]]}, which was chosen for it, does not '
            f'admit it or has not {eligibility.needs(p.vms[row])} free'
        ),
    ),
    (
        lambda p, row: not p.opened.any(),
        Reason.NO_DESTINATION,
        lambda p, row: (
            'there is no destination: every other host is disabled, down, '
            'to be emptied or not among those allowed'
        ),
    ),
    (
        lambda p, row: not p.admitted[row].any(),
        Reason.NOT_ALLOWED,
        lambda p, row: (
            'no host that can receive is in its zone and among those that '
            'its traits, aggregates and server group admit'
        ),
    ),
    (
        lambda p, row: (
            (p.admitted[row] & _alone(p, row)).any()
            and any(row in g.rows and np.isfinite(g.most) for g in p.groups)
        ),
        Reason.SERVER_GROUP,
        lambda p, row: (
            'every host with room has as many members of its anti-affinity '
            'group as the group admits'
        ),
    ),
    (
        lambda p, row: True,
        Reason.NO_DESTINATION,
        lambda p, row: (
            f'no destination has {eligibility.needs(p.vms[row])} free'
        ),
    ),
)
