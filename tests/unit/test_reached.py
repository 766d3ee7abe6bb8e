"""What the product forecasts by, an operator reaches."""

import ast
import importlib.metadata
import importlib.util
import pathlib
import unittest


class TestReached(unittest.TestCase):
    def test_all_that_forecasts_is_reached_from_an_entry_point(self):
        there = set()
        for path in pathlib.Path(package().origin).parent.rglob('*.py'):
            if path.parent.name == 'forecast' and path.stem != '__init__':
                there.add(f'watcher_tsmig.forecast.{path.stem}')
        # what others do is there for the benchmarks
        there.remove('watcher_tsmig.forecast.baselines')
        self.assertEqual(set(), there - reached())


def package():
    """Where the plugin is."""
    return importlib.util.find_spec('watcher_tsmig')


def reached():
    """The modules of the plugin that its entry points import, in the end."""
    names = {
        point.value.partition(':')[0]
        for point in importlib.metadata.distribution(
            'watcher-tsmig'
        ).entry_points
    }
    found = set()
    while names - found:
        name = (names - found).pop()
        found.add(name)
        spec = importlib.util.find_spec(name)
        tree = ast.parse(pathlib.Path(spec.origin).read_text())
        for part in ast.walk(tree):
            if isinstance(part, ast.ImportFrom) and part.module:
                names |= {
                    whole
                    for whole in (
                        part.module,
                        *(f'{part.module}.{a.name}' for a in part.names),
                    )
                    if whole.startswith('watcher_tsmig') and is_module(whole)
                }
    return found


def is_module(name):
    """Whether it is a module, and not what one holds."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
