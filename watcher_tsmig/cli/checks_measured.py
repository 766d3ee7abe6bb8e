"""What is wrong with what is measured: checks of Gnocchi's metrics.

As checks.py, and arithmetic on counters as they are stored. Some VMs stand
for all: metering.py says how many.
"""

import statistics
from collections.abc import Iterator
from collections.abc import Sequence

from watcher_tsmig import units
from watcher_tsmig.cli.findings import Finding
from watcher_tsmig.cli.findings import error
from watcher_tsmig.cli.findings import not_asked
from watcher_tsmig.cli.findings import ok
from watcher_tsmig.cli.findings import some
from watcher_tsmig.cli.findings import warning
from watcher_tsmig.telemetry.direct import GNOCCHI
from watcher_tsmig.telemetry.doctor.examine import Seen
from watcher_tsmig.telemetry.metrics import counters
from watcher_tsmig.telemetry.metrics.metering import Metering
from watcher_tsmig.telemetry.metrics.metering import Series
from watcher_tsmig.telemetry.sources import NOBODY
from watcher_tsmig.telemetry.sources.gnocchi import COUNT
from watcher_tsmig.telemetry.sources.gnocchi import CUMULATIVE
from watcher_tsmig.telemetry.sources.gnocchi import PER_SAMPLE

NOT_READ = 'no metrics of Gnocchi were read'
POLLING = 'see that ceilometer-polling runs on the hosts and polls '
# A counter may run ahead of its NIC by so much: two granules are never
# sampled exactly one granularity apart.
SPARE = 1.25
# s that a measure may be ahead of our clock.
AHEAD = 60.0


def traffic(seen: Seen) -> Iterator[Finding]:
    """What every VM sends and receives is known, whoever measures it."""
    if seen.direct is None:
        yield not_asked('the cloud could not be read')
        return
    if seen.source == NOBODY:
        yield warning(
            'nobody is asked for measures',
            'set metrics_source; every VM is planned on assumed values',
        )
        return
    vms = [v for v in seen.direct.reading.cloud.vms if v.state == 'active']
    unknown = [vm.name for vm in vms if vm.traffic is None]
    if not vms:
        yield not_asked('no VM is active')
    elif unknown:
        yield warning(
            f'the traffic of {len(unknown)} of {len(vms)} VMs is unknown to '
            f'{seen.source}: {some(unknown)}',
            'see what it has of them; they are planned on assumed traffic',
        )
    else:
        yield ok(f'{seen.source} knows the traffic of all {len(vms)} VMs')


def writing(seen: Seen) -> Iterator[Finding]:
    """What every VM writes is known, whoever measures it."""
    if seen.direct is None or seen.source == NOBODY:
        yield not_asked('no measures were read')
        return
    reading = seen.direct.reading
    vms = [vm for vm in reading.cloud.vms if vm.state == 'active']
    unknown = [vm.name for vm in vms if vm.id not in reading.writing]
    if not vms:
        yield not_asked('no VM is active')
    elif unknown:
        yield warning(
            f'what {len(unknown)} of {len(vms)} VMs write is measured by '
            f'nobody: {some(unknown)}',
            'run the agent on their hosts; such VMs are planned on '
            'assume_dirty_rate_mib_s',
        )
    else:
        yield ok(f'what all {len(vms)} VMs write is measured')


def metrics(seen: Seen) -> Iterator[Finding]:
    """Gnocchi has the metrics of traffic of every VM."""
    found = seen.metering
    if found is None or not found.looked_for:
        away = f'measures are read of {seen.source}'
        yield not_asked(NOT_READ if seen.source == GNOCCHI else away)
        return
    if found.why:
        yield error(
            f'metrics cannot be read: {found.why}',
            "see Gnocchi's log; until then every VM is planned on assumed "
            'values',
        )
        return
    settings = seen.settings
    both = (settings.tx_metric, settings.rx_metric)
    lacking = [
        vm.name
        for vm in found.looked_for
        if not all(vm.id in found.having.get(name, ()) for name in both)
    ]
    if lacking:
        yield warning(
            f'{len(lacking)} of {len(found.looked_for)} VMs have no '
            f'{" or ".join(both)}: {some(lacking)}',
            POLLING + 'both; such VMs are planned on assumed traffic',
        )
    else:
        yield ok(f'all {len(found.looked_for)} VMs have {" and ".join(both)}')


def _found(seen: Seen) -> Metering | None:
    """What was read, if all of it was."""
    found = seen.metering
    return found if found and found.looked_for and not found.why else None


def policies(seen: Seen) -> Iterator[Finding]:
    """Archive policies keep what traffic can be read from."""
    found = _found(seen)
    if found is None or not found.series:
        yield not_asked('no counter of traffic was read')
        return
    by_name = {one.policy: one for one in found.series}
    for name, one in sorted(by_name.items()):
        if not one.aggregation:
            yield error(
                f'archive policy {name} has only {", ".join(one.methods)}',
                f'use one with {" or ".join(CUMULATIVE)}, such as '
                'ceilometer-low-rate',
            )
        elif min(one.granularities) > seen.settings.traffic_age / 2:
            finest = units.human_time(min(one.granularities))
            yield error(
                f'archive policy {name} keeps one measure in {finest}',
                'use one as fine as the polling; traffic would be too old '
                'before it is read',
            )
        elif one.aggregation == PER_SAMPLE and COUNT not in one.methods:
            yield error(
                f'archive policy {name} keeps only growth per sample, and '
                'nothing tells how often there is one',
                f'add {" or ".join(CUMULATIVE)} to it',
            )
        else:
            finest = units.human_time(min(one.granularities))
            yield ok(f'archive policy {name}: {one.aggregation}, {finest}')


