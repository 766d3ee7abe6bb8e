"""How long earlier live migrations took, from Nova's own records.

Nova tells no more of one that has ended than from when to when its record
was, which also holds the time in which it stood in its source's queue, and
not whether it was post-copied. Of those that may have been nothing is taken.
"""

import dataclasses
import itertools
from collections.abc import Iterable
from collections.abc import Mapping

from watcher_tsmig import errors
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.model.trace import CLOCK
from watcher_tsmig.model.trace import Trace
from watcher_tsmig.telemetry.asking import MALFORMED
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import Migration
from watcher_tsmig.telemetry.inventory.moves import instant

# So many records are looked at, the newest first: one page of Nova's.
RECORDS = 1000
LIVE, COMPLETED = 'live-migration', 'completed'
# s that each takes beside its memory: Nova's part and the set-up.
BESIDE = Rules().overhead
# Nova's own limit of what leaves a host at once, where nobody declared one.
MAX_OUTGOING = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """One record; s since the epoch."""

    vm: str
    source: str
    destination: str
    began: float
    ended: float
    completed: bool


def read_past(
    compute: Compute,
    hosts: Iterable[Host],
    vms: Iterable[Vm],
    now: float,
    notes: list[str],
) -> tuple[Trace, ...]:
    """Live migrations of these VMs that tell how long their memory took.

    Where Nova does not tell, none, and a note says so.

    :param compute: openstacksdk's compute proxy
    :param now: s since the epoch
    """
    try:
        records = ask(
            'migrations',
            lambda: list(
                itertools.islice(
                    compute.migrations(migration_type=LIVE), RECORDS
                )
            ),
        )
        spans = [span for r in records if (span := _span(r, now))]
    except (errors.CloudError, *MALFORMED) as error:
        notes.append(f'earlier migrations are unknown ({brief(error)})')
        return ()
    by_name = {host.name: host for host in hosts}
    by_id = {vm.id: vm for vm in vms}
    return tuple(
        _trace(span, by_id[span.vm], by_name)
        for span in spans
        if span.completed and span.vm in by_id
        # its disks go first, and nobody tells how long they took
        if not by_id[span.vm].going_along
        # a post-copy's time says nothing of writing, however much there was
        if not _may_post_copy(by_name.get(span.source))
        if not _stood(span, spans, by_name)
    )


def _span(record: Migration, now: float) -> _Span | None:
    began = instant(record.created_at, now)
    ended = instant(record.updated_at, now)
    if record.migration_type not in (LIVE, None) or ended <= began:
        return None
    if not (record.server_id and record.source_compute):
        return None
    return _Span(
        vm=record.server_id,
        source=record.source_compute,
        destination=record.dest_compute or '',
        began=began,
        ended=ended,
        completed=record.status == COMPLETED,
    )


def _may_post_copy(source: Host | None) -> bool:
    return source is not None and source.post_copy is True


def _stood(span: _Span, spans: list[_Span], hosts: Mapping[str, Host]) -> bool:
    """Whether its source had as many under way as it lets go at once."""
    host = hosts.get(span.source)
    most = (host and host.max_outgoing) or MAX_OUTGOING
    before = sum(
        other.source == span.source
        and other is not span
        and other.began <= span.began < other.ended
        for other in spans
    )
    return before >= most


def _trace(span: _Span, vm: Vm, hosts: Mapping[str, Host]) -> Trace:
    return Trace(
        vm=vm.id,
        at=span.ended,
        memory=vm.memory,
        took=max(span.ended - span.began - BESIDE, CLOCK),
        rate=_rate(hosts.get(span.source), hosts.get(span.destination)),
    )


def _rate(source: Host | None, destination: Host | None) -> float | None:
    """Bytes/s that it can have had at most; None: nobody told."""
    known = [h.nic.capacity for h in (source, destination) if h and h.nic]
    if source is not None and source.bandwidth is not None:
        known.append(source.bandwidth)
    return min(known, default=None)
