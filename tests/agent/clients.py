"""Those who ask over the bus, well and badly; a program of its own.

    python -m tests.agent.clients WHAT HOST VM

WHAT is `load`, `hostile`, `caps` or `wait`. Prints one JSON object; runs in
the network namespace of the host, where the bus is.
"""

import collections
import concurrent.futures
import json
import sys
import threading
import time
from typing import Any

import hypothesis
import kombu
import oslo_messaging
from hypothesis import strategies
from oslo_config import cfg

from tests.agent.rabbit import URL
from watcher_tsmig import errors
from watcher_tsmig.agent import bus
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.verbs import VERBS

CLIENTS, REQUESTS = 50, 10_000
EXAMPLES = 400
# So many times each good value beside the bad ones.
MOSTLY = 24
TIMEOUT = 30.0

JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(10**400), 10**400)
    | strategies.floats()
    | strategies.text(max_size=40)
    | strategies.sampled_from(
        ['../../etc/passwd', '/dev/sda', 'a\0b', "'; DROP TABLE", '%n%s']
    ),
    lambda inner: (
        strategies.lists(inner, max_size=4)
        | strategies.dictionaries(strategies.text(max_size=12), inner)
    ),
    max_leaves=12,
)


def transport() -> Any:
    """A connection to the bus."""
    cfg.CONF([], project='clients', default_config_files=[])
    return oslo_messaging.get_rpc_transport(cfg.CONF, URL)


# Of each argument, values that are right, at the bounds, and beyond them.
NOBODY = '00000000-0000-4000-8000-000000000000'
NUMBERS = (
    None, True, -1, 0, 1e-300, 1, 5, 16, 60, 64, 65, 1e6, 1e12, 1.1e12,
    10**400, float('nan'), float('inf'), '1', '1e6',
)  # fmt: skip
VALUES: dict[str, tuple[object, ...]] = {
    'vm': (NOBODY, NOBODY.upper(), NOBODY + '\n', '', '../' + NOBODY, None),
    'disks': (True, False, 1, 'yes'),
    'method': ('page-sampling', 'dirty-ring', 'dirty-bitmap', 'rm -rf', 2),
}
# And those that are mostly given, so that some requests are right.
GOOD: dict[str, tuple[object, ...]] = {
    'pre': (1e6, 5e7, None),
    'post': (1e6, 5e7, None),
    'ttl': (5, 60.0),
    'seconds': (1,),
    'times': (1, 2),
    'pages': (16, 64),
    'method': ('page-sampling',),
    'disks': (True, False),
    'keep': (1e8,),
    'size': (1e8,),
}


def nearly(vm: str) -> strategies.SearchStrategy[Any]:
    """Requests of a verb with its own arguments, right and almost right."""

    def of(name: str) -> strategies.SearchStrategy[Any]:
        known = {
            argument: strategies.sampled_from(
                (*GOOD.get(argument, (vm,)) * MOSTLY,)
                + VALUES.get(argument, NUMBERS)
            )
            for argument in VERBS[name].arguments['properties']
            # a sample of contents may well take its 10 s
            if argument != 'apart'
        }
        return strategies.fixed_dictionaries(
            {
                'verb': strategies.just(name),
                'arguments': strategies.fixed_dictionaries(
                    known,
                    optional={'path': JSON},
                ),
                'issued': strategies.builds(time.time)
                | strategies.sampled_from((0, -1, 1e12, None, '0')),
            },
            optional={'by': JSON},
        )

    return strategies.sampled_from(sorted(VERBS)).flatmap(of)


