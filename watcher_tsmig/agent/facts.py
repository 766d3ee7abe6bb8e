"""What this host can do, read and never typed: Nova's settings, kernel, NIC.

Reading only, each part by itself: what cannot be read is None, with a note.
Rates are bytes/s, times s. Options of Nova: nova/conf/libvirt.py and
compute.py of 29 to 34; which release has which is in
nova-libvirt-telemetry.md, section 1.3.
"""

import logging
import os
import pathlib
import platform
import re
import socket
import time
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import psutil
from oslo_config import cfg

from watcher_tsmig.agent.hypervisor import Hypervisor
from watcher_tsmig.agent.values import CARRIED
from watcher_tsmig.agent.values import FORMAT
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.units import MIB
from watcher_tsmig.units import from_mbit_s

LOG = logging.getLogger(__name__)

SYS = pathlib.Path('/sys/class/net')
# Least, default and most of a connection's send buffer, bytes.
TCP_WMEM = pathlib.Path('/proc/sys/net/ipv4/tcp_wmem')
# A device says -1, 0 or a word where it has no speed.
MOST_MBIT_S = 10_000_000

# Nova's own defaults; what an older release lacks is as if it were default.
DEFAULT = (
    cfg.StrOpt('host'),
    cfg.StrOpt('my_ip'),
    cfg.IntOpt('max_concurrent_live_migrations', default=1),
)
LIBVIRT = (
    cfg.IntOpt('live_migration_bandwidth', default=0),
    cfg.IntOpt('live_migration_downtime', default=500),
    cfg.IntOpt('live_migration_downtime_steps', default=10),
    cfg.IntOpt('live_migration_downtime_delay', default=75),
    cfg.IntOpt('live_migration_completion_timeout', default=800),
    cfg.StrOpt('live_migration_timeout_action', default='abort'),
    cfg.BoolOpt('live_migration_permit_post_copy', default=False),
    cfg.BoolOpt('live_migration_permit_auto_converge', default=False),
    cfg.IntOpt('live_migration_parallel_connections', default=1),
    cfg.IntOpt('live_migration_monitor_interval', default=5),
    cfg.StrOpt('live_migration_inbound_addr'),
)
# Nova runs so many where the option is 0 (thread_pool_factory.py, Nova 34).
NO_LIMIT = 5
# The kernel's, and where a process without the right asks instead.
USERFAULTFD = pathlib.Path('/proc/sys/vm/unprivileged_userfaultfd')
USERFAULTFD_DEVICE = pathlib.Path('/dev/userfaultfd')
# Bits of a device's mode that let others than root read and write.
NOT_ROOTS = 0o066


def nova_settings(
    files: Iterable[str], notes: list[str]
) -> Mapping[str, Any] | None:
    """The live migration settings of nova-compute; None: no file is there.

    Its files as they are now: who changed one restarts nova-compute.
    """
    there = [str(path) for path in _expanded(files)]
    if not there:
        notes.append('no configuration of nova-compute was found')
        return None
    conf = cfg.ConfigOpts()
    conf.register_opts(DEFAULT)
    conf.register_opts(LIBVIRT, 'libvirt')
    try:
        conf([], default_config_files=there, default_config_dirs=[])
        out = {opt.name: conf[opt.name] for opt in DEFAULT}
        out |= {opt.name: conf.libvirt[opt.name] for opt in LIBVIRT}
    except (cfg.Error, ValueError) as error:
        # its text may hold a line of the file, and that a password
        notes.append(
            'the configuration of nova-compute cannot be read '
            f'({type(error).__name__})'
        )
        return None
    return out


def _expanded(files: Iterable[str]) -> Iterator[pathlib.Path]:
    """Those that are there; of a folder its *.conf, as oslo.config does."""
    for path in map(pathlib.Path, files):
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(path.glob('*.conf'))


def capabilities(
    hypervisor: Hypervisor,
    files: Sequence[str],
    tenant_interfaces: Sequence[str] = (),
) -> dict[str, Any]:
    """What the planner wants to know of this host, as JSON.

    :param files: of nova-compute's configuration
    :param tenant_interfaces: that carry tenants' traffic, if known
    """
    notes: list[str] = []
    nova = nova_settings(files, notes)
    try:
        versions: Mapping[str, Any] = hypervisor.versions()
    except Refusal as refusal:
        versions = {}
        notes.append(refusal.reason)
    userfaultfd = _userfaultfd()
    told: dict[str, Any] = {
        'format': FORMAT,
        'versions': {**versions, 'kernel': platform.release()},
        'userfaultfd': userfaultfd,
        'nova': _migrations(nova) if nova else None,
        'nic': _nic(nova, tenant_interfaces, notes) if nova else None,
        'notes': notes,
    }
    if nova and nova['live_migration_permit_post_copy'] and not userfaultfd:
        notes.append(
            'Nova permits post-copy, but the kernel does not let QEMU '
            '(vm.unprivileged_userfaultfd is 0): no migration would start'
        )
    return told


