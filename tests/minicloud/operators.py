"""What an operator and a tenant do, by the real APIs, and what they see.

A thin client: requests go out as they are, answers come back as plain
dicts. Every wait has a bound and ends in an error that says what was seen.
"""

import datetime
import json
import os
import pathlib
import socket
import time
import uuid
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import openstack
from gnocchiclient import client as gnocchi_client

from tests.minicloud import stages
from tests.minicloud.bed import Bed
from tests.minicloud.feeder import Feeder

Json = dict[str, Any]
NOVA = '2.96'
# since when there are status messages, and actions that were skipped
TELLING = (1, 5)
GOAL = 'traffic_sensitive_migration'
DRAIN = 'traffic_sensitive_drain'
MIGRATE = 'traffic_sensitive_migrate'
ENDED = ('SUCCEEDED', 'FAILED', 'CANCELLED', 'SUPERSEDED')
LOOK_EVERY = 0.25


class Late(Exception):
    """Something did not happen in time."""


def eventually(what: str, look: Callable[[], Any], within: float = 60) -> Any:
    """The first true answer of `look`.

    :raises Late: there was none; says what was seen last
    """
    until = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > until:
            raise Late(f'{what}: not within {within:g} s')
        time.sleep(LOOK_EVERY)


class Operator(Feeder):
    """An administrator of the mini-cloud that is up."""

    def __init__(self) -> None:
        self.bed = Bed(pathlib.Path(os.environ['TSMIG_MINICLOUD']))
        self.cloud = openstack.connect()
        self.gnocchi = gnocchi_client.Client('1', self.cloud.session)
        data = self.cloud.session.get_endpoint_data(
            service_type='infra-optim', interface='internal'
        )
        self._watcher: tuple[int, int] = data.max_microversion
        self._flavors = {f.name: f.id for f in self.cloud.compute.flavors()}
        self._images = {i.name: i.id for i in self.cloud.image.images()}

    # -- Nova

    def nova(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        version: str = NOVA,
    ) -> tuple[int, Any]:
        """Status and body of one request."""
        answer = self.cloud.compute.request(
            path,
            method,
            json=body,
            microversion=version,
            raise_exc=False,
        )
        return answer.status_code, _body(answer)

    def boot(
        self,
        name: str,
        host: str,
        flavor: str = 'small',
        image: str = 'image',
        **more: Any,
    ) -> str:
        """Ask for a server on a host; its id."""
        hints = more.pop('hints', None)
        server = {
            'name': name,
            'imageRef': self._images[image],
            'flavorRef': self._flavors[flavor],
            'networks': 'none',
            'host': host,
            **more,
        }
        body: Json = {'server': server}
        if hints:
            body['os:scheduler_hints'] = hints
        status, answer = self.nova('POST', '/servers', body)
        assert status == 202, (status, answer)
        return str(answer['server']['id'])

    def server(self, server: str) -> Json | None:
        """As Nova shows it; None where it is not there."""
        status, body = self.nova('GET', f'/servers/{server}')
        return body['server'] if status == 200 else None

    def never_ends(self, *servers: str) -> None:
        """One of them is under way, and writes too fast from now on.

        Not before, or it would not be begun.
        """

        def running() -> str | None:
            records = [m for s in servers for m in self.migrations(s)]
            found = (m for m in records if m['status'] == 'running')
            return next((str(m['instance_uuid']) for m in found), None)

        uuid = eventually('running', running)
        self.hypervisors('shape', uuid=uuid, writes=300e6, hot=900e6)

    def host_of(self, server: str) -> str:
        """Where it is."""
        found = self.server(server)
        assert found, server
        return str(found['OS-EXT-SRV-ATTR:host'])

    def at_rest(self, server: str, status: str = 'ACTIVE') -> Json:
        """The server, once it has that status and no task."""

        def look() -> Json | None:
            found = self.server(server)
            if found and found['status'] == 'ERROR' != status:
                raise AssertionError(found.get('fault'))
            fits = found and (
                found['status'] == status
                and found['OS-EXT-STS:task_state'] is None
            )
            return found if fits else None

        return eventually(f'{server} {status}', look)

    def act(self, server: str, action: str, value: Any = None) -> None:
        """An action that Nova takes."""
        status, body = self.nova(
            'POST', f'/servers/{server}/action', {action: value}
        )
        assert status in (200, 202), (status, body)

    def delete(self, server: str) -> None:
        """Delete it, and wait until it is gone."""
        self.nova('DELETE', f'/servers/{server}')
        eventually(f'{server} gone', lambda: self.server(server) is None)

    def migrations(self, server: str) -> list[Json]:
        """Nova's records, newest first."""
        _, body = self.nova('GET', f'/os-migrations?instance_uuid={server}')
        return list(body['migrations'])

    def lasted(self, server: str) -> float:
        """How long its last migration took by Nova's record, s."""
        record = self.migrations(server)[0]
        began, ended = (
            datetime.datetime.fromisoformat(record[name])
            for name in ('created_at', 'updated_at')
        )
        return (ended - began).total_seconds()

    def services(self) -> dict[str, Json]:
        """The compute services, by host."""
        _, body = self.nova('GET', '/os-services?binary=nova-compute')
        return {found['host']: found for found in body['services']}

    def service(self, host: str) -> Json:
        """The compute service of a host."""
        return self.services()[host]

    def enable(self, *hosts: str) -> None:
        """Undo what a drain did, on these hosts or on all."""
        for host, found in self.services().items():
            if host in (hosts or (host,)) and found['status'] != 'enabled':
                path = f'/os-services/{found["id"]}'
                self.nova('PUT', path, {'status': 'enabled'})

    def aggregate(self, name: str, hosts: list[str], **metadata: str) -> int:
        """Declare something of hosts; the aggregate's id."""
        _, body = self.nova(
            'POST', '/os-aggregates', {'aggregate': {'name': name}}
        )
        number = int(body['aggregate']['id'])
        path = f'/os-aggregates/{number}/action'
        for host in hosts:
            self.nova('POST', path, {'add_host': {'host': host}})
        self.nova('POST', path, {'set_metadata': {'metadata': metadata}})
        return number

    def sweep(self) -> None:
        """Nothing of a test is left: servers, aggregates, disabled hosts."""
        _, body = self.nova('GET', '/servers?all_tenants=1')
        ids = [server['id'] for server in body['servers']]
        self.end_recommended()
        for server in ids:
            self.nova('DELETE', f'/servers/{server}')
        for server in ids:
            eventually(
                f'{server} gone', lambda x=server: self.server(x) is None
            )
        _, body = self.nova('GET', '/os-aggregates')
        for found in body['aggregates']:
            path = f'/os-aggregates/{found["id"]}'
            for host in found['hosts']:
                self.nova(
                    'POST', f'{path}/action', {'remove_host': {'host': host}}
                )
            self.nova('DELETE', path)
        self.enable()

    # -- the hardware

    def hypervisors(self, verb: str, **arguments: Any) -> Json:
        """A verb of the hardware (hypervisors.VERBS)."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.bed.hypervisors))
            request = json.dumps({'verb': verb, **arguments})
            connection.sendall(request.encode() + b'\n')
            with connection.makefile() as answers:
                answer: Json = json.loads(answers.readline())
        assert 'error' not in answer, answer
        return answer

    # -- Gnocchi

    def fed(self) -> None:
        """Gnocchi has worked off all that it was given."""

        def look() -> bool:
            status = self.gnocchi.status.get(details=False)
            return status['storage']['summary']['measures'] == 0

        eventually('measures processed', look)

    # -- Watcher

    def watcher(
        self, method: str, path: str, body: Any = None
    ) -> tuple[int, Any]:
        """Status and body of one request."""
        version = '.'.join(map(str, self._watcher))
        answer = self.cloud.session.request(
            f'{stages.url("watcher-api")}/v1{path}',
            method,
            json=body,
            headers={'OpenStack-API-Version': f'infra-optim {version}'},
            raise_exc=False,
        )
        return answer.status_code, _body(answer)

    def planned(self, plan: Json) -> float:
        """When its last migration is to end, s."""
        given = [move['input_parameters'] for move in self.moves(plan)]
        return max(
            float(g['planned_start_s'] + g['planned_duration_s'])
            for g in given
        )

    def took(self, servers: Sequence[str]) -> float:
        """From the first start to the last end, by Nova's records, s."""
        records = [self.migrations(server)[0] for server in servers]
        began, ended = (
            pick(datetime.datetime.fromisoformat(r[name]) for r in records)
            for name, pick in (('created_at', min), ('updated_at', max))
        )
        return float((ended - began).total_seconds())

    def tells(self, thing: Json, *words: str) -> None:
        """Fail unless a status message has the words; Watcher 14 has none."""
        if self._watcher < TELLING:
            return
        for word in words:
            assert word in (thing['status_message'] or ''), (word, thing)

    @property
    def skipped(self) -> str:
        """The state of an action whose VM is gone; Watcher 14 has no such."""
        return 'SUCCEEDED' if self._watcher < TELLING else 'SKIPPED'

    def audit(self, strategy: str = DRAIN, **parameters: Any) -> Json:
        """A ONESHOT audit, once it has ended."""
        status, body = self.watcher(
            'POST',
            '/audits',
            {
                'name': f'{strategy}-{uuid.uuid4().hex[:8]}',
                'audit_type': 'ONESHOT',
                'goal': GOAL,
                'strategy': strategy,
                'parameters': parameters,
            },
        )
        assert status == 201, (status, body)

        def look() -> Json | None:
            _, audit = self.watcher('GET', f'/audits/{body["uuid"]}')
            return audit if audit['state'] in ENDED else None

        return dict(eventually('audit', look))

    def end_audits(self) -> None:
        """No audit goes on, and their names are free again."""
        _, body = self.watcher('GET', '/audits')
        change = {'op': 'replace', 'path': '/state', 'value': 'CANCELLED'}
        for audit in body['audits']:
            if audit['state'] in ('PENDING', 'ONGOING'):
                self.watcher('PATCH', f'/audits/{audit["uuid"]}', [change])
            self.watcher('DELETE', f'/audits/{audit["uuid"]}')

    def end_plans(self) -> None:
        """Wait for every plan that runs."""
        _, body = self.watcher('GET', '/action_plans')
        for plan in body['action_plans']:
            if plan['state'] in ('PENDING', 'ONGOING'):
                self.ended(plan)

    def end_recommended(self) -> None:
        """Forget every plan that nobody has started."""
        _, body = self.watcher('GET', '/action_plans')
        for plan in body['action_plans']:
            if plan['state'] == 'RECOMMENDED':
                self.watcher('DELETE', f'/action_plans/{plan["uuid"]}')

    def plan_of(self, audit: Json) -> Json:
        """The action plan that an audit made."""
        _, body = self.watcher(
            'GET', f'/action_plans?audit_uuid={audit["uuid"]}'
        )
        (plan,) = body['action_plans']
        return self.plan(plan['uuid'])

    def plan(self, plan: str) -> Json:
        """As Watcher shows it."""
        _, body = self.watcher('GET', f'/action_plans/{plan}')
        return dict(body)

    def actions(self, plan: Json) -> list[Json]:
        """Of a plan, each with its input parameters."""
        _, body = self.watcher(
            'GET', f'/actions/detail?action_plan_uuid={plan["uuid"]}'
        )
        return list(body['actions'])

    def moves(self, plan: Json) -> list[Json]:
        """The actions of a plan that are ours."""
        found = self.actions(plan)
        return [a for a in found if a['action_type'] == MIGRATE]

    def start(self, plan: Json) -> None:
        """Approve it."""
        status, body = self.watcher(
            'POST', f'/action_plans/{plan["uuid"]}/start', {}
        )
        assert status == 200, (status, body)

    def cancel(self, plan: Json) -> None:
        """Think better of it."""
        change = {'op': 'replace', 'path': '/state', 'value': 'CANCELLING'}
        status, body = self.watcher(
            'PATCH', f'/action_plans/{plan["uuid"]}', [change]
        )
        assert status == 200, (status, body)

    def ended(self, plan: Json, within: float = 180) -> Json:
        """The plan, once it has."""

        def look() -> Json | None:
            found = self.plan(plan['uuid'])
            return found if found['state'] in ENDED else None

        return dict(eventually('plan', look, within))

    def succeeds(self, plan: Json) -> None:
        """Wait for the plan; where it failed, its own words are the error."""
        ended = self.ended(plan)
        told = [ended, *self.moves(plan)]
        assert ended['state'] == 'SUCCEEDED', [
            (each['state'], each['status_message']) for each in told
        ]


def _body(answer: Any) -> Any:
    return answer.json() if answer.content else None
