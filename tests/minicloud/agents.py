"""The agents of the mini-cloud's hosts: the real ones, over its hardware.

    python -m tests.minicloud.agents HYPERVISORS_SOCKET CONF_FOLDER HOST...

One process for all hosts. Each host's agent listens on the cloud's own bus,
keeps its ledger, and reads the nova.conf of that host's nova-compute; only the
hypervisor under it is the mini-cloud's. TSMIG_CLOCK says by how many seconds
their clock is ahead.
"""

import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import oslo_messaging
from oslo_config import cfg

from watcher_tsmig.agent import bus
from watcher_tsmig.agent import facts
from watcher_tsmig.agent.agent import Agent
from watcher_tsmig.agent.keeper import Keeper
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.agent.values import Writing
from watcher_tsmig.model import Contents
from watcher_tsmig.playground.cloud import memory

TICK = 0.5
PAUSED, RUNNING = 3, 1


class Hypervisor:
    """One host of the mini-cloud's hardware, as an agent needs it."""

    def __init__(self, path: str, host: str) -> None:
        self._path = path
        self._host = host
        self._looks: dict[str, int] = {}
        self._measured: dict[str, tuple[float, int]] = {}

    def speeds(self, vm: str) -> Speeds:
        """The caps in force now."""
        return Speeds(**self._domain(vm)['speeds'])

    def set_speeds(self, vm: str, speeds: Speeds) -> None:
        """Set both caps, in flight too."""
        self._domain(vm)
        self._ask('set_speeds', uuid=vm, pre=speeds.pre, post=speeds.post)

    def runs(self, vm: str) -> bool:
        """Whether the guest runs or is paused."""
        return self._domain(vm)['state'] in (RUNNING, PAUSED)

    def disks(self, vm: str) -> int:
        """How many disks would be copied."""
        return int(self._domain(vm)['disks'])

    def job(self, vm: str) -> Job:
        """The job under way."""
        job = self._domain(vm)['job']
        if job is None:
            return Job()
        return Job(
            direction=Direction.OUTGOING,
            post_copy=job['phase'] == 'post-copy',
            total=int(job['total']),
            processed=int(job['processed']),
            remaining=int(job['remaining']),
            iteration=job['rounds'],
            disk_processed=job['disk'] - job['disk_remaining'],
            disk_remaining=job['disk_remaining'],
        )

    def measure(self, vm: str, seconds: int, method: Method) -> None:
        """Begin to measure what the guest writes."""
        self._domain(vm)
        self._measured[vm] = (time.time(), seconds)

    def writing(self, vm: str) -> Writing:
        """What the guest writes now, once its time is over."""
        began, seconds = self._measured.get(vm, (0.0, 0))
        if not seconds:
            return Writing(status='unstarted')
        if time.time() < began + seconds:
            return Writing(status='measuring', began=began)
        dirtied = self._ask('written', uuid=vm, seconds=seconds)['dirtied']
        return Writing(
            status='measured',
            began=began,
            seconds=float(seconds),
            rate=dirtied / seconds,
        )

    def traffic(self) -> dict[str, Any]:
        """What the host's NIC has carried."""
        found = self._ask('traffic', host=self._host)
        at = found.pop('at')
        return {'at': at, 'carried': {'nic': found}}

    def memory(self, vm: str) -> float:
        """Bytes of RAM that the guest has."""
        return float(self._domain(vm)['memory'])

    def read(self, vm: str, addresses: Sequence[int], size: int) -> bytes:
        """Pages as a test shaped them; else there is nothing to read."""
        contents = self._domain(vm)['contents']
        if contents is None:
            raise Refusal(Code.UNFIT, 'a simulated guest has no memory')
        look = self._looks.get(vm, 0)
        self._looks[vm] = look + 1
        return memory.read(Contents(**contents), addresses, size, look)

    def versions(self) -> Mapping[str, Any]:
        """Of nobody."""
        return {'libvirt': 'simulated', 'qemu': 'simulated'}

    def _domain(self, vm: str) -> dict[str, Any]:
        found = self._ask('domain', uuid=vm)
        if found.get('host') != self._host:
            raise Refusal(Code.UNKNOWN_VM, f'{vm} is not on this host')
        return found

    def _ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(10)
                line.connect(self._path)
                request = {'verb': verb, **arguments}
                line.sendall(json.dumps(request).encode() + b'\n')
                with line.makefile('rb') as file:
                    answer = dict(json.loads(file.readline()))
        except (OSError, ValueError) as error:
            raise Refusal(Code.HYPERVISOR, str(error)) from error
        if 'error' in answer:
            raise Refusal(Code.UNFIT, answer['error'])
        return answer


def told(hypervisor: Hypervisor, nova: pathlib.Path) -> dict[str, Any]:
    """The host's capabilities; its kernel is as much a guest as the rest."""
    found = facts.capabilities(hypervisor, [str(nova)])
    return {**found, 'userfaultfd': True, 'nic': None, 'notes': []}


def main() -> None:
    """Serve until SIGTERM."""
    path, folder, *hosts = sys.argv[1:]
    conf = pathlib.Path(folder)
    cfg.CONF(
        ['--config-file', str(conf / 'watcher/watcher.conf')],
        project='watcher',
    )
    transport = oslo_messaging.get_rpc_transport(cfg.CONF)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    keepers = []
    ahead = float(os.environ.get('TSMIG_CLOCK', '0'))

    def clock() -> float:
        return time.time() + ahead

    for host in hosts:
        hypervisor = Hypervisor(path, host)
        keeper = Keeper(hypervisor, conf / host / 'caps.json', clock)
        nova = conf / host / 'nova.conf'
        agent = Agent(
            hypervisor,
            keeper,
            lambda h=hypervisor, n=nova: told(h, n),
            hypervisor.traffic,
        )
        bus.server(transport, host, agent).start()
        keepers.append(keeper)
    print('agents serve', flush=True)
    while not stop.wait(TICK):
        for keeper in keepers:
            keeper.tick()


if __name__ == '__main__':
    main()
