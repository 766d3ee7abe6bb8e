"""Destinations: which host each VM goes to.

Largest memory first, each to the host that the placement prefers among
those with room. No host that is emptied is ever a destination, so there
are no cycles of VMs waiting for each other's memory.
"""

import numpy as np

from watcher_tsmig.plan import problem as problem_module
from watcher_tsmig.plan.problem import BoolArray
from watcher_tsmig.plan.problem import IntArray
from watcher_tsmig.plan.problem import Problem
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Placement
from watcher_tsmig.reasons import Reason

NOWHERE = -1
# A fair share may be exceeded by rounding, not by another VM.
FAIR_SLACK = 1e-6


def destinations(problem: Problem) -> tuple[IntArray, list[LeftOut]]:
    """A destination host for each VM.

    Spread gives every NIC incoming volume for about the same time, and up
    to that fair share keeps one host's VMs together, for fewer pairs of
    hosts wait for each other then; else it prefers the NIC with least
    incoming time, then the one that receives least once the VMs are
    there, then the most free memory. Pack prefers the fullest host with
    room.

    :returns: shape (n,), host or `NOWHERE`; and those left out
    """
    state = _State(problem)
    chosen = np.full(len(problem.vms), NOWHERE, dtype=np.intp)
    left_out: list[LeftOut] = []
    size = np.array([vm.memory for vm in problem.vms])
    rows = np.arange(len(size))
    chosen_hosts = dict(problem.request.choices)
    names = np.array(problem.names)
    for row in map(int, np.lexsort((rows, problem.source, -size))):
        vm = problem.vms[row]
        fits = (
            problem.receives
            & (state.memory >= vm.memory)
            & (state.vcpus >= vm.vcpus)
        )
        if vm.id in chosen_hosts:
            fits &= names == chosen_hosts[vm.id]
        if not fits.any():
            left_out.append(_no_destination(problem, row))
            continue
        chosen[row] = state.prefer(row, fits)
        state.put(row, int(chosen[row]))
    return chosen, left_out


class _State:
    """What is free and what comes in while destinations are chosen."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.memory = problem.free_memory.copy()
        self.vcpus = problem.free_vcpus.copy()
        self.app_rx = problem.app_rx.copy()
        self.incoming = np.zeros(len(self.memory))
        self.rate = problem_module.room(
            problem, problem.capacity, problem.app_rx
        )
        open_rate = self.rate[problem.receives].sum()
        self.fair = problem.curves.resident.sum() / max(open_rate, 1e-9)
        self.partners: dict[int, set[int]] = {}

    def prefer(self, row: int, fits: BoolArray) -> int:
        """The host that the request's placement prefers among `fits`."""
        problem = self.problem
        rank = np.arange(len(fits))
        if problem.request.placement is Placement.PACK:
            return int(np.lexsort((rank, self.memory, ~fits))[0])
        volume = problem.curves.resident[row]
        busy = (self.incoming + volume) / self.rate
        partner = np.zeros(len(fits), dtype=bool)
        partner[list(self.partners.get(int(problem.source[row]), ()))] = True
        partner &= busy <= self.fair * (1 + FAIR_SLACK)
        crowd = (self.app_rx + problem.rx[row]) / problem.capacity
        keys = (rank, -self.memory, crowd, busy, ~partner, ~fits)
        return int(np.lexsort(keys)[0])

    def put(self, row: int, host: int) -> None:
        problem = self.problem
        vm = problem.vms[row]
        self.memory[host] -= vm.memory
        self.vcpus[host] -= vm.vcpus
        self.app_rx[host] += problem.rx[row]
        self.incoming[host] += problem.curves.resident[row]
        self.partners.setdefault(int(problem.source[row]), set()).add(host)


def _no_destination(problem: Problem, row: int) -> LeftOut:
    choice = dict(problem.request.choices).get(problem.vms[row].id)
    if choice is not None:
        because = f'{choice}, chosen for it, may not receive it or is full'
    elif problem.receives.any():
        because = (
            f'no destination has {problem_module.needs(problem.vms[row])} free'
        )
    else:
        because = (
            'there is no destination: every other host is disabled, down, '
            'to be emptied or not among those allowed'
        )
    return problem_module.left_out(
        problem, row, Reason.NO_DESTINATION, because
    )
