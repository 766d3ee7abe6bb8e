"""One guest: a QEMU process with its QMP, its console and its control line.

Every process is started with a parent-death signal and ended by `close`.
Nothing waits without a bound.
"""

import asyncio
import dataclasses
import pathlib
import re
import typing

from qemu.qmp import QMPClient
from qemu.qmp import QMPError

from tests.lab.network import Network
from tests.lab.prepare import Kit

PAGE = 4096
MIB = 2**20
# A guest of the laboratory boots in 3 to 5 s under TCG; with other work on
# the machine it has taken 20.
BOOT = 90.0
PATIENCE = 20.0
STEP = 0.05
# Ends the process when its parent is gone, whatever ended that.
TIED = ('setpriv', '--pdeathsig', 'KILL')


class LabFailure(Exception):
    """What was run did not do what it must; the laboratory's finding."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """What a guest is and does.

    :ivar memory: bytes
    :ivar writes: arguments of the guest's writer (see guest/program.c)
    :ivar also: further programs, as for the writer
    :ivar address: IPv4 address with its prefix length; None: no network
    """

    memory: int = 160 * MIB
    writes: str = 'image=20000,pages=2000,rate=0'
    also: tuple[str, ...] = ()
    address: str | None = None

    def arguments(self) -> str:
        """The kernel's command line."""
        # panic=-1: restart at once; -no-reboot makes that an end
        words = ['console=ttyS0', 'quiet', 'panic=-1', 'no_timer_check']
        if self.address:
            words.append(f'lab.address={self.address}')
        words += [f'lab.run={run}' for run in self.also]
        return ' '.join([*words, f'lab.run=write,{self.writes}'])


