"""Which tests concern which line, found by what imports and what runs.

A test module concerns a module that it imports, however far away. Of its
tests those concern a function that run it, as seen once without any slip;
and those concern a table or a constant that run its module, or one that
imports it. Nothing is listed by hand.
"""

import ast
import dataclasses
import functools
import hashlib
import itertools
import pathlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

FOLDERS = ('watcher_tsmig', 'tests', 'benchmarks')
# Those that are fast; what starts a cloud or reads a disk is not.
SUITES = ('tests/unit/test_', 'tests/property/test_')

# s of tests for one slip
MOST = 30.0

# A function: its module below the root, and the line that it begins on.
Function = tuple[str, int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A test that passes without any slip.

    :ivar seconds: that it took
    :ivar functions: of ours that it ran
    """

    name: str
    seconds: float
    functions: frozenset[Function]


class Imports:
    """Who imports whom in a checkout; modules are paths below its root."""

    def __init__(self, root: pathlib.Path) -> None:
        self._texts = {
            str(path.relative_to(root)): path.read_text('utf-8')
            for folder in FOLDERS
            for path in sorted((root / folder).rglob('*.py'))
        }
        self.trees = {p: ast.parse(text) for p, text in self._texts.items()}
        self.direct = {
            path: frozenset(self._ours(tree))
            for path, tree in self.trees.items()
        }

    @functools.cached_property
    def suites(self) -> list[str]:
        """The test modules."""
        return [path for path in self.trees if path.startswith(SUITES)]

    def foreign(self, paths: Iterable[str]) -> set[str]:
        """What these and all that they import need of others, dotted."""
        reached = set().union(*(self.reached(path) for path in paths))
        return {
            name
            for path in reached
            for name in _imported(self.trees[path])
            if name.split('.')[0] not in FOLDERS
        }

    def reached(self, path: str) -> frozenset[str]:
        """The module and all that it imports, however far away."""
        found, left = {path}, [path]
        while left:
            new = self.direct[left.pop()] - found
            found |= new
            left += new
        return frozenset(found)

    def users(self, path: str) -> frozenset[str]:
        """The module and those that import it, also by a package of it."""
        names = {path}
        for folder in pathlib.PurePath(path).parents:
            package = str(folder / '__init__.py')
            if names & self.direct.get(package, frozenset()):
                names.add(package)
        return names | {p for p, of in self.direct.items() if names & of}

    def concerned(self, path: str, *, near: bool = False) -> list[str]:
        """The test modules that reach it.

        :param near: only those that import it themselves
        """
        if near:
            return sorted(self.users(path) & set(self.suites))
        return [test for test in self.suites if path in self.reached(test)]

    def stamp(self, path: str) -> str:
        """Another one where it, what it imports or who looks is another."""
        texts = [self._texts[p] for p in sorted(self.reached(path))]
        looks = sorted(pathlib.Path(__file__).parent.glob('*.py'))
        texts += [look.read_text('utf-8') for look in looks]
        return hashlib.sha256('\n'.join((path, *texts)).encode()).hexdigest()

    def _ours(self, tree: ast.Module) -> Iterator[str]:
        for name in _imported(tree):
            stem = name.replace('.', '/')
            for path in (f'{stem}.py', f'{stem}/__init__.py'):
                if path in self.trees:
                    yield path


def _imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names; of `from a import b` both a and a.b, which may be one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def function_at(tree: ast.Module, line: int) -> int | None:
    """The line that the innermost function around a line begins on.

    None in a table, a constant, a default or a decorator: these run when
    the module is loaded, and are used by whoever does.
    """
    found = None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            if node.body[0].lineno <= line <= (node.end_lineno or 0):
                heads = [d.lineno for d in node.decorator_list]
                found = max(found or 0, min([node.lineno, *heads]))
    return found


def tests_of(
    path: str, line: int, imports: Imports, ran: Mapping[str, list[Ran]]
) -> list[Ran]:
    """The tests that a slip there concerns, the nearest and fastest first.

    A table may concern every test there is; those that come last are left
    out, so that a slip which only they would notice counts as a survivor.

    :param ran: by test module
    """
    begins = function_at(imports.trees[path], line)
    users = imports.users(path)
    classes: dict[tuple[bool, str], list[Ran]] = {}
    for suite in imports.concerned(path):
        for test in ran.get(suite, ()):
            if (
                (path, begins) in test.functions
                if begins
                else suite in users
                or any(module in users for module, _ in test.functions)
            ):
                kind = suite not in users, test.name.rpartition('.')[0]
                classes.setdefault(kind, []).append(test)
    ordered = sorted(
        classes.items(), key=lambda c: (c[0][0], sum(t.seconds for t in c[1]))
    )
    tests = [test for _, members in ordered for test in members]
    took = itertools.accumulate(test.seconds for test in tests)
    return [t for t, s in zip(tests, took, strict=True) if s <= MOST]
