"""Libvirt as an agent needs it: a local socket, and a dozen fixed calls.

No monitor passthrough, no migration, no change of a domain but its caps and
the target of its balloon.
The connection is the agent's own and is opened anew when it is lost. Facts
about the calls: nova-libvirt-telemetry.md, section 2.
"""

import importlib
import logging
import re
import threading
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TypeVar
from xml.etree import ElementTree

from watcher_tsmig import errors
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import GuestMemory
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.agent.values import Writing
from watcher_tsmig.units import MIB

T = TypeVar('T')
LOG = logging.getLogger(__name__)

# libvirt's own socket, or one that is named; no host, no ssh, no TLS.
LOCAL = re.compile(r'qemu:///system|qemu\+unix:///system\?socket=/[\w./@-]+')
# s between two signs of life, and how many may be missing: a libvirtd that
# hangs is given up after 20 s, and the call with it
KEEP_ALIVE = (5, 3)
# libvirt's virDomainJobOperation
OPERATIONS = {4: Direction.INCOMING, 5: Direction.OUTGOING}
# virDomainDirtyRateStatus, and virDomainDirtyRateMode by its number
STATUSES = ('unstarted', 'measuring', 'measured')
METHODS = (Method.SAMPLING, Method.BITMAP, Method.RING)
PAGE = 4096
KIB = 1024.0
LOCAL_DISKS = ('file', 'block')

_events = threading.Lock()
_events_run = False


