"""Facts about what the agent reads: capabilities, writing, contents.

Each measures one, returns what it found as text, and raises `Surprise`.
"""

import contextlib
import math
import re
import time

from tests.agent.caps import CAP
from tests.agent.caps import agent
from tests.agent.caps import ask_caps
from tests.agent.caps import soon
from tests.agent.caps import uuid
from tests.agent.process import AgentProcess
from tests.lab.domain import MIB
from tests.lab.domain import Guest
from tests.lab.facts import Lab
from tests.lab.facts import equal
from tests.lab.facts import expect
from watcher_tsmig import errors
from watcher_tsmig.agent import spool
from watcher_tsmig.agent.measure.survey import BEHIND
from watcher_tsmig.agent.values import Refusal

# 44,000 pages filled, 40,000 of them written again and again, fast enough
# that nearly all are written within the time measured. A guest large enough
# that a measurement samples some hundred pages.
MEMORY = 512 * 1024
HOT, RATE = 40000, 20000
WORK = f'image=44000,pages={HOT},rate={RATE},pattern=u'
SECONDS, TIMES = 4, 16
# s over which the NIC is looked at
CARRIES = 3.0
# Cores that a survey may take here, and s until it has measured something,
# and until it has seen that a guest has left or arrived
SURVEY, SURVEYED, LEFT = 0.5, 75.0, 120.0
# MiB/s at which a migration takes a while
SLOW = 4
# s between two looks at contents
APART = 2.0


def capabilities(lab: Lab) -> str:
    """What the host can do is read from Nova's file, libvirt and the NIC."""
    with agent(lab, tenants='eth0') as process:
        told = process.ask('capabilities')
    with agent(lab, tenants='lo') as process:
        apart = process.ask('capabilities')
    nova = told['nova']
    equal('max_outgoing', nova['max_outgoing'], 3)
    equal('post_copy', nova['post_copy'], True)
    equal('downtime_delay', nova['downtime_delay'], 3)
    equal('bandwidth', nova['bandwidth'], None)
    nic = told['nic']
    equal('the NIC', nic['name'], 'br0')
    # the bridge is made of the wire that tenants use
    equal('separate', nic['separate'], False)
    equal('separate', apart['nic']['separate'], True)
    expect(bool(nic['capacity']), 'a speed of the NIC', nic)
    for part in ('libvirt', 'qemu', 'kernel'):
        expect(bool(told['versions'].get(part)), f'a version of {part}', told)
    return f'{told["versions"]}, {nic["name"]} {nic["capacity"]:.3g} B/s'


def traffic(lab: Lab) -> str:
    """What the NIC carries is what the wire carries, migrations included."""
    with lab.guest() as guest, agent(lab) as process:
        idle = _sent(process)
        ask_caps(process, guest, CAP)
        with lab.move(guest) as move:
            move.begins()
            before = move.wire()
            told = _sent(process)
            wire = move.wire() - before
            move.abort()
    expect(abs(told / wire - 1) <= 0.1, f'{wire} bytes within 10 %', told)
    expect(idle < told / 100, 'a NIC at rest before', idle)
    return f'{told / MIB:.1f} MiB of {wire / MIB:.1f} MiB on the wire'


def _sent(process: AgentProcess) -> float:
    """Bytes that the busiest device of the NIC sends meanwhile."""
    before = process.ask('traffic')['carried']
    time.sleep(CARRIES)
    after = process.ask('traffic')['carried']
    return max(after[name]['tx'] - before[name]['tx'] for name in after)


def writing(lab: Lab) -> str:
    """Writing is what QEMU's log says in a migration, within a tenth."""
    with lab.guest(WORK, memory=MEMORY) as guest, agent(lab) as process:
        # the writer is through its image
        time.sleep(2)
        process.ask(
            'measure_writing', vm=uuid(guest), seconds=SECONDS, times=TIMES
        )
        try:
            process.ask('measure_writing', vm=uuid(guest), seconds=1)
            expect(False, 'a second one to be refused', 'it was not')
        except Refusal as refusal:
            equal('its code', refusal.code.value, 'busy')
        found = _measured(process, guest)
        gap = _gap(guest)
        logged = _logged(lab, guest)
    dirtied = found['dirtied']
    off = dirtied / logged - 1
    expect(abs(off) < 0.1, f'{logged / MIB:.1f} MiB within 10 %',
           f'{dirtied / MIB:.1f}')  # fmt: skip
    return (
        f'{dirtied / MIB:.1f} +- {found["error"] / MIB:.1f} MiB in '
        f'{SECONDS} s ({TIMES} times), log {logged / MIB:.1f} ({off:+.1%}); '
        f'longest stall {gap}'
    )


def _hot(seconds: float) -> float:
    """Distinct bytes that the writer writes in that time."""
    return HOT * 4096 * (1 - math.exp(-RATE * seconds / HOT))


def _measured(process: AgentProcess, guest: Guest) -> dict:
    end = time.monotonic() + (SECONDS + 3) * TIMES
    while True:
        found = process.ask('writing', vm=uuid(guest))
        if found['status'] == 'measured':
            equal('trouble', found['trouble'], '')
            equal('times', found['times'], TIMES)
            return found
        if time.monotonic() > end:
            raise TimeoutError(f'not measured: {found}')
        time.sleep(0.2)


def _gap(guest: Guest) -> str:
    """The longest gap of the guest's writer, if it tells one."""
    told = guest.said(guest.daemon).partition('READY')[2]
    gaps = re.findall(r'WROTE \S+ \S+ (\S+)', told)
    # the first second is of filling its caches
    return f'{max(map(float, gaps[1:])) * 1e3:.0f} ms'


