"""What a VM's devices and memory keep it from, as Nova and QEMU have it.

A table of what a flavor's extra specs, an image's properties and Neutron's
kinds of ports ask for, what that forbids, and up to which Nova. Sources:
nova/compute/api.py, decorators of `live_migrate`; nova/conductor/tasks/
live_migrate.py; nova/virt/libvirt/driver.py, of Nova 20 to 34; nova/virt/
hardware.py. For post-copy hw/vfio/migration.c, hw/virtio/vhost-user.c and
docs/devel/migration/postcopy.rst of QEMU. Shares of Manila are not seen here
but just before the start (shares.py); which CPU a host has not at all.
"""

import dataclasses
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping

from watcher_tsmig.telemetry.clients import Server
from watcher_tsmig.telemetry.inventory.servers import Version
from watcher_tsmig.telemetry.needs.ports import ASKING
from watcher_tsmig.telemetry.needs.ports import ASKING_GROUPS
from watcher_tsmig.telemetry.needs.ports import UNBOUND
from watcher_tsmig.telemetry.needs.ports import VHOST_USER
from watcher_tsmig.telemetry.needs.ports import Kinds

TRUE = ('true', 'yes', '1', 'on', 't', 'y')
GIB_PAGES = ('1gb', '1gib', '1048576', '1048576kb', 'large_1gb')
PINNED = ('dedicated', 'mixed')

# The first microversion of a release, by which it is known
USSURI, YOGA, ZED = (2, 80), (2, 90), (2, 91)
CARACAL, EPOXY, GAZPACHO = (2, 96), (2, 97), (2, 101)
TRAIN = (2, 73)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Had:
    """What a VM has.

    :ivar asked: extra specs of its flavor and properties of its image, all
        in lower case
    :ivar ports: kinds of its ports (ports.py), as far as they are not plain
    """

    asked: Mapping[str, str]
    ports: Kinds = frozenset()


