"""Placement as Watcher's collector and a planner ask it.

Resource providers, their inventories, usages and traits, and allocations:
all derived from the simulated cloud, none of it stored.
"""

import uuid
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from watcher_tsmig import units
from watcher_tsmig.playground import web
from watcher_tsmig.playground.cloud.cloud import Service
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.cloud import ram_mb
from watcher_tsmig.playground.cloud.nova_aggregates import aggregates
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.services import nova_views

LOWEST, HIGHEST = '1.0', '1.39'
TRAITS = {'COMPUTE_NODE', 'HW_CPU_X86_VMX'}


class Placement(web.App):
    """The placement service."""

    prefix = '/placement'

    def __init__(
        self, sim: SimCloud, identify: Callable[[str], web.Who | None]
    ) -> None:
        self._sim = sim
        super().__init__(identify)

    def routes(self) -> Sequence[web.Route]:
        one = '/resource_providers/{provider}'
        return (
            web.Route('GET', '', self._versions, None),
            web.Route('GET', '/resource_providers', self._providers),
            web.Route('GET', one, self._provider),
            web.Route('GET', one + '/inventories', self._inventories),
            web.Route('GET', one + '/usages', self._usages),
            web.Route('GET', one + '/traits', self._traits),
            web.Route('GET', one + '/aggregates', self._aggregates),
            web.Route('GET', one + '/allocations', self._provider_claims),
            web.Route('GET', '/allocations/{server_id}', self._claims),
        )

    def error(self, status: int, message: str) -> object:
        return {
            'errors': [
                {
                    'status': status,
                    'title': '',
                    'detail': message,
                    'code': 'placement.undefined_code',
                    'request_id': f'req-{uuid.uuid4()}',
                }
            ]
        }

    def finish(
        self, request: web.Request, response: web.Response
    ) -> web.Response:
        asked = request.headers.get('openstack-api-version', '')
        service, _, version = asked.partition(' ')
        if service != 'placement' or not version:
            version = LOWEST
        if version == 'latest':
            version = HIGHEST
        response.headers['OpenStack-API-Version'] = f'placement {version}'
        response.headers['Vary'] = 'OpenStack-API-Version'
        return response

    def _versions(self, request: web.Request) -> web.Response:
        version = {
            'id': 'v1.0',
            'status': 'CURRENT',
            'min_version': LOWEST,
            'max_version': HIGHEST,
            'links': [{'rel': 'self', 'href': request.base}],
        }
        return web.Response(200, {'versions': [version]})

    def _find(self, sim: SimCloud, provider: str) -> Service:
        for service in sim.services.values():
            if service.hypervisor == provider:
                return service
        raise web.HttpError(
            404, f'No resource provider with uuid {provider} found'
        )

    def _providers(self, request: web.Request) -> web.Response:
        name, wanted = request.arg('name'), request.arg('uuid')
        text = request.arg('required')
        required = set(text.split(',')) if text else set[str]()
        with self._sim.at_now() as sim:
            unknown = required - _traits_of(sim)
            if unknown:
                names = ', '.join(sorted(unknown))
                raise web.HttpError(400, f'No such trait(s): {names}.')
            shown = [
                _show(s)
                for s in sim.services.values()
                if name in (None, s.host.name)
                and wanted in (None, s.hypervisor)
                and required <= _traits_of(sim, s.host.name)
            ]
        return web.Response(200, {'resource_providers': shown})

    def _provider(self, request: web.Request, provider: str) -> web.Response:
        with self._sim.at_now() as sim:
            return web.Response(200, _show(self._find(sim, provider)))

    def _inventories(
        self, request: web.Request, provider: str
    ) -> web.Response:
        with self._sim.at_now() as sim:
            host = self._find(sim, provider).host
        totals = {
            'VCPU': int(host.vcpus),
            'MEMORY_MB': int(host.memory // units.MIB),
            'DISK_GB': nova_views.host_disk_gb(host),
        }
        inventories = {
            kind: {
                'total': total,
                'reserved': 0,
                'min_unit': 1,
                'max_unit': max(1, total),
                'step_size': 1,
                'allocation_ratio': 1.0,
            }
            for kind, total in totals.items()
        }
        return _versioned({'inventories': inventories})

    def _usages(self, request: web.Request, provider: str) -> web.Response:
        with self._sim.at_now() as sim:
            name = self._find(sim, provider).host.name
            memory, vcpus = sim.used(name)
            disk = sum(map(nova_views.disk_gb, sim.servers_on(name)))
        usages = {
            'VCPU': round(vcpus),
            'MEMORY_MB': ram_mb(memory) if memory else 0,
            'DISK_GB': disk,
        }
        return _versioned({'usages': usages})

    def _traits(self, request: web.Request, provider: str) -> web.Response:
        with self._sim.at_now() as sim:
            host = self._find(sim, provider).host.name
            traits = sorted(_traits_of(sim, host))
        return _versioned({'traits': traits})

    def _aggregates(self, request: web.Request, provider: str) -> web.Response:
        with self._sim.at_now() as sim:
            name = self._find(sim, provider).host.name
            found = [a['uuid'] for a in aggregates(sim) if name in a['hosts']]
        return _versioned({'aggregates': found})

    def _provider_claims(
        self, request: web.Request, provider: str
    ) -> web.Response:
        with self._sim.at_now() as sim:
            name = self._find(sim, provider).host.name
            claims = {
                s.vm.id: {'resources': _resources(s)}
                for s in sim.servers_on(name)
            }
        return _versioned({'allocations': claims})

    def _claims(self, request: web.Request, server_id: str) -> web.Response:
        with self._sim.at_now() as sim:
            server = sim.servers.get(server_id)
            claims = {}
            if server is not None:
                provider = sim.services[server.host].hypervisor
                claims[provider] = {
                    'resources': _resources(server),
                    'generation': 1,
                }
        body: dict[str, Any] = {'allocations': claims}
        if claims:
            owner = nova_views.OWNER
            body |= {
                'project_id': owner,
                'user_id': owner,
                'consumer_generation': 1,
                'consumer_type': 'INSTANCE',
            }
        return web.Response(200, body)


def _traits_of(sim: SimCloud, host: str | None = None) -> set[str]:
    """Traits of a host, or all that there are."""
    return TRAITS | {
        mark.name
        for mark in sim.marks.values()
        if mark.is_trait and (host is None or host in mark.hosts)
    }


def _show(service: Service) -> dict[str, Any]:
    return {
        'uuid': service.hypervisor,
        'name': service.host.name,
        'generation': 1,
        'root_provider_uuid': service.hypervisor,
        'parent_provider_uuid': None,
        'links': [],
    }


def _resources(server: Server) -> dict[str, int]:
    claims = {
        'VCPU': max(1, round(server.vm.vcpus)),
        'MEMORY_MB': ram_mb(server.vm.memory),
        'DISK_GB': nova_views.disk_gb(server),
    }
    # nobody can claim nothing
    return {kind: amount for kind, amount in claims.items() if amount}


def _versioned(body: dict[str, Any]) -> web.Response:
    return web.Response(200, body | {'resource_provider_generation': 1})