def load(host: str, vm: str) -> dict[str, Any]:
    """Ten thousand requests from fifty clients."""
    asked: collections.Counter[str] = collections.Counter()
    lock = threading.Lock()

    def client(number: int) -> None:
        mine = bus.Bus(shared, timeout=TIMEOUT, by=f'client {number}')
        for i in range(REQUESTS // CLIENTS):
            verb = ('job', 'writing', 'capabilities', 'caps')[i % 4]
            arguments = {'vm': vm} if i % 4 < 2 else {}
            try:
                mine.ask(host, verb, arguments)
                how = 'ok'
            except Refusal as refusal:
                how = refusal.code.value
            except errors.CloudError as error:
                how = str(error)[:80]
            with lock:
                asked[how] += 1

    shared = transport()
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    took = time.monotonic() - begun
    return {'answers': dict(asked), 'took': took}


def hostile(host: str, vm: str) -> dict[str, Any]:
    """What a bad or broken client may send."""
    client = oslo_messaging.get_rpc_client(
        transport(),
        oslo_messaging.Target(exchange=bus.EXCHANGE, topic=bus.TOPIC),
        timeout=TIMEOUT,
    ).prepare(server=host)
    told: collections.Counter[str] = collections.Counter()

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(JSON | nearly(vm))
    def send(request: object) -> None:
        answer = client.call({}, 'ask', request=request)
        assert set(answer) in ({'ok', 'result'}, {'ok', 'code', 'reason'})
        if answer['ok']:
            told[f'ok {request["verb"]}'] += 1
            return
        assert answer['code'] in [c.value for c in Code], answer
        assert answer['code'] != Code.INTERNAL, answer
        assert len(answer['reason']) <= 500
        told[answer['code']] += 1

    send()
    others = (
        'answer',
        '_agent',
        '__init__',
        'target',
        'call',
        'ask.__class__',
    )
    for method in others:
        try:
            client.call({}, method, request={})
            told[f'{method} was called'] += 1
        except oslo_messaging.RemoteError as error:
            told[error.exc_type] += 1
    return {'answers': dict(told), **_raw(host), **_replayed(client, vm)}


def _raw(host: str) -> dict[str, Any]:
    """Bytes that are no message of oslo.messaging at all."""
    url = URL.replace('rabbit://', 'amqp://')
    bodies = (b'', b'{', b'\xff' * 1000, b'{"oslo.message": 1}', b'[' * 9999)
    with kombu.Connection(url) as connection:
        producer = connection.Producer()
        for body in bodies:
            producer.publish(
                body,
                exchange=bus.EXCHANGE,
                routing_key=f'{bus.TOPIC}.{host}',
                content_type='application/json',
                content_encoding='utf-8',
            )
    return {'raw': len(bodies)}


def _replayed(client: Any, vm: str) -> dict[str, Any]:
    """A request twice, an older one after it, one from long ago."""
    arguments = {'vm': vm, 'pre': 5e6, 'post': None, 'ttl': 60}
    now = time.time()
    codes = []
    for issued in (now, now, now - 5, now - 3600, now + 3600):
        answer = client.call(
            {},
            'ask',
            request={
                'verb': 'set_caps',
                'arguments': arguments,
                'issued': issued,
            },
        )
        codes.append('ok' if answer['ok'] else answer['code'])
    client.call(
        {},
        'ask',
        request={
            'verb': 'clear_caps',
            'arguments': {'vm': vm},
            'issued': time.time(),
        },
    )
    return {'replayed': codes}


def caps(host: str, vm: str) -> dict[str, Any]:
    """Caps that end soon."""
    arguments = {'vm': vm, 'pre': 5e6, 'post': 5e6, 'ttl': 8}
    found = bus.Bus(transport()).ask(host, 'set_caps', arguments)
    return {'caps': found['caps']}


def wait(host: str, vm: str) -> dict[str, Any]:
    """How long until the agent answers again, s."""
    mine = bus.Bus(transport(), timeout=5.0)
    begun = time.monotonic()
    while True:
        try:
            mine.ask(host, 'job', {'vm': vm})
            return {'took': time.monotonic() - begun}
        except errors.CloudError as error:
            if time.monotonic() - begun > 120:
                return {'trouble': str(error)}


WHAT = {'load': load, 'hostile': hostile, 'caps': caps, 'wait': wait}

if __name__ == '__main__':
    what, *words = sys.argv[1:]
    print(json.dumps(WHAT[what](*words)))
