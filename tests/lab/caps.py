"""Facts about bandwidth caps: which is in force, when, and what is left.

Each function measures one, returns what it found as text, and raises
`Surprise` where libvirt does not do what the agent stands on. Caps are in
MiB/s.
"""

import time

from tests.lab.domain import MIB
from tests.lab.facts import BUSY
from tests.lab.facts import NO_CAP
from tests.lab.facts import Lab
from tests.lab.facts import equal
from tests.lab.facts import expect
from tests.lab.facts import near

CAP = 16
OTHER = 8
# s that one rate is measured over
WINDOW = 1.5
# The keys that the agent reads while a migration goes on.
KEYS = (
    'type', 'operation', 'time_elapsed', 'downtime',
    'data_total', 'data_processed', 'data_remaining',
    'memory_total', 'memory_processed', 'memory_remaining', 'memory_bps',
    'memory_dirty_rate', 'memory_iteration', 'memory_page_size',
    'memory_postcopy_requests',
    'disk_total', 'disk_processed', 'disk_remaining',
)  # fmt: skip


def preset(lab: Lab) -> str:
    """A cap set before the migration holds from its first second."""
    with lab.guest() as guest:
        equal('caps at first', lab.caps(guest), (NO_CAP, 0))
        guest.domain.migrateSetMaxSpeed(CAP, 0)
        with lab.move(guest) as move:
            move.begins()
            rates = [move.rate(1) for _ in range(4)]
            average = (move.wire() - move.sent) / MIB
            average /= time.monotonic() - move.begun
            move.abort()
    for rate in rates:
        near('each second', rate, CAP)
    expect(average < CAP * 1.2, f'no more than {CAP} from the begin', average)
    return f'{CAP} preset, bandwidth 0: {_list(rates)}'


def none(lab: Lab) -> str:
    """A cap of zero is no cap."""
    with lab.guest() as guest:
        guest.domain.migrateSetMaxSpeed(0, 0)
        equal('cap', lab.caps(guest)[0], 0)
        with lab.move(guest) as move:
            equal('error', move.end(60), None)
            rate = (move.wire() - move.sent) / MIB / move.took
        lab.whole(guest)
    expect(rate > CAP, f'more than {CAP} MiB/s with a cap of 0', rate)
    return f'reads 0; {rate:.0f} on average, set-up and switchover included'


def override(lab: Lab) -> str:
    """The parameter `bandwidth` wins, for that migration only."""
    with lab.guest() as guest:
        guest.domain.migrateSetMaxSpeed(OTHER, 0)
        with lab.move(guest, bandwidth=CAP) as move:
            move.begins()
            rate = move.rate(WINDOW)
            during = lab.caps(guest)[0]
            move.abort()
        after = lab.caps(guest)[0]
    near('the rate', rate, CAP)
    equal('the cap during the migration', during, CAP)
    equal('the cap after it', after, OTHER)
    return (
        f'{OTHER} preset, bandwidth {CAP}: {rate:.1f}, '
        f'reads {during} during, {after} after an abort'
    )


def mid_flight(lab: Lab) -> str:
    """A change in mid-flight takes effect at once and does not survive."""
    found = []
    # so that what has no cap does not end before it is changed
    lab.network.shape(3 * CAP * MIB)
    with lab.guest() as guest:
        for before in (CAP, None):
            guest.domain.migrateSetMaxSpeed(before or NO_CAP, 0)
            with lab.move(guest) as move:
                move.begins()
                guest.domain.migrateSetMaxSpeed(OTHER, 0)
                rate = move.rate(WINDOW)
                during = lab.caps(guest)[0]
                move.abort()
            after = lab.caps(guest)[0]
            near('the rate from then on', rate, OTHER, most=1.5)
            equal('the cap during the migration', during, OTHER)
            equal('the cap after it', after, before or NO_CAP)
            found.append(
                f'{before or "none"} preset, {OTHER} in flight: {rate:.1f} '
                f'at once, reads {after if before else "none"} after'
            )
    return '; '.join(found)