class Libvirt:
    """The hypervisor behind a local libvirtd.

    :param uri: of a local socket
    :raises errors.InputError: it is not local, or the bindings are missing
    """

    def __init__(self, uri: str = 'qemu:///system') -> None:
        if not LOCAL.fullmatch(uri):
            raise errors.InputError(
                f'{uri!r} is not a local socket: qemu:///system, or '
                'qemu+unix:///system?socket=/path',
                'libvirt_uri',
            )
        self.uri = uri
        try:
            self.libvirt: Any = importlib.import_module('libvirt')
        except ImportError as error:
            raise errors.InputError(
                'the module libvirt is missing; install '
                'watcher-tsmig[agent], or python3-libvirt'
            ) from error
        self._lock = threading.Lock()
        self._connection: Any = None
        _run_events(self.libvirt)

    # -- caps

    def speeds(self, vm: str) -> Speeds:
        """The caps in force now."""
        post = self.libvirt.VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY
        return self._of(
            vm,
            lambda domain: Speeds(
                pre=domain.migrateGetMaxSpeed(0),
                post=domain.migrateGetMaxSpeed(post),
            ),
        )

    def set_speeds(self, vm: str, speeds: Speeds) -> None:
        """Set both caps, in flight too."""
        post = self.libvirt.VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY

        def both(domain: Any) -> None:  # noqa: ANN401
            domain.migrateSetMaxSpeed(speeds.pre, 0)
            domain.migrateSetMaxSpeed(speeds.post, post)

        self._of(vm, both)

    # -- what a domain does

    def domains(self) -> Sequence[str]:
        """Those whose guests run, paused ones left out."""
        running = self.libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING
        return self._told(
            lambda: [
                domain.UUIDString()
                for domain in self._connected().listAllDomains(running)
            ]
        )

    def runs(self, vm: str) -> bool:
        """Whether the guest runs or is paused, so that it can migrate."""
        return self._of(vm, lambda domain: bool(domain.isActive()))

    def disks(self, vm: str) -> int:
        """How many disks would be copied, if any are.

        Those that are files or devices of this host and may be written;
        what is on the network is not copied.
        """
        text = self._of(vm, lambda domain: domain.XMLDesc(0))
        return sum(
            disk.get('type') in LOCAL_DISKS
            and disk.get('device', 'disk') == 'disk'
            and disk.find('readonly') is None
            and disk.find('shareable') is None
            for disk in ElementTree.fromstring(text).iterfind('devices/disk')
        )

    def job(self, vm: str) -> Job:
        """The job under way."""
        found, reason = self._of(
            vm, lambda domain: (domain.jobStats(), domain.state())
        )
        if found.get('type', 0) not in (
            self.libvirt.VIR_DOMAIN_JOB_BOUNDED,
            self.libvirt.VIR_DOMAIN_JOB_UNBOUNDED,
        ):
            return Job()
        page = found.get('memory_page_size') or PAGE
        dirty = found.get('memory_dirty_rate')
        return Job(
            direction=OPERATIONS.get(found.get('operation'), Direction.OTHER),
            post_copy=list(reason)
            in (
                [
                    self.libvirt.VIR_DOMAIN_PAUSED,
                    self.libvirt.VIR_DOMAIN_PAUSED_POSTCOPY,
                ],
                [
                    self.libvirt.VIR_DOMAIN_PAUSED,
                    self.libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED,
                ],
            ),
            elapsed=_scaled(found.get('time_elapsed'), 1e-3),
            total=_scaled(found.get('memory_total')),
            processed=_scaled(found.get('memory_processed')),
            remaining=_scaled(found.get('memory_remaining')),
            disk_processed=_scaled(found.get('disk_processed')),
            disk_remaining=_scaled(found.get('disk_remaining')),
            iteration=found.get('memory_iteration'),
            dirty_rate=None if dirty is None else float(dirty * page),
            rate=_scaled(found.get('memory_bps')),
            requests=found.get('memory_postcopy_requests'),
            throttle=_scaled(found.get('auto_converge_throttle'), 1e-2),
        )

    # -- writing

    def measure(self, vm: str, seconds: int, method: Method) -> None:
        """Begin to measure what the guest writes."""
        flag = METHODS.index(method)
        self._of(vm, lambda domain: domain.startDirtyRateCalc(seconds, flag))

    def writing(self, vm: str) -> Writing:
        """The last measurement, or the one under way."""
        kind = self.libvirt.VIR_DOMAIN_STATS_DIRTYRATE

        def ask(domain: Any) -> dict[str, Any]:  # noqa: ANN401
            (pair,) = domain.connect().domainListGetStats([domain], kind)
            return dict(pair[1])

        found = self._of(vm, ask)
        status = STATUSES[found.get('dirtyrate.calc_status', 0)]
        return Writing(
            status=status,
            began=float(found.get('dirtyrate.calc_start_time', 0)),
            seconds=float(found.get('dirtyrate.calc_period', 0)),
            rate=found.get('dirtyrate.megabytes_per_second', 0) * MIB,
            method=found.get('dirtyrate.calc_mode', Method.SAMPLING.value),
        )

    # -- memory

    def memory(self, vm: str) -> float:
        """Bytes of RAM that the guest has at most."""
        return self._of(vm, lambda domain: domain.maxMemory() * 1024.0)

    def guest_memory(self, vm: str) -> GuestMemory:
        """What the guest's balloon device tells of its memory."""
        told, most, text = self._of(
            vm,
            lambda domain: (
                domain.memoryStats(),
                domain.maxMemory(),
                domain.XMLDesc(0),
            ),
        )
        device = ElementTree.fromstring(text).find('devices/memballoon')
        stats = None if device is None else device.find('stats')
        into, out = told.get('swap_in'), told.get('swap_out')
        return GuestMemory(
            most=most * KIB,
            size=told.get('actual', most) * KIB,
            balloon=device is not None and device.get('model') != 'none',
            usable=_scaled(told.get('usable'), KIB),
            unused=_scaled(told.get('unused'), KIB),
            caches=_scaled(told.get('disk_caches'), KIB),
            swapped=None
            if into is None or out is None
            else (into + out) * KIB,
            told_at=float(told.get('last_update', 0)),
            period=0 if stats is None else int(stats.get('period', 0)),
        )

    def set_period(self, vm: str, period: int) -> None:
        """Let the guest tell it every so many seconds; 0: never."""
        live = self.libvirt.VIR_DOMAIN_AFFECT_LIVE
        self._of(vm, lambda domain: domain.setMemoryStatsPeriod(period, live))

    def set_memory(self, vm: str, size: float) -> None:
        """Set the balloon's target; the guest gets there by itself."""
        live = self.libvirt.VIR_DOMAIN_AFFECT_LIVE
        kib = round(size / KIB)
        self._of(vm, lambda domain: domain.setMemoryFlags(kib, live))

    def read(self, vm: str, addresses: Sequence[int], size: int) -> bytes:
        """Guest memory at these physical addresses, `size` bytes each."""
        flag = self.libvirt.VIR_MEMORY_PHYSICAL
        return self._of(
            vm,
            lambda domain: b''.join(
                domain.memoryPeek(address, size, flag) for address in addresses
            ),
        )

    def versions(self) -> Mapping[str, Any]:
        """Of libvirt and QEMU, as texts."""
        daemon, qemu = self._told(
            lambda: (
                self._connected().getLibVersion(),
                self._connected().getVersion(),
            )
        )
        return {'libvirt': _version(daemon), 'qemu': _version(qemu)}

    # -- the connection

    def _of(self, vm: str, call: Callable[[Any], T]) -> T:
        return self._told(
            lambda: call(self._connected().lookupByUUIDString(vm)), vm
        )

    def _told(self, call: Callable[[], T], vm: str = '') -> T:
        """Call, once more over a new connection if the old one is gone."""
        try:
            try:
                return call()
            except self.libvirt.libvirtError:
                if self._alive():
                    raise
                return call()
        except self.libvirt.libvirtError as error:
            raise self._refusal(error, vm) from error

    def _refusal(self, error: Any, vm: str) -> Refusal:  # noqa: ANN401
        code = error.get_error_code()
        text = ' '.join(str(error).split())
        if code == self.libvirt.VIR_ERR_NO_DOMAIN:
            return Refusal(Code.UNKNOWN_VM, f'{vm} is not on this host')
        if code in (
            self.libvirt.VIR_ERR_OPERATION_INVALID,
            self.libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
            self.libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        ):
            return Refusal(Code.UNFIT, f'libvirt: {text}')
        return Refusal(Code.HYPERVISOR, f'libvirt: {text}')

    def _connected(self) -> Any:  # noqa: ANN401 - virConnect
        with self._lock:
            if self._connection is None:
                self._connection = self.libvirt.open(self.uri)
                self._connection.setKeepAlive(*KEEP_ALIVE)
            return self._connection

    def _alive(self) -> bool:
        """Whether the connection is; one that is not is forgotten."""
        with self._lock:
            try:
                if self._connection is None or self._connection.isAlive():
                    return self._connection is not None
            except self.libvirt.libvirtError:
                LOG.debug('The connection to libvirt is lost', exc_info=True)
            self._connection = None
            return False


def _run_events(libvirt: Any) -> None:  # noqa: ANN401
    """Run libvirt's event loop, without which nothing is kept alive."""
    global _events_run
    with _events:
        if _events_run:
            return
        libvirt.virEventRegisterDefaultImpl()
        libvirt.registerErrorHandler(lambda *_: None, None)

        def run() -> None:
            while True:
                libvirt.virEventRunDefaultImpl()

        threading.Thread(target=run, daemon=True, name='libvirt').start()
        _events_run = True


def _scaled(value: float | None, by: float = 1.0) -> float | None:
    return None if value is None else float(value) * by


def _version(number: int) -> str:
    return f'{number // 1000000}.{number // 1000 % 1000}.{number % 1000}'
