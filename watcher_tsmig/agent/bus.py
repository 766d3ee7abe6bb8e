"""An agent on the cloud's message bus: one RPC method, and its caller.

oslo.messaging carries; nothing is decided here. An agent listens on the
topic below as the host that Nova calls it, on an exchange of its own, so
that nothing of Nova's is touched.
"""

import concurrent.futures
import threading
import time
from collections.abc import Mapping
from typing import Any

import oslo_messaging

from watcher_tsmig import errors
from watcher_tsmig.agent.agent import Agent
from watcher_tsmig.agent.agent import Answer
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Refusal

EXCHANGE = 'tsmig'
TOPIC = 'tsmig-agent'
VERSION = '1.0'
# Questions under way at once, and s beyond its time that one is waited for.
AT_ONCE = 32
GRACE = 1.0


class Endpoint:
    """What the bus may call: `ask`, and nothing else."""

    target = oslo_messaging.Target(version=VERSION)

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    @oslo_messaging.expose
    def ask(self, context: object, **given: Any) -> Answer:  # noqa: ANN401
        """Answer one request."""
        return self._agent.answer(given.get('request'))


def server(transport: Any, host: str, agent: Agent) -> Any:  # noqa: ANN401
    """The RPC server of a host; it is to be started and stopped."""
    return oslo_messaging.get_rpc_server(
        transport,
        oslo_messaging.Target(
            exchange=EXCHANGE, topic=TOPIC, server=host, version=VERSION
        ),
        [Endpoint(agent)],
        executor='threading',
        access_policy=oslo_messaging.ExplicitRPCAccessPolicy,
    )


class Bus:
    """Agents as those see them who ask.

    :param timeout: s that an answer may take
    :param by: who asks, for the agents' audit log
    """

    def __init__(
        self,
        transport: Any,  # noqa: ANN401 - oslo.messaging's
        timeout: float = 10.0,
        by: str = 'watcher',
    ) -> None:
        self._by = by
        self._timeout = timeout
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._client = oslo_messaging.get_rpc_client(
            transport,
            oslo_messaging.Target(
                exchange=EXCHANGE, topic=TOPIC, version=VERSION
            ),
            timeout=timeout,
        )

    def ask(
        self, host: str, verb: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Ask the agent of a host.

        :raises Refusal: it does not do it, and says why
        :raises errors.CloudError: there is none, or it does not answer
        """
        request = {
            'verb': verb,
            'arguments': dict(arguments),
            'issued': time.time(),
            'by': self._by,
        }
        try:
            answer = self._within(host, request)
        except TimeoutError as error:
            raise errors.CloudError(
                f'the message bus does not answer, nor the agent of {host}'
            ) from error
        except oslo_messaging.MessagingTimeout as error:
            raise errors.CloudError(f'no agent answers on {host}') from error
        except (
            oslo_messaging.MessagingException,
            oslo_messaging.RemoteError,
        ) as error:
            raise errors.CloudError(
                f'the agent of {host} cannot be asked: {error}'
            ) from error
        return result_of(answer)

    def _within(self, host: str, request: Mapping[str, Any]) -> Answer:
        """The answer, within the time.

        oslo.messaging waits for a bus that is away without end, so that
        somebody else has to wait: threads that nobody joins, of which there
        are as many as slots.

        :raises TimeoutError: there is none within the time
        """
        end = time.monotonic() + self._timeout + GRACE
        if not self._slots.acquire(timeout=self._timeout + GRACE):
            raise TimeoutError
        future: concurrent.futures.Future[Answer] = concurrent.futures.Future()

        def wait() -> None:
            try:
                call = self._client.prepare(server=host).call
                future.set_result(call({}, 'ask', request=request))
            except Exception as error:  # noqa: BLE001 - who asked raises it
                future.set_exception(error)
            finally:
                self._slots.release()

        threading.Thread(target=wait, daemon=True, name='tsmig-ask').start()
        return future.result(max(end - time.monotonic(), 0.0))


def result_of(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer's result.

    :raises Refusal: it has none
    """
    if answer.get('ok'):
        found: Mapping[str, Any] = answer['result']
        return found
    try:
        code = Code(answer.get('code', ''))
    except ValueError:
        code = Code.INTERNAL
    raise Refusal(code, str(answer.get('reason', 'no reason was told')))
