"""Compute drivers: how one is found by its name.

They are entry points of the group `watcher_tsmig.compute`, so that another
package can bring one. The clients are in the modules beside this one.
"""

from typing import NoReturn

import stevedore
from stevedore import driver as stevedore_driver
from stevedore import exception as stevedore_errors

from watcher_tsmig import errors
from watcher_tsmig.execute.compute import ComputeDriver
from watcher_tsmig.execute.values import Compute

GROUP = 'watcher_tsmig.compute'
OPTION = 'compute_driver'


def load(name: str, compute: Compute) -> ComputeDriver:
    """The driver of that name over an administrator's compute proxy.

    :raises errors.InputError: there is none, or its client is not installed;
        the text says what to do
    """

    def unusable(manager: object, entry: object, error: object) -> NoReturn:
        raise errors.InputError(
            f'"{name}" cannot be used; install its client where '
            f"watcher-applier runs (pip install 'watcher-tsmig[{name}]'), or "
            f'take openstacksdk ({error})',
            OPTION,
        )

    try:
        manager = stevedore_driver.DriverManager(
            GROUP,
            name,
            on_load_failure_callback=unusable,
            on_missing_entrypoints_callback=None,
        )
    except stevedore_errors.NoMatches:
        known = stevedore.ExtensionManager(GROUP).entry_points_names()
        raise errors.InputError(
            f'there is no "{name}"; take one of {", ".join(sorted(known))}',
            OPTION,
        ) from None
    made: ComputeDriver = manager.driver(compute)
    return made
