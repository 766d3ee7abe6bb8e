"""Facts about the way of a measurement, each measured and judged.

Each returns what it found as text, and raises `Surprise`. They share one
bed, where two guests were measured once and polled several times.
"""

import dataclasses
import functools
import json
import pathlib
import stat
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from gnocchiclient import client
from gnocchiclient.auth import GnocchiBasicPlugin
from keystoneauth1.session import Session

from tests.agent.process import AgentProcess
from tests.lab.domain import Guest
from tests.lab.facts import equal
from tests.lab.facts import expect
from tests.minicloud.configuration import url
from tests.telemetry import past
from tests.telemetry.services import POLLED
from tests.telemetry.services import PROMETHEUS
from watcher_tsmig import errors
from watcher_tsmig.agent import spool
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.metrics.dirty import read_writing
from watcher_tsmig.telemetry.metrics.nics import Known
from watcher_tsmig.telemetry.metrics.nics import with_nics
from watcher_tsmig.telemetry.metrics.traffic import by_vm
from watcher_tsmig.telemetry.metrics.traffic import seen_of
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import open_source
from watcher_tsmig.units import MIB

#: by metric, what one of our units is in what is published
SCALES = {
    **dict.fromkeys(spool.metrics(), 1.0),
    **{name: 1 / MIB for name in spool.metrics() if '.t' in name},
    spool.NONZERO: 1 / MIB,
    **{name: 100.0 for name in spool.metrics() if name.endswith('.zero')},
}
# s for a sample to get through, and for a guest that is gone to be forgotten
THROUGH, FORGOTTEN = 60.0, 60.0
ALMOST = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the facts look at.

    :ivar busy: writes a lot
    :ivar idle: writes next to nothing
    """

    agent: AgentProcess
    busy: Guest
    idle: Guest

    def measured(self, guest: Guest) -> dict[str, spool.Value]:
        """What the agent says that it measured."""
        return spool.read(self.agent.spool).get(uuid(guest), {})


def uuid(guest: Guest) -> str:
    """Of its domain."""
    return guest.domain.UUIDString()


def soon(what: str, met: Callable[[], Any], patience: float) -> Any:
    """Wait until it is so; what it is then."""
    end = time.monotonic() + patience
    while True:
        found = met()
        if found:
            return found
        expect(time.monotonic() < end, f'{what} in {patience:.0f} s', found)
        time.sleep(0.5)


def gnocchi() -> Any:
    """A client of it."""
    auth = GnocchiBasicPlugin('admin', url('gnocchi-api'))
    return client.Client('1', session_options={'auth': auth})


def prometheus(metric: str) -> dict[str, float]:
    """The metric's value now, by the resource that it is of."""
    name = 'ceilometer_' + metric.replace('.', '_')
    query = urllib.parse.urlencode({'query': name})
    address = f'http://127.0.0.1:{PROMETHEUS}/api/v1/query?{query}'
    with urllib.request.urlopen(address, timeout=10) as answer:
        found = json.load(answer)['data']['result']
    return {one['metric']['resource']: float(one['value'][1]) for one in found}


def survey(bench: Bench) -> str:
    """The agent measures both guests by itself, in every span, on a budget."""
    told = {}
    for guest in (bench.busy, bench.idle):
        found = bench.measured(guest)
        wanted = set(spool.metrics())
        if guest is bench.idle:
            # of what is not written there is no mix
            wanted -= {m for m in wanted if m.startswith('memory.written.')}
        equal('its metrics', wanted - set(found), set())
        told[guest.name] = found
    curve = [
        told[bench.busy.name][spool.DIRTY.format(seconds=span)].value
        for span in spool.DIRTY_SPANS
    ]
    expect(curve[3] > 2 * curve[0], 'more written in 8 s than in 1', curve)
    quiet = told[bench.idle.name][spool.DIRTY.format(seconds=8)].value
    expect(quiet < curve[3] / 4, 'an idle guest to write less', quiet)
    mode = stat.S_IMODE(bench.agent.spool.stat().st_mode)
    equal('its mode', oct(mode), '0o640')
    spent = json.loads(bench.agent.spool.read_text())['spent']
    share = spent['cpu'] / spent['seconds']
    expect(0 < share <= spent['budget'], f'at most {spent["budget"]}', share)
    mib = ', '.join(f'{value / MIB:.1f}' for value in curve)
    return f'{mib} MiB in {spool.DIRTY_SPANS} s, {share:.2%} of a core'


