"""A guest as a libvirt domain, and one migration of it as Nova asks for it.

What is expected of a migration is not here, see `enforcement`. Times are in
seconds and rates in bytes/s, except where a name says MiB/s, which is how
libvirt speaks.
"""

import contextlib
import re
import socket
import threading
import time

from tests.lab.libvirtd import Daemon

MIB = 1 << 20
TICK = 0.1
# s that a guest may take from power-on to its first report
BOOT = 60
MEMORY = 160 * 1024  # KiB

XML = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='KiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>{arguments}</cmdline>
  </os>
  <cpu mode='custom' match='exact' check='none'>
    <model fallback='allow'>qemu64</model>
  </cpu>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    {disk}
    <serial type='file'>
      <source path='/run/{name}.serial' append='on'/>
      <target port='0'/>
    </serial>
    <serial type='unix'>
      <source mode='bind' path='/run/{name}.control'/>
      <target port='1'/>
    </serial>
    <controller type='usb' model='none'/>
    {balloon}
  </devices>
</domain>
"""
DISK = """
<disk type='file' device='disk'>
  <driver name='qemu' type='raw' cache='none'/>
  <source file='/run/{name}.disk'/>
  <target dev='vda' bus='virtio'/>
</disk>
"""
# Nova's, with what mem_stats_period_seconds gives it
BALLOON = "<memballoon model='virtio'><stats period='10'/></memballoon>"
NO_BALLOON = "<memballoon model='none'/>"
# Both hosts have it, and libvirt copies nothing that is read only.
READ_ONLY = """
<disk type='file' device='disk'>
  <driver name='qemu' type='raw' cache='none'/>
  <source file='/run/{name}.readonly'/>
  <target dev='vdb' bus='virtio'/>
  <readonly/>
</disk>
"""


class Guest:
    """A domain that writes pages, and proves that none is lost.

    :param disk: bytes of its one disk; None: it has none
    :param memory: KiB of RAM
    :param balloon: whether it has a balloon device
    :param cache: bytes that it reads from a disk that is read only, and
        keeps as page cache
    :ivar memory: bytes of RAM
    """

    def __init__(
        self,
        daemon: Daemon,
        name: str,
        work: str,
        disk: int | None = None,
        memory: int = MEMORY,
        balloon: bool = False,
        cache: int = 0,
    ) -> None:
        self.name = name
        self.daemon = daemon
        self.disk = disk
        self.memory = memory * 1024
        kit = daemon.kit
        # the guest counts its disks, whatever we call them
        reads = f' lab.cache={"vdb" if disk else "vda"}'
        self.xml = XML.format(
            name=name,
            memory=memory,
            kernel=kit.kernel,
            initrd=kit.initrd,
            arguments='console=ttyS0 quiet panic=-1 no_timer_check '
            f'lab.run=write,{work}{reads if cache else ""}',
            disk=''.join(
                form.format(name=name)
                for form, wanted in ((DISK, disk), (READ_ONLY, cache))
                if wanted
            ),
            balloon=BALLOON if balloon else NO_BALLOON,
        )
        daemon.connection.defineXML(self.xml)
        self.domain.create()
        self.hear(daemon, r'READY', BOOT)
        if cache:
            self.hear(daemon, r'CACHED', BOOT)

    @property
    def domain(self):
        """What libvirt has of it on the host where it was started."""
        return self.daemon.connection.lookupByName(self.name)

    def on(self, daemon: Daemon):
        """What libvirt has of it on a host; None: nothing."""
        with contextlib.suppress(daemon.libvirt.libvirtError):
            return daemon.connection.lookupByName(self.name)
        return None

    def said(self, daemon: Daemon) -> str:
        """All that its serial line said on a host."""
        path = daemon.path(f'{self.name}.serial')
        return path.read_text(errors='replace') if path.exists() else ''

    def hear(self, daemon: Daemon, form: str, patience: float) -> re.Match:
        """Wait until the serial line says this, from its begin."""
        end = time.monotonic() + patience
        while True:
            found = re.search(form, self.said(daemon))
            if found:
                return found
            if time.monotonic() > end:
                tail = self.said(daemon)[-300:]
                raise TimeoutError(
                    f'{self.name} on {daemon.host} did not say {form} '
                    f'in {patience:.0f} s; it said: {tail}'
                )
            time.sleep(TICK)

    def check(self, daemon: Daemon, patience: float = 20) -> str:
        """Let it compare its memory with its count of writes."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(patience)
            line.connect(str(daemon.path(f'{self.name}.control')))
            line.sendall(b'check\n')
            return self.hear(daemon, r'CHECK bad=\d+ of \d+', patience)[0]

    def destroy(self, *daemons: Daemon) -> None:
        """Remove it from the hosts."""
        for daemon in daemons:
            domain = self.on(daemon)
            for action in ('destroy', 'undefine'):
                if domain:
                    with contextlib.suppress(daemon.libvirt.libvirtError):
                        getattr(domain, action)()
            for path in daemon.folder.joinpath('run').glob(self.name + '.*'):
                path.unlink()