def _logged(lab: Lab, guest: Guest) -> float:
    """Distinct bytes written in some 4 s, by QEMU's log of a migration.

    At a cap at which a round of the hot pages takes so long.
    """
    cap = math.floor(_hot(SECONDS) / MIB / SECONDS)
    guest.domain.migrateSetMaxSpeed(cap, 0)
    with lab.move(guest) as move:
        seen: dict[int, tuple[float, float]] = {}
        end = time.monotonic() + 40
        while time.monotonic() < end and max(seen, default=0) < 5:
            stats = move.stats()
            rounds = stats.get('memory_iteration', 0)
            # what is left at the begin of a round is what the log held
            left = stats.get('memory_remaining', 0)
            if rounds not in seen:
                seen[rounds] = (time.monotonic(), left)
            time.sleep(0.02)
        move.abort()
    wanted = [left for number, (_, left) in seen.items() if number > 2]
    expect(bool(wanted), 'three rounds', seen)
    return sum(wanted) / len(wanted)


def contents(lab: Lab) -> str:
    """Pages are counted, and what is not RAM is not read."""
    with lab.guest(WORK, memory=MEMORY) as guest, agent(lab) as process:
        time.sleep(2)
        found = process.ask(
            'sample_contents', vm=uuid(guest), pages=2048, apart=APART
        )
        said = guest.check(lab.source)
        expect('bad=0 ' in said, 'the guest to be whole', said)
        zero = _zeros(guest)
    hot = _hot(found['apart']) / guest.memory
    near = f'{zero:.1%} of zeros within 5 points'
    expect(abs(found['zero'] - zero) < 0.05, near, found)
    written = found['written'] / found['pages']
    near = f'{hot:.1%} to be written within 5 points'
    expect(abs(written - hot) < 0.05, near, found)
    # the writer leaves no page of zeros behind
    equal('zeros written', found['blanked'], 0.0)
    return (
        f'{found["zero"]:.1%} zeros of {zero:.1%}, {written:.1%} '
        f'written in {found["apart"]:.1f} s of {hot:.1%}'
    )


def _zeros(guest: Guest) -> float:
    """The share of pages that hold zeros only, of all its memory."""
    flag = guest.daemon.libvirt.VIR_MEMORY_PHYSICAL
    size, zeros, count = 1 << 20, 0, 0
    for at in range(size, guest.memory, size):
        block = guest.domain.memoryPeek(at, size, flag)
        pages = [block[i : i + 4096] for i in range(0, size, 4096)]
        zeros += sum(not any(page) for page in pages)
        count += len(pages)
    return zeros / count


def surveyed(lab: Lab) -> str:
    """A guest that is measured may migrate; it is measured where it is."""
    with (
        lab.guest() as guest,
        AgentProcess(lab.source, survey=SURVEY) as source,
        AgentProcess(lab.target, survey=SURVEY) as target,
    ):
        vm = uuid(guest)
        # one value, so that the next is being measured
        soon('a value', lambda: _surveyed(source, vm), SURVEYED)
        guest.domain.migrateSetMaxSpeed(SLOW, 0)
        with lab.move(guest) as move:
            move.begins()
            # what was measured before it is written down
            time.sleep(BEHIND + 1)
            before = _surveyed(source, vm)
            time.sleep(SECONDS)
            # of what was begun before it, none counts
            equal('values', _surveyed(source, vm), before)
            guest.domain.migrateSetMaxSpeed(CAP, 0)
            equal('error', move.end(60), None)
        lab.whole(guest)
        soon('it to leave', lambda: not _surveyed(source, vm), LEFT)
        took = soon('it there', lambda: _surveyed(target, vm), LEFT)
    return f'moved with no harm, measured at its new host after {took:.0f} s'


def _surveyed(process: AgentProcess, vm: str) -> list[str]:
    """What the agent has measured of it by itself."""
    with contextlib.suppress(errors.InputError):
        return sorted(spool.read(process.spool).get(vm, {}))
    return []


def refusals(lab: Lab) -> str:
    """A verb is refused for a domain that it does not fit."""
    codes = {}
    with lab.guest() as guest, agent(lab) as process:
        vm = uuid(guest)
        nobody = '00000000-0000-4000-8000-000000000000'
        asked = {
            'no such domain': ('job', {'vm': nobody}),
            'caps of nobody': (
                'set_caps',
                {'vm': nobody, 'pre': 1e6, 'post': None, 'ttl': 60},
            ),
            'no such verb': ('destroy', {'vm': vm}),
            'a path': ('job', {'vm': '../../etc/passwd'}),
        }
        guest.domain.migrateSetMaxSpeed(16, 0)
        with lab.move(guest) as move:
            move.begins()
            during = {
                'measured in flight': (
                    'measure_writing',
                    {'vm': vm, 'seconds': 1},
                ),
                'sampled in flight': (
                    'sample_contents',
                    {'vm': vm, 'pages': 64},
                ),
            }
            for what, (verb, arguments) in {**asked, **during}.items():
                try:
                    process.ask(verb, **arguments)
                    codes[what] = 'done'
                except Refusal as refusal:
                    codes[what] = refusal.code.value
            move.abort()
    equal(
        'the codes',
        codes,
        {
            'no such domain': 'unknown-vm',
            'caps of nobody': 'unknown-vm',
            'no such verb': 'malformed',
            'a path': 'malformed',
            'measured in flight': 'unfit',
            'sampled in flight': 'unfit',
        },
    )
    return ', '.join(f'{what}: {code}' for what, code in codes.items())