def in_gnocchi(bench: Bench) -> str:
    """What plans read of Gnocchi is what was measured."""
    auth = GnocchiBasicPlugin('admin', url('gnocchi-api'))
    return _read_back(bench, 'gnocchi', Reach(session=Session(auth=auth)))


def _read_back(bench: Bench, name: str, reach: Reach) -> str:
    """All of it arrives at a source of measures, and is what was measured."""
    settings = Settings()
    memory = {uuid(g): float(g.memory) for g in (bench.busy, bench.idle)}

    def found() -> Any:
        source = open_source(name, reach, settings)
        read = read_writing(source, memory, settings, time.time())
        spans = [len(writing.observations) for writing in read.values()]
        return read if sum(spans) >= 2 * len(spool.DIRTY_SPANS) else None

    read = soon(f'all spans in {name}', found, THROUGH)
    for guest in (bench.busy, bench.idle):
        measured, writing = bench.measured(guest), read[uuid(guest)]
        dirtied = {o.seconds: o.dirtied for o in writing.observations}
        for span in spool.DIRTY_SPANS:
            value = measured[spool.DIRTY.format(seconds=span)].value
            _same(f't{span} of {guest.name}', dirtied[span], value)
        _same('its size', writing.resident, measured[spool.NONZERO].value)
    return f'{len(spool.DIRTY_SPANS)} spans and what is not zero, of 2 guests'


def once(bench: Bench) -> str:
    """A measurement that was published many times counts once, and then."""
    asks, vm = gnocchi(), uuid(bench.busy)
    time.sleep(3 * POLLED)
    told = []
    for name, value in bench.measured(bench.busy).items():
        found = asks.metric.get_measures(
            name, resource_id=vm, aggregation='mean', refresh=True
        )
        _same(name, found[-1][2], value.value * SCALES[name])
        expect(len(found) == 1, f'one measure of {name}', found)
        late = value.at - found[0][0].timestamp()
        expect(0 <= late <= 300, 'the moment of its measurement', late)
        told.append(name)
    return f'one measure of each of {len(told)} metrics'


def in_prometheus(bench: Bench) -> str:
    """What Prometheus scrapes of Ceilometer is what was measured."""
    count = 0
    for guest in (bench.busy, bench.idle):
        for name, value in bench.measured(guest).items():
            shown = soon(
                f'{name} in Prometheus',
                functools.partial(_scraped, name, uuid(guest)),
                THROUGH,
            )
            _same(name, shown[0], value.value * SCALES[name])
            count += 1
    place = f'http://127.0.0.1:{PROMETHEUS}'
    read = _read_back(bench, 'prometheus', Reach(place=place))
    return f'{count} values of 2 guests; as plans read it: {read}'


def _scraped(metric: str, vm: str) -> list[float]:
    return [v for who, v in prometheus(metric).items() if who == vm]


def gone(bench: Bench) -> str:
    """Of a guest that is gone nothing is told any more."""
    vm = uuid(bench.idle)
    bench.idle.destroy(bench.agent.daemon)
    soon('it to leave the spool',
         lambda: vm not in spool.read(bench.agent.spool),
         FORGOTTEN)  # fmt: skip
    soon('it to leave Prometheus',
         lambda: vm not in prometheus('memory.nonzero'),
         FORGOTTEN)  # fmt: skip
    left = prometheus('memory.nonzero')
    equal('who is left', set(left), {uuid(bench.busy)})
    return 'left the spool and Prometheus'