def freshness(seen: Seen) -> Iterator[Finding]:
    """The last measures are young, and not of the future."""
    found = _found(seen)
    read = [] if found is None else [s for s in found.series if s.aggregation]
    if not read:
        yield not_asked('no counter of traffic was read')
        return
    limit = seen.settings.traffic_age
    # the last granule may not have ended, but it has begun
    began = {s: s.measures[-1][0] - seen.now for s in read if s.measures}
    ages = {s: max(seen.now - sum(s.measures[-1][:2]), 0.0) for s in began}
    future = _names(s for s, ahead in began.items() if ahead > AHEAD)
    if future:
        ahead = units.human_time(max(began.values()))
        yield error(
            f'measures of {some(future)} are up to {ahead} in the future',
            'keep the clocks of hosts and of this machine in time by NTP',
        )
    old = _names(s for s in read if s not in ages or ages[s] > limit)
    if old:
        yield warning(
            f'of {len(old)} of {len(_names(read))} VMs nothing was measured '
            f'for {units.human_time(limit)}: {some(old)}',
            POLLING + 'them, and that gnocchi-metricd keeps up',
        )
    if not future and not old:
        oldest = units.human_time(max(ages.values()))
        yield ok(f'the last measures are {oldest} old at most')


def _names(series: Iterator[Series] | Sequence[Series]) -> list[str]:
    return sorted({one.vm.name for one in series})


def interval(seen: Seen) -> Iterator[Finding]:
    """How often counters are polled, by the data itself."""
    found = _found(seen)
    spans = (
        []
        if found is None
        else [
            span for one in found.series if (span := polled(one)) is not None
        ]
    )
    if not spans:
        yield not_asked('too few measures to tell how often VMs are polled')
        return
    usual = statistics.median(spans)
    told = f'VMs are polled every {units.human_time(usual)}'
    if usual > seen.settings.traffic_age / 2:
        yield warning(
            told,
            'poll network.* and cpu more often in polling.yaml: at '
            f'most every {units.human_time(seen.settings.traffic_age / 2)}',
        )
    elif max(spans) > 2 * usual:
        yield warning(
            f'{told}, some only every {units.human_time(max(spans))}',
            'give all hosts the same polling.yaml, and see which miss polls',
        )
    else:
        yield ok(told)


def polled(one: Series) -> float | None:
    """Seconds between two samples of a counter; None where nobody knows.

    By the samples in each granule where they are counted; else the distance
    of neighbouring granules that have any, which is the finest granularity
    where VMs are polled more often than that.
    """
    # the first and the last may not be full
    full = one.counts[1:-1]
    samples = sum(count for _, _, count in full[:-1])
    if samples >= 1:
        return (full[-1][0] - full[0][0]) / samples
    starts = [start for start, _, _ in one.measures]
    if len(starts) < 3:
        return None
    gaps = [b - a for a, b in zip(starts, starts[1:], strict=False)]
    return statistics.median(gaps)


def scale(seen: Seen) -> Iterator[Finding]:
    """Counters grow as bytes on their host's NIC can."""
    found = _found(seen)
    steps = (
        {}
        if found is None
        else {
            one: rates
            for one in found.series
            if (rates := growth(one, seen.now))
        }
    )
    if found is None or not steps or seen.direct is None:
        yield not_asked('too few measures to tell how fast counters grow')
        return
    nics = {
        host.name: host.nic.tenants or host.nic.capacity
        for host in seen.direct.reading.cloud.hosts
        if host.nic is not None
    }
    fast = _names(
        one
        for one, rates in steps.items()
        if max(rates) > SPARE * nics.get(one.vm.host, float('inf'))
    )
    flat = _names(one for one, rates in steps.items() if not any(rates))
    if fast:
        yield error(
            f'counters of {some(fast)} grow faster than the NIC of their '
            'hosts',
            'see that they are cumulative bytes, not bits or rates, and that '
            'the declared speed of the NIC is true',
        )
    if len(flat) == len(_names(tuple(steps))):
        yield warning(
            'no counter grows: all VMs seem to send and receive nothing',
            'see what ceilometer-polling stores; with OVS ports or SR-IOV '
            'libvirt may not see the traffic',
        )
    elif not fast:
        known = sum(one.vm.host in nics for one in steps)
        most = max(max(rates) for rates in steps.values())
        yield ok(
            f'the fastest of {len(steps)} counters grows by '
            f'{units.human_rate(most)}; of {known} the NIC is known'
        )


def growth(one: Series, now: float) -> list[float]:
    """Bytes/s that a counter grew, from measure to measure.

    :param now: seconds since the epoch
    """
    whole = counters.whole(one.measures, now)
    if one.aggregation == PER_SAMPLE:
        grew = counters.sampled(whole, one.counts) or []
    else:
        grew = counters.growth(whole)
    return [rate for _, _, rate in grew]
