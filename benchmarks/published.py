"""Published relocation problems read from files, and an oracle for them.

A problem's file is JSON, see the keys below; rates are Mbit/s and memory
is in the file's own unit, which only have to agree with each other.
"""

import dataclasses
import functools
import gzip
import importlib
import json
import math
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import numpy as np

from watcher_tsmig import errors
from watcher_tsmig.plan.schedule.tasks import Task
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.schedule.tasks import Way

KINDS = ('mem', 'cpu')


@dataclasses.dataclass(frozen=True, slots=True)
class Reached:
    """What BtrPlace reached, s."""

    makespan: float
    sum_of_ends: float


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One published problem."""

    name: str
    tasks: Tasks
    lower_bound: float
    btrplace: Reached | None


def problems(data: pathlib.Path, only: str = '') -> Iterator[Problem]:
    """All problems below DIR/schedules whose name contains `only`.

    :raises errors.InputError: there is none, or one cannot be read
    """
    folder = data / 'schedules'
    paths = [
        path
        for path in sorted(folder.glob('*.json*'))
        if only in path.name and path.name.endswith(('.json', '.json.gz'))
    ]
    if not paths:
        raise errors.InputError(
            f'has no .json.gz file{" named so" if only else ""}; name the '
            'folder above with --data',
            str(folder),
        )
    for path in paths:
        yield read(path)


def read(path: pathlib.Path) -> Problem:
    """One problem from its file.

    :raises errors.InputError: it is not in the format
    """
    try:
        raw = path.read_bytes()
        if path.suffix == '.gz':
            raw = gzip.decompress(raw)
        data = json.loads(raw)
    except (OSError, EOFError, ValueError, gzip.zlib.error) as error:
        raise errors.InputError(
            f'is not readable JSON: {error}', str(path)
        ) from error
    try:
        return _problem(path.name.split('.json')[0], data)
    except KeyError as error:
        raise errors.InputError(f'lacks {error}', str(path)) from error
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise errors.InputError(
            f'is not in the format: {error}', str(path)
        ) from error


def _problem(name: str, data: dict[str, Any]) -> Problem:
    links = {link: i for i, link in enumerate(sorted(data['links_mbit_s']))}
    stores: dict[tuple[str, str], int] = {}
    free: list[float] = []
    for node, has in data['node_capacity'].items():
        for kind in KINDS:
            stores[node, kind] = len(free)
            free.append(float(has[kind]))
    for vm, node in data['vm_location'].items():
        for kind in KINDS:
            free[stores[str(node), kind]] -= data['vm_demand'][vm][kind]
    capacity = [float(data['links_mbit_s'][link]) for link in links]
    if min(capacity, default=1.0) <= 0:
        raise ValueError('a link without capacity')
    reached = data['btrplace']
    return Problem(
        name=name,
        tasks=Tasks(
            tasks=tuple(
                _task(one, links, stores, data['vm_demand'])
                for one in data['migrations']
            ),
            capacity=np.array(capacity),
            app=np.zeros(len(capacity)),
            stores=np.array(free),
        ),
        lower_bound=float(data['lower_bound_s']),
        btrplace=Reached(
            makespan=float(reached['makespan_s']),
            sum_of_ends=float(reached['sum_of_ends_s']),
        )
        if reached
        else None,
    )


def _constant(seconds: float, rate: float) -> float:
    return seconds


def _task(
    one: dict[str, Any],
    links: dict[str, int],
    stores: dict[tuple[str, str], int],
    demands: dict[str, dict[str, float]],
) -> Task:
    rate, seconds = float(one['bandwidth_mbit_s']), float(one['duration_s'])
    if not (0 < rate < math.inf and 0 < seconds < math.inf):
        raise ValueError('a bandwidth or a duration that is not positive')
    demand = demands[str(one['vm'])]
    takes: Callable[[float], float] = functools.partial(_constant, seconds)
    amounts = {
        side: tuple(
            (stores[str(one[side]), kind], float(demand[kind]))
            for kind in KINDS
        )
        for side in ('source', 'destination')
    }
    return Task(
        ways=(
            Way(
                links=tuple(links[link] for link in one['links']),
                takes=takes,
                least=rate,
                most=rate,
                volume=rate * seconds,
                claims=amounts['destination'],
                frees=amounts['source'],
            ),
        ),
        release=float(one['release_s']),
    )


def need_oracle() -> Any:  # noqa: ANN401 - a module that may be missing
    """OR-Tools' CP-SAT.

    :raises errors.InputError: it is not installed
    """
    try:
        return importlib.import_module('ortools.sat.python.cp_model')
    except ImportError as error:
        raise errors.InputError(
            'needs OR-Tools: pip install ortools', '--oracle'
        ) from error


def oracle(
    tasks: Tasks, hint: Timetable, seconds: float
) -> tuple[float, float]:
    """(makespan, lower bound) by CP-SAT within so many seconds.

    Times are whole seconds, as they are in the published problems. A
    makespan that was not found is inf.
    """
    cp = need_oracle()
    model = cp.CpModel()
    horizon = math.ceil(hint.makespan)
    starts = {b.task: round(b.start) for b in hint.bookings}
    on_link: dict[int, list[tuple[Any, int]]] = {}
    in_store: dict[int, list[tuple[Any, int]]] = {}
    ends = []
    for i, task in enumerate(tasks.tasks):
        way = task.ways[0]
        takes = math.ceil(way.takes(way.most))
        start = model.new_int_var(
            math.ceil(task.release), max(horizon - takes, 0), f's{i}'
        )
        model.add_hint(start, starts[i])
        span = model.new_fixed_size_interval_var(start, takes, f'i{i}')
        ends.append(start + takes)
        for link in way.links:
            on_link.setdefault(link, []).append((span, round(way.most)))
        for store, amount in way.claims:
            in_store.setdefault(store, []).append((start, -round(amount)))
        for store, amount in way.frees:
            in_store.setdefault(store, []).append(
                (start + takes, round(amount))
            )
    for link, used in on_link.items():
        spans, rates = zip(*used, strict=True)
        model.add_cumulative(spans, rates, math.floor(tasks.capacity[link]))
    for store, changes in in_store.items():
        times, amounts = zip(*changes, strict=True)
        model.add_reservoir_constraint(
            times, amounts, -math.floor(tasks.stores[store]), 10**9
        )
    makespan = model.new_int_var(0, horizon, 'makespan')
    model.add_max_equality(makespan, ends)
    model.minimize(makespan)
    solver = cp.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 2
    status = solver.solve(model)
    found = status in (cp.OPTIMAL, cp.FEASIBLE)
    return (
        solver.objective_value if found else math.inf,
        float(solver.best_objective_bound),
    )
