"""The house rules that a program can judge, read from the source's text.

Who may import whom, what the pure packages must not touch, how long a
module and a function may be, and that each module says what may live in it.
"""

import ast
import functools
import importlib.metadata
import pathlib
import re
import subprocess
import sys
import unittest
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = 'watcher_tsmig'

MAX_MODULE_LINES = 350
# tests are read one at a time
MAX_TEST_MODULE_LINES = 500
MAX_FUNCTION_LINES = 55

#: Everyone's: they import nothing but themselves.
BASE = ('errors', 'units', 'reasons')
VALUES = 'plan.values'
CLASSES = 'plan.classes'
ARRAYS = 'plan.arrays'
EVERYTHING = ('',)

#: Part of the house -> parts that it may import, beside BASE and itself.
#: The longest name that fits a module decides.
ARROWS = {
    'errors': (),
    'units': (),
    'reasons': (),
    'files': (),
    'model': (),
    'forecast': ('model',),
    'plan': ('forecast', 'model'),
    # values are seen by those who never see the planner, so they see no one
    VALUES: (CLASSES, 'plan.prices'),
    'plan.prices': (),
    CLASSES: (),
    # the planner's rooms, in the order of the way
    'plan.schedule': (ARRAYS, 'plan.schedule'),
    'plan.problem': (
        'forecast',
        'model',
        VALUES,
        CLASSES,
        ARRAYS,
        'plan.problem',
        'plan.schedule.tasks',
    ),
    'plan.modes': (ARRAYS, 'plan.modes'),
    'plan.placement': (
        'forecast',
        'model',
        VALUES,
        ARRAYS,
        'plan.placement',
        'plan.problem',
        'plan.modes',
    ),
    'plan.tasks': (
        'forecast',
        'model',
        VALUES,
        'plan.prices',
        ARRAYS,
        'plan.tasks',
        'plan.problem',
        'plan.schedule',
    ),
    'plan.explain': (
        'forecast',
        'model',
        VALUES,
        ARRAYS,
        'plan.explain',
        'plan.problem',
        'plan.modes',
        'plan.placement',
        'plan.tasks',
        'plan.schedule',
    ),
    'plan.relief': (
        'forecast',
        'model',
        VALUES,
        ARRAYS,
        'plan.relief',
        'plan.problem',
    ),
    # what judges shares nothing with what makes, but for the values
    'plan.check': ('model', VALUES, 'plan.check'),
    'plan.check.timetables': ('plan.schedule.tasks',),
    'simulate': ('forecast', 'model', VALUES),
    # what an agent tells and writes down, but not the agent
    'telemetry': ('model', VALUES, 'agent.values', 'agent.spool'),
    # what an agent tells, but not the agent
    'execute': ('model', VALUES, 'files', 'agent.values'),
    'agent': ('model', VALUES, 'files'),
    'plugin': EVERYTHING,
    'cli': EVERYTHING,
    'report': EVERYTHING,
    'playground': EVERYTHING,
}

PURE = ('model', 'forecast', 'plan', 'simulate', *BASE)
#: Beside the standard library, all that the pure packages may need.
NUMERIC = ('numpy', 'scipy')
#: No I/O, no clock, no threads in the pure packages.
IMPURE = frozenset(
    (
        'asyncio', 'http', 'io', 'logging', 'multiprocessing', 'os',
        'pathlib', 'shutil', 'socket', 'subprocess', 'tempfile',
        'threading', 'time', 'urllib',
    )
)  # fmt: skip
#: The one file of the pure packages that reads and writes files.
FILES = 'model.snapshot'
WATCHER = ('plugin', 'playground')


@functools.cache
def sources(*folders: str) -> dict[str, tuple[str, ast.Module]]:
    """Path below the root -> text and syntax tree, for every module."""
    found = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob('*.py')):
            text = path.read_text('utf-8')
            found[str(path.relative_to(ROOT))] = (text, ast.parse(text))
    return found


def module_name(path: str) -> str:
    """Dotted name below the package, '' for the package itself."""
    parts = pathlib.PurePath(path).with_suffix('').parts[1:]
    return '.'.join(part for part in parts if part != '__init__')


def is_part(name: str, part: str) -> bool:
    return not part or name == part or name.startswith(part + '.')


