"""Hosts of the laboratory: network namespaces joined by one switch.

Each host is a namespace with a bridge of its own, on which its address and
its guests' taps are, and one wire to the switch. A wire is shaped in both
directions: the host's end is what it sends, the switch's end what it
receives. All of it goes away with `close`, or, where this process was
killed, with the next `Network`.
"""

import os
import pathlib
import re
import subprocess
from collections.abc import Sequence
from types import TracebackType

PATIENCE = 30
PREFIX = 'tsmig'
# What a token bucket may burst, and how long a packet may wait in it: as
# with a NIC that has a short queue.
BURST = '64kb'
LATENCY = '20ms'
# A shaped wire must not see segments longer than its bucket.
SEGMENT = '16384'


def ip(*words: str, check: bool = True) -> str:
    """Run ip(8)."""
    return _run('ip', *words, check=check)


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if check and done.returncode:
        raise OSError(f'{" ".join(command)}: {done.stderr.strip()}')
    return done.stdout


class Network:
    """Namespaces `h1`, `h2` and so on, and `outside`; a context manager.

    :param hosts: how many hosts
    :param send_buffer: bytes that one TCP connection of a host may have in
        its send buffer (tcp_wmem); None: the kernel's default
    """

    def __init__(self, hosts: int = 2, send_buffer: int | None = None) -> None:
        self.mark = f'{PREFIX}{os.getpid()}'
        self.hosts = [f'h{i + 1}' for i in range(hosts)]
        self.all = [*self.hosts, 'outside']
        self.switch = f'{self.mark}-switch'
        self.send_buffer = send_buffer

    def __enter__(self) -> 'Network':
        sweep()
        try:
            self._build()
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

    def close(self) -> None:
        """Remove every namespace, with all that is in it."""
        for name in self.all:
            ip('netns', 'del', self.namespace(name), check=False)
        ip('netns', 'del', self.switch, check=False)

    def namespace(self, host: str) -> str:
        """The namespace of a host."""
        return f'{self.mark}-{host}'

    def address(self, host: str) -> str:
        """A host's own address."""
        if host == 'outside':
            return '10.9.0.100'
        return f'10.9.0.{self.hosts.index(host) + 1}'

    def within(self, host: str) -> list[str]:
        """The begin of a command line that runs on a host."""
        return ['ip', 'netns', 'exec', self.namespace(host)]

    def _build(self) -> None:
        ip('netns', 'add', self.switch)
        ip('-n', self.switch, 'link', 'add', 'br0', 'type', 'bridge')
        ip('-n', self.switch, 'link', 'set', 'br0', 'up')
        for name in self.all:
            space = self.namespace(name)
            ip('netns', 'add', space)
            ip('-n', space, 'link', 'set', 'lo', 'up')
            ip('-n', space, 'link', 'add', 'br0', 'type', 'bridge')
            ip(
                '-n', self.switch, 'link', 'add', name, 'type', 'veth',
                'peer', 'name', 'eth0', 'netns', space,
            )  # fmt: skip
            for where, wire in ((self.switch, name), (space, 'eth0')):
                ip(
                    '-n', where, 'link', 'set', wire, 'master', 'br0', 'up',
                    'gso_max_size', SEGMENT,
                )  # fmt: skip
            ip('-n', space, 'addr', 'add', self.address(name) + '/24',
               'dev', 'br0')  # fmt: skip
            ip('-n', space, 'link', 'set', 'br0', 'up')
            if self.send_buffer:
                _run(
                    *self.within(name), 'sysctl', '-q', '-w',
                    f'net.ipv4.tcp_wmem=4096 16384 {self.send_buffer}',
                )  # fmt: skip

    def tap(self, host: str, name: str) -> None:
        """A tap on the host's bridge, for one guest."""
        space = self.namespace(host)
        ip('-n', space, 'tuntap', 'add', name, 'mode', 'tap')
        ip('-n', space, 'link', 'set', name, 'master', 'br0', 'up')

    def shape(self, rate: float | None, hosts: Sequence[str] = ()) -> None:
        """Limit the wires of these hosts (none named: of all but outside).

        :param rate: bytes/s on the wire in each direction; None: no limit
        """
        for host in hosts or self.hosts:
            ends = (
                (self.within(host), 'eth0'),
                (['ip', 'netns', 'exec', self.switch], host),
            )
            for within, wire in ends:
                if rate is None:
                    _run(
                        *within, 'tc', 'qdisc', 'del', 'dev', wire, 'root',
                        check=False,
                    )  # fmt: skip
                    continue
                _run(
                    *within, 'tc', 'qdisc', 'replace', 'dev', wire, 'root',
                    'tbf', 'rate', f'{rate * 8:.0f}bit', 'burst', BURST,
                    'latency', LATENCY,
                )  # fmt: skip

    def cut(self, host: str, *, off: bool = True) -> None:
        """Pull a host's wire out of the switch, or put it back."""
        state = 'down' if off else 'up'
        ip('-n', self.switch, 'link', 'set', host, state)

    def counters(self, host: str, wire: str = 'eth0') -> tuple[int, int]:
        """Bytes that a wire of the host has sent and received so far."""
        text = ip('-n', self.namespace(host), '-s', '-o', 'link', 'show',
                  'dev', wire)  # fmt: skip
        rows = re.findall(r'[RT]X:[^\\]*\\\s+(\d+)', text)
        return int(rows[1]), int(rows[0])


def sweep() -> None:
    """Remove namespaces whose makers are gone."""
    for line in ip('netns', 'list', check=False).splitlines():
        found = re.match(rf'{PREFIX}(\d+)-', line)
        if found and not pathlib.Path(f'/proc/{found[1]}').exists():
            ip('netns', 'del', line.split()[0], check=False)
