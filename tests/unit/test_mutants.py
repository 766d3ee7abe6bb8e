"""The tool that tries slips: what it draws, runs, finds and tells."""

import ast
import importlib.util
import os
import pathlib
import tempfile
import time
import unittest

from tools.mutants import running
from tools.mutants import telling
from tools.mutants.concerned import Imports
from tools.mutants.concerned import Ran
from tools.mutants.concerned import function_at
from tools.mutants.concerned import tests_of
from tools.mutants.running import Task
from tools.mutants.running import Verdict

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLLOW = 'watcher_tsmig/execute/follow.py'
MIGRATION = 'watcher_tsmig/execute/migration.py'
SUITE = 'tests/unit/test_execute_follow.py'
HAS_COSMIC_RAY = importlib.util.find_spec('cosmic_ray') is not None
CODE = '''\
LIMIT = 3.0
RULES = (
    (first, 1),
    (second, 2),
)


def fits(value: int | None) -> bool:
    """Whether it does."""
    return value is not None and value < LIMIT


def area(*, width, height):
    return width * height
'''


class TestConcerned(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.imports = Imports(ROOT)

    def test_a_test_module_concerns_what_it_imports_however_far(self):
        found = self.imports.concerned(FOLLOW)
        # itself, and by way of the migration
        self.assertIn(SUITE, found)
        self.assertIn('tests/unit/test_execute_healing.py', found)
        self.assertNotIn('tests/unit/test_pattern.py', found)

    def test_near_is_what_imports_it_itself_or_by_a_package_of_it(self):
        found = self.imports.concerned(FOLLOW, near=True)
        self.assertIn(SUITE, found)
        self.assertNotIn('tests/unit/test_execute_healing.py', found)
        # `from watcher_tsmig.execute import carry_out`
        found = self.imports.concerned(MIGRATION, near=True)
        self.assertIn('tests/unit/test_execute_governed.py', found)
        self.assertNotIn('tests/unit/test_pattern.py', found)

    def test_nothing_of_ours_is_loaded_before_it_is_changed(self):
        foreign = self.imports.foreign(self.imports.suites)
        tops = {name.split('.')[0] for name in foreign}
        self.assertIn('numpy', tops)
        self.assertFalse(tops & {'watcher_tsmig', 'tests', 'benchmarks'})

    def test_a_line_belongs_to_the_function_whose_body_it_is_in(self):
        tree = ast.parse(CODE)
        self.assertEqual(
            [None, None, None, 8, 8],
            [function_at(tree, line) for line in (1, 3, 8, 9, 10)],
        )

    def test_only_tests_that_run_a_function_are_for_it(self):
        tree = self.imports.trees[FOLLOW]
        at = next(
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name == '_stuck'
        )
        runs, other = (
            Ran(name=name, seconds=1.0, functions=frozenset(functions))
            for name, functions in (
                ('a.runs', [(FOLLOW, at.lineno)]),
                ('a.other', [(FOLLOW, 1)]),
            )
        )
        ran = {SUITE: [other, runs]}
        line = at.body[-1].lineno
        self.assertEqual([runs], tests_of(FOLLOW, line, self.imports, ran))
        # a table concerns all that run its module
        line = len(pathlib.Path(ROOT, FOLLOW).read_text().splitlines()) - 1
        self.assertEqual(
            [other, runs], tests_of(FOLLOW, line, self.imports, ran)
        )


class TestRunning(unittest.TestCase):
    """In folders that stand for copies of a checkout."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.copy = pathlib.Path(folder.name)
        (self.copy / 'it.py').write_text('VALUE = 1\n')

    def run_one(self, work, **more):
        task = Task(key='it', work=work, bound=20.0, **more)
        return list(running.together([task], [self.copy]))

    def test_what_passes_has_survived_and_what_fails_was_noticed(self):
        for code, verdict in ((0, Verdict.SURVIVED), (1, Verdict.NOTICED)):
            found = self.run_one(lambda _, code=code: code)
            self.assertEqual([('it', verdict)], found)

    def test_what_raises_was_noticed(self):
        self.assertEqual(
            [('it', Verdict.NOTICED)], self.run_one(lambda _: 1 // 0)
        )

    def test_what_never_ends_has_a_bound(self):
        def loops(_):
            while True:
                pass

        def waits(_):
            time.sleep(1000.0)

        for work in (loops, waits):
            task = Task(key='it', work=work, bound=0.1)
            found = list(running.together([task], [self.copy]))
            self.assertEqual([('it', Verdict.TIMEOUT)], found)

    def test_a_change_is_seen_by_the_task_and_by_no_one_after_it(self):
        def sees(copy):
            return 0 if 'VALUE = 2' in (copy / 'it.py').read_text() else 1

        found = self.run_one(sees, change=('it.py', 'VALUE = 2\n'))
        self.assertEqual([('it', Verdict.SURVIVED)], found)
        self.assertEqual([('it', Verdict.NOTICED)], self.run_one(sees))

    def test_whoever_stops_early_leaves_no_process_and_no_change(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        pid = self.copy / 'pid'

        def waits(_):
            pid.with_suffix('.new').write_text(str(os.getpid()))
            pid.with_suffix('.new').rename(pid)
            time.sleep(1000.0)

        def ends(_):
            while not pid.exists():
                time.sleep(0.01)
            return 0

        tasks = (
            Task(
                key='waits',
                work=waits,
                bound=100.0,
                change=('it.py', 'VALUE = 3\n'),
            ),
            Task(key='ends', work=ends, bound=20.0),
        )
        found = running.together(tasks, [pathlib.Path(folder.name), self.copy])
        self.assertEqual(('ends', Verdict.SURVIVED), next(found))
        self.assertEqual('VALUE = 3\n', (self.copy / 'it.py').read_text())
        found.close()
        self.assertEqual('VALUE = 1\n', (self.copy / 'it.py').read_text())
        with self.assertRaises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


@unittest.skipUnless(HAS_COSMIC_RAY, 'tools/mutants.sh installs cosmic-ray')
class TestSlips(unittest.TestCase):
    def test_they_are_what_a_hand_could_get_wrong(self):
        from tools.mutants import slips

        found = [slip.diff(CODE) for slip in slips.slips('it.py', CODE)]
        for before, after in (
            ('value is not None and value < LIMIT', 'value < LIMIT'),
            ('value is not None and value < LIMIT', 'value is not None'),
            ('value < LIMIT', 'value <= LIMIT'),
            ('value is not None', 'value is None'),
        ):
            line = ' return value is not None and value < LIMIT'
            self.assertIn(
                [f'-{line}', f'+{line.replace(before, after)}'],
                [[' '.join(line.split()) for line in d] for d in found],
            )
        # a star before names is none that multiplies
        self.assertIn(
            ['-    return width * height', '+    return width / height'], found
        )
        self.assertFalse([d for d in found if 'def area' in str(d)])
        # a row is forgotten, two are swapped; a type says nothing
        self.assertIn(['-    (first, 1),'], found)
        self.assertIn(2, [len(d) for d in found if '(second, 2)' in str(d)])
        self.assertFalse([d for d in found if 'int' in str(d)])

    def test_what_is_only_looked_into_has_no_order(self):
        from tools.mutants import ours
        from tools.mutants import slips

        for text, swaps in (
            ('x = {}', 1),
            ('x = a == {}', 1),
            ('for a in {}: b(a)', 1),
            ('x = a in {}', 0),
            ('x = a not in {}', 0),
            ("x = {{'rows': {}, 'more': 1}}", 1),
            ("x = {{'some': 1, 'required': {}}}", 0),
            ('try: b()\nexcept {}: c()', 0),
        ):
            table = '(\n    first,\n    second,\n)'
            found = slips.slips('it.py', text.format(table) + '\n')
            kinds = [slips.OPERATORS[slip.operator] for slip in found]
            self.assertEqual(swaps, kinds.count(ours.SwapRows), text)
        options = "x = (\n    *MORE,\n    cfg.A('a'),\n    cfg.B('b'),\n)\n"
        found = slips.slips('it.py', options)
        kinds = [slips.OPERATORS[slip.operator] for slip in found]
        self.assertNotIn(ours.SwapRows, kinds)

    def test_a_draw_is_the_same_for_the_same_seed_and_in_order(self):
        from tools.mutants import slips
        from tools.mutants import trial

        every = slips.slips('it.py', CODE)
        once = trial.drawn(every, 5, seed=3)
        self.assertEqual(once, trial.drawn(every, 5, seed=3))
        self.assertNotEqual(once, trial.drawn(every, 5, seed=4))
        self.assertEqual(sorted(once, key=every.index), once)
        self.assertEqual(5, len(set(once)))
        self.assertEqual(every, trial.drawn(every, None, seed=3))


class TestTelling(unittest.TestCase):
    def test_the_share_is_of_what_was_tried_and_not_equivalent(self):
        found = [
            ('watcher_tsmig/a.py', Verdict.NOTICED),
            ('watcher_tsmig/a.py', Verdict.TIMEOUT),
            ('watcher_tsmig/b.py', Verdict.NOTICED),
            ('watcher_tsmig/b.py', Verdict.SURVIVED),
            ('watcher_tsmig/b.py', telling.EQUIVALENT),
        ]
        self.assertIn('noticed: 75.0 %', telling.told(found, whole=True))
        drawn = telling.told(found, whole=False)
        self.assertIn('noticed: 75.0 % (95 %: 30 to 95)', drawn)

    def test_what_is_equivalent_is_known_wherever_it_is_now(self):
        text = '# of people\n\na.py\n-    x = 1\n+    x = 2\n# why\n'
        known = telling.equivalents(text)
        self.assertEqual(
            {telling.known('a.py', ['-  x = 1', '+  x = 2'])}, known
        )

    def test_what_is_said_to_be_equivalent_is_in_the_code(self):
        text = (ROOT / 'tools/mutants-equivalent.txt').read_text()
        for path, *diff in telling.equivalents(text):
            lines = {
                line.strip() for line in (ROOT / path).read_text().splitlines()
            }
            for line in diff:
                if line[0] == '-':
                    self.assertTrue(line[1:] in lines, (path, line))