def imported(tree: ast.Module, path: str) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of all that a module imports."""
    package = pathlib.PurePath(path).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            up = len(package) - node.level + 1
            parents = list(package[:up]) if node.level else []
            start = '.'.join(parents + ([node.module] if node.module else []))
            for alias in node.names:
                yield node.lineno, f'{start}.{alias.name}'


def allowed_by(name: str) -> tuple[str, ...]:
    """What the module may import of ours."""
    rule = max((p for p in ARROWS if is_part(name, p)), key=len, default=None)
    if rule is None:
        return ()
    itself = () if '.' in rule else (rule,)
    return (*ARROWS[rule], *BASE, *itself)


def wrong_arrows(name: str, target: str) -> bool:
    """Whether the module `name` must not import `target` (both ours)."""
    # `from watcher_tsmig import errors` and `from ....errors import X`
    # both name something below an allowed part
    return not any(is_part(target, part) for part in allowed_by(name))


class Case(unittest.TestCase):
    """Collects what is wrong in all modules, then tells it all."""

    def assert_none(self, wrong: list[str], rule: str) -> None:
        self.assertFalse(wrong, '\n'.join((rule, *wrong)))


class TestArrows(Case):
    """Who may import whom."""

    def test_every_module_imports_only_what_the_design_allows(self) -> None:
        wrong = []
        for path, (_, tree) in sources(OURS).items():
            name = module_name(path)
            for line, target in imported(tree, path):
                top, _, below = target.partition('.')
                if top == OURS and wrong_arrows(name, below):
                    wrong.append(f'{path}:{line} imports {target}')
        self.assert_none(wrong, 'Not an arrow of the design (ARROWS):')

    def test_every_package_has_its_arrows(self) -> None:
        wrong = [
            path
            for path in sources(OURS)
            if module_name(path)
            and not any(is_part(module_name(path), p) for p in ARROWS)
        ]
        self.assert_none(wrong, 'No row in ARROWS says what these may see:')

    def test_only_plugin_and_playground_import_watcher(self) -> None:
        wrong = [
            f'{path}:{line}'
            for path, (_, tree) in sources(OURS).items()
            for line, target in imported(tree, path)
            if is_part(target, 'watcher')
            and not any(is_part(module_name(path), p) for p in WATCHER)
        ]
        self.assert_none(wrong, 'Only plugin and playground may see Watcher:')

    def test_nobody_imports_eventlet(self) -> None:
        wrong = [
            f'{path}:{line}'
            for path, (_, tree) in sources(OURS).items()
            for line, target in imported(tree, path)
            if is_part(target, 'eventlet')
        ]
        self.assert_none(wrong, 'Watcher leaves eventlet, so do we:')


class TestLoading(Case):
    """What a part really loads, the packages on the way included."""

    def loaded(self, name: str) -> set[str]:
        """Modules in memory after importing one, in a fresh Python."""
        done = subprocess.run(
            [
                sys.executable,
                '-c',
                f'import {name}, sys; print(*sys.modules)',
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return set(done.stdout.split())

    def test_nobody_below_the_planner_loads_it(self) -> None:
        for part in ('telemetry', 'execute', 'simulate', 'plan.check'):
            self.assertNotIn(
                f'{OURS}.plan.make', self.loaded(f'{OURS}.{part}'), part
            )

    def test_the_checker_loads_nothing_that_forecasts(self) -> None:
        names = self.loaded(f'{OURS}.plan.check')
        self.assertFalse({n for n in names if n.startswith(f'{OURS}.f')})


class TestRequirements(Case):
    """What is imported is required, and what is required is imported."""

    #: Brought by the Watcher that the plugin is installed into, or by the
    #: extra `playground`.
    WITH_WATCHER = frozenset(('watcher', 'watcherclient'))
    #: Brought by the extras `agent` and `novaclient`, for compute hosts and
    #: for that compute driver alone; and by the Ceilometer that the pollsters
    #: are installed into.
    EXTRA = frozenset(('ceilometer', 'novaclient', 'psutil'))

    def used(self) -> set[str]:
        """Distributions that the package imports, but for Watcher's."""
        tops = {
            target.partition('.')[0]
            for path, (_, tree) in sources(OURS).items()
            for _, target in imported(tree, path)
        }
        tops -= {OURS, *sys.stdlib_module_names, *self.WITH_WATCHER}
        tops -= self.EXTRA
        known = importlib.metadata.packages_distributions()
        return {known.get(top, [top])[0].lower() for top in tops}

    def test_requirements_name_what_is_imported_and_nothing_else(
        self,
    ) -> None:
        lines = (ROOT / 'requirements.txt').read_text('utf-8').splitlines()
        named = {
            re.split(r'[<>=!~ ]', line)[0].lower()
            for line in lines
            if not line.startswith('#')
        }
        self.assertEqual(named, self.used())


