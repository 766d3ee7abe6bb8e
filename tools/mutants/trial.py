"""Slips tried: which tests they concern, and what came of each."""

import pathlib
import random
from collections.abc import Iterator
from collections.abc import Mapping

from tools.mutants import running
from tools.mutants import telling
from tools.mutants.concerned import Imports
from tools.mutants.concerned import Ran
from tools.mutants.concerned import tests_of
from tools.mutants.running import Verdict
from tools.mutants.slips import Slip

# s for a test module without a slip
PATIENCE = 600.0
# How much longer than without a slip tests may take, and how many s at least
TIMES, LEAST = 4.0, 20.0


def drawn(every: list[Slip], count: int | None, seed: int) -> list[Slip]:
    """So many of them, each as likely as another; None: all."""
    if count is None or count >= len(every):
        return every
    chosen = random.Random(seed).sample(range(len(every)), count)
    return [every[i] for i in sorted(chosen)]


def tried(
    drawn: list[Slip],
    texts: dict[str, str],
    known: set[telling.Known],
    copies: list[pathlib.Path],
    seen: pathlib.Path,
    *,
    near: bool,
) -> Iterator[tuple[Slip, str]]:
    """Each slip and what came of it, as they end.

    :param texts: of the modules, by path
    :param known: to be equivalent
    :param copies: of the checkout; a slip is tried in each at a time
    :param seen: folder in which is kept what tests run without a slip
    :param near: only test modules that import a module themselves count
    """
    left = []
    some = {path for path, *_ in known}
    for slip in drawn:
        # a diff takes a moment, and most modules have no such slip
        diff = slip.diff(texts[slip.path]) if slip.path in some else ()
        if telling.known(slip.path, diff) in known:
            yield slip, telling.EQUIVALENT
        else:
            left.append(slip)
    imports = Imports(copies[0])
    paths = {slip.path for slip in left}
    suites = sorted(
        {s for path in paths for s in imports.concerned(path, near=near)}
    )
    running.preload(imports.foreign(suites))
    ran = watched(imports, suites, copies, seen)
    count = sum(map(len, ran.values()))
    seconds = sum(test.seconds for tests in ran.values() for test in tests)
    print(f'{count} tests take {seconds:.0f} s without a slip', flush=True)
    for path, verdict in running.together(
        (broken(path, imports, ran) for path in sorted(paths)), copies
    ):
        if verdict is Verdict.SURVIVED:
            print(f'{path} may as well not load: no test notices', flush=True)
    tasks = (task(slip, texts[slip.path], imports, ran) for slip in left)
    yield from running.together(tasks, copies)


def watched(
    imports: Imports,
    suites: list[str],
    copies: list[pathlib.Path],
    seen: pathlib.Path,
) -> dict[str, list[Ran]]:
    """The tests of these modules, as they are without a slip.

    What was seen of a test module is kept, until it or a module that it
    imports is another.
    """
    seen.mkdir(parents=True, exist_ok=True)
    out = {suite: seen / f'{imports.stamp(suite)}.json' for suite in suites}
    tasks = (
        running.Task(
            key=suite,
            work=lambda copy, suite=suite: running.watch(
                copy, suite, out[suite]
            ),
            bound=PATIENCE,
        )
        for suite in suites
        if not out[suite].exists()
    )
    for suite, verdict in running.together(tasks, copies):
        assert verdict is not Verdict.NOTICED, suite
    ran = {}
    for suite in suites:
        if not out[suite].exists():
            print(f'{suite} is left out: it does not end by itself')
            continue
        ran[suite], unfit = running.read(out[suite])
        if unfit:
            print(f'left out, skipped or failed: {", ".join(unfit)}')
    return ran


def broken(
    path: str, imports: Imports, ran: Mapping[str, list[Ran]]
) -> running.Task:
    """To try a module that does not load at all, which has to be noticed."""
    names = [test.name for test in tests_of(path, 1, imports, ran)]
    return running.Task(
        key=path,
        work=lambda _: running.verdict(names),
        bound=PATIENCE,
        change=(path, 'raise ImportError\n'),
    )


def task(
    slip: Slip, text: str, imports: Imports, ran: Mapping[str, list[Ran]]
) -> running.Task:
    """To try a slip."""
    tests = tests_of(slip.path, slip.line, imports, ran)
    names = [test.name for test in tests]
    return running.Task(
        key=slip,
        work=lambda _: running.verdict(names),
        bound=LEAST + TIMES * sum(test.seconds for test in tests),
        change=(slip.path, slip.made(text)),
    )
