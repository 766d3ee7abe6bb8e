"""The playground's own service: look behind the scenes, cause trouble.

Only what no real cloud offers lives here: simulated time, faults, silent
moves. It needs an admin's token like everything else.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.playground import web
from watcher_tsmig.playground.cloud import having
from watcher_tsmig.playground.cloud import records
from watcher_tsmig.playground.cloud.cloud import Metrics
from watcher_tsmig.playground.cloud.cloud import Mood
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.records import Fault
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.cloud.records import Status
from watcher_tsmig.playground.troubles import Trouble
from watcher_tsmig.playground.troubles import Troubles


class Control(web.App):
    """What happens behind the scenes; see its routes.

    :param services: those that may be taken down, by their type
    """

    prefix = '/control'

    def __init__(
        self,
        sim: SimCloud,
        identify: Callable[[str], web.Who | None],
        services: Mapping[str, web.App],
        troubles: Troubles,
    ) -> None:
        self._sim = sim
        self._troubles = troubles
        self._services = services
        super().__init__(identify)

    def routes(self) -> Sequence[web.Route]:
        return (
            web.Route('GET', '/state', self._state),
            web.Route('POST', '/time', self._time),
            web.Route('POST', '/vms/{server_id}', self._vm),
            web.Route('POST', '/hosts/{name}', self._host),
            web.Route('POST', '/services/{kind}', self._service),
            web.Route('GET', '/troubles', self._told),
            web.Route('POST', '/troubles', self._trouble),
            web.Route('DELETE', '/troubles/{number}', self._end_trouble),
        )

    def error(self, status: int, message: str) -> object:
        return {'error': {'code': status, 'message': message}}

    def _state(self, request: web.Request) -> web.Response:
        with self._sim.at_now() as sim:
            vms = {}
            for server in sim.servers.values():
                record = sim.migrations.in_flight(server)
                vms[server.vm.id] = {
                    'name': server.vm.name,
                    'host': server.host,
                    'runs_on': sim.migrations.world.host_of(server.vm.id),
                    'state': server.vm_state,
                    'task': server.task_state,
                    'locked': server.locked,
                    'metrics': str(sim.metrics[server.vm.id]),
                    'migration': record and str(record.status),
                    'capped': _capped(sim, server),
                }
            body = {
                'time': sim.migrations.now,
                'speed': sim.clock.speed,
                'sending': sim.migrations.sending,
                'vms': vms,
                'migrations': [
                    _row(sim, r) for r in sim.migrations.records.values()
                ],
            }
        return web.Response(200, body)

    def _time(self, request: web.Request) -> web.Response:
        seconds = request.json().get('push')
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise web.HttpError(400, 'push: a number of seconds is needed')
        try:
            self._sim.clock.push(seconds)
        except errors.InputError as e:
            raise web.HttpError(400, str(e)) from e
        with self._sim.at_now() as sim:
            return web.Response(200, {'time': sim.migrations.now})

    def _vm(self, request: web.Request, server_id: str) -> web.Response:
        """Change one VM; every key of the body is one change."""
        changes: dict[str, Callable[[SimCloud, Server, Any], None]] = {
            'fault': _fault,
            'metrics': _metrics,
            'traffic': _traffic,
            'writing': _writing,
            'locked': _locked,
            'active': _active,
            'ports': lambda sim, server, v: having.set_ports(server, v),
            'shares': lambda sim, server, v: having.set_shares(server, v),
            'properties': lambda sim, server, v: having.set_properties(
                server, v
            ),
            'extra_specs': lambda sim, server, v: having.set_extra_specs(
                server, v
            ),
            'repaired': lambda sim, server, _: sim.migrations.repair(server),
            'deleted': lambda sim, server, _: sim.delete(server),
            'host': lambda sim, server, host: sim.teleport(server, str(host)),
        }
        body, later = _later(request.json())
        unknown = set(body) - set(changes)
        if unknown or not body:
            raise web.HttpError(400, f'known keys: {", ".join(changes)}')

        def change() -> None:
            server = self._sim.server(server_id)
            for key, value in body.items():
                try:
                    changes[key](self._sim, server, value)
                except (TypeError, ValueError, KeyError) as e:
                    raise web.HttpError(400, f'{key}: {e!r}') from e

        return self._do(change, later)

    def _host(self, request: web.Request, name: str) -> web.Response:
        """Change one host and its agent; booleans, and the agent's mood."""
        changes: dict[str, Callable[[SimCloud, Any], None]] = {
            'up': lambda sim, up: sim.set_up(name, _yes(up)),
            'enabled': lambda sim, value: setattr(
                sim.services[name], 'enabled', _yes(value)
            ),
            'full': lambda sim, full: sim.fill(name, _yes(full)),
            'agent': lambda sim, mood: _mood(sim, name, mood),
        }
        body, later = _later(request.json())
        if name not in self._sim.services:
            raise web.HttpError(404, f'Host {name} could not be found.')
        if not set(body) <= set(changes):
            raise web.HttpError(400, f'known keys: {", ".join(changes)}')

        def change() -> None:
            for key, value in body.items():
                try:
                    changes[key](self._sim, value)
                except (TypeError, ValueError) as e:
                    raise web.HttpError(400, f'{key}: {e}') from e

        return self._do(change, later)

    def _do(
        self, change: Callable[[], None], later: tuple[str, str, float] | None
    ) -> web.Response:
        with self._sim.at_now() as sim:
            if later is None:
                change()
            else:
                sim.migrations.when(*later, change)
        return web.Response(204)

    def _trouble(self, request: web.Request) -> web.Response:
        """Let requests meet trouble; see `Trouble`. Its number."""
        body, later = _later(request.json())
        try:
            trouble = Trouble.read(body)
        except errors.InputError as e:
            raise web.HttpError(400, str(e)) from e
        number = self._troubles.add(trouble, armed=later is None)
        if later is not None:
            self._do(lambda: self._troubles.arm(number), later)
        return web.Response(200, {'number': number})

    def _told(self, request: web.Request) -> web.Response:
        return web.Response(200, self._troubles.told())

    def _end_trouble(self, request: web.Request, number: str) -> web.Response:
        if not (number.isdigit() and self._troubles.end(int(number))):
            raise web.HttpError(404, 'There is no such trouble.')
        return web.Response(204)

    def _service(self, request: web.Request, kind: str) -> web.Response:
        """Take a whole service down, or up again: ``{"up": false}``."""
        service = self._services.get(kind)
        if service is None:
            raise web.HttpError(404, f'known: {", ".join(self._services)}')
        up = request.json().get('up')
        if not isinstance(up, bool):
            raise web.HttpError(400, 'up: true or false is needed')
        service.down = not up
        return web.Response(204)


