"""What a VM's devices and memory keep it from, as Nova and QEMU have it.

A table of what a flavor's extra specs (and, where Nova shows them, its
image's properties) ask for, and what that forbids. Sources: nova/compute/
api.py, decorators of `live_migrate` (Nova 34); nova/virt/hardware.py; for
post-copy nova/virt/libvirt/driver.py, hw/vfio/migration.c and docs/devel/
migration/postcopy.rst of QEMU. A port's kind (vDPA, accelerators) is
Neutron's and not seen here: Nova refuses those before anything is sent.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping

from watcher_tsmig.telemetry.clients import Server

TRUE = ('true', 'yes', '1', 'on', 't', 'y')
GIB_PAGES = ('1gb', '1gib', '1048576', '1048576kb', 'large_1gb')

Asked = Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """What something that a flavor asks for forbids.

    :ivar test: on extra specs and properties, lower case
    :ivar live: any live migration; post-copy alone where it is False
    """

    because: str
    test: Callable[[Asked], bool]
    live: bool


def _given(*names: str) -> Callable[[Asked], bool]:
    return lambda asked: any(asked.get(name) for name in names)


def _true(*names: str) -> Callable[[Asked], bool]:
    return lambda asked: any(asked.get(name) in TRUE for name in names)


def _own_tpm(asked: Asked) -> bool:
    # Only the host can hand on a secret that the host keeps
    has = asked.get('hw:tpm_version') or asked.get('hw_tpm_version')
    return bool(has) and asked.get('hw:tpm_secret_security') != 'host'


BARS = (
    Bar(
        'its memory is encrypted (hw:mem_encryption)',
        _true('hw:mem_encryption', 'hw_mem_encryption'),
        live=True,
    ),
    Bar(
        "its vTPM's secret is not the host's (hw:tpm_secret_security)",
        _own_tpm,
        live=True,
    ),
    Bar(
        'it has an accelerator (accel:device_profile)',
        _given('accel:device_profile'),
        live=True,
    ),
    Bar(
        'it has a PCI device (pci_passthrough:alias)',
        _given('pci_passthrough:alias'),
        live=False,
    ),
    Bar(
        'it has a vGPU (resources:VGPU)',
        lambda asked: any(n.startswith('resources:vgpu') for n in asked),
        live=False,
    ),
    Bar(
        'it has persistent memory (hw:pmem)',
        _given('hw:pmem'),
        live=False,
    ),
    Bar(
        'its pages have 1 GiB (hw:mem_page_size)',
        lambda asked: any(
            asked.get(name) in GIB_PAGES
            for name in ('hw:mem_page_size', 'hw_mem_page_size')
        ),
        live=False,
    ),
    Bar(
        'its CPUs are real-time (hw:cpu_realtime)',
        _true('hw:cpu_realtime', 'hw_cpu_realtime'),
        live=False,
    ),
)


def refused(server: Server) -> str | None:
    """Why Nova would not move the server live; None if it may."""
    return _first(server, live=True)


def pre_copy_only(server: Server) -> str | None:
    """Why it must not be post-copied; None if it may be."""
    return _first(server, live=True) or _first(server, live=False)


def _first(server: Server, *, live: bool) -> str | None:
    specs = getattr(server.flavor, 'extra_specs', None) or {}
    image = getattr(server, 'image', None)
    properties = getattr(image, 'properties', None) or {}
    asked = {
        str(name).lower(): str(value).strip().lower()
        for name, value in {**properties, **specs}.items()
    }
    for bar in BARS:
        if bar.live is live and bar.test(asked):
            return bar.because
    return None
