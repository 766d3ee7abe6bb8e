"""Parts of the planner, and how each is switched off from outside.

The table of benchmarks.ablation: a part is some modules, or a piece of one,
and what stands in their place while it is off. The product has no option
for it; a name that is no longer there is an error, not a part that pays
nothing.
"""

import contextlib
import dataclasses
import importlib
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np

import watcher_tsmig
from watcher_tsmig.plan.modes import descent
from watcher_tsmig.plan.modes import relax
from watcher_tsmig.plan.modes.game import Choice
from watcher_tsmig.plan.modes.game import Game
from watcher_tsmig.plan.modes.game import loads

PLAN = 'watcher_tsmig.plan'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the planner.

    :ivar modules: what could be deleted without it, below plan/; empty for
        a piece of a module
    :ivar off: by `module:name` below plan/ what stands there while it is
        off
    """

    name: str
    modules: tuple[str, ...] = ()
    off: Mapping[str, object]

    @property
    def lines(self) -> int:
        """Of its modules."""
        root = pathlib.Path(watcher_tsmig.__file__).parent / 'plan'
        paths = [
            root / f'{name.replace(".", "/")}.py' for name in self.modules
        ]
        return sum(len(p.read_text('utf-8').splitlines()) for p in paths)


def _pre_copied(game: Game, effort: object = None) -> Choice:
    """Every VM pre-copied that may be."""
    post = ~game.may_pre
    value = float(loads(game, post).max(initial=0.0))
    return Choice(post=post, value=value, lower_bound=0.0)


def _descended(game: Game, effort: object) -> tuple[np.ndarray, float]:
    """From each VM's own better mode down, without a bound."""
    parts = relax.shares(game)
    start = descent.own_direction(parts)
    return descent.descend(game, parts, start, effort), 0.0


def _undirected(problem: object, moves: object, solve: Callable) -> tuple:
    """Nobody goes through a third host."""
    return moves, *solve(moves)


PARTS = (
    Part(
        name='the choice of modes by contention',
        modules=(
            'modes.contention',
            'modes.exact',
            'modes.relax',
            'modes.descent',
        ),
        off={'modes.contention:modes': _pre_copied},
    ),
    Part(
        name='its enumeration of few VMs',
        off={'modes.contention:ENUMERATE': 1},
    ),
    Part(
        name='its relaxation',
        modules=('modes.relax',),
        off={'modes.contention:_search': _descended},
    ),
    Part(
        name='its annealing',
        off={'modes.descent:annealed': lambda game, parts, start, *_: start},
    ),
    Part(
        name='better destinations, by contention',
        off={'placement.joint:_elsewhere': lambda p, s: s.destination},
    ),
    Part(
        name='the integer program for VMs without a destination',
        modules=('placement.rescue',),
        off={'placement.rescue:rescued': lambda problem, greedy: greedy},
    ),
    Part(
        name="the second share up to which one host's VMs stay together",
        off={'make:KEPT': (1.0,)},
    ),
    Part(
        name='the way through a third host',
        modules=('tasks.bypass',),
        off={'tasks.bypass:opened': _undirected},
    ),
    Part(
        name='the search that improves the best timetable',
        off={'tasks.portfolio:improved': lambda p, tasks, found: found},
    ),
    Part(
        name='several numbers of migrations at once',
        off={'tasks.portfolio:LANES': ()},
    ),
    Part(
        name='several widths of migrations',
        off={'schedule.timetable:WIDTHS': ()},
    ),
    Part(
        name='orders by who frees links',
        off={'schedule.timetable:_Search.leavers': lambda *_: iter(())},
    ),
    Part(
        name='what one more of what binds would do',
        modules=('explain.sensitivity',),
        off={'explain.sensitivity:purchases': lambda *_: ()},
    ),
)


@contextlib.contextmanager
def without(part: Part | None) -> Iterator[None]:
    """While this lasts the part is off.

    :raises AttributeError: what it names is not there
    """
    with contextlib.ExitStack() as stack:
        for place, instead in part.off.items() if part else ():
            stack.enter_context(_replaced(place, instead))
        yield


@contextlib.contextmanager
def _replaced(place: str, instead: object) -> Iterator[None]:
    module, _, names = place.partition(':')
    holder: object = importlib.import_module(f'{PLAN}.{module}')
    *outer, name = names.split('.')
    for each in outer:
        holder = getattr(holder, each)
    before = getattr(holder, name)
    setattr(holder, name, instead)
    try:
        yield
    finally:
        setattr(holder, name, before)
