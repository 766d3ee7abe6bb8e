"""What the facts about libvirt share: two daemons, a guest, and a judge."""

import contextlib
import itertools
import os
from types import TracebackType

from tests.lab.domain import MIB
from tests.lab.domain import Guest
from tests.lab.domain import Move
from tests.lab.libvirtd import Daemon
from tests.lab.network import Network

# What libvirt says of a domain that was never given a cap: the most that
# fits in an int64 of bytes, in MiB/s (QEMU_DOMAIN_MIG_BANDWIDTH_MAX).
NO_CAP = (1 << 63) // MIB - 1
# A cap holds when the wire carries this share of it: less, because the
# measuring begins anywhere in QEMU's windows of 100 ms and other work
# disturbs; more, because of headers and acknowledgements.
LEAST, MOST = 0.75, 1.2
# A guest whose 160 MiB take some seconds at the caps used here, and which
# writes too little to disturb.
QUIET = 'image=20000,pages=1000,rate=200,pattern=u'
# One that faults in post-copy.
BUSY = 'image=20000,pages=4000,rate=2000,pattern=u'


class Surprise(AssertionError):
    """A fact is not as expected; says what was and what is."""


def expect(holds: bool, what: str, got: object) -> None:
    """Fail unless it holds.

    :param what: what is expected, as a clause
    """
    if not holds:
        raise Surprise(f'expected {what}, got {got}')


def equal(what: str, got: object, expected: object) -> None:
    """Fail unless both are equal."""
    expect(got == expected, f'{what} to be {expected}', got)


def near(what: str, rate: float, cap: float, most: float = MOST) -> None:
    """Fail unless a rate is about its cap, both MiB/s."""
    low, high = cap * LEAST, cap * most
    expect(
        low <= rate <= high,
        f'{what} to be {low:.1f} to {high:.1f} MiB/s under a cap of {cap}',
        f'{rate:.1f}',
    )


class Lab:
    """Two hosts with a daemon each, of which the first has guests.

    :ivar network: its wires are not shaped
    """

    def __init__(
        self, network: Network, source: Daemon, target: Daemon
    ) -> None:
        self.network = network
        self.source, self.target = source, target
        self.libvirt = source.libvirt
        self.post = self.libvirt.VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def guest(
        self,
        work: str = QUIET,
        disk: int | None = None,
        cache: int = 0,
        **more: int,
    ):
        """A guest for one fact."""
        name = f'guest{next(self._numbers)}'
        if cache:
            content = os.urandom(MIB) * (cache // MIB)
            for daemon in (self.source, self.target):
                daemon.path(f'{name}.readonly').write_bytes(content)
        if disk:
            for daemon, content in (
                (self.source, b'\xa5' * disk),
                (self.target, b'\0' * disk),
            ):
                daemon.path(f'{name}.disk').write_bytes(content)
        guest = Guest(self.source, name, work, disk, cache=cache, **more)
        try:
            yield guest
        finally:
            guest.destroy(self.source, self.target)

    def move(self, guest: Guest, **how) -> 'Moving':
        """A migration that is aborted if it does not end by itself."""
        return Moving(Move(guest, self.target, **how))

    def caps(self, guest: Guest, daemon: Daemon | None = None) -> tuple:
        """Both caps of a guest on a host, pre-copy and post-copy."""
        domain = guest.on(daemon or self.source)
        return (
            domain.migrateGetMaxSpeed(0),
            domain.migrateGetMaxSpeed(self.post),
        )

    def whole(self, guest: Guest) -> None:
        """Fail unless the guest runs at the target with all its memory."""
        state = guest.on(self.target).state()[0]
        equal('its state', state, self.libvirt.VIR_DOMAIN_RUNNING)
        said = guest.check(self.target)
        expect('bad=0 ' in said, 'no page to be lost', said)


class Moving:
    """A `Move` as a context manager."""

    def __init__(self, move: Move) -> None:
        self.move = move

    def __enter__(self) -> Move:
        return self.move

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        move = self.move
        if move.thread.is_alive():
            with contextlib.suppress(move.libvirt.libvirtError):
                move.domain.abortJob()
            move.thread.join(10)