def post_copy_default(lab: Lab) -> str:
    """Post-copy is not limited by the cap of pre-copy."""
    with lab.guest(BUSY) as guest:
        guest.domain.migrateSetMaxSpeed(OTHER, 0)
        with lab.move(guest, post_copy=True) as move:
            move.begins()
            before = move.rate(WINDOW)
            t, sent = time.monotonic(), move.wire()
            guest.domain.migrateStartPostCopy(0)
            equal('error', move.end(60), None)
            rate = (move.wire() - sent) / MIB / (time.monotonic() - t)
        lab.whole(guest)
    near('pre-copy', before, OTHER)
    expect(rate > 2 * OTHER, f'more than {2 * OTHER} in post-copy', rate)
    return f'{OTHER} preset: {before:.1f}, then {rate:.1f} in post-copy'


def post_copy(lab: Lab) -> str:
    """A cap of post-copy holds apart from urgent pages; abort is refused."""
    libvirt = lab.libvirt
    with lab.guest(BUSY) as guest:
        guest.domain.migrateSetMaxSpeed(CAP, 0)
        guest.domain.migrateSetMaxSpeed(OTHER, lab.post)
        equal('caps', lab.caps(guest), (CAP, OTHER))
        with lab.move(guest, post_copy=True) as move:
            move.begins()
            guest.domain.migrateStartPostCopy(0)
            rates = [move.rate(WINDOW) for _ in range(3)]
            guest.domain.migrateSetMaxSpeed(2 * CAP, 0)
            other = move.rate(WINDOW)
            try:
                guest.domain.abortJob()
                code = None
            except libvirt.libvirtError as error:
                code = error.get_error_code()
            equal(
                'abort in post-copy', code, libvirt.VIR_ERR_OPERATION_INVALID
            )
            guest.domain.migrateSetMaxSpeed(3 * CAP, lab.post)
            raised = move.rate(WINDOW)
            requests = move.stats().get('memory_postcopy_requests')
            equal('error', move.end(60), None)
        lab.whole(guest)
    for rate in (*rates, other):
        near('post-copy', rate, OTHER, most=2)
    expect(raised > 1.5 * OTHER, 'a raised post-copy cap at once', raised)
    return (
        f'{CAP} and {OTHER} preset: {_list(rates)} in post-copy; a pre-copy '
        f'cap of {2 * CAP} then changes nothing ({other:.1f}), a post-copy '
        f'cap of {3 * CAP} does ({raised:.1f}); abort refused; '
        f'{requests} page requests'
    )


def destination(lab: Lab) -> str:
    """The destination does not inherit caps; the source is undefined."""
    with lab.guest() as guest:
        guest.domain.migrateSetMaxSpeed(4 * CAP, 0)
        guest.domain.migrateSetMaxSpeed(4 * CAP, lab.post)
        with lab.move(guest) as move:
            equal('error', move.end(60), None)
        caps = lab.caps(guest, lab.target)
        equal('caps at the destination', caps, (NO_CAP, 0))
        equal('the domain at the source', guest.on(lab.source), None)
        lab.whole(guest)
        return f'{4 * CAP} preset; destination reads none and 0; source gone'


def statistics(lab: Lab) -> str:
    """The job tells what the agent reads, to read-only clients, too."""
    libvirt = lab.libvirt
    socket = lab.source.path('libvirt/libvirt-sock-ro')
    with lab.guest() as guest:
        guest.domain.migrateSetMaxSpeed(CAP, 0)
        reader = libvirt.openReadOnly(f'qemu+unix:///system?socket={socket}')
        try:
            domain = reader.lookupByName(guest.name)
            with lab.move(guest) as move:
                move.begins()
                move.rate(WINDOW)
                stats = domain.jobStats()
                try:
                    domain.migrateGetMaxSpeed(0)
                    code = None
                except libvirt.libvirtError as error:
                    code = error.get_error_code()
                move.abort()
        finally:
            reader.close()
    missing = sorted(set(KEYS) - set(stats))
    equal('missing keys', missing, [])
    equal('type', stats['type'], libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
    equal('the cap, read-only', code, libvirt.VIR_ERR_OPERATION_DENIED)
    near('memory_bps', stats['memory_bps'] / MIB, CAP)
    more = sorted(set(stats) - set(KEYS))
    return (
        f'all of {len(KEYS)} keys, memory_bps '
        f'{stats["memory_bps"] / MIB:.1f} MiB/s; also {", ".join(more)}; '
        'reading the cap needs a writing connection'
    )


def _list(rates: list[float]) -> str:
    return ', '.join(f'{rate:.1f}' for rate in rates)
