"""Facts about caps that the agent sets: on the wire, in flight, taken back.

Each measures one, returns what it found as text, and raises `Surprise`.
Rates are MiB/s.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.agent.process import TICK
from tests.agent.process import AgentProcess
from tests.lab.domain import MIB
from tests.lab.domain import Guest
from tests.lab.facts import BUSY
from tests.lab.facts import NO_CAP
from tests.lab.facts import Lab
from tests.lab.facts import equal
from tests.lab.facts import expect
from watcher_tsmig.agent.values import CARRIED

# QEMU hands over whole quanta each 100 ms (laboratory.rst); at multiples of 5
# MiB/s that rounds up by little, so that what is measured is the cap.
CAP = 15
OTHER = 25
LOW = 10
TTL = 60.0
DISK = 64 * MIB
# s that one rate is measured over
WINDOW = 3.0
# The wire must carry what is asked within this share.
WITHIN = 0.1
FREE = (NO_CAP, 0)


@contextlib.contextmanager
def agent(lab: Lab, tenants: str = '') -> Iterator[AgentProcess]:
    """The agent of the source."""
    with AgentProcess(lab.source, tenants) as process:
        yield process


def uuid(guest: Guest) -> str:
    """As Nova names it."""
    return str(guest.domain.UUIDString())


def mib(rate: float | None) -> float | None:
    """Bytes/s on the wire that carry so many MiB/s of memory."""
    return None if rate is None else rate * MIB / CARRIED


def of_memory(rate: float) -> float:
    """MiB/s of memory that so many bytes/s on the wire carry.

    Rounded, because a division and its inverse may differ in the last bit.
    """
    return round(rate * CARRIED / MIB, 6)


def ask_caps(
    process: AgentProcess,
    guest: Guest,
    pre: float | None,
    post: float | None = None,
    ttl: float = TTL,
    **more: bool,
) -> dict:
    """Set caps of which libvirt makes these MiB/s."""
    return process.ask(
        'set_caps', vm=uuid(guest), pre=mib(pre), post=mib(post), ttl=ttl,
        **more,
    )  # fmt: skip


def close(what: str, rate: float, asked: float) -> None:
    """Fail unless the wire carries what is asked, within a tenth.

    :param rate: on the wire, MiB/s
    :param asked: of memory, MiB/s
    """
    expect(
        abs(rate / (asked / CARRIED) - 1) <= WITHIN,
        f'{what} within {WITHIN:.0%} of {asked / CARRIED:.1f} MiB/s',
        f'{rate:.2f}',
    )


def soon(what: str, met, within: float = 5.0) -> float:
    """Wait until it is so; the seconds that it took."""
    begun = time.monotonic()
    while not met():
        if time.monotonic() - begun > within:
            expect(False, f'{what} within {within} s', 'not so')
        time.sleep(0.05)
    return time.monotonic() - begun


def pre_copy(lab: Lab) -> str:
    """A preset holds from the first second, is raised, lowered, cleared."""
    with lab.guest() as guest, agent(lab) as process:
        told = ask_caps(process, guest, CAP)
        equal('the cap told', of_memory(told['caps']['pre']), CAP)
        with lab.move(guest) as move:
            move.begins()
            first = move.rate(WINDOW)
            close('preset', first, CAP)
            look = process.ask('job', vm=uuid(guest))
            equal('its job', look['job']['direction'], 'outgoing')
            equal('read back in flight', of_memory(look['caps']['pre']), CAP)
            ask_caps(process, guest, OTHER)
            raised = move.rate(1.5)
            close('raised', raised, OTHER)
            ask_caps(process, guest, LOW)
            lowered = move.rate(1.5)
            close('lowered', lowered, LOW)
            move.abort()
        process.ask('clear_caps', vm=uuid(guest))
        equal('caps after clear_caps', lab.caps(guest), FREE)
        equal('caps of ours', process.ask('caps')['vms'], {})
    return f'{CAP}: {first:.1f}; {OTHER}: {raised:.1f}; {LOW}: {lowered:.1f}'


def override(lab: Lab) -> str:
    """Nova's own bandwidth is put right within a tick or two."""
    with lab.guest() as guest, agent(lab) as process:
        ask_caps(process, guest, CAP)
        with lab.move(guest, bandwidth=2 * CAP) as move:
            move.begins()
            took = soon('the cap', lambda: lab.caps(guest)[0] == CAP)
            rate = move.rate(WINDOW)
            close('put right', rate, CAP)
            look = process.ask('job', vm=uuid(guest))
            expect(look['corrected'] >= 1, 'it to be told', look)
            move.abort()
        process.ask('clear_caps', vm=uuid(guest))
        equal('caps after it', lab.caps(guest), FREE)
    return f'{2 * CAP} by Nova, {CAP} after {took:.1f} s: {rate:.1f}'


