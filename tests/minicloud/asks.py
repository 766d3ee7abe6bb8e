"""The requests of the contract, each by its name.

A path or a body may name what is known of the cloud that is asked: `server`,
`migration`, `provider`, `host`, `other` (another host), `metric` and
`policy`.
"""

import dataclasses
from typing import Any

Json = Any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request."""

    name: str
    service: str
    path: str
    method: str = 'GET'
    body: Json = None
    version: str = ''


NOVA, PLACEMENT, GNOCCHI, KEYSTONE = (
    'compute',
    'placement',
    'metric',
    'identity',
)
GONE = '00000000-0000-4000-8000-000000000000'
SERVER = '/servers/{server}'
RECORD = SERVER + '/migrations/{migration}'
FORCE = {'force_complete': None}
PROVIDER = '/resource_providers/{provider}'
NEWER = '2.96'
MEASURES = 'metric/{metric}/measures'
NIC = 'instance_network_interface'
SENT = 'network.outgoing.bytes'


def nova(name: str, path: str, version: str = NEWER, **more: Json) -> Ask:
    """A request to Nova; GET unless told otherwise."""
    return Ask(name=name, service=NOVA, path=path, version=version, **more)


def live(host: Json, version: str = '2.34') -> dict[str, Json]:
    return {
        'method': 'POST',
        'body': {'os-migrateLive': {'host': host, 'block_migration': 'auto'}},
        'version': version,
    }


def act(name: str, action: str, server: str = '{server}') -> Ask:
    path = f'/servers/{server}/action'
    return nova(name, path, method='POST', body={action: None})


ASKS = (
    nova('a server', SERVER),
    nova('a server at 2.1', SERVER, '2.1'),
    nova('a server at 2.53', SERVER, '2.53'),
    nova('a server at 2.98', SERVER, '2.98'),
    nova('a server at 2.100', SERVER, '2.100'),
    nova('shares of a server', SERVER + '/shares', '2.97'),
    nova('shares of a server at 2.96', SERVER + '/shares', '2.96'),
    nova('shares of one that is gone', f'/servers/{GONE}/shares', '2.97'),
    nova('a server that is gone', f'/servers/{GONE}'),
    nova('servers in brief', '/servers?all_tenants=1'),
    nova('servers in detail', '/servers/detail?all_tenants=1'),
    nova('a page of servers', '/servers?limit=1'),
    nova('servers with a bad limit', '/servers?limit=x'),
    nova('servers from a marker that is gone', f'/servers?marker={GONE}'),
    nova('migrations of a server at rest', SERVER + '/migrations'),
    nova('a migration that has ended', RECORD),
    nova(
        'force one that has ended',
        RECORD + '/action',
        method='POST',
        body=FORCE,
    ),
    nova('abort one that has ended', RECORD, method='DELETE'),
    nova(
        'force one that is not there',
        SERVER + '/migrations/999999/action',
        method='POST',
        body=FORCE,
    ),
    nova(
        'abort one that is not there',
        SERVER + '/migrations/999999',
        method='DELETE',
    ),
    nova(
        'force of a server that is gone',
        f'/servers/{GONE}/migrations/1/action',
        method='POST',
        body=FORCE,
    ),
    nova(
        'an action that is none',
        RECORD + '/action',
        method='POST',
        body={'hurry': None},
    ),
    nova('os-migrations', '/os-migrations'),
    nova('os-migrations at 2.23', '/os-migrations', '2.23'),
    nova('os-migrations of a server', '/os-migrations?instance_uuid={server}'),
    nova('a page of os-migrations', '/os-migrations?limit=1'),
    nova(
        'os-migrations from a marker that is gone',
        f'/os-migrations?marker={GONE}',
    ),
    nova('hypervisors', '/os-hypervisors'),
    nova('hypervisors in detail', '/os-hypervisors/detail'),
    nova(
        'hypervisors with servers',
        '/os-hypervisors/detail?with_servers=true',
        '2.53',
    ),
    nova('a hypervisor', '/os-hypervisors/{provider}'),
    nova('a hypervisor that is gone', f'/os-hypervisors/{GONE}'),
    nova('services', '/os-services?binary=nova-compute'),
    nova('services of a host', '/os-services?binary=nova-compute&host={host}'),
    nova('services at 2.1', '/os-services?binary=nova-compute', '2.1'),
    nova('aggregates', '/os-aggregates'),
    nova('an aggregate that is gone', '/os-aggregates/999999'),
    nova('server groups', '/os-server-groups'),
    nova('flavors', '/flavors'),
    nova('flavors in detail', '/flavors/detail'),
    nova('a flavor that is gone', f'/flavors/{GONE}'),
    nova('a microversion too new', SERVER, '2.999'),
    nova(
        'a live migration without its words',
        SERVER + '/action',
        '2.34',
        method='POST',
        body={'os-migrateLive': {}},
    ),
    nova(
        'a live migration of a server that is gone',
        f'/servers/{GONE}/action',
        **live(None),
    ),
    nova(
        'a live migration to a host that is not there',
        SERVER + '/action',
        **live('nowhere'),
    ),
    nova(
        'a live migration with a word too many',
        SERVER + '/action',
        '2.80',
        method='POST',
        body={
            'os-migrateLive': {
                'host': None,
                'block_migration': 'auto',
                'force': True,
            }
        },
    ),
    nova(
        'an action of a server that is none',
        SERVER + '/action',
        method='POST',
        body={'dance': None},
    ),
    act('a lock', 'lock'),
    nova('a locked server', SERVER),
    act('an unlock', 'unlock'),
    act('a pause of a server that is gone', 'pause', GONE),
    Ask(name='placement', service=PLACEMENT, path='/'),
    *(
        Ask(
            name=f'{what} of a provider',
            service=PLACEMENT,
            path=f'{PROVIDER}/{what}',
            version='1.39',
        )
        for what in (
            'inventories',
            'usages',
            'traits',
            'aggregates',
            'allocations',
        )
    ),
    Ask(
        name='providers',
        service=PLACEMENT,
        path='/resource_providers',
        version='1.39',
    ),
    Ask(name='a provider', service=PLACEMENT, path=PROVIDER, version='1.39'),
    Ask(
        name='a provider that is gone',
        service=PLACEMENT,
        path=f'/resource_providers/{GONE}',
        version='1.39',
    ),
    Ask(
        name='usages of one that is gone',
        service=PLACEMENT,
        path=f'/resource_providers/{GONE}/usages',
        version='1.39',
    ),
    Ask(
        name='allocations of a server',
        service=PLACEMENT,
        path='/allocations/{server}',
        version='1.39',
    ),
    Ask(
        name='allocations of nobody',
        service=PLACEMENT,
        path=f'/allocations/{GONE}',
        version='1.39',
    ),
    Ask(name='gnocchi', service=GNOCCHI, path='/v1'),
    Ask(name='status', service=GNOCCHI, path='/v1/status?details=false'),
    Ask(name='capabilities', service=GNOCCHI, path='/v1/capabilities'),
    Ask(
        name='a resource that is gone',
        service=GNOCCHI,
        path=f'/v1/resource/instance/{GONE}',
    ),
    Ask(
        name='resources of no type',
        service=GNOCCHI,
        path='/v1/resource/nothing',
    ),
    Ask(
        name='a metric that is gone',
        service=GNOCCHI,
        path=f'/v1/metric/{GONE}',
    ),
    Ask(
        name='measures of one that is gone',
        service=GNOCCHI,
        path=f'/v1/metric/{GONE}/measures',
    ),
    Ask(
        name='a search',
        service=GNOCCHI,
        method='POST',
        path='/v1/search/resource/instance',
        body={'=': {'id': GONE}},
    ),
    Ask(
        name='a search for what is no member',
        service=GNOCCHI,
        method='POST',
        path='/v1/search/resource/instance',
        body={'=': {'nothing': 'x'}},
    ),
    Ask(
        name='aggregates of one that is gone',
        service=GNOCCHI,
        method='POST',
        path='/v1/aggregates',
        body={'operations': ['metric', [GONE, 'mean']]},
    ),
    *(
        Ask(name=name, service=GNOCCHI, path=f'/v1/{path}')
        for name, path in (
            ('archive policies', 'archive_policy'),
            ('an archive policy', 'archive_policy/{policy}'),
            ('an archive policy that is gone', 'archive_policy/nothing'),
            ('a metric', 'metric/{metric}'),
            ('a page of metrics', 'metric?limit=1'),
            ('measures', MEASURES),
            ('measures as rates', f'{MEASURES}?aggregation=rate:mean'),
            ('measures of no aggregation', f'{MEASURES}?aggregation=std'),
            ('measures of no granularity', f'{MEASURES}?granularity=7'),
            ('a page of resources', 'resource/instance?limit=1'),
            ('resources in a bad order', 'resource/instance?sort=x:y'),
        )
    ),
    *(
        Ask(
            name=name,
            service=GNOCCHI,
            method='POST',
            path=f'/v1/aggregates{query}',
            body={'operations': ['metric', ['{metric}', how]]},
        )
        for name, how, query in (
            ('aggregates', 'mean', ''),
            ('aggregates of no aggregation', 'std', ''),
            ('aggregates of no granularity', 'mean', '?granularity=7'),
        )
    ),
    Ask(
        name='services of the catalogue', service=KEYSTONE, path='/v3/services'
    ),
    Ask(name='projects', service=KEYSTONE, path='/v3/projects'),
)
