"""A real OpenStack on this machine, and the plugin in it.

Its cases run by tools/minicloud.sh; without a mini-cloud there are none.
"""

import os
import unittest


def load_tests(
    loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str
) -> unittest.TestSuite:
    """The cases, where there is a mini-cloud to run them in."""
    found = unittest.TestSuite()
    if os.environ.get('TSMIG_MINICLOUD'):
        found.addTests(
            loader.discover(f'{__path__[0]}/cases', top_level_dir='.')
        )
    return found