class Move:
    """A migration with Nova's flags, in a thread of its own.

    :param post_copy: whether it may be switched to post-copy
    :param bandwidth: MiB/s of its own; Nova's default is 0
    :param resume: go on with a post-copy that failed
    """

    def __init__(
        self,
        guest: Guest,
        target: Daemon,
        *,
        post_copy: bool = False,
        bandwidth: int = 0,
        resume: bool = False,
    ) -> None:
        self.source, self.target = guest.daemon, target
        libvirt = self.libvirt = target.libvirt
        self.domain = guest.domain
        # A connection that migrates may leave its other calls without an
        # answer until the migration ends.
        self.connection = self.source.open()
        self.flags = (
            libvirt.VIR_MIGRATE_LIVE
            | libvirt.VIR_MIGRATE_PEER2PEER
            | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
            | libvirt.VIR_MIGRATE_PERSIST_DEST
        )
        if post_copy:
            self.flags |= libvirt.VIR_MIGRATE_POSTCOPY
        if resume:
            self.flags |= libvirt.VIR_MIGRATE_POSTCOPY_RESUME
        address = target.network.address(target.host)
        self.params = {
            libvirt.VIR_MIGRATE_PARAM_URI: f'tcp://{address}',
            libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: bandwidth,
        }
        if guest.disk:
            self.flags |= libvirt.VIR_MIGRATE_NON_SHARED_INC
            self.params[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = ['vda']
        self.error: Exception | None = None
        self.begun = time.monotonic()
        self.took = 0.0
        self.sent = self.wire()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            domain = self.connection.lookupByUUID(self.domain.UUID())
            domain.migrateToURI3(
                self.target.uri, params=self.params, flags=self.flags
            )
        except self.libvirt.libvirtError as error:
            self.error = error
        with contextlib.suppress(self.libvirt.libvirtError):
            self.connection.close()
        self.took = time.monotonic() - self.begun

    def wire(self) -> int:
        """Bytes that the source has sent so far."""
        return self.source.network.counters(self.source.host)[0]

    def stats(self) -> dict:
        """What libvirt tells of the job; empty: nothing."""
        try:
            return self.domain.jobStats()
        except self.libvirt.libvirtError:
            return {}

    def until(self, met, patience: float, what: str):
        """Wait until `met(stats)` is true; the statistics of then."""
        end = time.monotonic() + patience
        while True:
            stats = self.stats()
            if met(stats):
                return stats
            if not self.thread.is_alive():
                raise RuntimeError(f'ended before {what}: {self.error}')
            if time.monotonic() > end:
                raise TimeoutError(f'not {what} in {patience:.0f} s: {stats}')
            time.sleep(TICK / 2)

    def begins(self, patience: float = 15) -> None:
        """Wait until it sends memory or disks."""
        self.until(
            lambda stats: self.wire() - self.sent > MIB,
            patience, 'sending',
        )  # fmt: skip

    def rate(self, seconds: float) -> float:
        """What the source sends from now on, MiB/s."""
        t, sent = time.monotonic(), self.wire()
        self.thread.join(seconds)
        return (self.wire() - sent) / (time.monotonic() - t) / MIB

    def abort(self) -> None:
        """Abort it as Nova does."""
        self.domain.abortJob()
        self.end(20)

    def end(self, patience: float) -> Exception | None:
        """Wait for its end; libvirt's error if it failed."""
        self.thread.join(patience)
        if self.thread.is_alive():
            raise TimeoutError(
                f'no end in {patience:.0f} s; statistics: {self.stats()}'
            )
        return self.error