def disks(lab: Lab) -> str:
    """A cap of two parts: disk and memory together never exceed it."""
    with lab.guest(disk=DISK) as guest, agent(lab) as process:
        told = ask_caps(process, guest, 2 * CAP, disks=True)
        equal('the cap of each', lab.caps(guest)[0], CAP)
        equal('the cap told', of_memory(told['caps']['pre']), 2 * CAP)
        with lab.move(guest) as move:
            begun = time.monotonic()
            # its copy goes in bursts, so that only the whole tells its rate
            move.until(
                lambda s: s.get('memory_iteration', 0) > 0, 30, 'memory'
            )
            disk = DISK / MIB / (time.monotonic() - begun)
            expect(disk < CAP * 1.1, f'no more than {CAP}', f'{disk:.1f}')
            memory = move.rate(2)
            close('then memory', memory, 2 * CAP)
            look = process.ask('job', vm=uuid(guest))
            move.abort()
    return (
        f'{2 * CAP} for two parts: disk {disk:.1f}, then memory '
        f'{memory:.1f} under a cap of {look["caps"]["pre"] / mib(1):.0f}'
    )


def post_copy(lab: Lab) -> str:
    """The cap of a post-copy holds, is changed, and is gone afterwards."""
    with lab.guest(BUSY) as guest, agent(lab) as process:
        ask_caps(process, guest, CAP, OTHER)
        with lab.move(guest, post_copy=True) as move:
            move.begins()
            move.rate(1)
            guest.domain.migrateStartPostCopy(0)
            # its device state and the pages that it asks for at once
            move.rate(0.7)
            rate = move.rate(1)
            look = process.ask('job', vm=uuid(guest))
            equal('post-copy', look['job']['post_copy'], True)
            ask_caps(process, guest, CAP, CAP)
            lowered = move.rate(1)
            equal('error', move.end(60), None)
        lab.whole(guest)
        soon('no caps of ours', lambda: not process.ask('caps')['vms'])
    close('post-copy', rate, OTHER)
    close('lowered', lowered, CAP)
    return f'{OTHER}: {rate:.1f}; {CAP}: {lowered:.1f}'


def deaths(lab: Lab) -> str:
    """SIGKILL of the agent, and of who migrates: no cap is left."""
    with lab.guest() as guest, agent(lab) as process:
        ask_caps(process, guest, CAP, CAP)
        with lab.move(guest, post_copy=True) as move:
            move.begins()
            process.stop(9)
            process.restore()
            equal('caps in flight', lab.caps(guest), FREE)
            move.abort()
        process.start()
        equal('caps of ours', process.ask('caps')['vms'], {})
        equal('after the agent', lab.caps(guest), FREE)
        # and the client
        ask_caps(process, guest, CAP, CAP, ttl=5.0)
        client = _client(lab, guest)
        try:
            soon(
                'its job',
                lambda: process.ask('job', vm=uuid(guest))['job'][
                    'direction'] == 'outgoing',
                15,
            )  # fmt: skip
        finally:
            client.kill()
            client.wait(10)
        # libvirtd goes on without it: the guest moves, its cap with it
        took = soon('its move', lambda: guest.on(lab.source) is None, 30)
        soon('nothing of ours', lambda: not process.ask('caps')['vms'])
        equal('caps at the destination', lab.caps(guest, lab.target), FREE)
        lab.whole(guest)
    return (
        '0 caps left after the agent; without its client the migration goes '
        f'on, and 0 are left after {took:.1f} s'
    )


def _client(lab: Lab, guest: Guest) -> subprocess.Popen:
    """A process of its own that migrates as Nova does."""
    socket = lab.source.path('libvirt/libvirt-sock')
    return subprocess.Popen(
        [
            'setpriv', '--pdeathsig', 'KILL',
            sys.executable, '-m', 'tests.agent.client',
            str(lab.source.root),
            f'qemu+unix:///system?socket={socket}',
            guest.name,
            lab.target.uri,
            f'tcp://{lab.network.address(lab.target.host)}',
        ],
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def restarts(lab: Lab) -> str:
    """libvirtd restarts and forgets: the agent sets it again."""
    with lab.guest() as guest, agent(lab) as process:
        ask_caps(process, guest, CAP, OTHER)
        lab.source.restart()
        took = soon('the cap', lambda: lab.caps(guest) == (CAP, OTHER), 30)
        lab.source.restart(crash=True)
        again = soon('the cap', lambda: lab.caps(guest) == (CAP, OTHER), 30)
        process.stop()
        equal('caps after a stop', lab.caps(guest), FREE)
        process.start()
    return f'again after {took:.1f} s, after a crash {again:.1f} s'


def expiry(lab: Lab) -> str:
    """What nobody renews ends, in mid-flight and for good."""
    with lab.guest() as guest, agent(lab) as process:
        guest.domain.migrateSetMaxSpeed(4 * CAP, 0)
        ask_caps(process, guest, CAP, ttl=5.0)
        begun = time.monotonic()
        with lab.move(guest) as move:
            move.begins()
            soon('the end', lambda: lab.caps(guest)[0] == 4 * CAP, 10)
            took = time.monotonic() - begun
            move.abort()
        # libvirt goes back to what the job began with, which was ours
        soon('its own cap', lambda: lab.caps(guest)[0] == 4 * CAP, 5)
        soon('nothing of ours', lambda: not process.ask('caps')['vms'], 5)
        time.sleep(3 * TICK)
        equal('its own cap', lab.caps(guest), (4 * CAP, 0))
    expect(4.5 < took < 7, 'about the TTL of 5 s', took)
    return f'ended after {took:.1f} s; its own cap is back'
