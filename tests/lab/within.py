"""The first process of a host that has a libvirt daemon.

Run by `libvirtd.Daemon` as process 1 of namespaces for mounts, processes
and the host's name. It lays the unpacked packages over /usr, gives the
daemon folders of its own under /etc, /run and /var, starts it, and starts
it anew for every byte on its standard input. When that ends, or this
process is killed, the kernel ends all that runs in here: daemon and guests.

Only the standard library, and nothing of ours: it is run by its path.
"""

import os
import pathlib
import select
import signal
import subprocess
import sys

# Folders that are the host's own, and those that get a mount point in an
# overlay because the machine may not have them.
OWN = ('etc/libvirt', 'var/lib/libvirt', 'var/cache/libvirt',
       'var/log/libvirt')  # fmt: skip
# s; a daemon that is asked to end may first finish a migration
PATIENCE = 60
# What a byte on standard input does to the daemon.
SIGNALS = {b'e': signal.SIGTERM, b'c': signal.SIGKILL}
TICK = 0.1


def mount(*words: str) -> None:
    """Run mount(8)."""
    subprocess.run(['mount', *words], check=True, timeout=PATIENCE)


def furnish(folder: pathlib.Path, roots: list[str]) -> None:
    """Lay the packages' /usr over the machine's, and the own folders."""
    lower = ':'.join([*(f'{root}/usr' for root in roots), '/usr'])
    mount('-t', 'overlay', '-o', f'lowerdir={lower},ro', 'usr', '/usr')
    for top in ('etc', 'var'):
        points = folder / 'points' / top
        mount('-t', 'overlay', '-o', f'lowerdir={points}:/{top},ro',
              top, f'/{top}')  # fmt: skip
    for own in OWN:
        mount('--bind', str(folder / own), f'/{own}')
    mount('--bind', str(folder / 'run'), '/run')


def start() -> subprocess.Popen:
    """Start the daemon, listening on its socket and on TCP."""
    return subprocess.Popen(['/usr/sbin/libvirtd', '--listen'],
                            stdin=subprocess.DEVNULL)  # fmt: skip


def reap() -> dict[int, int]:
    """Take the ends of processes; every orphan in here is ours."""
    ended = {}
    while True:
        try:
            number, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not number:
            return ended
        ended[number] = status


def stop(daemon: subprocess.Popen, order: bytes) -> None:
    """End the daemon, and leave its guests running."""
    os.kill(daemon.pid, SIGNALS[order])
    for _ in range(int(PATIENCE / TICK)):
        if daemon.pid in reap():
            return
        select.select([], [], [], TICK)
    os.kill(daemon.pid, signal.SIGKILL)
    while daemon.pid not in reap():
        select.select([], [], [], TICK)


def main(folder: str, host: str, *roots: str) -> int:
    """Keep the daemon until standard input ends.

    :param folder: what is this host's own
    :param host: its name
    :param roots: folders of unpacked packages, the first above the next
    """
    subprocess.run(['hostname', f'{host}.lab'], check=True, timeout=PATIENCE)
    furnish(pathlib.Path(folder), list(roots))
    daemon = start()
    while True:
        ready, _, _ = select.select([0], [], [], TICK)
        if daemon.pid in reap():
            print('the daemon ended by itself', file=sys.stderr, flush=True)
            return 1
        if not ready:
            continue
        order = os.read(0, 1)
        if not order:
            return 0
        stop(daemon, order)
        daemon = start()


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