def _migrations(nova: Mapping[str, Any]) -> dict[str, Any]:
    """Nova's settings by our names and units."""
    limit = nova['max_concurrent_live_migrations']
    bandwidth = nova['live_migration_bandwidth']
    return {
        'max_outgoing': limit if limit > 0 else NO_LIMIT,
        'bandwidth': bandwidth * MIB / CARRIED if bandwidth > 0 else None,
        'downtime_limit': nova['live_migration_downtime'] / 1e3,
        'downtime_steps': nova['live_migration_downtime_steps'],
        'downtime_delay': nova['live_migration_downtime_delay'],
        'completion_timeout': nova['live_migration_completion_timeout'],
        'timeout_action': nova['live_migration_timeout_action'],
        'post_copy': nova['live_migration_permit_post_copy'],
        # Nova leaves it out where post-copy is permitted
        'auto_converge': nova['live_migration_permit_auto_converge']
        and not nova['live_migration_permit_post_copy'],
        'streams': max(nova['live_migration_parallel_connections'], 1),
        'stream_window': _stream_window(),
        'monitor_interval': nova['live_migration_monitor_interval'],
    }


def _stream_window() -> float | None:
    """Bytes that a connection may have under way, by the kernel's tuning."""
    try:
        return float(TCP_WMEM.read_text().split()[2])
    except (OSError, ValueError, IndexError):
        LOG.debug('No %s', TCP_WMEM, exc_info=True)
        return None


def _userfaultfd() -> bool:
    """Whether a process without special rights gets page faults."""
    try:
        if USERFAULTFD.read_text().strip() == '1':
            return True
    except OSError:
        LOG.debug('No %s', USERFAULTFD, exc_info=True)
    try:
        return bool(USERFAULTFD_DEVICE.stat().st_mode & NOT_ROOTS)
    except OSError:
        return False


def _nic(
    nova: Mapping[str, Any], tenants: Sequence[str], notes: list[str]
) -> dict[str, Any] | None:
    """The interface that migrations to this host come in by."""
    address = nova['live_migration_inbound_addr'] or nova['my_ip']
    name = interface_of(address) if address else None
    if name is None:
        notes.append(
            f'no interface has the address {address or "of Nova (my_ip)"}; '
            'the NIC of migrations is unknown'
        )
        return None
    mine = devices(name)
    speed = speed_of(name)
    if speed is None:
        notes.append(f'{name} tells no speed')
    separate = None
    if tenants:
        separate = not any(mine & devices(tenant) for tenant in tenants)
    return {
        'name': name,
        'address': address,
        'capacity': speed,
        'separate': separate,
    }


def interface_of(address: str) -> str | None:
    """The interface with that address, or that name's."""
    try:
        found = socket.getaddrinfo(address, None, proto=socket.IPPROTO_TCP)
    except OSError:
        return None
    wanted = {str(entry[4][0]) for entry in found}
    for name, entries in psutil.net_if_addrs().items():
        # fe80::1%eth0
        if wanted & {entry.address.split('%')[0] for entry in entries}:
            return str(name)
    return None


def devices(name: str) -> set[str]:
    """The interface and all that it is made of: a bond's, a bridge's."""
    found: set[str] = set()
    left = [name]
    while left:
        one = left.pop()
        if one in found or not re.fullmatch(r'[\w.:@-]{1,32}', one):
            continue
        found.add(one)
        folder = SYS / one
        for below in ('lower_*', 'brif/*'):
            left.extend(
                path.name.removeprefix('lower_') for path in folder.glob(below)
            )
    return found


def speed_of(name: str) -> float | None:
    """Bytes/s of the interface, or of the fastest that it is made of."""
    stats = psutil.net_if_stats()
    speeds = [float(stats[n].speed) for n in _real(name) if n in stats]
    fit = [s for s in speeds if 0 < s <= MOST_MBIT_S]
    return from_mbit_s(max(fit)) if fit else None


def _real(name: str) -> list[str]:
    """The interface and what of it is hardware.

    A tap below a bridge says 10 Mbit/s or what somebody set, and carries
    what stays on this host.
    """
    below = sorted(devices(name) - {name})
    return [name, *(n for n in below if (SYS / n / 'device').exists())]


def traffic(files: Sequence[str]) -> dict[str, Any]:
    """What the interface of migrations has carried so far, as JSON.

    :param files: of nova-compute's configuration
    :returns: `at`, s by a clock of this host, and by the interface and the
        hardware below it the bytes of each direction
    :raises Refusal: it is not known which one it is
    """
    nova = nova_settings(files, [])
    nic = _nic(nova, (), []) if nova else None
    if nic is None:
        raise Refusal(Code.UNFIT, 'the NIC of migrations is unknown')
    counted = psutil.net_io_counters(pernic=True)
    return {
        'at': time.monotonic(),
        'carried': {
            name: {
                'tx': counted[name].bytes_sent,
                'rx': counted[name].bytes_recv,
            }
            for name in _real(nic['name'])
            if name in counted
        },
    }


def host_name(option: str | None, files: Sequence[str]) -> str:
    """This host as Nova calls it."""
    if option:
        return option
    nova = nova_settings(files, [])
    return (nova and nova['host']) or os.uname().nodename
