"""Facts about what remains: after abort, failure, restart; disks' caps.

As in `caps`, each function measures one and raises `Surprise`.
"""

import subprocess
import time

from tests.lab.domain import MIB
from tests.lab.domain import Guest
from tests.lab.domain import Move
from tests.lab.facts import BUSY
from tests.lab.facts import NO_CAP
from tests.lab.facts import Lab
from tests.lab.facts import equal
from tests.lab.facts import expect
from tests.lab.facts import near

CAP = 16
OTHER = 8
WINDOW = 1.5
DISK = 64 * MIB
# tcp_retries2 of hosts that give up a stream within seconds; the default of
# 15 takes a quarter of an hour.
FEW = 3
# where the first migration to a host is received
PORT = ':49152'
# s until libvirt's keep-alive (5 s, 5 times) gives up a daemon, and some
KEEP_ALIVE = 45


def abort(lab: Lab) -> str:
    """After an abort in pre-copy all is as it was."""
    libvirt = lab.libvirt
    with lab.guest() as guest:
        guest.domain.migrateSetMaxSpeed(CAP, 0)
        guest.domain.migrateSetMaxSpeed(OTHER, lab.post)
        with lab.move(guest, post_copy=True) as move:
            move.begins()
            move.abort()
            code = move.error and move.error.get_error_code()
        equal('the error', code, libvirt.VIR_ERR_OPERATION_ABORTED)
        equal('state', guest.domain.state()[0], libvirt.VIR_DOMAIN_RUNNING)
        equal('caps', lab.caps(guest), (CAP, OTHER))
        gone = _until(lambda: guest.on(lab.target) is None, 10)
        expect(gone, 'no domain at the destination', 'one')
        said = guest.check(lab.source)
        expect('bad=0 ' in said, 'no page to be lost', said)
        return f'runs, caps {CAP} and {OTHER}; error: {move.error}'


def restart(lab: Lab) -> str:
    """A restart of the daemon loses the cap, and keeps post-copy's."""
    with lab.guest() as guest:
        guest.domain.migrateSetMaxSpeed(OTHER, 0)
        guest.domain.migrateSetMaxSpeed(CAP, lab.post)
        lab.source.restart()
        caps = lab.caps(guest)
        with lab.move(guest) as move:
            move.begins()
            rate = move.rate(1)
        equal('caps after the restart', caps, (NO_CAP, CAP))
        expect(rate > 2 * OTHER, f'more than {2 * OTHER} MiB/s', rate)
    return (
        f'{OTHER} and {CAP} preset; after it none and {caps[1]}; '
        f'the next migration sends {rate:.0f}'
    )


def restart_in_flight(lab: Lab) -> str:
    """A daemon that is asked to end in pre-copy lets the migration end."""
    with lab.guest() as guest:
        guest.domain.migrateSetMaxSpeed(CAP, 0)
        with lab.move(guest) as move:
            move.begins()
            begun = time.monotonic()
            lab.source.restart()
            waited = time.monotonic() - begun
            error = move.end(30)
        equal('the domain at the source', guest.on(lab.source), None)
        lab.whole(guest)
    return f'waits {waited:.0f} s, guest moved; its caller is told: {error}'


def crash_in_flight(lab: Lab) -> str:
    """A crash of the source's daemon ends a pre-copy; the guest runs."""
    libvirt = lab.libvirt
    with lab.guest() as guest:
        guest.domain.migrateSetMaxSpeed(OTHER, 0)
        with lab.move(guest) as move:
            move.begins()
            lab.source.restart(crash=True)
            error = move.end(30)
        expect(error is not None, 'the migration to fail', error)
        gone = _until(lambda: guest.on(lab.target) is None, 30)
        expect(gone, 'no domain at the destination', 'one')
        equal('state', guest.domain.state()[0], libvirt.VIR_DOMAIN_RUNNING)
        equal('job', guest.domain.jobInfo()[0], libvirt.VIR_DOMAIN_JOB_NONE)
        equal('caps after it', lab.caps(guest), (NO_CAP, 0))
        said = guest.check(lab.source)
        expect('bad=0 ' in said, 'no page to be lost', said)
    return f'runs at the source without job, cap lost; error: {error}'


def disks(lab: Lab) -> str:
    """A disk's copy has the preset; a change reaches the memory only."""
    with lab.guest(disk=DISK) as guest:
        guest.domain.migrateSetMaxSpeed(OTHER, 0)
        with lab.move(guest) as move:
            move.begins()
            begun = time.monotonic()
            burst = max(move.rate(0.25) for _ in range(8))
            guest.domain.migrateSetMaxSpeed(CAP, 0)
            disk = move.until(
                lambda stats: stats.get('memory_iteration', 0) > 0,
                30, 'sending memory',
            )  # fmt: skip
            copy = DISK / MIB / (time.monotonic() - begun)
            memory = move.rate(2 * WINDOW)
            equal('error', move.end(60), None)
        lab.whole(guest)
        copied = lab.target.path(f'{guest.name}.disk').read_bytes()
    expect(copied == b'\xa5' * DISK, "the disk's content there", 'another')
    equal('disk_processed', disk['disk_processed'], DISK)
    near("the disk's copy", copy, OTHER)
    near('the memory', memory, CAP)
    return (
        f'{OTHER} preset, {CAP} in flight: disk {copy:.1f} on average '
        f'(bursts of {burst:.0f} in 0.25 s), then memory {memory:.1f}'
    )


