"""What the hypervisor and Nova do by rule, as one value.

A new QEMU or another Nova setting is another value of `Rules`, never a
branch in the forecast. Every default names where it was measured or read;
what belongs to one migration (its link, its disks) is no rule and is not
here.
"""

import dataclasses
import math

from watcher_tsmig import errors
from watcher_tsmig.model import fields

GIB = 1024.0**3
# Nova counts a guest of less memory and disk as one of this size, GiB.
NOVA_LEAST_GIB = 2.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NovaSettings:
    """What the Nova of one host does with migrations that leave it.

    All but the window are its options, without `live_migration_`.

    :ivar downtime_limit: pre-copy stops once the rest is sent within it, s
    :ivar downtime_steps: equal steps in which Nova raises it, from
        limit / steps on; 0: it holds from the start
    :ivar downtime_delay: s per GiB of memory and disk between two of them
    :ivar completion_timeout: s per GiB after which Nova ends a migration;
        None: it never does
    :ivar streams: connections that carry one migration
    :ivar stream_window: bytes that the host's kernel lets one of them have
        under way; None where nobody said
    :ivar auto_converge: it has a VM slowed down whose pre-copy does not end
        (permit_auto_converge, which it heeds only where post-copy is not
        permitted)
    """

    downtime_limit: float
    downtime_steps: int = 0
    downtime_delay: float = 0.0
    completion_timeout: float | None = None
    streams: int = 1
    stream_window: float | None = None
    auto_converge: bool = False

    def __post_init__(self) -> None:
        fields.number('downtime_limit', self.downtime_limit, low=0, above=True)
        fields.whole('downtime_steps', self.downtime_steps, low=0)
        fields.number('downtime_delay', self.downtime_delay, low=0)
        fields.whole('streams', self.streams, low=1)
        fields.flag('auto_converge', self.auto_converge)
        for name in ('completion_timeout', 'stream_window'):
            value = getattr(self, name)
            if value is not None:
                fields.number(name, value, low=0, above=True)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """What one host can do, as declared or learned; None: not known.

    :ivar stream_ceiling: bytes/s on the wire that one connection carries
    :ivar zero_pre_copy: s that a page of zeros takes, as `Rules` has it
    :ivar zero_post_copy: the same after the switch
    """

    stream_ceiling: float | None = None
    zero_pre_copy: float | None = None
    zero_post_copy: float | None = None

    def __post_init__(self) -> None:
        if self.stream_ceiling is not None:
            fields.number(
                'stream_ceiling', self.stream_ceiling, low=0, above=True
            )
        for name in ('zero_pre_copy', 'zero_post_copy'):
            if getattr(self, name) is not None:
                fields.number(name, getattr(self, name), low=0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a migration starts, when pre-copy stops, and what is lost.

    The defaults are a plain QEMU with Nova's final downtime limit in force
    from the start; `NOVA` is the same with what stock Nova adds.

    :ivar downtime_limit: pre-copy stops once the rest is sent within this
        time at the rate measured, which under a cap is the cap, s (Nova's
        live_migration_downtime, 500 ms by default)
    :ivar downtime_steps: 0: the limit holds from the start. Above 0: Nova
        begins with limit / steps and raises it in so many equal steps
        (live_migration_downtime_steps, 10 by default)
    :ivar downtime_delay: s per GiB of memory and disk between two steps
        (live_migration_downtime_delay, 75 by default)
    :ivar completion_timeout: s per GiB of memory and disk after which Nova
        ends the migration (live_migration_completion_timeout, 800 by
        default); inf where nothing does
    :ivar max_rounds: a forecast with more rounds counts as not convergent;
        QEMU has no such limit (Xen gives up after 29), but a forecast that
        far out is not credible. Rounds spent waiting for a step of the
        downtime limit do not count: they cannot fail
    :ivar efficiency: share of the bandwidth on the wire that carries
        memory: 1460 of the 1538 bytes of a full Ethernet frame
    :ivar window: s between two looks of QEMU at what is left of a round
        (its BUFFER_DELAY is 0.1); 0: a round ends when all of it is sent,
        as the models have it, which asks for a little more bandwidth
    :ivar quantum: bytes that QEMU hands over at once, so that in each
        window whole ones pass a cap: 32 pages with their headers, measured
        to 0.3 % at caps of 100 to 260 Mbit/s; 0: any number of bytes
    :ivar auto_converge: QEMU slows a VM down whose pre-copy does not end
    :ivar page: bytes of a guest page
    :ivar page_header: bytes that go before each page; QEMU: 8 (offset and
        flags, the block's name only where it changes), here 0, because
        0.2 % is below what any of the other figures is known to
    :ivar zero_page: bytes that a page of zeros costs; QEMU: header and the
        byte that it is filled with
    :ivar zero_pre_copy: s that a page of zeros takes beside its bytes while
        the VM runs at its source: looked for there, looked at here, and no
        byte goes meanwhile. 1.1 s a million, by 160 pre-copies of QEMU 8.1
        over 1 GbE (sysbench, 1 to 8 GiB); a host's own is learned
        (forecast/learned/zeros.py)
    :ivar zero_post_copy: the same once it runs at its destination, which
        has nothing to look at; 0.49 s a million, likewise. One that switches
        has both, so that what it takes in all lies between
    :ivar streams: connections that carry memory at once (Nova's
        live_migration_parallel_connections, QEMU's multifd channels)
    :ivar stream_ceiling: bytes/s on the wire that one of them can carry,
        which one CPU or one TCP window limits; inf where nobody measured
    :ivar stream_window: bytes that one of them may have under way, so that
        over a path with a round-trip time it carries at most the window
        each time (TCP's window, Linux' tcp_wmem maximum of 4 MiB unless
        tuned); inf where nobody said
    :ivar setup: s that a migration takes beside its transfer, without
        load on the NIC: 1 to 5 s until a record exists and up to 2 s at
        the end, measured with Nova 34
    :ivar teardown: s after the transfer, where they are told apart from
        `setup`, which holds both by default
    :ivar switchover: the pause of a post-copy: s that a VM stands while its
        devices move; QEMU's own downtime, measured 2 to 39 ms
    :ivar post_copy_outage: s during which a VM hardly serves from the switch
        to post-copy on, this pause and the slow phase after it: measured 2.4
        to 3.8 s for a busy sender on 200 Mbit/s; the planner's flat figure.
        `forecast.hybrid` models it for another link, from the three below
    :ivar post_copy_queue: bytes before a requested page in send buffers;
        128 KiB is the tcp_wmem maximum of that measurement (the kernel's
        own default maximum is 4 MiB)
    :ivar post_copy_reads: bytes that a guest reads, but does not write,
        before it serves again: 155 pages, the 195 faults of a switch at
        once less the 40 of one after a first pass
    :ivar preempt: requested pages have a connection of their own, which
        no cap holds back (QEMU's postcopy-preempt, which libvirt asks for
        from 10.0 on); else a request is followed by its neighbours, so
        that there are far fewer, and little passes the cap
    :ivar post_copy_grain: s of its own work that a VM does before it is
        seen to serve: the heartbeat of that measurement
    """

    downtime_limit: float = 0.5
    downtime_steps: int = 0
    downtime_delay: float = 75.0
    completion_timeout: float = math.inf
    max_rounds: int = 64
    efficiency: float = 1460 / 1538
    window: float = 0.0
    quantum: float = 0.0
    auto_converge: bool = False
    page: float = 4096.0
    page_header: float = 0.0
    zero_page: float = 9.0
    zero_pre_copy: float = 1.1e-6
    zero_post_copy: float = 0.49e-6
    streams: int = 1
    stream_ceiling: float = math.inf
    stream_window: float = math.inf
    setup: float = 3.0
    teardown: float = 0.0
    switchover: float = 0.039
    post_copy_outage: float = 3.0
    post_copy_queue: float = 131072.0
    post_copy_reads: float = 155 * 4096.0
    post_copy_grain: float = 0.1
    preempt: bool = False

    def __post_init__(self) -> None:
        for field in POSITIVE:
            if not getattr(self, field) > 0:
                raise errors.InputError('is not above 0', field)
        for field in NOT_NEGATIVE:
            if not getattr(self, field) >= 0:
                raise errors.InputError('is negative', field)
        for field in COUNTS:
            if not getattr(self, field) >= 1:
                raise errors.InputError('is below 1', field)
        if not self.efficiency <= 1:
            raise errors.InputError('is not in (0, 1]', 'efficiency')

    def under(
        self, nova: NovaSettings | None, speeds: Speeds | None = None
    ) -> 'Rules':
        """These, but where that Nova or its host has figures of its own.

        A window is the lesser, because either end may hold it back.
        """
        own = dataclasses.asdict(speeds) if speeds else {}
        rules = dataclasses.replace(
            self, **{k: v for k, v in own.items() if v is not None}
        )
        if nova is None:
            return rules
        return dataclasses.replace(
            rules,
            downtime_limit=nova.downtime_limit,
            downtime_steps=nova.downtime_steps,
            downtime_delay=nova.downtime_delay,
            completion_timeout=nova.completion_timeout or math.inf,
            streams=nova.streams,
            auto_converge=nova.auto_converge,
            stream_window=min(
                nova.stream_window or math.inf, self.stream_window
            ),
        )

    @property
    def overhead(self) -> float:
        """s beside the transfer, before and after it."""
        return self.setup + self.teardown

    @property
    def ceiling(self) -> float:
        """Bytes/s on the wire that memory can use, whatever the link."""
        return self.streams * self.stream_ceiling

    def reach(self, rtt: float) -> float:
        """Bytes/s on the wire over a path with that round-trip time, s."""
        return self.streams * self.stream(rtt)

    def stream(self, rtt: float) -> float:
        """The same, of one connection, as each disk has one."""
        if rtt <= 0 or self.stream_window == math.inf:
            return self.stream_ceiling
        return min(self.stream_ceiling, self.stream_window / rtt)

    @property
    def carried(self) -> float:
        """Bytes in the stream per byte of memory."""
        return 1 + self.page_header / self.page

    def rate(self, bandwidth: float) -> float:
        """Memory's bytes/s in the stream, of a bandwidth on the wire."""
        return min(bandwidth, self.ceiling) * self.efficiency

    def paced(self, cap: float) -> float:
        """Bytes/s in the stream that a cap of QEMU's lets through.

        What is under way when the cap is reached still goes, so that it is
        rounded up to whole quanta a window. Source: QEMU,
        migration/qemu-file.c (a flush of 64 parts, two for each page) and
        migration_rate_exceeded.
        """
        if not self.window or not self.quantum or math.isinf(cap):
            return cap
        quanta = math.ceil(cap * self.window / self.quantum - 1e-9)
        return self.quantum * quanta / self.window

    def weight(self, size: float) -> float:
        """GiB that Nova counts for memory and disks of that many bytes."""
        return max(size / GIB, NOVA_LEAST_GIB)

    def limit_at(self, elapsed: float, weight: float) -> float:
        """The downtime limit in force so many s after the start, s.

        Nova counts whole milliseconds and whole seconds of delay. Source:
        Nova, libvirt driver, `downtime_steps` and `update_downtime`.

        :param weight: GiB that Nova counts
        """
        delay = math.floor(self.downtime_delay * weight)
        risen = elapsed // delay if delay else math.inf
        steps = self.downtime_steps
        if risen >= steps:
            return self.downtime_limit
        whole = self.downtime_limit * 1000
        base = whole / steps
        return math.floor(base + (whole - base) / steps * risen) / 1000


POSITIVE = (
    'downtime_limit',
    'completion_timeout',
    'efficiency',
    'page',
    'stream_ceiling',
    'stream_window',
)
NOT_NEGATIVE = (
    'downtime_steps',
    'downtime_delay',
    'window',
    'quantum',
    'page_header',
    'zero_page',
    'zero_pre_copy',
    'zero_post_copy',
    'setup',
    'teardown',
    'switchover',
    'post_copy_outage',
    'post_copy_queue',
    'post_copy_reads',
    'post_copy_grain',
)
COUNTS = ('max_rounds', 'streams')

# Stock Nova over QEMU: the downtime limit rises with time, and the
# completion timeout ends what does not end. Nothing limits the rounds; a
# forecast still must, or the LCB would be a bandwidth at which they are
# without number.
NOVA = Rules(
    downtime_steps=10,
    completion_timeout=800.0,
    page_header=8.0,
)

# QEMU by itself, as it walks its rounds and counts its bytes; under a cap
# of its own nothing is lost to the wire's frames.
QEMU = Rules(
    efficiency=1.0,
    window=0.1,
    quantum=32 * (4096 + 8.0),
    page_header=8.0,
    setup=0.0,
)
