"""What the laboratory needs of the machine, brought into one folder.

QEMU 9 or later, because earlier ones lose dirtied pages under TCG (fixed by
QEMU commit 03bfc2188f06), a Debian cloud kernel and busybox: downloaded by
apt from the repositories that the machine already trusts and its release's
backports, unpacked and never installed. The guest's program is compiled and
packed into an initial RAM disk. What is there and unchanged is kept.
"""

import dataclasses
import gzip
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
GUEST = HERE / 'guest'
MODULES = (
    'virtio_ring',
    'virtio',
    'virtio_pci_modern_dev',
    'virtio_pci_legacy_dev',
    'virtio_pci',
    'failover',
    'net_failover',
    'virtio_net',
    'virtio_blk',
    'virtio_balloon',
)
APPLETS = ('sh', 'mkdir', 'mount', 'insmod', 'ip', 'cat', 'tr', 'sleep')
QEMU = ('qemu-system-x86', 'qemu-utils')
LIBVIRT = (
    'libvirt-daemon',
    'libvirt-daemon-driver-qemu',
    'libvirt0',
    'libvirt-dev',
    'python3-libvirt',
)
KEYS = pathlib.Path('/usr/share/keyrings/debian-archive-keyring.gpg')
# s that one call of a packaging tool or the compiler may take
PATIENCE = 300


class LabError(Exception):
    """The laboratory cannot be run here; says what to do."""


@dataclasses.dataclass(frozen=True, slots=True)
class Kit:
    """Where things are.

    :ivar root: the unpacked packages
    :ivar program: the guest's program, which also runs on a host
    """

    root: pathlib.Path
    kernel: pathlib.Path
    initrd: pathlib.Path
    program: pathlib.Path

    @property
    def libraries(self) -> str:
        """What the unpacked programs need as LD_LIBRARY_PATH."""
        return ':'.join(
            str(self.root / part / 'x86_64-linux-gnu')
            for part in ('usr/lib', 'lib')
        )

    def command(self, name: str) -> list[str]:
        """The begin of a command line of an unpacked program."""
        path = self.root / 'usr/bin' / name
        return ['env', f'LD_LIBRARY_PATH={self.libraries}', str(path)]

    def qemu(self) -> list[str]:
        """The begin of a command line of QEMU."""
        data = self.root / 'usr/share'
        firmware = ('seabios', 'qemu', 'ipxe')
        paths = [a for f in firmware for a in ('-L', str(data / f))]
        modules = self.root / 'usr/lib/x86_64-linux-gnu/qemu'
        out = self.command('qemu-system-x86_64') + paths
        return [*out[:2], f'QEMU_MODULE_DIR={modules}', *out[2:]]


def kit(folder: pathlib.Path) -> Kit:
    """Bring what is missing into the folder.

    :raises LabError: it cannot be had; says why
    """
    if platform.machine() != 'x86_64' or not shutil.which('apt-get'):
        raise LabError('the laboratory needs Debian on x86_64')
    if os.geteuid():
        raise LabError('the laboratory needs root, for network namespaces')
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / 'root'
    stamp = _stamp()
    stamped = folder / 'stamp'
    if not stamped.exists() or stamped.read_text() != stamp:
        shutil.rmtree(root, ignore_errors=True)
        partial = folder / 'root.partial'
        shutil.rmtree(partial, ignore_errors=True)
        _unpack(folder / 'apt', partial)
        partial.rename(root)
        _build(root)
        stamped.write_text(stamp)
    return Kit(root, _kernel(root), root / 'initrd.gz', root / 'program')


def libvirt(folder: pathlib.Path) -> pathlib.Path:
    """Bring libvirt of the machine's release into the folder.

    Not of the backports: 11.3 was reported to crash as the destination of a
    resumed post-copy; that was not tried here.

    :returns: the folder of its unpacked packages, `python` in it has the
        bindings if the release's do not fit the interpreter
    :raises LabError: it cannot be had; says why
    """
    folder = folder.resolve()
    root, stamped = folder / 'libvirt', folder / 'stamp.libvirt'
    stamp = f'{_stamp()} {sys.implementation.cache_tag}'
    if not stamped.exists() or stamped.read_text() != stamp:
        shutil.rmtree(root, ignore_errors=True)
        release, apt = _release(), folder / 'apt'
        _download(_options(apt, release), release, *LIBVIRT)
        _extract(apt / 'cache/archives', root)
        modules = root / 'usr/lib/python3/dist-packages'
        tag = sys.implementation.cache_tag
        if not list(modules.glob(f'libvirtmod.{tag}-*.so')):
            _bind(root)
        stamped.write_text(stamp)
    return root


def _bind(root: pathlib.Path) -> None:
    """Compile bindings for this interpreter, against the unpacked headers."""
    if not shutil.which('pkg-config'):
        raise LabError(
            'the libvirt bindings of this release are for another Python: '
            'run with that, or install pkg-config, gcc and the headers of '
            'this Python'
        )
    config = root / 'usr/lib/x86_64-linux-gnu/pkgconfig'
    for path in config.glob('*.pc'):
        text = path.read_text().replace('=/usr/', f'={root}/usr/')
        text = text.replace('=/usr\n', f'={root}/usr\n')
        path.write_text(text)
    found = re.search(
        r'^Version: *(\S+)', (config / 'libvirt.pc').read_text(), re.MULTILINE
    )
    version = found[1] if found else ''
    _run(
        'env', f'PKG_CONFIG_PATH={config}',
        sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps',
        '--target', str(root / 'python'), f'libvirt-python=={version}',
    )  # fmt: skip