def short_cut(lab: Lab) -> str:
    """A cut shorter than TCP's patience: libvirt fails, QEMU goes on."""
    libvirt = lab.libvirt
    failed = (
        libvirt.VIR_DOMAIN_PAUSED,
        libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED,
    )
    with lab.guest(BUSY) as guest:
        with _in_post_copy(lab, guest) as move:
            try:
                lab.network.cut(lab.target.host)
                error = move.end(KEEP_ALIVE)
                states = _states(lab, guest)
            finally:
                lab.network.cut(lab.target.host, off=False)
            early = Move(guest, lab.target, post_copy=True, resume=True)
            refused = early.end(KEEP_ALIVE)
        expect(error is not None, 'the migration to fail', error)
        equal('state at the source', states[0], failed)
        expect(refused is not None, 'a resume to be refused', 'success')
        done = _until(
            lambda: guest.on(lab.source) is None
            or guest.domain.state()[0] == libvirt.VIR_DOMAIN_SHUTOFF,
            60,
        )  # fmt: skip
        expect(done, 'QEMU to end by itself', _states(lab, guest))
        after = _states(lab, guest)
        lab.whole(guest)
    return (
        f'error after {move.took:.0f} s: {error}; states {states}; a resume '
        f'with the wire back: {refused}; it ends by itself in {after}'
    )


def long_cut(lab: Lab) -> str:
    """A cut that ends the stream: the guest waits, and can be resumed."""
    libvirt = lab.libvirt
    failed = (
        (libvirt.VIR_DOMAIN_PAUSED,
         libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED),
        (libvirt.VIR_DOMAIN_RUNNING,
         libvirt.VIR_DOMAIN_RUNNING_POSTCOPY_FAILED),
    )  # fmt: skip
    for host in (lab.source.host, lab.target.host):
        _on(lab, host, 'sysctl', '-q', '-w', f'net.ipv4.tcp_retries2={FEW}')
    with lab.guest(BUSY) as guest:
        with _in_post_copy(lab, guest) as move:
            try:
                lab.network.cut(lab.target.host)
                error = move.end(KEEP_ALIVE)
                noticed = _until(lambda: _states(lab, guest) == failed, 5)
                states, kind = _states(lab, guest), move.stats().get('type')
            finally:
                lab.network.cut(lab.target.host, off=False)
        expect(error is not None, 'the migration to fail', error)
        equal('state at the source', states[0], failed[0])
        equal('job type', kind, libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
        early = None
        if not noticed:
            # It has nothing to send, so TCP there has no reason to give up.
            early = _resume(lab, guest, 2).error
            expect(early is not None, 'a resume to be refused', 'success')
            _on(lab, lab.target.host, 'ss', '-K', '-tn', 'sport', '=', PORT)
            _until(lambda: _states(lab, guest) == failed, 10)
        equal('states before the resume', _states(lab, guest), failed)
        again = _resume(lab, guest, 5)
        rate = again.rate(WINDOW)
        equal('error of the resume', again.end(60), None)
        equal('the domain at the source', guest.on(lab.source), None)
        lab.whole(guest)
    return (
        f'error after {move.took:.0f} s: {error}; states {states}, job type '
        f'{kind}; '
        + (f'resume refused ({early}) until its socket is killed; '
           if early else '')
        + f'resumed, {rate:.1f} MiB/s under a cap of {OTHER}, '
        f'ended in {again.took:.0f} s'
    )  # fmt: skip


def _in_post_copy(lab: Lab, guest: Guest):
    """A migration that is in post-copy, slow enough to be disturbed."""
    guest.domain.migrateSetMaxSpeed(CAP, 0)
    guest.domain.migrateSetMaxSpeed(OTHER, lab.post)
    moving = lab.move(guest, post_copy=True)
    moving.move.begins()
    guest.domain.migrateStartPostCopy(0)
    moving.move.rate(2)
    return moving


def _resume(lab: Lab, guest: Guest, tries: int) -> Move:
    """Resume it; libvirt may need a moment to be ready."""
    for _ in range(tries):
        move = Move(guest, lab.target, post_copy=True, resume=True)
        move.thread.join(3)
        if move.error is None:
            break
        time.sleep(2)
    return move


def _states(lab: Lab, guest: Guest) -> tuple:
    """State and reason at the source and at the target."""
    found = []
    for daemon in (lab.source, lab.target):
        domain = guest.on(daemon)
        found.append(tuple(domain.state()) if domain else None)
    return tuple(found)


def _on(lab: Lab, host: str, *command: str) -> None:
    subprocess.run(
        [*lab.network.within(host), *command],
        check=True, timeout=30, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _until(met, patience: float) -> bool:
    end = time.monotonic() + patience
    while not met():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
