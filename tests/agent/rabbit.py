"""RabbitMQ on a host of the laboratory, which may be killed and come back.

Nothing of the machine's own RabbitMQ is touched: own folder, own node, own
port mapper, on the loopback of the host's network namespace.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
from types import TracebackType

from tests.lab.network import Network

SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
PORT = 5672
URL = f'rabbit://guest:guest@127.0.0.1:{PORT}/'
PATIENCE = 60.0


def environment(folder: pathlib.Path, port: int = PORT) -> dict[str, str]:
    """What a server of its own needs; its folders are made.

    :param folder: of all that it writes
    """
    for name in ('mnesia', 'log'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / 'plugins').write_text('[].')
    (folder / 'env.conf').touch()
    listen = '-kernel inet_dist_use_interface {127,0,0,1}'
    return {
        'HOME': str(folder),
        'RABBITMQ_NODENAME': 'rabbit@localhost',
        'RABBITMQ_NODE_IP_ADDRESS': '127.0.0.1',
        'RABBITMQ_NODE_PORT': str(port),
        'RABBITMQ_DIST_PORT': '25672',
        'RABBITMQ_MNESIA_BASE': str(folder / 'mnesia'),
        'RABBITMQ_LOG_BASE': str(folder / 'log'),
        'RABBITMQ_ENABLED_PLUGINS_FILE': str(folder / 'plugins'),
        'RABBITMQ_PID_FILE': str(folder / 'pid'),
        'RABBITMQ_CONF_ENV_FILE': str(folder / 'env.conf'),
        'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': f'{listen} +S 2:2 +sbwt none',
        'ERL_EPMD_ADDRESS': '127.0.0.1',
    }


class Rabbit:
    """The server; a context manager."""

    def __init__(self, network: Network, host: str) -> None:
        self._network = network
        self._host = host
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix='tsmig-rabbit-'))
        self._running: list[subprocess.Popen] = []

    def __enter__(self) -> 'Rabbit':
        try:
            # else the server starts one that outlives it
            self._start('epmd', '-address', '127.0.0.1')
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        process = self._start(SERVER)
        end = time.monotonic() + PATIENCE
        while not self._listens():
            if process.poll() is not None or time.monotonic() > end:
                said = (self._folder / 'said').read_text(errors='replace')
                raise OSError(f'RabbitMQ does not start: {said[-500:]}')
            time.sleep(0.2)

    def kill(self) -> None:
        """End the server without a word."""
        process = self._running.pop()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def close(self) -> None:
        """End all of it, and remove what was its own."""
        while self._running:
            with contextlib.suppress(ProcessLookupError):
                self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, *command: str) -> subprocess.Popen:
        with (self._folder / 'said').open('ab') as out:
            process = subprocess.Popen(
                [
                    *self._network.within(self._host),
                    'setpriv', '--pdeathsig', 'KILL', *command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self._folder,
                env={**os.environ, **environment(self._folder)},
            )  # fmt: skip
        self._running.append(process)
        return process

    def _listens(self) -> bool:
        # the namespace is another one, so that a program has to look
        done = subprocess.run(
            [
                *self._network.within(self._host),
                'ss', '-Hltn', f'sport = :{PORT}',
            ],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )  # fmt: skip
        return bool(done.stdout.strip())