class TestPurity(Case):
    """The packages that only calculate."""

    def pure(self) -> Iterator[tuple[str, str, ast.Module]]:
        for path, (_, tree) in sources(OURS).items():
            name = module_name(path)
            if any(is_part(name, part) for part in PURE):
                yield path, name, tree

    def test_they_need_only_the_standard_library_numpy_and_scipy(
        self,
    ) -> None:
        known = {OURS, *NUMERIC, *sys.stdlib_module_names}
        wrong = [
            f'{path}:{line} imports {target}'
            for path, _, tree in self.pure()
            for line, target in imported(tree, path)
            if target.partition('.')[0] not in known
        ]
        self.assert_none(wrong, 'Pure packages need nothing else:')

    def test_they_do_no_io_and_read_no_clock(self) -> None:
        wrong = [
            f'{path}:{line} imports {target}'
            for path, name, tree in self.pure()
            for line, target in imported(tree, path)
            if name != FILES and target.partition('.')[0] in IMPURE
        ]
        wrong += [
            f'{path}:{node.lineno} calls {node.func.id}()'
            for path, name, tree in self.pure()
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ('open', 'print', 'input')
        ]
        self.assert_none(wrong, f'Only {FILES} may, of the pure packages:')


class TestSizes(Case):
    """What one can read at a sitting."""

    def all(self) -> dict[str, tuple[str, ast.Module]]:
        return sources(OURS, 'tests', 'tools', 'benchmarks')

    def test_no_module_is_too_long(self) -> None:
        lengths = {
            path: text.count('\n') for path, (text, _) in self.all().items()
        }
        wrong = [
            f'{path} has {lines} lines'
            for path, lines in lengths.items()
            if lines
            > (
                MAX_TEST_MODULE_LINES
                if path.startswith('tests')
                else MAX_MODULE_LINES
            )
        ]
        self.assert_none(wrong, f'Over {MAX_MODULE_LINES} lines:')

    def test_no_function_is_too_long(self) -> None:
        wrong = []
        for path, (_, tree) in self.all().items():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = node.end_lineno - node.lineno + 1
                    if lines > MAX_FUNCTION_LINES:
                        wrong.append(
                            f'{path}:{node.lineno} {node.name} has {lines}'
                        )
        self.assert_none(wrong, f'Over {MAX_FUNCTION_LINES} lines:')

    def test_every_module_says_what_may_live_in_it(self) -> None:
        wrong = [
            path
            for path, (text, tree) in self.all().items()
            if text and not ast.get_docstring(tree)
        ]
        self.assert_none(wrong, 'No docstring at the top:')


class TestPages(Case):
    """Pages that name modules name them all."""

    def test_the_way_through_the_planner_names_every_module(self) -> None:
        page = ROOT / 'doc' / 'source' / 'contributor' / 'planner.rst'
        text = page.read_text('utf-8')
        named = set(re.findall(r'``(\w+)(?:\.\w+|/)?``', text))
        modules = {
            pathlib.PurePath(path).stem
            for path in sources(OURS)
            if is_part(module_name(path), 'plan')
        }
        wrong = sorted(modules - named - {'__init__', 'arrays'})
        self.assert_none(wrong, f'Not named in {page.name}:')


class TestTheLint(unittest.TestCase):
    """The lint itself sees what it should."""

    def test_it_sees_every_way_to_import(self) -> None:
        tree = ast.parse(
            'import watcher.conf as x\n'
            'from watcher_tsmig import plan\n'
            'from watcher_tsmig.plan import make\n'
            'from . import cloud\n'
            'from ..plan.values import Plan\n'
            'def f():\n    from watcher_tsmig.plugin.goal import Goal\n'
        )
        self.assertEqual(
            {
                'watcher.conf',
                'watcher_tsmig.plan',
                'watcher_tsmig.plan.make',
                'watcher_tsmig.model.cloud',
                'watcher_tsmig.plan.values.Plan',
                'watcher_tsmig.plugin.goal.Goal',
            },
            {t for _, t in imported(tree, 'watcher_tsmig/model/x.py')},
        )

    def test_it_tells_right_arrows_from_wrong_ones(self) -> None:
        table = (
            ('model.cloud', 'errors.InputError', True),
            ('model.cloud', 'plan.values', False),
            ('forecast.curves', 'model', True),
            ('forecast.curves', 'plan', False),
            ('plan.make', 'plan.placement.place.choose', True),
            ('plan.make', 'simulate.world', False),
            ('plan.check', 'plan.values.Plan', True),
            ('plan.check', 'plan.make', False),
            ('plan.check', 'plan.modes.contention', False),
            ('plan.check.times', 'plan.check.view', True),
            ('plan.check.times', 'plan.order', False),
            ('plan.schedule.listing', 'plan.problem.problem', False),
            ('plan.problem.known', 'plan.placement.place', False),
            ('plan.explain.write', 'plan.tasks.ways', True),
            ('plan.check', 'forecast', False),
            ('plan.values', 'model', False),
            ('execute.migration', 'plan.values.Mode', True),
            ('execute.migration', 'plan', False),
            ('execute.migration', 'plan.make_plan', False),
            ('telemetry.read', 'execute.migration', False),
            ('plugin.drain', 'telemetry.read', True),
            ('', 'plan', False),
        )
        for name, target, right in table:
            with self.subTest(name=name, target=target):
                self.assertEqual(right, not wrong_arrows(name, target))


if __name__ == '__main__':
    unittest.main()