def _later(
    body: dict[str, Any],
) -> tuple[dict[str, Any], tuple[str, str, float] | None]:
    """A body, and when it is to happen; None: at once.

    ``{"when": {"vm": id, "status": "running", "after": 2}, ...}``
    """
    body = dict(body)
    when = body.pop('when', None)
    if when is None:
        return body, None
    try:
        status = Status(when['status'])
        return body, (str(when['vm']), status, float(when.get('after', 0.0)))
    except (TypeError, ValueError, KeyError) as e:
        raise web.HttpError(400, f'when: {e!r}') from e


def _yes(value: web.Json) -> bool:
    if not isinstance(value, bool):
        raise TypeError('true or false is needed')
    return value


def _mood(sim: SimCloud, name: str, value: web.Json) -> None:
    """What is wrong with a host's agent; None: nothing."""
    sim.moods.pop(name, None)
    if value is not None:
        sim.moods[name] = Mood(value)


def _capped(sim: SimCloud, server: Server) -> bool:
    speeds = sim.migrations.speeds.get(server.vm.id, Speeds())
    return speeds != Speeds()


def _fault(sim: SimCloud, server: Server, value: web.Json) -> None:
    """``{"kind": "fail", "after": 3}``, or None to take it back."""
    sim.migrations.faults.pop(server.vm.id, None)
    if value is not None:
        after = float(value.get('after', 0.0))
        if not 0 <= after <= 3600:
            raise ValueError('after is not in 0 to 3600')
        sim.migrations.faults[server.vm.id] = (Fault(value['kind']), after)


def _metrics(sim: SimCloud, server: Server, value: web.Json) -> None:
    sim.metrics[server.vm.id] = Metrics(value)


def _traffic(sim: SimCloud, server: Server, value: web.Json) -> None:
    """Measured as so many times what it is, now and in the past."""
    sim.traffic[server.vm.id] = _times(value)


def _writing(sim: SimCloud, server: Server, value: web.Json) -> None:
    """Likewise; what it really writes stays as it is."""
    sim.writing[server.vm.id] = _times(value)


def _times(value: web.Json) -> float:
    times = float(value)
    if not 0 <= times <= 1000:
        raise ValueError('is not in 0 to 1000')
    return times


def _locked(sim: SimCloud, server: Server, value: web.Json) -> None:
    server.locked = bool(value)


def _active(sim: SimCloud, server: Server, value: web.Json) -> None:
    server.vm_state = 'active' if value else 'stopped'


def _row(sim: SimCloud, record: records.Record) -> dict[str, Any]:
    """A record, with the bytes that were really sent once it has ended."""
    done = sim.migrations.world.done.get(record.server.vm.id)
    return {
        'vm': record.server.vm.id,
        'name': record.server.vm.name,
        'source': record.source,
        'destination': record.destination,
        'status': str(record.status),
        'created': record.created,
        'updated': record.updated,
        'memory': record.memory,
        'sent': done.data if done is not None and record.arrived else None,
    }
