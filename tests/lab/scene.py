"""Guests with applications on hosts with shaped links, and their moves.

A scene goes on while its guests are moved to and fro, so that one boot
serves many runs. What a run says is measured from outside: applications at
their other end, outages by a heartbeat, totals by the clock.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
import statistics
import typing

from tests.lab import agents
from tests.lab import measure
from tests.lab import migration
from tests.lab.machine import MIB
from tests.lab.machine import PAGE
from tests.lab.machine import Guest
from tests.lab.machine import LabFailure
from tests.lab.machine import Machine
from tests.lab.machine import Program
from tests.lab.migration import How
from tests.lab.network import Network
from tests.lab.prepare import Kit

MEMORY = 128 * MIB
WRITES = 'image=8000,pages=2000,rate=500,pattern=u'
# A silence of the heartbeat, which comes every 10 ms, is told above this.
SILENCE = 0.05
WARM_UP = 4.0
COOL_DOWN = 3.0
# ends of the shaped wires' send queues: the maximum of tcp_wmem
SEND_BUFFER = 131_072
OUTSIDE = '10.9.0.100'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One guest's traffic with the outside, bytes/s of payload."""

    name: str
    sends: float = 0.0
    receives: float = 0.0
    writes: str = WRITES
    memory: int = MEMORY


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One guest's part of a run.

    :ivar app: its name
    :ivar cap: bytes/s that its host's agent keeps in force; None: none
    :ivar start: s from the run's begin, at the earliest
    :ivar after: names of apps whose moves must have ended
    """

    app: str
    to: str
    how: How
    cap: float | None = None
    start: float = 0.0
    after: tuple[str, ...] = ()


class Scene:
    """Running guests; a context manager.

    :ivar at: name of an app -> its machine
    """

    def __init__(
        self,
        kit: Kit,
        network: Network,
        folder: pathlib.Path,
        apps: list[App],
        link: float,
    ) -> None:
        self.kit, self.network, self.folder = kit, network, folder
        self.apps = {app.name: app for app in apps}
        self.number = {app.name: i + 1 for i, app in enumerate(apps)}
        self.link = link
        self.at: dict[str, Machine] = {}
        self.programs: dict[tuple[str, str], Program] = {}
        self.stay = contextlib.AsyncExitStack()
        self.agents = agents.Agents(network.hosts, self.at, folder)
        self.moves = 0

    async def __aenter__(self) -> 'Scene':
        try:
            await self._build()
        except BaseException:
            await self.stay.aclose()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stay.aclose()

    async def _build(self) -> None:
        for app in self.apps.values():
            for host in self.network.hosts:
                self.network.tap(host, self._tap(app.name))
            await self._program(
                app, 'heard', 'hear', f'port={self._port(7000, app)}',
                f'least={SILENCE}',
            )  # fmt: skip
            if app.sends:
                await self._program(
                    app, 'got', 'receive', f'port={self._port(5000, app)}'
                )
            self.at[app.name] = await self._machine(app, 'h1', incoming=False)
        for machine in self.at.values():
            await machine.boots()
        for app in self.apps.values():
            if app.receives:
                await self._program(
                    app, 'sent', 'send', f'address={self._address(app)}',
                    f'port={self._port(6000, app)}', f'rate={app.receives}',
                )  # fmt: skip
        self.network.shape(self.link)
        await self.stay.enter_async_context(self.agents.ticking())
        await asyncio.sleep(WARM_UP)

    def _tap(self, name: str) -> str:
        return f'tap{self.number[name]}'

    def _port(self, base: int, app: App) -> int:
        return base + self.number[app.name]

    def _address(self, app: App) -> str:
        return f'10.9.0.{10 + self.number[app.name]}'

    async def _program(self, app: App, what: str, *words: str) -> None:
        made = Program(self.kit, self.network, 'outside', *words)
        self.stay.push_async_callback(made.close)
        self.programs[app.name, what] = await made.start()

    async def _machine(
        self, app: App, host: str, *, incoming: bool
    ) -> Machine:
        self.moves += 1
        also = [f'beat,address={OUTSIDE},port={self._port(7000, app)}']
        if app.sends:
            also.append(
                f'send,address={OUTSIDE},port={self._port(5000, app)},'
                f'rate={app.sends}'
            )
        if app.receives:
            also.append(f'receive,port={self._port(6000, app)}')
        guest = Guest(
            memory=app.memory,
            writes=app.writes,
            also=tuple(also),
            address=f'{self._address(app)}/24',
        )
        made = Machine(
            self.kit, guest, f'{app.name}-{self.moves}', self.folder,
            network=self.network, host=host, tap=self._tap(app.name),
            incoming=incoming,
        )  # fmt: skip
        self.stay.push_async_callback(made.close)
        return await made.start()

    async def traffic(self, seconds: float = 4.0) -> dict[str, list[float]]:
        """[tx, rx] of each guest on its tap, bytes/s on the wire."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        before = self._counters()
        await asyncio.sleep(seconds)
        took = loop.time() - begun
        after = self._counters()
        return {
            # what the tap receives is what the guest sends
            name: [
                (after[name][1] - before[name][1]) / took,
                (after[name][0] - before[name][0]) / took,
            ]
            for name in self.at
        }

    def _counters(self) -> dict[str, tuple[int, int]]:
        return {
            name: self.network.counters(machine.host, self._tap(name))
            for name, machine in self.at.items()
        }

    async def working_sets(self) -> dict[str, dict[str, object]]:
        """What each guest writes, and how much of it is empty."""
        out: dict[str, dict[str, object]] = {}
        for name, machine in self.at.items():
            samples = await measure.stop_and_compare(machine, measure.FEW)
            out[name] = {
                'samples': samples,
                'zero': measure.zero_pages(machine) * PAGE,
            }
        return out

    async def run(self, moves: list[Move]) -> dict[str, object]:
        """Carry all moves out and say what came of it."""
        targets = {
            move.app: await self._machine(
                self.apps[move.app], move.to, incoming=True
            )
            for move in moves
        }
        await asyncio.sleep(WARM_UP)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        ended = {move.app: asyncio.Event() for move in moves}
        wires = {h: self.network.counters(h) for h in self.network.hosts}
        async with asyncio.TaskGroup() as group:
            tasks = {
                move.app: group.create_task(
                    self._one(move, targets[move.app], begun, ended)
                )
                for move in moves
            }
        seen = {name: task.result() for name, task in tasks.items()}
        end = loop.time()
        after = {h: self.network.counters(h) for h in self.network.hosts}
        await asyncio.sleep(COOL_DOWN)
        out = {
            'total': round(max(s['ends'] for s in seen.values()), 3),
            'vms': seen,
            'applications': self._applications(begun, end),
            'outages': self._outages(begun),
            'wires': {
                host: [after[host][i] - wires[host][i] for i in (0, 1)]
                for host in wires
            },
        }
        for move in moves:
            await self._arrives(move, targets[move.app], seen[move.app])
        return out

    async def _one(
        self,
        move: Move,
        target: Machine,
        begun: float,
        ended: dict[str, asyncio.Event],
    ) -> dict[str, typing.Any]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(begun + move.start - loop.time(), 0.0))
        for name in move.after:
            await ended[name].wait()
        starts = loop.time() - begun
        source = self.at[move.app]
        caps = self.agents.keeping(move.app, source.host, move.to, move.cap)
        seen = await migration.migrate(
            source, target, move.how, self.network.address(move.to),
            migration.PORT + self.number[move.app], agents.tended(caps),
        )  # fmt: skip
        ended[move.app].set()
        return {
            'mode': move.how.mode,
            'cap': move.cap,
            'in_force': caps.in_force,
            'to': move.to,
            'starts': round(starts, 3),
            'ends': round(loop.time() - begun, 3),
            'switched': seen.switched,
            **migration.outcome(seen),
        }

    async def _arrives(
        self, move: Move, target: Machine, seen: dict[str, typing.Any]
    ) -> None:
        if seen['status'] != 'completed':
            await target.close()
            if seen['status'] == 'cancelled':  # it had no end
                return
            raise LabFailure(f'{move.app} did not arrive: {seen["status"]}')
        bad, checked = await target.bad_pages()
        seen['integrity'] = {'checked': checked, 'bad': bad}
        before, self.at[move.app] = self.at[move.app], target
        await before.close()

    def _applications(
        self, begun: float, end: float
    ) -> dict[str, dict[str, float | None]]:
        """Mean payload before, during and after, bytes/s."""
        out: dict[str, dict[str, float | None]] = {}
        spans = {
            'before': (begun - WARM_UP, begun),
            'during': (begun + 0.25, end),
            'after': (end + 0.5, end + COOL_DOWN),
        }
        for (name, what), program in self.programs.items():
            if what == 'heard':
                continue
            rows = program.rows('GOT' if what == 'got' else 'SENT')
            out[f'{name} {"sends" if what == "got" else "receives"}'] = {
                span: _mean([r[1] for r in rows if a < r[0] <= b], b - a)
                for span, (a, b) in spans.items()
            }
        return out

    def _outages(self, begun: float) -> dict[str, float]:
        """The longest silence of each guest since then, s."""
        return {
            name: max(
                (r[1] for r in program.rows('GAP') if r[0] > begun),
                default=0.0,
            )
            for (name, what), program in self.programs.items()
            if what == 'heard'
        }


def _mean(rates: list[float], seconds: float) -> float | None:
    # a sender that is stuck reports nothing: that is no traffic, not none
    if not rates:
        return None
    due = max(round(seconds / 0.25), 1)
    return round(statistics.fmean(rates) * min(len(rates) / due, 1.0), 1)
