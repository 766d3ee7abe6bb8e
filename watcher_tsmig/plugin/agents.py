"""The driver that puts caps in force, as the options choose it.

Loaded by name from the entry points `watcher_tsmig.cap_driver`, one a
process, since each holds a connection to the bus.
"""

import threading
from typing import Any

import stevedore
from oslo_config import cfg
from stevedore import exception as stevedore_errors

from watcher_tsmig import errors
from watcher_tsmig.execute.caps import CapDriver

NAMESPACE = 'watcher_tsmig.cap_driver'

_made: dict[tuple[str, float], CapDriver] = {}
_lock = threading.Lock()


def cap_driver(config: Any) -> CapDriver:  # noqa: ANN401 - of the action
    """The driver that the action's options name.

    :raises errors.InputError: there is none of that name
    """
    key = (config.cap_driver, config.agent_timeout)
    with _lock:
        if key not in _made:
            _made[key] = _load(*key)
        return _made[key]


def _load(name: str, timeout: float) -> CapDriver:
    try:
        manager = stevedore.DriverManager(
            NAMESPACE,
            name,
            invoke_on_load=True,
            invoke_args=(cfg.CONF, timeout),
        )
    except stevedore_errors.NoMatches as error:
        known = stevedore.ExtensionManager(NAMESPACE).names()
        raise errors.InputError(
            f'{name!r} is none of {", ".join(sorted(known))}; is '
            'watcher-tsmig installed as a whole?',
            'cap_driver',
        ) from error
    driver: CapDriver = manager.driver
    return driver
