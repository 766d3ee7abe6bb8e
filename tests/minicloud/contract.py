"""What clients may rely on, asked of any cloud in the same words.

Each item is one request, or one story of a migration, and what came back:
the status, and the shape of the body (names of members and kinds of
values). Nothing here knows which cloud is asked; two clouds that answer the
same agree in every item.
"""

import time
from collections.abc import Callable
from typing import Any

from tests.minicloud.asks import ASKS
from tests.minicloud.asks import GNOCCHI
from tests.minicloud.asks import KEYSTONE
from tests.minicloud.asks import NIC
from tests.minicloud.asks import NOVA
from tests.minicloud.asks import PLACEMENT
from tests.minicloud.asks import SENT
from tests.minicloud.asks import SERVER
from tests.minicloud.asks import Ask
from tests.minicloud.asks import act
from tests.minicloud.asks import live
from tests.minicloud.asks import nova

Json = Any
# Members whose own members are the cloud's, not the API's.
OPEN = {
    'addresses',
    'allocations',
    'cpu_info',
    'extra_specs',
    'image',
    'metadata',
    'metrics',
    'statistics',
}
# Of two clouds one may have something that the other has none of.
ANY = 'null'
PATIENCE = 90.0


def shape(value: Json, name: str = '') -> Json:
    """Names and kinds of a decoded answer, without its values."""
    if name in OPEN:
        return 'open'
    if isinstance(value, dict) and name == 'measures':
        # by the id of a metric
        return shape(list(value.values()))
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


class Cloud:
    """A cloud by its APIs; two hosts and one ACTIVE, measured server.

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
        found['a pause'] = self._state(facts, 'pause', 'PAUSED')
        found['a live migration of a paused server'] = self._migrate(facts)
        found['an end of a pause'] = self._state(facts, 'unpause', 'ACTIVE')
        rows = self.ask(
            nova('', '/os-migrations?instance_uuid={server}'), facts
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
            json=_filled(one.body, facts),
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
        rows = self.ask(nova('', '/servers/detail?all_tenants=1'), {})[1]
        _, nics = self.ask(
            Ask(name='', service=GNOCCHI, path=f'/v1/resource/{NIC}'), {}
        )
        metrics = {n['instance_id']: n['metrics'] for n in nics}
        server = next(
            s
            for s in rows['servers']
            if s['status'] == 'ACTIVE' and s['id'] in metrics
        )
        metric = metrics[server['id']][SENT]
        _, told = self.ask(
            Ask(name='', service=GNOCCHI, path=f'/v1/metric/{metric}'), {}
        )
        host = server['OS-EXT-SRV-ATTR:host']
        rows = self.ask(nova('', '/os-hypervisors/detail'), {})[1]
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
            'metric': metric,
            'policy': told['archive_policy']['name'],
        }

    def _state(
        self, facts: dict[str, str], action: str, status: str
    ) -> list[Json]:
        """What an action of a server answers, and the status it ends in."""
        story: list[Json] = [self.ask(act('', action), facts)[0]]
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            self._push(0.25)
            _, body = self.ask(nova('', SERVER), facts)
            if body['server']['status'] == status:
                return [*story, status]
            time.sleep(0.05)
        return story

    def _migrate(self, facts: dict[str, str]) -> list[Json]:
        """Statuses of a live migration in order, and what they go with.

        `queued` and `post-migrating` pass too fast to be seen for sure.
        """
        before = self._records(facts)
        asked = nova('', SERVER + '/action', **live(facts['other']))
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
            nova('', '/os-migrations?instance_uuid={server}'), facts
        )
        return list(found[1]['migrations'])


def _filled(body: Json, facts: dict[str, str]) -> Json:
    """The body with what `{metric}` stands for."""
    if isinstance(body, dict):
        return {key: _filled(each, facts) for key, each in body.items()}
    if isinstance(body, list):
        return [_filled(each, facts) for each in body]
    if isinstance(body, str):
        return body.format(**facts)
    return body


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
