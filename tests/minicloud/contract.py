"""What clients may rely on, asked of any cloud in the same words.

Each item is one request, or one story of a migration, and what came back:
the status, and the shape of the body (names of members and kinds of
values). Nothing here knows which cloud is asked; two clouds that answer the
same agree in every item.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

Json = Any
# Members whose own members are the cloud's, not the API's.
OPEN = {
    'addresses',
    'allocations',
    'cpu_info',
    'extra_specs',
    'image',
    'metadata',
    'statistics',
}
# Of two clouds one may have something that the other has none of.
ANY = 'null'
PATIENCE = 90.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request; `path` and `body` may name what `Facts` knows."""

    name: str
    service: str
    path: str
    method: str = 'GET'
    body: Json = None
    version: str = ''


def shape(value: Json, name: str = '') -> Json:
    """Names and kinds of a decoded answer, without its values."""
    if name in OPEN:
        return 'open'
    if isinstance(value, dict):
        return {key: shape(each, key) for key, each in value.items()}
    if isinstance(value, list):
        merged: Json = ANY
        for each in value:
            merged = _merged(merged, shape(each))
        return [merged]
    kinds = {str: 'text', bool: 'flag', int: 'number', float: 'number'}
    return kinds.get(type(value), ANY)


def _merged(one: Json, other: Json) -> Json:
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            key: _merged(one.get(key, ANY), other.get(key, ANY))
            for key in (*one, *(k for k in other if k not in one))
        }
    return other if one == ANY else one


def differences(one: Json, other: Json, where: str = '') -> list[str]:
    """Where two shapes do not agree."""
    if ANY in (one, other) or one == other:
        return []
    if isinstance(one, dict) and isinstance(other, dict):
        found = [f'{where}.{k} only here' for k in one if k not in other]
        found += [f'{where}.{k} only there' for k in other if k not in one]
        for key in one:
            if key in other:
                found += differences(one[key], other[key], f'{where}.{key}')
        return found
    if isinstance(one, list) and isinstance(other, list):
        return differences(one[0], other[0], f'{where}[]')
    return [f'{where}: {one!r:.60} here, {other!r:.60} there']


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


def _nova(name: str, path: str, version: str = NEWER, **more: Json) -> Ask:
    return Ask(name=name, service=NOVA, path=path, version=version, **more)


def _live(host: Json, version: str = '2.34') -> dict[str, Json]:
    return {
        'method': 'POST',
        'body': {'os-migrateLive': {'host': host, 'block_migration': 'auto'}},
        'version': version,
    }


