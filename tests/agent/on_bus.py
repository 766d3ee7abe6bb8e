"""Facts about the agent on a real RabbitMQ: hostile, many, lost and back.

Each measures one, returns what it found as text, and raises `Surprise`.
"""

import contextlib
import json
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from tests.agent.caps import FREE
from tests.agent.caps import ask_caps
from tests.agent.caps import soon
from tests.agent.caps import uuid
from tests.agent.process import AgentProcess
from tests.agent.rabbit import URL
from tests.agent.rabbit import Rabbit
from tests.lab.domain import Guest
from tests.lab.facts import Lab
from tests.lab.facts import equal
from tests.lab.facts import expect

# s that one program of clients may take
PATIENCE = 240
# MiB that an agent may grow by, whatever is asked
GROWTH = 60


@contextlib.contextmanager
def cloud(lab: Lab) -> Iterator[tuple[Rabbit, AgentProcess]]:
    """A bus on the source, and its agent on that."""
    with (
        Rabbit(lab.network, lab.source.host) as rabbit,
        AgentProcess(lab.source, url=URL) as process,
    ):
        yield rabbit, process
        ended = process.process.poll()
        expect(ended is None, 'the agent to run still', process.said())


def clients(lab: Lab, what: str, guest: Guest) -> dict[str, Any]:
    """Let clients do this; what they tell."""
    done = subprocess.run(
        [
            *lab.network.within(lab.source.host),
            sys.executable, '-m', 'tests.agent.clients',
            what, lab.source.host, uuid(guest),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    expect(done.returncode == 0, f'{what} to end well', done.stderr[-900:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def hostile(lab: Lab) -> str:
    """Nothing that is sent does what is not in the table of verbs."""
    with lab.guest() as guest, cloud(lab) as (_, process):
        told = clients(lab, 'hostile', guest)
        answers = told['answers']
        expect(
            not any('called' in how for how in answers),
            'no other method', answers,
        )  # fmt: skip
        # a client that is right is still answered
        process.ask('clear_caps', vm=uuid(guest))
        equal('replayed', told['replayed'], ['ok', *['late'] * 4])
        soon('no caps', lambda: lab.caps(guest) == FREE)
        equal('the guest', bool(guest.domain.isActive()), True)
        said = guest.check(lab.source)
        expect('bad=0 ' in said, 'the guest to be whole', said)
    return ', '.join(f'{how}: {many}' for how, many in answers.items())


def many(lab: Lab) -> str:
    """Ten thousand requests from fifty clients, in bounded memory."""
    with lab.guest() as guest, cloud(lab) as (_, process):
        before = _memory(process)
        told = clients(lab, 'load', guest)
        after = _memory(process)
        threads = _threads(process)
    equal('answers', told['answers'], {'ok': 10_000})
    expect(after - before < GROWTH, f'{GROWTH} MiB more at most', after)
    return (
        f'10,000 in {told["took"]:.0f} s, {before:.0f} MiB before, '
        f'{after:.0f} after, {threads} threads'
    )


def lost(lab: Lab) -> str:
    """The bus dies: caps end by their TTL; it is back: so is the agent."""
    with lab.guest() as guest, cloud(lab) as (rabbit, process):
        clients(lab, 'caps', guest)
        begun = time.monotonic()
        expect(lab.caps(guest) != FREE, 'caps', lab.caps(guest))
        rabbit.kill()
        soon('no caps', lambda: lab.caps(guest) == FREE, 15)
        ended = time.monotonic() - begun
        # one that starts meanwhile does all but hear the bus
        process.stop()
        process.start()
        ask_caps(process, guest, 5, ttl=5.0)
        expect(lab.caps(guest) != FREE, 'caps', lab.caps(guest))
        soon('no caps', lambda: lab.caps(guest) == FREE, 10)
        rabbit.start()
        back = clients(lab, 'wait', guest)
    expect('took' in back, 'the agent to answer again', back)
    expect(ended > 5, 'not before the TTL of 8 s', ended)
    return f'caps ended after {ended:.1f} s, back {back["took"]:.1f} s later'


def _status(process: AgentProcess, key: str) -> int:
    path = pathlib.Path(f'/proc/{process.process.pid}/status')
    return int(re.search(rf'{key}:\s*(\d+)', path.read_text())[1])


def _memory(process: AgentProcess) -> float:
    """MiB that it holds."""
    return _status(process, 'VmRSS') / 1024


def _threads(process: AgentProcess) -> int:
    return _status(process, 'Threads')
