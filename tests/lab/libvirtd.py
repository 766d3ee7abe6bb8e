"""A libvirt daemon of its own for a host of the laboratory.

The daemon is of the packages that `prepare.daemon` unpacked, QEMU of those
of `prepare.kit`; both are seen under /usr by this host only (`within`). All
that the daemon writes is in one temporary folder. Nothing here knows what a
migration is.
"""

import contextlib
import ctypes
import importlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from types import ModuleType
from types import TracebackType

from tests.lab import prepare
from tests.lab import within
from tests.lab.network import Network

# s until a daemon answers, at most; it asks QEMU for its abilities first
PATIENCE = 60
UUID = '7473{0:04x}-0000-4000-8000-000000000001'

DAEMON = """
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
listen_tls = 0
listen_tcp = 1
listen_addr = "{address}"
auth_tcp = "none"
host_uuid = "{uuid}"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""
# No security driver, cgroups or namespaces: the laboratory is in a
# namespace already, and these are not what is measured.
QEMU = """
user = "+0"
group = "+0"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
"""
USER = {
    'passwd': 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n',
    'group': 'libvirt-qemu:x:64055:\n',
}


def bindings(root: pathlib.Path) -> ModuleType:
    """The module `libvirt` of an unpacked libvirt.

    Its libraries are loaded here, because the loader does not look into
    `root` by itself.

    :raises LabError: there is none for this interpreter
    """
    left = [
        path
        for part in ('lib', 'usr/lib')
        for path in sorted((root / part / 'x86_64-linux-gnu').glob('*.so.*'))
    ]
    while left:
        before, left = left, [path for path in left if not _load(path)]
        if len(left) == len(before):
            break
    for path in (root / 'usr/lib/python3/dist-packages', root / 'python'):
        with contextlib.suppress(ImportError):
            sys.path.insert(0, str(path))
            try:
                found = importlib.import_module('libvirt')
            finally:
                sys.path.remove(str(path))
            # Its own handler writes every error to standard error.
            found.registerErrorHandler(lambda *_: None, None)
            return found
    version = f'{sys.version_info[0]}.{sys.version_info[1]}'
    raise prepare.LabError(
        f'no libvirt bindings for Python {version} in {root}: '
        'remove that folder, so that they are fetched anew'
    )


def _load(library: pathlib.Path) -> bool:
    try:
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


class Daemon:
    """libvirtd on a host; a context manager.

    :ivar connection: virConnect of its socket
    :ivar folder: what is its own; `folder / 'run'` is /run on its host
    """

    def __init__(
        self,
        kit: prepare.Kit,
        root: pathlib.Path,
        network: Network,
        host: str,
    ) -> None:
        self.kit = kit
        self.root = root
        self.network = network
        self.host = host
        self.libvirt = bindings(root)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='tsmig-'))
        self.uri = f'qemu+tcp://{network.address(host)}/system'
        self.process: subprocess.Popen | None = None
        self.connection = None

    def __enter__(self) -> 'Daemon':
        try:
            self._furnish()
            self._start()
            self._connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the daemon and its guests, and remove what was its own."""
        self._disconnect()
        if self.process:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()  # and its child: --kill-child
                self.process.wait(timeout=10)
            self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self, *, crash: bool = False) -> None:
        """End the daemon and start it anew; its guests go on.

        :param crash: kill it, rather than ask it to end
        """
        self._disconnect()
        number = self.path('libvirtd.pid')
        before = number.read_text()
        self.process.stdin.write(b'c' if crash else b'e')
        self.process.stdin.flush()
        end = time.monotonic() + PATIENCE
        while not number.exists() or number.read_text() in ('', before):
            if time.monotonic() > end:
                raise TimeoutError(self._late('did not restart'))
            time.sleep(0.1)
        self._connect()

    def open(self):
        """Another connection to it."""
        socket = self.path('libvirt/libvirt-sock')
        return self.libvirt.open(f'qemu+unix:///system?socket={socket}')

    def path(self, name: str) -> pathlib.Path:
        """Where the host's /run/NAME is for us."""
        return self.folder / 'run' / name

    def _furnish(self) -> None:
        for own in (*within.OWN, 'run/lock'):
            (self.folder / own).mkdir(parents=True)
            (self.folder / 'points' / own).mkdir(parents=True)
        number = self.network.hosts.index(self.host) + 1
        etc = self.folder / 'etc/libvirt'
        etc.joinpath('libvirtd.conf').write_text(
            DAEMON.format(
                address=self.network.address(self.host),
                uuid=UUID.format(number),
            )
        )
        etc.joinpath('qemu.conf').write_text(QEMU)
        # The package's scripts would have made this user; none is run.
        for name, line in USER.items():
            text = pathlib.Path('/etc', name).read_text()
            if not text.startswith('libvirt-qemu:') and (
                '\nlibvirt-qemu:' not in text
            ):
                text += line
            (self.folder / 'points/etc' / name).write_text(text)
        drivers = self.folder / 'drivers'
        drivers.mkdir()
        name = 'libvirt_driver_qemu.so'
        where = 'usr/lib/x86_64-linux-gnu/libvirt/connection-driver'
        (drivers / name).symlink_to(self.root / where / name)

    def _start(self) -> None:
        roots = [str(self.root), str(self.kit.root)]
        libraries = ':'.join(f'{r}/lib/x86_64-linux-gnu' for r in roots)
        said = self.folder / 'said'
        with said.open('wb') as output:
            self.process = subprocess.Popen(
                [
                    'setpriv', '--pdeathsig', 'KILL',
                    *self.network.within(self.host),
                    'unshare', '--mount', '--uts', '--pid', '--fork',
                    '--kill-child', '--mount-proc',
                    'env', f'LD_LIBRARY_PATH={libraries}',
                    f'LIBVIRT_DRIVER_DIR={self.folder / "drivers"}',
                    sys.executable, within.__file__,
                    str(self.folder), self.host, *roots,
                ],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def _connect(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.connection = self.open()
                return
            except self.libvirt.libvirtError as error:
                if self.process.poll() is not None:
                    raise OSError(self._late('ended')) from error
                if time.monotonic() > end:
                    raise TimeoutError(self._late('is silent')) from error
            time.sleep(0.1)

    def _disconnect(self) -> None:
        if self.connection:
            with contextlib.suppress(self.libvirt.libvirtError):
                self.connection.close()
            self.connection = None

    def _late(self, what: str) -> str:
        said = [(self.folder / 'said').read_text(errors='replace')]
        log = self.folder / 'var/log/libvirt/libvirtd.log'
        if log.exists():
            said.append(log.read_text(errors='replace'))
        text = '\n'.join(said)[-1500:]
        return f'libvirtd on {self.host} {what}; it said: {text}'
