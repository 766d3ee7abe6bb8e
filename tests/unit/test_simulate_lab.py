"""The fluid model against real migrations: two VMs between two hosts.

Measured: QEMU, 128 MiB guests, hosts on links of 200 Mbit/s full duplex.
VM 1 sends 80 Mbit/s to a third machine, VM 2 receives as much from there;
both leave together. Only what was known of the guests, the links and QEMU
goes in; nothing is fitted to a cell.
"""

import math

import testtools

from watcher_tsmig import simulate
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Mode

PRE, POST = Mode.PRE_COPY, Mode.POST_COPY
PAGE = 4096.0
# The shaper counts Ethernet frames, 14 bytes of header and no gap; 1448
# bytes of payload go in each, with TCP's timestamps.
EFFICIENCY = 1448 / 1514
RULES = Rules(
    downtime_limit=0.3,
    efficiency=EFFICIENCY,
    page_header=8.0,
    # setup-time as QEMU told it: 0.14 to 0.32 s
    setup=0.2,
)
# Bytes that post-copy sent, where each page goes once: VM 1 and VM 2.
SENT_ONCE = (103.98e6, 106.75e6)
# The guest wrote 500 pages/s, at random among 2000; its kernel 25 to 75
# pages within whatever time.
WRITTEN, AMONG, KERNEL = 500.0, 2000.0, 50.0
HORIZONS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0)
# Seconds until both had moved, three times each.
MEASURED = {
    (PRE, PRE): (16.33, 15.81, 17.87),
    (POST, POST): (13.15, 12.16, 12.01),
    (POST, PRE): (10.04, 9.69, 9.71),
    (PRE, POST): (16.68, 16.63, 16.10),
}
WITHIN = 0.15
# The migrations' send buffers were held to 128 KiB, those of the guests
# not: 4 MiB is the kernel's own maximum. A connection's share of a full
# queue goes with its window.
WINDOWS = 4096 / 128
WITHIN_BY_WINDOWS = 0.08


def pages(seconds):
    return AMONG * (1 - math.exp(-WRITTEN * seconds / AMONG)) + KERNEL


def lab():
    link, app = units.from_mbit_s(200), units.from_mbit_s(80) / EFFICIENCY
    return Cloud(
        hosts=tuple(
            Host(name=n, memory=1e9, vcpus=4.0, nic=Nic(capacity=link))
            for n in ('h1', 'h2')
        ),
        vms=tuple(
            Vm(
                id=name,
                name=name,
                host='h1',
                memory=131080 * 1024.0,
                vcpus=1.0,
                traffic=Traffic(tx=tx, rx=rx),
                working_set=WorkingSet(
                    resident=sent / (1 + 8 / PAGE),
                    samples=tuple((t, pages(t) * PAGE) for t in HORIZONS),
                ),
            )
            for name, tx, rx, sent in (
                ('vm1', app, 0.0, SENT_ONCE[0]),
                ('vm2', 0.0, app, SENT_ONCE[1]),
            )
        ),
    )


def migrate(modes, **values):
    world = simulate.World(lab(), rules=RULES, **values)
    for name, mode in zip(('vm1', 'vm2'), modes, strict=True):
        world.start(name, 'h2')
        if mode is POST:
            world.switch(name)
    world.advance(100.0)
    return world


class TestLab(testtools.TestCase):
    def assert_within(self, most, **values):
        for modes, seconds in MEASURED.items():
            done = migrate(modes, **values).done
            told = RULES.setup + max(d.ended for d in done.values())
            mean = sum(seconds) / len(seconds)
            self.assertLess(abs(told / mean - 1), most, (modes, told, mean))

    def test_each_pair_of_modes_takes_as_long_as_in_the_lab(self):
        self.assert_within(WITHIN)

    def test_what_is_known_of_the_windows_brings_it_nearer(self):
        self.assert_within(WITHIN_BY_WINDOWS, app_flows=WINDOWS)

    def test_each_migration_sends_as_much_as_in_the_lab(self):
        for modes, sent in (
            ((PRE, PRE), (119.3, 120.4)),
            ((POST, PRE), (104.1, 115.7)),
            ((PRE, POST), (116.4, 106.4)),
        ):
            done = migrate(modes).done
            for name, mega in zip(('vm1', 'vm2'), sent, strict=True):
                self.assertLess(abs(done[name].data / mega / 1e6 - 1), 0.05)
