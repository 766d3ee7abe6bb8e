"""Real Watcher in this process: API, decision engine, applier.

SQLite in a folder of ours and the in-process bus stand for database and
broker; everything else is Watcher's own code, asking the cloud over HTTP and
checking every token with its Keystone. One Watcher per process, because its
options and its plug-ins are global.
"""

import configparser
import contextlib
import logging
import pathlib
import socketserver
import sqlite3
import sys
import threading
import wsgiref.simple_server
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from watcher_tsmig.playground import releases
from watcher_tsmig.playground import server

LOG = logging.getLogger(__name__)

WORKERS = 32  # actions of one plan that may run at once
JOIN_SECONDS = 5.0
STOP_SECONDS = 10.0
LOCK_SECONDS = 60.0
# Where the region of a client was until it moved to [nova] and so on.
BEFORE_16 = ('nova_client', 'placement_client', 'keystone_client')

Options = Mapping[str, Mapping[str, str]]


class _Handler(wsgiref.simple_server.WSGIRequestHandler):
    timeout = 60

    def log_message(self, format: str, *args: object) -> None:
        LOG.debug(format, *args)


class _ApiServer(
    socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer
):
    daemon_threads = True
    block_on_close = False


class Watcher:
    """Watcher's three services; the port is known before they start."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._api = _ApiServer((server.LOOPBACK, 0), _Handler)
        self.url = f'http://{server.LOOPBACK}:{self._api.server_port}'
        self._thread: threading.Thread | None = None
        self._services: list[Any] = []

    def start(self, clients: Mapping[str, str], options: Options) -> None:
        """Configure and start everything; may be called once a process.

        `releases.patch` comes before it, and before most imports.

        :param clients: the OS_* variables of Watcher's own user
        :param options: more options by group, over the ones set here
        :raises errors.InputError: no known Watcher is installed
        """
        release = releases.installed()
        logging.captureWarnings(True)  # Watcher's libraries warn a lot
        path = self._folder / 'watcher.conf'
        _write(path, _configuration(self._folder, clients, options))
        database = sqlite3.connect(self._folder / 'watcher.sqlite')
        with contextlib.closing(database):
            database.execute('PRAGMA journal_mode=WAL')
        release.begin()
        from watcher import conf
        from watcher.common import service

        # Up to 16 Watcher parses the command line again for each plug-in
        # that it loads, and it has to find its own there.
        sys.argv = ['watcher', '--config-file', str(path)]
        service.prepare_service(sys.argv, conf.CONF)
        self._create_database()
        self._start_services(release)
        self._serve_api()

    def _create_database(self) -> None:
        from watcher.db.sqlalchemy import api
        from watcher.db.sqlalchemy import models

        # Without Alembic's stamp: only an upgrade reads it, and in 14 it
        # takes over the logging of the whole process.
        models.Base.metadata.create_all(api.enginefacade.writer.get_engine())
        api._session_for_write = _one_at_a_time(api._session_for_write)

    def _start_services(self, release: releases.Release) -> None:
        from watcher.applier import sync as applier_sync
        from watcher.decision_engine import sync as engine_sync

        engine_sync.Syncer().sync()
        applier_sync.Syncer().sync()
        for service in release.make_services():
            service.start()
            self._services.append(service)

    def _serve_api(self) -> None:
        from watcher.api import app

        self._api.set_app(app.VersionSelectorApplication())
        self._thread = threading.Thread(
            target=self._api.serve_forever, args=(0.1,), name='watcher-api'
        )
        self._thread.start()

    def configuration(self) -> Any:  # noqa: ANN401 - oslo.config's
        """Of the Watcher that was started."""
        from watcher import conf

        return conf.CONF

    def stop(self) -> None:
        """Stop everything that `start` started; its port is free again."""
        if self._thread is not None:
            self._api.shutdown()
            self._thread.join(JOIN_SECONDS)
        self._api.server_close()
        # A scheduler waits for its jobs, and a job may be a long audit.
        stopper = threading.Thread(target=self._stop_services, daemon=True)
        stopper.start()
        stopper.join(STOP_SECONDS)
        if stopper.is_alive():
            LOG.warning('Watcher still works after %g s', STOP_SECONDS)

    def _stop_services(self) -> None:
        for service in reversed(self._services):
            service.stop()


def _one_at_a_time(
    session_for_write: Callable[[], Any],
) -> Callable[[], Any]:
    """SQLite knows one writer; let threads queue here, not fail there."""
    lock = threading.RLock()

    @contextlib.contextmanager
    def session() -> Iterator[Any]:
        if not lock.acquire(timeout=LOCK_SECONDS):
            raise TimeoutError(f'no turn to write in {LOCK_SECONDS:g} s')
        try:
            with session_for_write() as inner:
                yield inner
        finally:
            lock.release()

    return session


def _auth(clients: Mapping[str, str]) -> dict[str, str]:
    return {
        'auth_type': 'password',
        'auth_url': clients['OS_AUTH_URL'],
        'username': clients['OS_USERNAME'],
        'password': clients['OS_PASSWORD'],
        'project_name': clients['OS_PROJECT_NAME'],
        'user_domain_id': clients['OS_USER_DOMAIN_ID'],
        'project_domain_id': clients['OS_PROJECT_DOMAIN_ID'],
    }


def _configuration(
    folder: pathlib.Path, clients: Mapping[str, str], options: Options
) -> Iterable[tuple[str, Mapping[str, str]]]:
    auth = _auth(clients)
    region = {'region_name': clients['OS_REGION_NAME']}
    service = auth | region | {'valid_interfaces': 'public'}
    groups: dict[str, dict[str, str]] = {
        'DEFAULT': {
            'transport_url': 'fake://',
            'host': 'playground',
            'use_stderr': 'false',
            'log_file': str(folder / 'watcher.log'),
            'debug': 'false',
            'state_path': str(folder),
        },
        'database': {'connection': f'sqlite:///{folder / "watcher.sqlite"}'},
        'oslo_messaging_notifications': {'driver': 'noop'},
        'oslo_concurrency': {'lock_path': str(folder / 'locks')},
        'keystone_authtoken': auth
        | {
            'www_authenticate_uri': auth['auth_url'],
            'interface': 'public',
            'service_token_roles_required': 'true',
            'service_token_roles': 'service',
        },
        'watcher_clients_auth': auth,
        'nova': service | {'migration_interval': '0.5'},
        'placement': service,
        'keystone': service,
        **dict.fromkeys(BEFORE_16, region),
        'gnocchi_client': {'endpoint_type': 'public'} | region,
        'collector': {'collector_plugins': 'compute'},
        'watcher_datasources': {
            'datasources': 'gnocchi',
            'query_max_retries': '2',
            'query_interval': '1',
        },
        'watcher_decision_engine': {'continuous_audit_interval': '2'},
        'watcher_workflow_engines.taskflow': {'max_workers': str(WORKERS)},
    }
    for group, values in options.items():
        groups.setdefault(group, {}).update(values)
    return groups.items()


def _write(
    path: pathlib.Path, groups: Iterable[tuple[str, Mapping[str, str]]]
) -> None:
    """An oslo.config file that only its owner may read."""
    parser = configparser.RawConfigParser(default_section='')
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    for group, values in groups:
        parser[group] = {
            # a dollar would begin a substitution
            k: v.replace('$', '$$')
            for k, v in values.items()
        }
    path.touch(0o600)
    with path.open('w') as file:
        parser.write(file)
