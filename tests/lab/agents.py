"""The agents of the laboratory's hosts: the real ones, over QEMU's monitors.

A cap goes the product's whole way: `execute.caps.Keeping`, the driver, the
agent, its keeper and its ledger. Only the bus and libvirt are missing: an
agent is called in this process, and sets what libvirt would set.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
import time
import typing
import uuid
from collections.abc import AsyncIterator
from collections.abc import Mapping

from tests.lab.machine import MIB
from tests.lab.machine import PATIENCE
from tests.lab.machine import LabFailure
from tests.lab.machine import Machine
from watcher_tsmig.agent.agent import Agent
from watcher_tsmig.agent.bus import result_of
from watcher_tsmig.agent.driver import AgentCaps
from watcher_tsmig.agent.keeper import Keeper
from watcher_tsmig.agent.values import UNLIMITED
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.execute.caps import Keeping
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import WallClock
from watcher_tsmig.plan.values import Mode

# s between two looks at a cap, as of an action; and how long one lives
PERIOD, LIFE = 0.5, 30.0
MOST = 2**63 - 1
JOBS = ('setup', 'active', 'device', 'pre-switchover')
POST_COPY = 'postcopy'


def vm_id(name: str) -> str:
    """What the agents call a guest."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


@dataclasses.dataclass(frozen=True, slots=True)
class Monitors:
    """The guests of one host, as an agent needs them.

    Called by other threads than the loop's, which is the monitors' own.
    """

    at: Mapping[str, Machine]
    host: str
    loop: asyncio.AbstractEventLoop

    def speeds(self, vm: str) -> Speeds:
        """The caps in force now."""
        found = self._ask(vm, 'query-migrate-parameters')
        return Speeds(
            pre=min(found['max-bandwidth'] // MIB, UNLIMITED),
            post=found['max-postcopy-bandwidth'] // MIB,
        )

    def set_speeds(self, vm: str, speeds: Speeds) -> None:
        """Set both caps, in flight too."""
        self._ask(
            vm,
            'migrate-set-parameters',
            max_bandwidth=min(speeds.pre * MIB, MOST),
            max_postcopy_bandwidth=speeds.post * MIB,
        )

    def runs(self, vm: str) -> bool:
        """Whether the guest can migrate."""
        return self._ask(vm, 'query-status')['status'] in ('running', 'paused')

    def disks(self, vm: str) -> int:
        """None goes along."""
        self._machine(vm)
        return 0

    def job(self, vm: str) -> Job:
        """The job under way."""
        found = self._ask(vm, 'query-migrate')
        status = found.get('status', 'none')
        if status not in JOBS and not status.startswith(POST_COPY):
            return Job()
        ram = found.get('ram', {})
        return Job(
            direction=Direction.OUTGOING,
            post_copy=status.startswith(POST_COPY),
            total=ram.get('total'),
            processed=ram.get('transferred'),
            remaining=ram.get('remaining'),
        )

    def _ask(self, vm: str, command: str, **values: object) -> typing.Any:
        asked = asyncio.run_coroutine_threadsafe(
            self._machine(vm).ask(command, **values), self.loop
        )
        try:
            return asked.result(2 * PATIENCE)
        except (LabFailure, TimeoutError) as error:
            raise Refusal(Code.HYPERVISOR, str(error)) from error

    def _machine(self, vm: str) -> Machine:
        for name, machine in self.at.items():
            if vm_id(name) == vm and machine.host == self.host:
                return machine
        raise Refusal(Code.UNKNOWN_VM, f'{vm} is not on this host')


class Agents:
    """One agent a host, and the driver that asks them.

    :param at: name of a guest -> where it runs; read anew at each request
    :param folder: for their ledgers
    """

    def __init__(
        self,
        hosts: typing.Iterable[str],
        at: Mapping[str, Machine],
        folder: pathlib.Path,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._agents: dict[str, Agent] = {}
        self._keepers: list[Keeper] = []
        for host in hosts:
            monitors = typing.cast(typing.Any, Monitors(at, host, loop))
            ledger = folder / f'caps-{host}.json'
            keeper = Keeper(monitors, ledger, time.time)
            self._keepers.append(keeper)
            self._agents[host] = Agent(monitors, keeper, dict, dict)
        self._driver = AgentCaps(typing.cast(typing.Any, self))

    def ask(
        self, host: str, verb: str, arguments: Mapping[str, typing.Any]
    ) -> Mapping[str, typing.Any]:
        """As `agent.bus.Bus`."""
        request = {
            'verb': verb,
            'arguments': dict(arguments),
            'issued': time.time(),
            'by': 'laboratory',
        }
        return result_of(self._agents[host].answer(request))

    @contextlib.asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """Their clocks run."""
        async with _again(self._tick):
            yield

    def _tick(self) -> None:
        for keeper in self._keepers:
            keeper.tick()

    def keeping(
        self, name: str, source: str, to: str, cap: float | None
    ) -> Keeping:
        """The caps of one migration, as its action keeps them."""
        order = Order(
            vm=vm_id(name),
            name=name,
            source=source,
            destination=to,
            mode=Mode.PRE_COPY,
            deadline=1.0,
            cap=cap,
        )
        return Keeping(self._driver, order, WallClock(), LIFE)


@contextlib.asynccontextmanager
async def tended(keeping: Keeping) -> AsyncIterator[None]:
    """The caps from before a migration to after it."""
    stack = contextlib.ExitStack()
    await asyncio.to_thread(stack.enter_context, keeping.kept())
    try:
        async with _again(keeping.tend):
            yield
    finally:
        await asyncio.to_thread(stack.close)


@contextlib.asynccontextmanager
async def _again(
    what: typing.Callable[[], object],
) -> AsyncIterator[None]:
    """Do it every so often, until the block ends."""
    stop = asyncio.Event()

    async def go() -> None:
        while not stop.is_set():
            await asyncio.to_thread(what)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PERIOD)

    task = asyncio.create_task(go())
    try:
        yield
    finally:
        stop.set()
        await task