class Machine:
    """A running guest.

    :param folder: for its sockets and its console
    :param host: where it runs; needs `network`
    :param tap: name of its tap on that host's bridge
    :param incoming: wait for a migration instead of booting
    :param disk: path of a raw image
    """

    def __init__(
        self,
        kit: Kit,
        guest: Guest,
        name: str,
        folder: pathlib.Path,
        *,
        network: Network | None = None,
        host: str = 'h1',
        tap: str | None = None,
        incoming: bool = False,
        disk: pathlib.Path | None = None,
    ) -> None:
        self.kit, self.guest, self.name = kit, guest, name
        self.folder, self.network, self.host = folder, network, host
        self.tap, self.incoming, self.disk = tap, incoming, disk
        # tmpfs, so that what the guest writes can be seen from outside
        self.ram = pathlib.Path('/dev/shm') / f'{folder.name}-{name}'
        self.console = folder / f'{name}.console'
        self.log = folder / f'{name}.log'
        self.qmp = QMPClient(name)
        self.process: asyncio.subprocess.Process | None = None
        self.control: asyncio.StreamWriter | None = None

    async def start(self) -> 'Machine':
        """Start the process and connect to it."""
        monitor = self.folder / f'{self.name}.qmp'
        line = self.folder / f'{self.name}.line'
        within = self.network.within(self.host) if self.network else []
        # An empty console of the same name must not be read for this one.
        for old in (self.console, monitor, line):
            old.unlink(missing_ok=True)
        with self.log.open('wb') as log:
            self.process = await asyncio.create_subprocess_exec(
                *TIED,
                *within,
                *self._command(monitor, line),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await self._until(monitor.exists, PATIENCE, 'its monitor')
        await self._connect(monitor)
        _, self.control = await asyncio.wait_for(
            asyncio.open_unix_connection(str(line)), PATIENCE
        )
        return self

    async def _connect(self, monitor: pathlib.Path) -> None:
        """To its monitor, which is there a moment before it listens."""
        last = QMPError('not tried')
        for _ in range(round(PATIENCE / STEP)):
            try:
                await asyncio.wait_for(
                    self.qmp.connect(str(monitor)), PATIENCE
                )
            except QMPError as error:
                last = error
                self.qmp = QMPClient(self.name)
                await asyncio.sleep(STEP)
            else:
                return
        raise LabFailure(f'{self.name}: no monitor: {last!r}')

    def _command(self, monitor: pathlib.Path, line: pathlib.Path) -> list[str]:
        size = self.guest.memory
        out = [
            *self.kit.qemu(),
            '-name', self.name,
            '-accel', 'tcg,thread=multi',
            '-machine', 'pc,memory-backend=ram',
            '-object',
            f'memory-backend-file,id=ram,size={size},mem-path={self.ram},'
            'share=on',
            '-cpu', 'max', '-smp', '1', '-m', f'{size // MIB}M',
            '-nodefaults', '-no-user-config', '-display', 'none',
            '-no-reboot',
            '-kernel', str(self.kit.kernel),
            '-initrd', str(self.kit.initrd),
            '-append', self.guest.arguments(),
            '-chardev', f'file,id=console,path={self.console}',
            '-serial', 'chardev:console',
            '-chardev', f'socket,id=line,path={line},server=on,wait=off',
            '-serial', 'chardev:line',
            '-qmp', f'unix:{monitor},server=on,wait=off',
        ]  # fmt: skip
        if self.tap:
            # of the guest, not of the tap: it keeps it when it moves
            last = (self.guest.address or '0').split('/')[0].split('.')[-1]
            out += [
                '-netdev',
                f'tap,id=net,ifname={self.tap},script=no,downscript=no',
                '-device',
                'virtio-net-pci,netdev=net,romfile=,'
                f'mac=52:54:00:00:00:{int(last):02x}',
            ]
        if self.disk:
            out += [
                '-blockdev',
                f'driver=raw,node-name=disk,file.driver=file,'
                f'file.filename={self.disk}',
                '-device', 'virtio-blk-pci,drive=disk,id=vda',
            ]  # fmt: skip
        return out + (['-incoming', 'defer'] if self.incoming else [])

    async def ask(self, command: str, **values: object) -> typing.Any:
        """One QMP command; underscores in names stand for hyphens.

        :raises LabFailure: refused, or no answer
        """
        members = {k.replace('_', '-'): v for k, v in values.items()}
        try:
            return await asyncio.wait_for(
                self.qmp.execute(command, members or None), PATIENCE
            )
        except (QMPError, TimeoutError) as error:
            raise LabFailure(
                f'{self.name}: {command}: {error!r}{self._last_words()}'
            ) from error

    async def capabilities(self, **states: bool) -> None:
        """Switch migration capabilities."""
        listed = [
            {'capability': name.replace('_', '-'), 'state': state}
            for name, state in states.items()
        ]
        if listed:
            await self.ask('migrate-set-capabilities', capabilities=listed)

    async def order(self, text: str) -> None:
        """Send the guest's writer one line."""
        assert self.control is not None
        self.control.write(text.encode() + b'\n')
        await asyncio.wait_for(self.control.drain(), PATIENCE)

    def said(self) -> str:
        """All that the console has shown."""
        if not self.console.exists():
            return ''
        return self.console.read_text(errors='replace')

    async def hears(
        self, pattern: str, patience: float = PATIENCE, since: int = 0
    ) -> re.Match[str]:
        """The first match on the console after so many characters."""
        found: list[re.Match[str]] = []

        def there() -> bool:
            match = re.compile(pattern, re.MULTILINE).search(
                self.said(), since
            )
            found.extend([match] if match else [])
            return bool(match)

        await self._until(there, patience, f'{pattern!r} on its console')
        return found[0]

    async def boots(self) -> None:
        """Wait until the guest's writer has filled its pages."""
        await self.hears('^READY', BOOT)

    async def bad_pages(self) -> tuple[int, int]:
        """Pages that are not what the guest wrote last, and of how many."""
        since = len(self.said())
        await self.order('check')
        found = await self.hears(r'CHECK bad=(\d+) of (\d+)', BOOT, since)
        return int(found[1]), int(found[2])

    async def changes(self, order: str) -> None:
        """Have the writer write in another manner."""
        since = len(self.said())
        await self.order(order)
        await self.hears('^NOW', PATIENCE, since)

    def rates(self) -> list[tuple[float, float, float]]:
        """(s of the guest, pages/s, longest gap) of each second."""
        rows = re.findall(r'^WROTE (\S+) (\S+) (\S+)\s*$', self.said(), re.M)
        return [(float(a), float(b), float(c)) for a, b, c in rows]

    async def _until(
        self, done: typing.Callable[[], bool], patience: float, what: str
    ) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        while not done():
            if self.process and self.process.returncode is not None:
                raise LabFailure(f'{self.name} ended{self._last_words()}')
            if loop.time() > end:
                raise LabFailure(
                    f'{self.name}: waited {patience:g} s for {what}'
                    f'{self._last_words()}'
                )
            await asyncio.sleep(STEP)

    def _last_words(self) -> str:
        text = self.log.read_text(errors='replace')[-300:].strip()
        return f': {text}' if text else ''

    async def close(self) -> None:
        """End the process and remove its memory."""
        if self.control:
            self.control.close()
        try:
            await asyncio.wait_for(self.qmp.disconnect(), PATIENCE)
        except (QMPError, TimeoutError, EOFError, OSError):
            pass  # it is ended all the same
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        self.ram.unlink(missing_ok=True)


class Program:
    """The guest's program on a host: traffic and heartbeat.

    :param words: its arguments, for example ('hear', 'port=7000')
    """

    def __init__(
        self, kit: Kit, network: Network, host: str, *words: str
    ) -> None:
        self.command = [
            *TIED, *network.within(host), str(kit.program), *words,
        ]  # fmt: skip
        self.process: asyncio.subprocess.Process | None = None
        self.lines: list[str] = []
        self.reader: asyncio.Task[None] | None = None

    async def start(self) -> 'Program':
        """Start it and read what it says."""
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        self.reader = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode())

    def rows(self, word: str) -> list[list[float]]:
        """The numbers of the lines that begin with the word."""
        return [
            [float(x) for x in line.split()[1:]]
            for line in self.lines
            if line.startswith(word + ' ')
        ]

    async def close(self) -> None:
        """End it."""
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        if self.reader:
            self.reader.cancel()
            await asyncio.gather(self.reader, return_exceptions=True)