Test = Callable[[Had], bool]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What something that a VM has forbids.

    :ivar live: any live migration; post-copy alone where it is False
    :ivar until: the microversion by which one knows a Nova that does not
        refuse it any more; None: every Nova does
    """

    because: str
    test: Test
    live: bool
    until: Version | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """What an operator should know of VMs that do move.

    :ivar text: of how many it is true stands before it
    """

    text: str
    test: Test


def _given(*names: str) -> Test:
    return lambda had: any(had.asked.get(name) for name in names)


def _is(value: tuple[str, ...], *names: str) -> Test:
    return lambda had: any(had.asked.get(name) in value for name in names)


def _resource(name: str) -> Test:
    form = re.compile(rf'resources[a-z0-9_-]{{0,64}}:{name}\w*', re.ASCII)
    return lambda had: any(map(form.fullmatch, had.asked))


def _port(*kinds: str) -> Test:
    return lambda had: not had.ports.isdisjoint(kinds)


def _any(*tests: Test) -> Test:
    return lambda had: any(test(had) for test in tests)


_TPM = _given('hw:tpm_version', 'hw_tpm_version')
_PCI = _given('pci_passthrough:alias')
_NUMA = _any(
    _given('hw:numa_nodes', 'hw_numa_nodes'),
    _given('hw:mem_page_size', 'hw_mem_page_size'),
    _is(PINNED, 'hw:cpu_policy', 'hw_cpu_policy'),
    _resource('pcpu'),
)
# network/model.py, VNIC_TYPES_DIRECT_PASSTHROUGH
_UNPLUGGED = _port('direct', 'direct-physical', 'remote-managed', 'vdpa')


def _own_tpm(had: Had) -> bool:
    # Only the host can hand on a secret that the host keeps
    return _TPM(had) and had.asked.get('hw:tpm_secret_security') != 'host'


BARS = (
    Bar(
        # reject_sev_instances, later reject_mem_enc_instances
        because='its memory is encrypted (hw:mem_encryption)',
        test=_is(TRUE, 'hw:mem_encryption', 'hw_mem_encryption'),
        live=True,
    ),
    Bar(
        # reject_vtpm_instances, since 33 reject_legacy_vtpm_live_migration,
        # which minds MIN_COMPUTE_VTPM_LIVE_MIGRATION (72) too
        because='it has a vTPM (hw:tpm_version), which does not move before '
        'Nova 33',
        test=_TPM,
        live=True,
        until=GAZPACHO,
    ),
    Bar(
        because="its vTPM's secret is not the host's (hw:tpm_secret_security)",
        test=_own_tpm,
        live=True,
    ),
    Bar(
        # block_accelerators
        because='it has an accelerator (accel:device_profile)',
        test=_given('accel:device_profile'),
        live=True,
    ),
    Bar(
        # block_port_accelerators
        because='it has a port with an accelerator',
        test=_port('accelerator-direct', 'accelerator-direct-physical'),
        live=True,
    ),
    Bar(
        # reject_vdpa_instances: MIN_COMPUTE_VDPA_HOTPLUG_LIVE_MIGRATION (63)
        because='it has a vDPA port, which does not move before Nova 26',
        test=_port('vdpa'),
        live=True,
        until=ZED,
    ),
    Bar(
        # block_extended_resource_request:
        # MIN_COMPUTE_MOVE_WITH_EXTENDED_RESOURCE_REQUEST (59)
        because='a port of it asks for groups of resources (QoS), and does '
        'not move before Nova 25',
        test=_port(ASKING_GROUPS),
        live=True,
        until=YOGA,
    ),
    Bar(
        # api/openstack/compute/migrate_server.py: version 49
        because='a port of it asks for resources (QoS), and does not move '
        'before Nova 21',
        test=_port(ASKING, ASKING_GROUPS),
        live=True,
        until=USSURI,
    ),
    Bar(
        # _check_can_migrate_pci
        because='it has a port with a PCI device (SR-IOV), and Neutron does '
        'not have the extension binding-extended',
        test=_port(UNBOUND),
        live=True,
    ),
    Bar(
        # _check_can_migrate_pci: none but those of ports
        because='it has a PCI device (pci_passthrough:alias), which does not '
        'move before Nova 31',
        test=_PCI,
        live=True,
        until=EPOXY,
    ),
    Bar(
        # libvirt does, until the driver has
        # _host_can_support_mdev_live_migration
        because='it has a vGPU (resources:VGPU), which does not move before '
        'Nova 29',
        test=_resource('vgpu'),
        live=True,
        until=CARACAL,
    ),
    Bar(
        # supports_vpmem_live_migration: version 51
        because='it has persistent memory (hw:pmem), which does not move '
        'before Nova 21',
        test=_given('hw:pmem'),
        live=True,
        until=USSURI,
    ),
    Bar(
        # _check_instance_has_no_numa: version 40, unless all of that is
        # switched off by [workarounds]enable_numa_live_migration
        because='it has NUMA cells, huge pages or CPUs of its own, which do '
        'not move before Nova 20',
        test=_NUMA,
        live=True,
        until=TRAIN,
    ),
    Bar(
        because='it has a PCI device (pci_passthrough:alias)',
        test=_PCI,
        live=False,
    ),
    Bar(
        because='it has a vGPU (resources:VGPU)',
        test=_resource('vgpu'),
        live=False,
    ),
    Bar(
        because='it has persistent memory (hw:pmem)',
        test=_given('hw:pmem'),
        live=False,
    ),
    Bar(
        because='its pages have 1 GiB (hw:mem_page_size)',
        test=_is(GIB_PAGES, 'hw:mem_page_size', 'hw_mem_page_size'),
        live=False,
    ),
    Bar(
        because='its CPUs are real-time (hw:cpu_realtime)',
        test=_is(TRUE, 'hw:cpu_realtime', 'hw_cpu_realtime'),
        live=False,
    ),
    Bar(
        # driver.py, _detach_direct_passthrough_vifs, and again plugged only
        # when all is over, which a post-copy may never be
        because='it has an SR-IOV port, which is unplugged while it moves',
        test=_UNPLUGGED,
        live=False,
    ),
    Bar(
        # vhost_user_postcopy_advise: only with VHOST_USER_PROTOCOL_F_PAGEFAULT
        because='it has a port on vhost-user, which cannot wait for a page',
        test=_port(VHOST_USER, 'virtio-forwarder'),
        live=False,
    ),
)

CAUTIONS = (
    Caution(
        # _check_can_migrate_pci, `is_live_migratable`, which is in nova.conf
        text='with PCI devices, which move only where their alias says '
        'live_migratable',
        test=_PCI,
    ),
    Caution(
        text='with SR-IOV ports, which Nova unplugs for as long as they move',
        test=_UNPLUGGED,
    ),
    Caution(
        # compute/manager.py claims them at the destination; no API shows
        # room by cell, nor which CPUs are taken
        text='with NUMA cells, huge pages or CPUs of their own: only Nova '
        'knows whether a destination has these free',
        test=_NUMA,
    ),
)


def had_of(
    server: Server,
    properties: Mapping[str, str] | None = None,
    kinds: Kinds = frozenset(),
) -> Had:
    """What the server has.

    :param properties: of its image, where Nova does not show them
    :param kinds: of its ports
    """
    specs = getattr(server.flavor, 'extra_specs', None) or {}
    image = getattr(server, 'image', None)
    shown = image.get('properties') if isinstance(image, Mapping) else None
    return Had(
        asked={
            str(name).lower(): str(value).strip().lower()
            for name, value in {
                **(properties or {}),
                **(shown or {}),
                **specs,
            }.items()
        },
        ports=kinds,
    )


def refused(had: Had, newest: Version | None) -> str | None:
    """Why Nova would not move the VM live; None if it may.

    :param newest: microversion that Nova has; where nobody knows, it is
        taken to be a new one
    """
    return _first(had, newest, live=True)


def pre_copy_only(had: Had, newest: Version | None) -> str | None:
    """Why it must not be post-copied; None if it may be."""
    return refused(had, newest) or _first(had, newest, live=False)


def cautions(
    all_had: Iterable[Had], newest: Version | None, notes: list[str]
) -> None:
    """Tell what is to be minded of VMs that Nova would move."""
    moving = [had for had in all_had if refused(had, newest) is None]
    for caution in CAUTIONS:
        count = sum(map(caution.test, moving))
        if count:
            notes.append(f'{count} VM{"s" * (count > 1)} {caution.text}')


def _first(had: Had, newest: Version | None, *, live: bool) -> str | None:
    for bar in BARS:
        holds = bar.until is None or (
            newest is not None and newest < bar.until
        )
        if bar.live is live and holds and bar.test(had):
            return bar.because
    return None