ASKS = (
    _nova('a server', SERVER),
    _nova('a server at 2.1', SERVER, '2.1'),
    _nova('a server at 2.53', SERVER, '2.53'),
    _nova('a server at 2.100', SERVER, '2.100'),
    _nova('a server that is gone', f'/servers/{GONE}'),
    _nova('servers in brief', '/servers?all_tenants=1'),
    _nova('servers in detail', '/servers/detail?all_tenants=1'),
    _nova('a page of servers', '/servers?limit=1'),
    _nova('servers with a bad limit', '/servers?limit=x'),
    _nova('servers from a marker that is gone', f'/servers?marker={GONE}'),
    _nova('migrations of a server at rest', SERVER + '/migrations'),
    _nova('a migration that has ended', RECORD),
    _nova(
        'force one that has ended',
        RECORD + '/action',
        method='POST',
        body=FORCE,
    ),
    _nova('abort one that has ended', RECORD, method='DELETE'),
    _nova(
        'force one that is not there',
        SERVER + '/migrations/999999/action',
        method='POST',
        body=FORCE,
    ),
    _nova(
        'abort one that is not there',
        SERVER + '/migrations/999999',
        method='DELETE',
    ),
    _nova(
        'force of a server that is gone',
        f'/servers/{GONE}/migrations/1/action',
        method='POST',
        body=FORCE,
    ),
    _nova(
        'an action that is none',
        RECORD + '/action',
        method='POST',
        body={'hurry': None},
    ),
    _nova('os-migrations', '/os-migrations'),
    _nova('os-migrations at 2.23', '/os-migrations', '2.23'),
    _nova(
        'os-migrations of a server', '/os-migrations?instance_uuid={server}'
    ),
    _nova('a page of os-migrations', '/os-migrations?limit=1'),
    _nova(
        'os-migrations from a marker that is gone',
        f'/os-migrations?marker={GONE}',
    ),
    _nova('hypervisors', '/os-hypervisors'),
    _nova('hypervisors in detail', '/os-hypervisors/detail'),
    _nova(
        'hypervisors with servers',
        '/os-hypervisors/detail?with_servers=true',
        '2.53',
    ),
    _nova('a hypervisor', '/os-hypervisors/{provider}'),
    _nova('a hypervisor that is gone', f'/os-hypervisors/{GONE}'),
    _nova('services', '/os-services?binary=nova-compute'),
    _nova(
        'services of a host', '/os-services?binary=nova-compute&host={host}'
    ),
    _nova('services at 2.1', '/os-services?binary=nova-compute', '2.1'),
    _nova('aggregates', '/os-aggregates'),
    _nova('an aggregate that is gone', '/os-aggregates/999999'),
    _nova('server groups', '/os-server-groups'),
    _nova('flavors', '/flavors'),
    _nova('flavors in detail', '/flavors/detail'),
    _nova('a flavor that is gone', f'/flavors/{GONE}'),
    _nova('a microversion too new', SERVER, '2.999'),
    _nova(
        'a live migration without its words',
        SERVER + '/action',
        '2.34',
        method='POST',
        body={'os-migrateLive': {}},
    ),
    _nova(
        'a live migration of a server that is gone',
        f'/servers/{GONE}/action',
        **_live(None),
    ),
    _nova(
        'a live migration to a host that is not there',
        SERVER + '/action',
        **_live('nowhere'),
    ),
    _nova(
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
    _nova(
        'an action of a server that is none',
        SERVER + '/action',
        method='POST',
        body={'dance': None},
    ),
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
    Ask(
        name='services of the catalogue', service=KEYSTONE, path='/v3/services'
    ),
    Ask(name='projects', service=KEYSTONE, path='/v3/projects'),
)


class Cloud:
    """A cloud by its APIs; at least two hosts and one ACTIVE server.

    :param session: keystoneauth's, of an administrator
    :param push: lets a cloud whose time stands go on for some s
    """

    def __init__(
        self,
        session: Any,
        push: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._session = session
        self._push = push

    def answers(self) -> dict[str, Json]:
        """By item: status and shape, or what a migration went through."""
        facts = self._facts()
        found = {'a live migration': self._migrate(facts)}
        back = {**facts, 'other': facts['host']}
        found['a live migration back'] = self._migrate(back)
        rows = self.ask(
            _nova('', '/os-migrations?instance_uuid={server}'), facts
        )[1]['migrations']
        facts['migration'] = str(rows[0]['id'])
        for one in ASKS:
            status, body = self.ask(one, facts)
            found[f'{one.name}: status'] = status
            found[f'{one.name}: body'] = shape(body)
        return found

    def ask(self, one: Ask, facts: dict[str, str]) -> tuple[int, Json]:
        """Status and decoded body of one request."""
        kinds = {NOVA: 'compute', PLACEMENT: 'placement'}
        headers = {'Accept': 'application/json'}
        if one.version:
            kind = kinds[one.service]
            headers['OpenStack-API-Version'] = f'{kind} {one.version}'
        path = one.path.format(**facts)
        if one.service == KEYSTONE:
            # some catalogues name the version, others do not
            path = self._session.auth.auth_url.partition('/v3')[0] + path
        answer = self._session.request(
            path,
            one.method,
            json=one.body,
            headers=headers,
            raise_exc=False,
            endpoint_filter={
                'service_type': one.service,
                'interface': 'internal',
            },
        )
        try:
            return answer.status_code, answer.json()
        except ValueError:
            return answer.status_code, None

    def _facts(self) -> dict[str, str]:
        rows = self.ask(_nova('', '/servers/detail?all_tenants=1'), {})[1]
        server = next(s for s in rows['servers'] if s['status'] == 'ACTIVE')
        host = server['OS-EXT-SRV-ATTR:host']
        rows = self.ask(_nova('', '/os-hypervisors/detail'), {})[1]
        there = {h['hypervisor_hostname']: h for h in rows['hypervisors']}
        other = next(
            name
            for name, row in there.items()
            if name != host and row['status'] == 'enabled'
        )
        return {
            'server': server['id'],
            'host': host,
            'other': other,
            'provider': there[host]['id'],
        }

    def _migrate(self, facts: dict[str, str]) -> list[Json]:
        """Statuses of a live migration in order, and what they go with.

        `queued` and `post-migrating` pass too fast to be seen for sure.
        """
        before = self._records(facts)
        asked = _nova('', SERVER + '/action', **_live(facts['other']))
        story: list[Json] = [self.ask(asked, facts)[0]]
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            self._push(0.25)
            fresh = self._records(facts)[: -len(before) or None]
            seen = fresh[0]['status'] if fresh else 'no record'
            if seen not in (*story, 'queued', 'post-migrating', 'no record'):
                story.append(seen)
            if seen == 'accepted' and fresh[0]['dest_compute'] is not None:
                story.append('a destination while accepted')
            if seen in ('completed', 'failed', 'error', 'cancelled'):
                break
            time.sleep(0.05)
        return story

    def _records(self, facts: dict[str, str]) -> list[Json]:
        found = self.ask(
            _nova('', '/os-migrations?instance_uuid={server}'), facts
        )
        return list(found[1]['migrations'])


def table(here: dict[str, Json], there: dict[str, Json]) -> list[list[str]]:
    """Rows (item, here, there, difference); no difference where equal."""
    rows = []
    for name, mine in here.items():
        other = there[name]
        found = differences(mine, other)
        rows.append([name, _brief(mine), _brief(other), '; '.join(found)])
    return rows


def _brief(value: Json) -> str:
    if isinstance(value, dict):
        return ', '.join(value)[:40]
    return str(value)[:40]