def traffic(_: Bench) -> str:
    """What VMs sent, however often they were polled, on one host or two."""
    return traffic_at(f'http://127.0.0.1:{PROMETHEUS}')


def traffic_at(place: str) -> str:
    """Judge what is read of `past` from the Prometheus there."""
    settings, now = Settings(), time.time()
    source = open_source('prometheus', Reach(place=place), settings)
    told = source.traffic([talker.id for talker in past.TALKERS], now)
    found = by_vm(told, settings, now, source.name)
    worst = 0.0
    for talker in past.TALKERS:
        expect(talker.id in found, f'{talker} to be known', sorted(found))
        for got, sent in (
            (found[talker.id].tx, past.TX),
            (found[talker.id].rx, past.RX),
        ):
            off = abs(got / sent - 1)
            expect(off <= 0.03, f'{talker} within 3 % of {sent}', got)
            worst = max(worst, off)
    return f'{len(found)} VMs, at most {worst:.1%} off'


def hosts(_: Bench) -> str:
    """What a host carries beside its VMs, by its node_exporter."""
    return hosts_at(f'http://127.0.0.1:{PROMETHEUS}')


def hosts_at(place: str) -> str:
    """Judge what is read of `past`'s host from the Prometheus there."""
    settings = Settings(migration_devices=('bond0',))
    now, vms = time.time(), [talker.id for talker in past.TALKING]
    source = open_source('prometheus', Reach(place=place), settings)
    seen = seen_of(source.traffic(vms, now), settings, now)
    known = Known(
        declared={}, devices=source.devices([past.HOST], now), seen=seen
    )
    (host,) = with_nics(
        [Host(name=past.HOST, memory=1e9, vcpus=1.0)],
        [
            Vm(id=vm, name=vm, host=past.HOST, memory=1e6, vcpus=1)
            for vm in vms
        ],
        known,
        settings,
        now,
    )
    nic = host.nic
    expect(nic is not None, 'a NIC', nic)
    equal('its speed', nic.capacity, past.SPEED)
    worst = 0.0
    for got in (nic.background_tx, nic.background_rx):
        off = abs(got / past.BESIDE - 1)
        expect(off <= 0.05, f'within 5 % of {past.BESIDE}', got)
        worst = max(worst, off)
    all_of_it = past.BESIDE + len(vms) * past.TX
    expect(
        all_of_it * 0.97 <= (nic.upper_tx or 0.0) <= all_of_it * 1.2,
        f'an upper value a little above {all_of_it}',
        nic.upper_tx,
    )
    return f'beside {len(vms)} VMs at most {worst:.1%} off'


def restarted(bench: Bench) -> str:
    """An agent that starts again goes on with what it knew."""
    before = bench.measured(bench.busy)
    bench.agent.stop()
    bench.agent.start()
    time.sleep(2 * POLLED)
    equal('what it knows', bench.measured(bench.busy), before)
    return f'{len(before)} values kept'


def broken(bench: Bench) -> str:
    """A spool that cannot be read is no guest's, and mended by the agent."""
    bench.agent.stop()
    bench.agent.spool.write_text('{"format": "1", "vms": {"x')
    soon('nothing in Prometheus',
         lambda: not prometheus('memory.nonzero'),
         THROUGH)  # fmt: skip
    bench.agent.start()
    found = soon('a spool again', lambda: _readable(bench.agent.spool), 30.0)
    return f'{found} guests known anew'


def _readable(path: pathlib.Path) -> int:
    try:
        return len(spool.read(path)) + 1
    except errors.InputError:
        return 0


def _same(what: str, got: float, expected: float) -> None:
    expect(
        abs(got - expected) <= ALMOST * max(abs(expected), 1.0),
        f'{what} to be {expected}',
        got,
    )


FACTS: dict[str, Callable[[Bench], str]] = {
    'survey': survey,
    'gnocchi': in_gnocchi,
    'once': once,
    'prometheus': in_prometheus,
    'traffic': traffic,
    'hosts': hosts,
    'restarted': restarted,
    'gone': gone,
    'broken': broken,
}
