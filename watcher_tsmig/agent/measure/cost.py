"""What a measurement costs its host, as the kernel counts it.

CPU time of those who work for it beside the agent: libvirt's daemon, QEMU's
main thread, and the thread in which QEMU hashes the pages that it samples.
Only /proc is read. Who is not seen there (another PID namespace, hidepid)
costs what is assumed.
"""

import pathlib

from watcher_tsmig.units import GIB

PROC = pathlib.Path('/proc')
DAEMONS = ('libvirtd', 'virtqemud')
# QEMU's name of the thread that measures, before and since 9.2
HASHING = ('get_dirtyrate', 'mig/dirtyrate')
# s of CPU for each GiB whose sampled pages are hashed once, where it cannot
# be seen: 512 pages (nova-libvirt-telemetry.md, section 2.8) of 10 us, which
# is twice what the laboratory saw
ASSUMED = 512 * 1e-5


class Host:
    """The processes of one host, found once and looked at again.

    :param proc: where the kernel tells of them
    """

    def __init__(self, proc: pathlib.Path = PROC) -> None:
        self._proc = proc
        self._daemons: list[int] = []
        self._guests: dict[str, int] = {}

    def working(self, vm: str) -> float:
        """CPU of libvirt's daemon and of QEMU's main thread so far, s."""
        if not all(map(self._is_daemon, self._daemons or (0,))):
            self._daemons = [*filter(self._is_daemon, self._pids())]
        spent = sum(
            self._ran(pid, thread)
            for pid in self._daemons
            for thread in self._threads(pid)
        )
        guest = self._guest(vm)
        return spent + (self._ran(guest, guest) if guest else 0.0)

    def hashing(self, vm: str, memory: float) -> float:
        """CPU of hashing a domain's sampled pages once, s.

        To be asked while it waits to hash them again.

        :param memory: of the domain, bytes
        """
        guest = self._guest(vm)
        for thread in self._threads(guest) if guest else ():
            where = f'{guest}/task/{thread}/comm'
            if self._read(where).decode().strip() in HASHING:
                return self._ran(guest or 0, thread)
        return ASSUMED * memory / GIB

    def _guest(self, vm: str) -> int | None:
        """QEMU's process of a domain; None: it is not to be seen."""
        known = self._guests.get(vm)
        if known is None or not self._is_guest(known, vm):
            found = (pid for pid in self._pids() if self._is_guest(pid, vm))
            known = next(found, None)
            self._guests.pop(vm, None)
            if known is not None:
                self._guests[vm] = known
        return known

    def _is_daemon(self, pid: int) -> bool:
        return self._read(f'{pid}/comm').decode().strip() in DAEMONS

    def _is_guest(self, pid: int, vm: str) -> bool:
        return b'\0-uuid\0' + vm.encode() in self._read(f'{pid}/cmdline')

    def _pids(self) -> list[int]:
        return _numbers(self._proc)

    def _threads(self, pid: int) -> list[int]:
        return _numbers(self._proc / str(pid) / 'task')

    def _ran(self, pid: int, thread: int) -> float:
        words = self._read(f'{pid}/task/{thread}/schedstat').split()
        return int(words[0]) * 1e-9 if words else 0.0

    def _read(self, name: str) -> bytes:
        try:
            return (self._proc / name).read_bytes()
        except OSError:
            # it has just ended, or is not ours to see
            return b''


def _numbers(folder: pathlib.Path) -> list[int]:
    try:
        return [int(p.name) for p in folder.iterdir() if p.name.isdigit()]
    except OSError:
        return []
