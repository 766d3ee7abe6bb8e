"""One small question to each API that we need: does it answer, and us?

A table of questions, and what came of each. Nothing is judged here, and
nothing raised: whoever is away, late, empty or refuses is an answer too.
"""

import dataclasses
import re
import time
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import requests

from watcher_tsmig.telemetry.asking import CLIENT_ERRORS
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.direct import Access
from watcher_tsmig.telemetry.doctor.tally import VERSION

Json = Any  # what json.loads may return

# Such a path names the version itself, so that the endpoint must not.
VERSIONED = re.compile(r'/v\d')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question that needs the rights that we need.

    :ivar service: its type in the catalogue
    :ivar path: below its endpoint
    :ivar key: the member of its answer that has what we want; empty where
        the answer is that itself
    :ivar gives: what we have of it, for people
    :ivar policy: what its owner must allow
    :ivar version: microversion that it needs; empty for none
    :ivar within: members of the first of what we want that must be there,
        since Nova leaves out what a policy hides
    :ivar vital: without it there is no plan at all
    """

    service: str
    path: str
    key: str
    gives: str
    policy: str
    version: str = ''
    within: tuple[str, ...] = ()
    vital: bool = False


NOVA = 'os_compute_api:'
HOST = 'OS-EXT-SRV-ATTR:host'
STATE = 'OS-EXT-STS:vm_state'

#: Of Nova and Placement what every plan needs comes first.
PROBES = (
    Probe(
        service='compute',
        path='/os-hypervisors/detail?limit=1',
        key='hypervisors',
        gives='hosts',
        policy=NOVA + 'os-hypervisors:list-detail',
        version='2.53',
        vital=True,
    ),
    Probe(
        service='compute',
        path='/os-services?binary=nova-compute',
        key='services',
        gives='which hosts are up and enabled',
        policy=NOVA + 'os-services:list',
        version='2.53',
        vital=True,
    ),
    Probe(
        service='compute',
        path='/servers/detail?all_tenants=1&limit=1',
        key='servers',
        gives='VMs of all projects, with their hosts',
        policy=f'{NOVA}servers:detail:get_all_tenants and '
        f'{NOVA}os-extended-server-attributes',
        version='2.53',
        within=(HOST, STATE),
        vital=True,
    ),
    Probe(
        service='compute',
        path='/os-aggregates',
        key='aggregates',
        gives='what is declared of hosts',
        policy=NOVA + 'os-aggregates:index',
        vital=True,
    ),
    Probe(
        service='compute',
        path='/os-server-groups?all_projects=True&limit=1',
        key='server_groups',
        gives='server groups of all projects',
        policy=NOVA + 'os-server-groups:index:all_projects',
    ),
    Probe(
        service='compute',
        path='/os-migrations?limit=1',
        key='migrations',
        gives='migrations, under way and past',
        policy=NOVA + 'os-migrations:index',
        version='2.59',
    ),
    Probe(
        service='placement',
        path='/resource_providers',
        key='resource_providers',
        gives='room and traits of hosts',
        policy='placement:resource_providers:list, :inventories:list and '
        ':usages',
        version='1.18',
    ),
    Probe(
        service='metric',
        path='/v1/capabilities',
        key='aggregation_methods',
        gives='how metrics can be asked for',
        policy='get capabilities',
    ),
    Probe(
        service='metric',
        path='/v1/resource/instance?limit=1',
        key='',
        gives='metrics of all projects',
        policy='list resource, search resource and get measures, of all '
        'projects',
    ),
    Probe(
        service='image',
        path='/v2/images?limit=1',
        key='images',
        gives='sizes of root disks that flavors leave to images',
        policy='get_images, of all projects',
    ),
    Probe(
        service='network',
        path='/v2.0/ports?limit=1&fields=id&fields=binding:vif_type',
        key='ports',
        gives='kinds of ports, of which some do not move live',
        policy='get_port and get_port:binding:vif_type and get_port:'
        'resource_request, of all projects',
        within=('binding:vif_type',),
    ),
    Probe(
        service='infra-optim',
        path='/v1/strategies?limit=1000',
        key='strategies',
        gives='strategies that are loaded',
        policy='strategy:get_all',
    ),
    Probe(
        service='infra-optim',
        path='/v1/services',
        key='services',
        gives="Watcher's own services",
        policy='service:get_all',
    ),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a question.

    :ivar status: of HTTP; None where nothing came at all
    :ivar found: what we want of it, a list; None where it is not there
    :ivar took: s
    :ivar why: why nothing was found; empty where it was
    """

    probe: Probe
    status: int | None = None
    found: Json = None
    took: float = 0.0
    why: str = ''


def probe_all(
    access: Access, probes: Iterable[Probe] = PROBES
) -> tuple[Answer, ...]:
    """The answers of all services that the catalogue has.

    Of a service that did not answer at all nothing more is asked: each
    question would take as long again.
    """
    found: list[Answer] = []
    away: dict[str, str] = {}
    for probe in probes:
        if probe.service not in access.endpoints:
            continue
        if probe.service in away:
            found.append(Answer(probe=probe, why=away[probe.service]))
            continue
        answer = _ask(access, probe)
        found.append(answer)
        if answer.status is None:
            away[probe.service] = answer.why
    return tuple(found)


def _ask(access: Access, probe: Probe) -> Answer:
    started = time.monotonic()
    headers = {'Accept': 'application/json'}
    if probe.version:
        headers['OpenStack-API-Version'] = f'{probe.service} {probe.version}'
    base = access.endpoints[probe.service]
    if VERSIONED.match(probe.path):
        base = VERSION.sub('', base)
    try:
        answer = access.connection.session.get(
            probe.path,
            headers=headers,
            raise_exc=False,
            endpoint_override=base.rstrip('/'),
        )
    except CLIENT_ERRORS as error:
        return Answer(
            probe=probe,
            took=time.monotonic() - started,
            why=f'it does not answer: {brief(error)}',
        )
    found, why = _wanted(probe, answer)
    return Answer(
        probe=probe,
        status=answer.status_code,
        found=found,
        took=time.monotonic() - started,
        why=why,
    )


def _wanted(probe: Probe, answer: requests.Response) -> tuple[Json, str]:
    """What we want of an answer, and why it is not there."""
    if answer.status_code != 200:
        return None, f'HTTP {answer.status_code}'
    try:
        body = answer.json()
    except ValueError:
        return None, 'its answer is not JSON'
    found = body
    if probe.key:
        found = body.get(probe.key) if isinstance(body, Mapping) else None
    if not isinstance(found, list):
        return None, f'its answer lacks {probe.key or "a list"}'
    hidden = [
        name
        for row in found[:1]
        for name in probe.within
        if row.get(name) is None
    ]
    if hidden:
        return None, f'its answer hides {", ".join(hidden)}'
    return found, ''
