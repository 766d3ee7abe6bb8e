"""Facts about caches that are given back: what it saves, what comes back.

Each measures one, returns what it found as text, and raises `Surprise`.
The guest has read a disk, so that its kernel keeps it as page cache.
"""

import contextlib
import json
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from tests.agent.caps import soon
from tests.agent.caps import uuid
from tests.agent.process import AgentProcess
from tests.lab.domain import MIB
from tests.lab.domain import Guest
from tests.lab.facts import QUIET
from tests.lab.facts import Lab
from tests.lab.facts import equal
from tests.lab.facts import expect
from tests.lab.libvirtd import Daemon
from watcher_tsmig.agent.driver import AgentCaps
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute.balloon import Giving
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.execute.values import WallClock
from watcher_tsmig.plan.values import Mode

MEMORY = 512 * 1024  # KiB
CACHE = 256 * MIB
KEEP = 48.0 * MIB
TTL = 120.0
# At least so much of the cache must not be sent.
SAVED = 0.6
# s for a guest that is emulated to have its memory again
BACK = 20.0

# MiB/s at which a switch comes within the first pass
SWITCHED = 25


class Stopped(Exception):
    """The migration was aborted."""


class Agents:
    """The agents of both hosts, asked as the bus does; a context manager."""

    def __init__(self, lab: Lab) -> None:
        self.source = AgentProcess(lab.source)
        self.target = AgentProcess(lab.target)
        self.by_host = {
            process.daemon.host: process
            for process in (self.source, self.target)
        }

    def __enter__(self) -> 'Agents':
        self.stack = contextlib.ExitStack()
        for process in (self.source, self.target):
            self.stack.enter_context(process)
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def ask(
        self, host: str, verb: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """As `agent.bus.Bus`."""
        return self.by_host[host].ask(verb, **arguments)

    def giving(
        self, guest: Guest, lab: Lab, mode: Mode = Mode.PRE_COPY
    ) -> Giving:
        """What an execution does around a migration of this guest."""
        order = Order(
            vm=uuid(guest),
            name=guest.name,
            source=lab.source.host,
            destination=lab.target.host,
            mode=mode,
            deadline=60.0,
            balloon=True,
        )
        driver = AgentCaps(self)  # type: ignore[arg-type]
        return Giving(
            driver, order, WallClock(), Pace(poll=0.2), KEEP, lambda: False
        )


@contextlib.contextmanager
def cached(lab: Lab, cache: int = CACHE) -> Iterator[Guest]:
    """A guest with a balloon and a full page cache."""
    with lab.guest(QUIET, memory=MEMORY, balloon=True, cache=cache) as guest:
        yield guest


def size(guest: Guest, daemon: Daemon) -> int:
    """Bytes that the guest has on a host now."""
    return guest.on(daemon).memoryStats()['actual'] * 1024


def period(guest: Guest, daemon: Daemon) -> bool:
    """Whether it tells its memory as often as at first."""
    return "<stats period='10'/>" in guest.on(daemon).XMLDesc(0)


def loans(process: AgentProcess) -> dict:
    """What an agent still has to restore."""
    path = process.folder / 'state/memory.json'
    found = json.loads(path.read_text())['loans'] if path.exists() else {}
    return {vm: loan for vm, loan in found.items() if not loan['done']}


def whole(guest: Guest, daemon: Daemon) -> float:
    """Wait until it has all its memory again; the seconds that it took."""
    return soon(
        f'{guest.memory} bytes',
        lambda: size(guest, daemon) == guest.memory,
        BACK,
    )


def saves(lab: Lab) -> str:
    """What is given back is not sent, and is back at the destination."""
    sent = {}
    told = ''
    for gives in (False, True):
        with cached(lab) as guest, Agents(lab) as agents:
            giving = agents.giving(guest, lab)
            with giving.lent() if gives else contextlib.nullcontext():
                before = size(guest, lab.source)
                swapped = guest.domain.memoryStats().get('swap_out', 0)
                with lab.move(guest) as move:
                    equal('error', move.end(60), None)
                    sent[gives] = move.wire() - move.sent
            if gives:
                told = giving.told()
                expect(
                    bool(giving.given) and guest.memory - before > CACHE / 2,
                    'caches to be given back',
                    told,
                )
                took = whole(guest, lab.target)
                equal('swapped', swapped, 0)
                equal('its period', period(guest, lab.target), True)
                for process in (agents.source, agents.target):
                    soon('no loans', lambda p=process: not loans(p))
            lab.whole(guest)
    saved = sent[False] - sent[True]
    expect(saved > CACHE * SAVED, f'{SAVED:.0%} of {CACHE} to be saved', saved)
    return (
        f'{sent[False] / MIB:.0f} MiB sent, {sent[True] / MIB:.0f} after '
        f'{told}: {saved / MIB:.0f} MiB saved of {CACHE / MIB:.0f} MiB of '
        f'cache ({saved / sent[False]:.0%}); size restored at the '
        f'destination after {took:.1f} s'
    )


def switched(lab: Lab) -> str:
    """A hybrid has its memory again after the switch, and nothing is lost."""
    with cached(lab) as guest, Agents(lab) as agents:
        giving = agents.giving(guest, lab, Mode.HYBRID)
        guest.domain.migrateSetMaxSpeed(SWITCHED, 0)
        with giving.lent():
            given = guest.memory - size(guest, lab.source)
            expect(given > CACHE / 2, 'caches to be given back', given)
            with lab.move(guest, post_copy=True) as move:
                move.begins()
                move.rate(1)
                guest.domain.migrateStartPostCopy(0)
                equal('error', move.end(60), None)
        took = whole(guest, lab.target)
        lab.whole(guest)
    return (
        f'{given / MIB:.0f} MiB given back, all memory again {took:.1f} s '
        'after a switch'
    )


def aborted(lab: Lab) -> str:
    """A migration that is aborted leaves the guest as large as it was."""
    with cached(lab) as guest, Agents(lab) as agents:
        giving = agents.giving(guest, lab)
        guest.domain.migrateSetMaxSpeed(8, 0)
        try:
            with giving.lent():
                small = size(guest, lab.source)
                expect(bool(loans(agents.target)), 'to be awaited', 'not so')
                with lab.move(guest) as move:
                    move.begins()
                    refusal = _refused(agents.source, guest)
                    move.abort()
                raise Stopped
        except Stopped:
            pass
        took = whole(guest, lab.source)
        for process in (agents.source, agents.target):
            soon('no loans', lambda p=process: not loans(p))
        equal('its period', period(guest, lab.source), True)
        said = guest.check(lab.source)
        expect('bad=0 ' in said, 'no page to be lost', said)
    return (
        f'{small / MIB:.0f} MiB in flight, a further request {refusal}, '
        f'{guest.memory / MIB:.0f} MiB {took:.1f} s after the abort'
    )


def _refused(process: AgentProcess, guest: Guest) -> str:
    """The code of a first request for this guest, or what it says."""
    process.ask('take_again', vm=uuid(guest))
    try:
        process.ask('give_back', vm=uuid(guest), keep=KEEP, ttl=TTL)
    except Refusal as refusal:
        return refusal.code.value
    return 'done'


@contextlib.contextmanager
def abandoned(lab: Lab) -> Iterator[tuple[Guest, Agents, int]]:
    """A guest that gave back to an applier that is dead, and its size."""
    with cached(lab) as guest, Agents(lab) as agents:
        # it entered and never leaves
        dead = agents.giving(guest, lab).lent()
        dead.__enter__()
        small = size(guest, lab.source)
        expect(small < guest.memory, 'caches to be given back', small)
        yield guest, agents, small


def deaths(lab: Lab) -> str:
    """SIGKILL of the agent: what systemd runs, or its start, restores."""
    took = []
    for how in (AgentProcess.restore, AgentProcess.start):
        with abandoned(lab) as (guest, agents, _):
            agents.source.stop(9)
            how(agents.source)
            took.append(whole(guest, lab.source))
            equal('loans', loans(agents.source), {})
            said = guest.check(lab.source)
            expect('bad=0 ' in said, 'no page to be lost', said)
    return (
        f'restored {took[0]:.1f} s after "restore", {took[1]:.1f} s after a '
        'start'
    )


def orphaned(lab: Lab) -> str:
    """A guest that moves while all who know of it are dead."""
    with abandoned(lab) as (guest, agents, small):
        for process in (agents.source, agents.target):
            process.stop(9)
        with lab.move(guest) as move:
            equal('error', move.end(60), None)
        equal('its size there', size(guest, lab.target), small)
        agents.target.start()
        took = whole(guest, lab.target)
        agents.source.start()
        for process in (agents.source, agents.target):
            soon('no loans', lambda p=process: not loans(p))
        lab.whole(guest)
    return (
        f'arrived with {small / MIB:.0f} MiB, {guest.memory / MIB:.0f} MiB '
        f"{took:.1f} s after the start of the destination's agent"
    )


def refused(lab: Lab) -> str:
    """No balloon, no statistics, little cache: nothing is taken."""
    with lab.guest() as guest, Agents(lab) as agents:
        try:
            agents.source.ask('give_back', vm=uuid(guest), keep=KEEP, ttl=TTL)
            code = 'done'
        except Refusal as refusal:
            code = refusal.code.value
        equal('without a balloon', code, 'unfit')
    with cached(lab, cache=0) as guest, Agents(lab) as agents:
        giving = agents.giving(guest, lab)
        with giving.lent():
            equal('its size', size(guest, lab.source), guest.memory)
        told = giving.told()
    return f'without a balloon {code}; without a cache: {told}'