def _stamp() -> str:
    files = [pathlib.Path(__file__), *sorted(GUEST.iterdir())]
    found = hashlib.sha256()
    for path in files:
        found.update(path.read_bytes())
    return found.hexdigest()


def _run(*command: str, cwd: pathlib.Path | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f'{command[0]} cannot be run: {error}') from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-500:]
        raise LabError(f'{" ".join(command)} failed: {said}')
    return done.stdout


def _options(apt: pathlib.Path, release: str) -> list[str]:
    """What lets apt work in a folder of its own."""
    lists, cache = apt / 'lists', apt / 'cache'
    for made in (lists / 'partial', cache / 'archives/partial'):
        made.mkdir(parents=True, exist_ok=True)
    (apt / 'sources.list').write_text(_sources(release))
    return [
        f'--option={name}={value}'
        for name, value in (
            ('Dir::Etc::sourcelist', apt / 'sources.list'),
            ('Dir::Etc::sourceparts', '-'),
            ('Dir::State::lists', lists),
            ('Dir::Cache', cache),
            ('Debug::NoLocking', 'true'),
            ('APT::Sandbox::User', 'root'),
            ('Acquire::Retries', '3'),
        )
    ]


def _download(options: list[str], suite: str, *packages: str) -> None:
    """Download packages of a suite with all that the machine lacks."""
    _run('apt-get', *options, '--quiet', 'update')
    _run(
        'apt-get', *options, '--quiet', '--yes', '--download-only',
        '--no-install-recommends', '--reinstall',
        f'--target-release={suite}', 'install', *packages,
    )  # fmt: skip


def _extract(archives: pathlib.Path, root: pathlib.Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for package in sorted(archives.glob('*.deb')):
        _run('dpkg', '--extract', str(package), str(root))
    shutil.rmtree(archives)


def _unpack(apt: pathlib.Path, root: pathlib.Path) -> None:
    release = _release()
    options = _options(apt, release)
    _download(options, f'{release}-backports', *QEMU)
    about = _run(
        'apt-cache', *options, '--no-all-versions', 'show',
        'linux-image-cloud-amd64',
    )  # fmt: skip
    image = re.search(r'linux-image-[0-9][^ ,]*', about)
    if not image:
        raise LabError('no linux-image-cloud-amd64 in the repositories')
    archives = apt / 'cache/archives'
    _run(
        'apt-get', *options, 'download', image[0], 'busybox-static',
        cwd=archives,
    )  # fmt: skip
    _extract(archives, root)


def _release() -> str:
    text = pathlib.Path('/etc/os-release').read_text()
    found = re.search(r'^VERSION_CODENAME=(\w+)', text, re.MULTILINE)
    if not found:
        raise LabError('the laboratory needs a release of Debian')
    return found[1]


def _sources(release: str) -> str:
    """The repositories of the release that are in use, and its backports."""
    form = '$(REPO_URI) $(RELEASE) $(COMPONENT)'
    by = f'[signed-by={KEYS}] ' if KEYS.exists() else ''
    targets = _run(
        'apt-get', 'indextargets', '--format', form, 'Created-By: Packages'
    )
    lines = []
    for target in sorted(set(targets.splitlines())):
        uri, suite, component = target.split()
        if component != 'main' or not suite.startswith(release):
            continue
        lines.append(f'deb {by}{uri} {suite} main')
        if suite == release:
            lines.append(f'deb {by}{uri} {release}-backports main')
    if not lines:
        raise LabError(f'apt knows no repository of Debian {release}')
    return '\n'.join(lines) + '\n'


def _kernel(root: pathlib.Path) -> pathlib.Path:
    return max((root / 'boot').glob('vmlinuz-*'))


def _build(root: pathlib.Path) -> None:
    """Compile the guest's program and pack the initial RAM disk."""
    program = root / 'program'
    if not shutil.which('gcc'):
        raise LabError('gcc is missing: install gcc and libc6-dev')
    _run(
        'gcc', '-O2', '-Wall', '-Wextra', '-static',
        '-o', str(program), str(GUEST / 'program.c'), '-lm',
    )  # fmt: skip
    tree = root / 'initrd'
    shutil.rmtree(tree, ignore_errors=True)
    (tree / 'bin').mkdir(parents=True)
    (tree / 'modules').mkdir()
    busybox = root / 'bin/busybox'
    shutil.copy(busybox, tree / 'bin/busybox')
    for applet in APPLETS:
        (tree / 'bin' / applet).symlink_to('busybox')
    shutil.copy(program, tree / 'bin/program')
    shutil.copy(GUEST / 'init', tree / 'init')
    (tree / 'init').chmod(0o755)
    modules = root / 'lib/modules'
    for name in MODULES:
        found = next(modules.rglob(f'{name}.ko*'), None)
        if found is None:
            continue  # built into the kernel
        if found.suffix == '.xz':
            packed = subprocess.run(
                ['xz', '--decompress', '--stdout', str(found)],
                check=True, capture_output=True, timeout=PATIENCE,
            )  # fmt: skip
            (tree / 'modules' / f'{name}.ko').write_bytes(packed.stdout)
        else:
            shutil.copy(found, tree / 'modules' / f'{name}.ko')
    names = '\n'.join(
        str(p.relative_to(tree)) for p in sorted(tree.rglob('*'))
    )
    archive = subprocess.run(
        [str(busybox), 'cpio', '-o', '-H', 'newc'],
        cwd=tree, input=names.encode(), check=True,
        capture_output=True, timeout=PATIENCE,
    )  # fmt: skip
    (root / 'initrd.gz').write_bytes(gzip.compress(archive.stdout, mtime=0))
    shutil.rmtree(tree)
