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
    """A restart of the source's daemon ends a pre-copy; the guest runs."""
    libvirt = lab.libvirt
    with lab.guest() as guest:
        guest.domain.migrateSetMaxSpeed(OTHER, 0)
        with lab.move(guest) as move:
            move.begins()
            lab.source.restart()
            error = move.end(30)
        gone = _until(lambda: guest.on(lab.target) is None, 30)
        expect(gone, 'no domain at the destination', 'one')
        equal('state', guest.domain.state()[0], libvirt.VIR_DOMAIN_RUNNING)
        quiet = _until(lambda: guest.domain.jobInfo()[0] == 0, 20)
        expect(quiet, 'no job at the source', guest.domain.jobInfo())
        caps = lab.caps(guest)
        equal('caps after the restart', caps, (NO_CAP, 0))
        said = guest.check(lab.source)
        expect('bad=0 ' in said, 'no page to be lost', said)
        return f'runs at the source, cap lost; error: {error}'


def disks(lab: Lab) -> str:
    """A disk's copy has the preset; a change reaches the memory only."""
    with lab.guest(disk=DISK) as guest:
        guest.domain.migrateSetMaxSpeed(OTHER, 0)
        with lab.move(guest) as move:
            move.begins()
            first = move.rate(WINDOW)
            guest.domain.migrateSetMaxSpeed(CAP, 0)
            then = move.rate(WINDOW)
            disk = move.stats()
            move.until(
                lambda stats: stats.get('memory_iteration', 0) > 0,
                30, 'sending memory',
            )  # fmt: skip
            move.rate(0.5)  # the mirror's last pieces
            memory = move.rate(WINDOW)
            equal('error', move.end(60), None)
        lab.whole(guest)
        copied = lab.target.path(f'{guest.name}.disk').read_bytes()
    expect(copied == b'\xa5' * DISK, "the disk's content there", 'another')
    near("the disk's copy", first, OTHER)
    near("the disk's copy after the change", then, OTHER)
    near('the memory', memory, CAP)
    return (
        f'{OTHER} preset: disk {first:.1f}; {CAP} in flight: disk '
        f'{then:.1f} still, memory {memory:.1f}; meanwhile disk_total '
        f'{disk["disk_total"]}, disk_processed {disk["disk_processed"]}'
    )


def short_cut(lab: Lab) -> str:
    """A cut shorter than TCP's patience: libvirt fails, QEMU goes on."""
    libvirt = lab.libvirt
    with lab.guest(BUSY) as guest:
        with _in_post_copy(lab, guest) as move:
            lab.network.cut(lab.target.host)
            try:
                error = move.end(KEEP_ALIVE)
            finally:
                lab.network.cut(lab.target.host, off=False)
            states = _states(lab, guest)
            early = Move(guest, lab.target, post_copy=True, resume=True)
            refused = early.end(KEEP_ALIVE)
        failed = (
            (libvirt.VIR_DOMAIN_PAUSED,
             libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED),
            (libvirt.VIR_DOMAIN_RUNNING,
             libvirt.VIR_DOMAIN_RUNNING_POSTCOPY_FAILED),
        )  # fmt: skip
        expect(error is not None, 'the migration to fail', error)
        equal('states after it', states, failed)
        done = _until(
            lambda: _states(lab, guest)[1][1]
            != libvirt.VIR_DOMAIN_RUNNING_POSTCOPY_FAILED,
            60,
        )  # fmt: skip
        after = _states(lab, guest)
        expect(done, 'QEMU to finish by itself', after)
        lab.whole(guest)
    return (
        f'error after {move.took:.0f} s: {error}; states {states}; a resume '
        f'with the wire back: {refused}; it ends by itself in {after}'
    )


def long_cut(lab: Lab) -> str:
    """A cut that ends the stream: both sides wait, and can be resumed."""
    libvirt = lab.libvirt
    for host in (lab.source.host, lab.target.host):
        _retries(lab, host, FEW)
    try:
        with lab.guest(BUSY) as guest:
            with _in_post_copy(lab, guest) as move:
                lab.network.cut(lab.target.host)
                try:
                    error = move.end(KEEP_ALIVE)
                    time.sleep(5)
                    states = _states(lab, guest)
                    kind = move.stats().get('type')
                finally:
                    lab.network.cut(lab.target.host, off=False)
                expect(error is not None, 'the migration to fail', error)
            time.sleep(3)
            equal('states with the wire back', _states(lab, guest), states)
            again, tries = _resume(lab, guest)
            rate = again.rate(WINDOW)
            equal('error of the resume', again.end(60), None)
            equal('the domain at the source', guest.on(lab.source), None)
            lab.whole(guest)
    finally:
        for host in (lab.source.host, lab.target.host):
            _retries(lab, host, 15)
    equal('job type meanwhile', kind, libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
    return (
        f'error after {move.took:.0f} s: {error}; states {states}, job type '
        f'{kind}; resumed at try {tries}, {rate:.1f} MiB/s under a cap of '
        f'{OTHER}, ended in {again.took:.0f} s'
    )


def _in_post_copy(lab: Lab, guest: Guest):
    """A migration that is in post-copy, slow enough to be disturbed."""
    guest.domain.migrateSetMaxSpeed(CAP, 0)
    guest.domain.migrateSetMaxSpeed(OTHER, lab.post)
    moving = lab.move(guest, post_copy=True)
    moving.move.begins()
    guest.domain.migrateStartPostCopy(0)
    moving.move.rate(2)
    return moving


def _resume(lab: Lab, guest: Guest) -> tuple[Move, int]:
    """Resume it; QEMU and libvirt may need a moment to be ready."""
    for tries in range(1, 6):
        move = Move(guest, lab.target, post_copy=True, resume=True)
        move.thread.join(3)
        if move.thread.is_alive() or move.error is None:
            return move, tries
        time.sleep(2)
    raise TimeoutError(f'cannot be resumed: {move.error}')


def _states(lab: Lab, guest: Guest) -> tuple:
    """State and reason at the source and at the target."""
    found = []
    for daemon in (lab.source, lab.target):
        domain = guest.on(daemon)
        found.append(tuple(domain.state()) if domain else None)
    return tuple(found)


def _retries(lab: Lab, host: str, number: int) -> None:
    subprocess.run(
        [
            *lab.network.within(host), 'sysctl', '-q', '-w',
            f'net.ipv4.tcp_retries2={number}',
        ],
        check=True, timeout=30,
    )  # fmt: skip


def _until(met, patience: float) -> bool:
    end = time.monotonic() + patience
    while not met():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
