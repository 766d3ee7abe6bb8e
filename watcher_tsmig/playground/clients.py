"""An operator's clients for a running playground, and bounded waits.

The stock command line and the stock library for Watcher; only the control
service is the playground's own.
"""

import os
import pathlib
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import TypeVar

from keystoneauth1 import session as ksa_session
from keystoneauth1.identity import v3
from watcherclient import client as watcher_client

from watcher_tsmig import errors

T = TypeVar('T')

# Wall seconds for one command; far above the usual.
COMMAND_WITHIN = 60.0
LOOK_EVERY = 0.2


def say(text: str = '') -> None:
    """One line for the operator, at once."""
    print(text, flush=True)


def openstack(env: dict[str, str], *words: str) -> str:
    """Run the stock client as an operator would, and show the command.

    :returns: what it printed
    :raises errors.CloudError: it failed
    """
    program = pathlib.Path(sys.executable).with_name('openstack')
    say(f'$ openstack {shlex.join(words)}')
    done = subprocess.run(
        [str(program), *words],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN,
        check=False,
    )
    if done.returncode:
        raise errors.CloudError(done.stderr.strip() or 'openstack failed')
    return done.stdout.strip()


def wait_for(what: str, look: Callable[[], T | None], within: float) -> T:
    """Look until there is something.

    :raises errors.CloudError: there is nothing after `within` s
    """
    until = time.monotonic() + within
    while (found := look()) is None:
        if time.monotonic() > until:
            raise errors.CloudError(f'{what}: not within {within:g} s')
        time.sleep(LOOK_EVERY)
    return found


def session(env: Mapping[str, str]) -> ksa_session.Session:
    """A session of the user that the environment names."""
    return ksa_session.Session(
        auth=v3.Password(
            auth_url=env['OS_AUTH_URL'],
            username=env['OS_USERNAME'],
            password=env['OS_PASSWORD'],
            project_name=env['OS_PROJECT_NAME'],
            user_domain_id=env['OS_USER_DOMAIN_ID'],
            project_domain_id=env['OS_PROJECT_DOMAIN_ID'],
        )
    )


class Clients:
    """Watcher's client and the playground's control, for one playground."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        env = facts['env']
        self.env: dict[str, str] = env
        self._control = facts['control']
        self._session = session(env)
        self.watcher = watcher_client.get_client(
            '1', session=self._session, os_infra_optim_api_version='1.7'
        )

    def state(self) -> dict[str, Any]:
        """Where every VM is, every migration, and the simulated time."""
        answer = self._session.get(f'{self._control}/state')
        body: dict[str, Any] = answer.json()
        return body
