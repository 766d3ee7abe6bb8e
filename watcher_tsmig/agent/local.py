"""An agent on a UNIX socket, for root and for its own user.

One request of one JSON line a connection, one answer. The kernel tells who
asks; a line, the time for it and the number of connections are bounded.
"""

import json
import logging
import os
import pathlib
import socket
import socketserver
import struct
import threading
import time
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.agent.agent import Agent
from watcher_tsmig.agent.agent import Answer

LOG = logging.getLogger(__name__)

LONGEST_LINE = 1 << 16
PATIENCE = 10.0
# A measurement of contents takes as long as it is asked to.
ANSWER_WITHIN = 30.0
AT_ONCE = 8


class _Handler(socketserver.StreamRequestHandler):
    timeout = PATIENCE
    server: 'Server'

    def handle(self) -> None:
        user = _user(self.request)
        if user not in (0, os.getuid()):
            LOG.warning('user %d asked and is not answered', user)
            return
        try:
            line = self.rfile.readline(LONGEST_LINE + 1)
            request = json.loads(line) if len(line) <= LONGEST_LINE else None
        except (OSError, ValueError, RecursionError):
            request = None
        if isinstance(request, dict):
            request['by'] = f'uid {user}'
        answer = self.server.agent.answer(request)
        try:
            self.wfile.write(json.dumps(answer).encode() + b'\n')
        except OSError:
            LOG.info('user %d did not wait for the answer', user)


class Server(socketserver.ThreadingUnixStreamServer):
    """The socket; a context manager.

    :raises errors.InputError: it cannot be made
    """

    daemon_threads = True
    request_queue_size = AT_ONCE

    def __init__(self, path: str, agent: Agent) -> None:
        self.agent = agent
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        before = os.umask(0o177)
        try:
            pathlib.Path(path).unlink(missing_ok=True)
            super().__init__(path, _Handler)
        except OSError as error:
            raise errors.InputError(
                f'cannot be made: {error.strerror}', path
            ) from error
        finally:
            os.umask(before)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Serve a connection, or close it where there are too many."""
        if not self._slots.acquire(blocking=False):
            LOG.warning('more than %d connections, one is closed', AT_ONCE)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(
        self,
        request: Any,  # noqa: ANN401
        client_address: Any,  # noqa: ANN401
    ) -> None:
        """In a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()


def ask(path: str, verb: str, arguments: dict[str, Any]) -> Answer:
    """Ask the agent behind a socket.

    :raises errors.CloudError: nobody answers
    """
    request = {'verb': verb, 'arguments': arguments, 'issued': time.time()}
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_WITHIN)
            line.connect(path)
            line.sendall(json.dumps(request).encode() + b'\n')
            with line.makefile('rb') as file:
                text = file.readline(LONGEST_LINE * 16)
        found: Answer = json.loads(text)
    except (OSError, ValueError) as error:
        raise errors.CloudError(
            f'the agent does not answer at {path} ({error}); does it run, '
            'and are you root?'
        ) from error
    return found


def _user(line: socket.socket) -> int:
    """Who is at the other end."""
    form = '3i'
    found = line.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(form)
    )
    return int(struct.unpack(form, found)[1])
