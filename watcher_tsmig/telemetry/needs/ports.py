"""What kinds of ports VMs have, from Neutron.

Neutron looks for ports by their host, but not by their kind, so that those
of all hosts are listed: as few fields as tell the kind, so many at once. Of
10,000 VMs with a port each on 400 hosts that is 16 requests, of which some
go side by side, and 2 MB. Neutron silent, or one that hides what tells the
kind, is a note; what ports VMs have is unknown then, and they are taken to
be plain.
Source: nova/network/model.py (VNIC_TYPES_SRIOV) and neutron_lib/api/
definitions/portbindings.py of 2026.2.
"""

import concurrent.futures
import time
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from openstack import exceptions as sdk_errors

from watcher_tsmig import errors
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.clients import Network
from watcher_tsmig.telemetry.clients import NetworkSource

Kinds = frozenset[str]

# Ports in an answer; hosts in a question, whose names must fit into the 4096
# bytes that uWSGI has for an address; questions at once, pages of a question,
# and s for all of them.
PAGE = 1000
HOSTS = 25
AT_ONCE = 4
MAX_PAGES = 100
WITHIN = 60.0

ID, VM = 'id', 'device_id'
VNIC, VIF = 'binding:vnic_type', 'binding:vif_type'
REQUEST = 'resource_request'
FIELDS = (ID, VM, VNIC, VIF, REQUEST)
PLAIN = 'normal'

#: Kinds that are no `binding:vnic_type`: a port on vhost-user, one that asks
#: Placement for something, or for several things in groups, and one for
#: which Neutron cannot have two hosts at once.
VHOST_USER = 'vhost-user'
ASKING = 'asking'
ASKING_GROUPS = 'asking-groups'
UNBOUND = 'unbound'
#: What has a PCI device for its port (VNIC_TYPES_SRIOV)
SRIOV = frozenset(
    (
        'direct',
        'macvtap',
        'direct-physical',
        'virtio-forwarder',
        'vdpa',
        'remote-managed',
    )
)
EXTENSION = '/extensions/binding-extended'


def read_ports(
    source: NetworkSource | None, vms: Mapping[str, str], notes: list[str]
) -> dict[str, Kinds]:
    """Kinds of each VM's ports, by its id; whoever has plain ones is not in.

    :param source: None: nobody is asked
    :param vms: name of the host of each, by id
    """
    hosts = sorted(set(vms.values()))
    if source is None or not hosts:
        return {}
    rows: list[Mapping[str, Any]] = []
    silent: set[str] = set()
    why = ''
    batches = [hosts[i : i + HOSTS] for i in range(0, len(hosts), HOSTS)]
    try:
        network = ask('ports', source, 'Neutron')
        # who is away is away for all of them
        rows += _of_hosts(network, batches[0])
        end = time.monotonic() + WITHIN
        pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        asked = [pool.submit(_of_hosts, network, b) for b in batches[1:]]
        for batch, future in zip(batches[1:], asked, strict=True):
            try:
                rows += future.result(max(end - time.monotonic(), 0.0))
            except (errors.CloudError, TimeoutError) as error:
                silent.update(batch)
                why = why or brief(error)
        pool.shutdown(wait=False, cancel_futures=True)
        found = _kinds(network, (r for r in rows if r[VM] in vms), notes)
    except errors.CloudError as error:
        silent, why, found = set(hosts), brief(error), {}
    unknown = sum(host in silent for host in vms.values())
    if not rows and not silent:
        unknown, why = len(vms), 'Neutron shows none'
    if unknown:
        notes.append(f'kinds of ports of {unknown} VMs are unknown: {why}')
    return found


def ports_of(source: NetworkSource | None, vm: str, notes: list[str]) -> Kinds:
    """Kinds of one VM's ports; none where they are plain or unknown."""
    if source is None:
        return frozenset()
    try:
        network = ask('ports', source, 'Neutron')
        rows = _listed(network, {VM: [vm]})
        return _kinds(network, rows, notes).get(vm, frozenset())
    except errors.CloudError as error:
        notes.append(f'what kinds of ports it has is unknown: {brief(error)}')
        return frozenset()


def _of_hosts(network: Network, hosts: list[str]) -> list[Mapping[str, Any]]:
    return _listed(network, {'binding:host_id': hosts})


def _listed(
    network: Network, query: Mapping[str, list[str]]
) -> list[Mapping[str, Any]]:
    """All ports that the query finds.

    :raises errors.CloudError: they are not told
    """

    def page(marker: str | None) -> Mapping[str, Any]:
        more = {} if marker is None else {'marker': marker}
        answer = network.get(
            '/ports',
            params={**query, 'fields': list(FIELDS), 'limit': PAGE, **more},
        )
        sdk_errors.raise_from_response(answer)
        body: Mapping[str, Any] = answer.json()
        for row in body['ports']:
            str(row[ID]), str(row[VM]), str(row[VNIC])
            # who is no administrator there sees only some of the ports
            if VIF not in row:
                raise errors.CloudError(f'Neutron: ports: it hides {VIF}')
        return body

    found: dict[str, Mapping[str, Any]] = {}
    marker = None
    for _ in range(MAX_PAGES):
        body = ask('ports', lambda m=marker: page(m), 'Neutron')
        new = {r[ID]: r for r in body['ports'] if r[ID] not in found}
        found.update(new)
        # one page again and again would be without end
        if not new or not body.get('ports_links'):
            break
        marker = body['ports'][-1][ID]
        if not any(link.get('rel') == 'next' for link in body['ports_links']):
            break
    else:
        raise errors.CloudError('Neutron: ports: there are too many')
    return list(found.values())


def _kinds(
    network: Network,
    rows: Iterable[Mapping[str, Any]],
    notes: list[str],
) -> dict[str, Kinds]:
    found: dict[str, Kinds] = {}
    for row in rows:
        kinds = frozenset(_kinds_of(row))
        if kinds:
            found[row[VM]] = found.get(row[VM], frozenset()) | kinds
    having = [vm for vm, kinds in found.items() if kinds & SRIOV]
    if having and not _binds_twice(network, notes):
        found.update({vm: found[vm] | {UNBOUND} for vm in having})
    return found


def _kinds_of(row: Mapping[str, Any]) -> Iterable[str]:
    if row[VNIC] != PLAIN:
        yield str(row[VNIC])
    if row[VIF] == 'vhostuser':
        yield VHOST_USER
    request = row.get(REQUEST) or {}
    # in groups since Neutron has port-resource-request-groups
    if request.get('request_groups'):
        yield ASKING_GROUPS
    elif request.get('resources'):
        yield ASKING


def _binds_twice(network: Network, notes: list[str]) -> bool:
    """Whether a port may be bound to two hosts; so where it is unknown."""

    def known() -> bool:
        answer = network.get(EXTENSION)
        if answer.status_code == 404:
            return False
        sdk_errors.raise_from_response(answer)
        return True

    try:
        return ask('extensions', known, 'Neutron')
    except errors.CloudError as error:
        notes.append(
            'whether ports with PCI devices move is unknown, they are taken '
            f'to: {brief(error)}'
        )
        return True
