"""The agent's process on a host of the laboratory, and asking it."""

import contextlib
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

from tests.lab.libvirtd import Daemon
from watcher_tsmig import errors
from watcher_tsmig.agent import bus
from watcher_tsmig.agent import local

CONF = """
[DEFAULT]
{transport}
[tsmig_agent]
host = {host}
libvirt_uri = qemu+unix:///system?socket={libvirt}
state_dir = {folder}/state
socket = {folder}/agent.sock
bus = {bus}
tick = {tick}
nova_config_files = {folder}/nova.conf
tenant_interfaces = {tenants}
spool = {folder}/spool/writing.json
survey_budget = {survey}
survey_interval = 3600
"""
NOVA = """
[DEFAULT]
max_concurrent_live_migrations = 3
[libvirt]
live_migration_permit_post_copy = true
live_migration_inbound_addr = {address}
live_migration_downtime_delay = 3
"""
PATIENCE = 20.0
TICK = 0.2


class AgentProcess:
    """`tsmig-agent` on a host; a context manager.

    :param tenants: interfaces that carry tenants' traffic
    :param url: of the bus; empty: none
    :param survey: what it may measure by itself, cores
    :ivar folder: its files, below the daemon's own
    :ivar spool: what it measured by itself
    """

    def __init__(
        self,
        daemon: Daemon,
        tenants: str = '',
        url: str = '',
        survey: float = 0.0,
    ) -> None:
        self.daemon = daemon
        self.folder = daemon.folder / 'agent'
        self.folder.mkdir(exist_ok=True)
        self.spool = self.folder / 'spool/writing.json'
        self.conf = self.folder / 'agent.conf'
        self.conf.write_text(
            CONF.format(
                host=daemon.host,
                libvirt=daemon.path('libvirt/libvirt-sock'),
                folder=self.folder,
                tick=TICK,
                tenants=tenants,
                transport=f'transport_url = {url}' if url else '',
                bus=bool(url),
                survey=survey,
            )
        )
        (self.folder / 'nova.conf').write_text(
            NOVA.format(address=daemon.network.address(daemon.host))
        )
        self.log = self.folder / 'agent.log'
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> 'AgentProcess':
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open('ab') as out:
            self.process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask('caps')
                return
            except errors.CloudError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise OSError(f'{error}; {self.said()}') from error
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it: asked to, or killed."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(PATIENCE)
            raise
        finally:
            self.process = None

    def restore(self) -> None:
        """What systemd runs after it has ended."""
        subprocess.run(
            self._command('restore'),
            check=True,
            timeout=PATIENCE,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Ask it as root does; its result.

        :raises Refusal: it does not do it
        """
        path = str(self.folder / 'agent.sock')
        return dict(bus.result_of(local.ask(path, verb, arguments)))

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors='replace')[-1500:]

    def _command(self, *more: str) -> list[str]:
        return [
            *self.daemon.network.within(self.daemon.host),
            'setpriv', '--pdeathsig', 'KILL',
            sys.executable, '-m', 'tests.agent.launch',
            str(self.daemon.root),
            '--config-file', str(self.conf), *more,
        ]  # fmt: skip
