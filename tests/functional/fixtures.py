"""A playground in a process of its own, and real clients for it.

What functional tests share: start, a bounded wait, stop, and unmodified
clients. No assertion lives here.
"""

import contextlib
import json
import os
import pathlib
import select
import subprocess
import sys
import time

import fixtures
import testtools
from gnocchiclient import client as gnocchi_client
from keystoneauth1 import session as ksa_session
from keystoneauth1.identity import v3
from openstack import connection
from watcherclient import client as watcher_client

from watcher_tsmig.model import Cloud
from watcher_tsmig.model import snapshot

START_SECONDS = 90.0
STOP_SECONDS = 30.0
WAIT_SECONDS = 120.0
TOP = pathlib.Path(__file__).resolve().parents[2]


class Playground(fixtures.Fixture):
    """A running playground; `env` holds the OS_* variables for it.

    :param cloud: None for the demo's rack
    :param speed: 0 for time that only `push` moves
    :param module: that is run, in place of the playground's own
    """

    def __init__(
        self,
        cloud: Cloud | None = None,
        *,
        speed: float = 0.0,
        watcher: bool = False,
        arguments: tuple[str, ...] = (),
        module: str = 'watcher_tsmig.playground',
    ):
        super().__init__()
        self._module = module
        self._cloud = cloud
        self._speed = speed
        self._watcher = watcher
        self._arguments = arguments

    def _setUp(self):
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.ready_file = self.folder / 'ready.json'
        self.errors = self.folder / 'stderr'
        command = [
            *(sys.executable, '-m', self._module),
            *('--speed', str(self._speed), '--until-eof'),
            *('--ready-file', str(self.ready_file)),
            *self._source(),
            *self._arguments,
        ]
        if not self._watcher:
            command.append('--without-watcher')
        with self.errors.open('w') as errors:
            self.process = subprocess.Popen(
                command,
                cwd=TOP,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(os.environ, TMPDIR=str(self.folder)),
            )
        self.addCleanup(self.stop)
        self.line = self._first_line()
        facts = json.loads(self.ready_file.read_text())
        self.env, self.reader = facts['env'], facts['reader']
        self.control_url, self.log = facts['control'], facts['log']
        self.session = self.session_of(self.env)

    def _source(self):
        if self._cloud is None:
            return ('--rack',)
        path = self.folder / 'cloud.json'
        snapshot.dump(self._cloud, path)
        return ('--cloud', str(path))

    def _first_line(self):
        ready, _, _ = select.select(
            [self.process.stdout], [], [], START_SECONDS
        )
        line = self.process.stdout.readline() if ready else b''
        if not line:
            raise AssertionError(
                f'the playground does not start: {self.errors.read_text()}'
            )
        return line.decode()

    def stop(self):
        """End its input and wait; the exit code, kept for later calls."""
        if self.process.stdin.closed:
            return self.process.returncode
        self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
        return self.process.returncode

    # -- clients

    @staticmethod
    def session_of(env, **changes):
        """A keystoneauth session from OS_* variables."""
        return ksa_session.Session(
            auth=v3.Password(
                auth_url=env['OS_AUTH_URL'],
                username=env['OS_USERNAME'],
                password=changes.get('password', env['OS_PASSWORD']),
                project_name=env['OS_PROJECT_NAME'],
                user_domain_id=env['OS_USER_DOMAIN_ID'],
                project_domain_id=env['OS_PROJECT_DOMAIN_ID'],
            )
        )

    @property
    def cloud(self):
        """An openstacksdk connection of the administrator."""
        return connection.Connection(session=self.session)

    @property
    def gnocchi(self):
        """A gnocchiclient of the administrator."""
        return gnocchi_client.Client('1', session=self.session)

    @property
    def watcher_api(self):
        """The newest microversion of Watcher's API, as (major, minor)."""
        return self.session.get_endpoint_data(
            service_type='infra-optim'
        ).max_microversion

    @property
    def watcher(self):
        """A watcherclient of the administrator, as new as its server."""
        major, minor = self.watcher_api
        return watcher_client.get_client(
            '1',
            session=self.session,
            os_infra_optim_api_version=f'{major}.{minor}',
        )

    # -- the playground's own service

    def state(self):
        """Where everything is."""
        return self.session.get(f'{self.control_url}/state').json()

    def push(self, seconds):
        """Let simulated seconds pass."""
        self.session.post(
            f'{self.control_url}/time', json={'push': float(seconds)}
        )

    def change(self, vm_id, **changes):
        """Cause trouble for a VM."""
        self.session.post(f'{self.control_url}/vms/{vm_id}', json=changes)

    def change_host(self, name, **changes):
        """Cause trouble for a host."""
        self.session.post(f'{self.control_url}/hosts/{name}', json=changes)

    def change_service(self, kind, **changes):
        """Cause trouble for a service, by its type in the catalogue."""
        self.session.post(f'{self.control_url}/services/{kind}', json=changes)


class SharedPlayground(testtools.TestCase):
    """Tests of one class share one playground, started by the first."""

    SPEED = 0.0
    WATCHER = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._stack = contextlib.ExitStack()
        cls.addClassCleanup(cls._stack.close)
        cls.playground = cls._stack.enter_context(
            Playground(speed=cls.SPEED, watcher=cls.WATCHER)
        )

    def vm(self, name):
        """The Nova server of that name."""
        found = self.playground.cloud.compute.servers(all_projects=True)
        (server,) = [s for s in found if s.name == name]
        return server


def temporary_folders(folder):
    """What playgrounds have left in a folder for temporary files."""
    return sorted(pathlib.Path(folder).glob('tsmig-playground-*'))


def poll(probe, wanted, *, seconds=WAIT_SECONDS, pause=0.1):
    """Ask until the answer is one of the wanted; the answer.

    :raises AssertionError: it never was, within `seconds`
    """
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer in wanted:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f'{answer!r} is not among {wanted!r}')
        time.sleep(pause)


__all__ = (
    'Playground',
    'SharedPlayground',
    'poll',
    'temporary_folders',
)
