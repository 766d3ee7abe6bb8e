"""What is on its way between hosts now, whoever asked for it, from Nova.

Nova's records say who leaves what for where; of a live migration that runs
they also say how much it has sent and has still to send.
"""

import itertools
from collections.abc import Collection

from watcher_tsmig import errors
from watcher_tsmig.model import Passage
from watcher_tsmig.model.passage import UNDER_WAY
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import Migration
from watcher_tsmig.telemetry.inventory.moves import instant

# The only one in which Nova tells how much is left.
TELLS = 'running'
# So many records are looked at, the newest first, and of so many migrations
# that run it is asked how far they are, a request each.
RECORDS, ASKED = 500, 32


def read_passages(
    compute: Compute,
    hosts: Collection[str],
    at_rest: Collection[str],
    notes: list[str],
) -> tuple[Passage, ...]:
    """Migrations from or to one of these hosts that have not ended.

    Where Nova does not tell, none, and a note says so.

    :param compute: openstacksdk's compute proxy
    :param at_rest: ids of servers without a task; a record of one that is
        not over was left behind, by a nova-compute that died
    """
    try:
        records = ask(
            'migrations',
            lambda: list(itertools.islice(compute.migrations(), RECORDS)),
        )
    except errors.CloudError as error:
        notes.append(f'who is being migrated is unknown ({brief(error)})')
        return ()
    here = frozenset(hosts)
    found: dict[str, Migration] = {}
    for record in records:
        ends = {record.source_compute, record.dest_compute}
        vm = record.server_id
        # with one end it is a resize that stays where it is
        if record.status in UNDER_WAY and vm and ends & here and len(ends) > 1:
            # the newest: Nova moves a VM once at a time
            found.setdefault(vm, record)
    for vm in found.keys() & frozenset(at_rest):
        del found[vm]
    running = [r for r in found.values() if r.status == TELLS][:ASKED]
    told = {r.server_id: _told(compute, r) for r in running}
    passages = tuple(
        Passage(
            vm=vm,
            source=_one_of(record.source_compute, here),
            destination=_one_of(record.dest_compute, here),
            left=told.get(vm, UNTOLD)[0],
            rate=told.get(vm, UNTOLD)[1],
        )
        for vm, record in sorted(found.items())
    )
    _remark(passages, notes)
    return passages


UNTOLD: tuple[float | None, float | None] = None, None


def _one_of(host: str | None, here: frozenset[str]) -> str | None:
    return host if host in here else None


def _told(
    compute: Compute, record: Migration
) -> tuple[float | None, float | None]:
    """Bytes left, and bytes/s since it was asked for; as far as told."""
    try:
        rows = ask(
            'migration',
            lambda: list(compute.server_migrations(record.server_id)),
        )
    except errors.CloudError:
        # it may have ended meanwhile
        return UNTOLD
    row = next((r for r in rows if r.id == record.id), None)
    if row is None:
        return UNTOLD
    sent = _sum(row.memory_processed_bytes, row.disk_processed_bytes)
    took = 0.0
    if row.created_at and row.updated_at:
        took = instant(row.updated_at, 0.0) - instant(row.created_at, 0.0)
    rate = sent / took if sent > 0 and took > 0 else None
    if not row.memory_total_bytes:
        # its disks go first, and what its memory will be Nova knows later
        return None, rate
    left = _sum(row.memory_remaining_bytes, row.disk_remaining_bytes)
    return left, rate


def _sum(*amounts: float | None) -> float:
    return sum(float(amount or 0) for amount in amounts)


def _remark(passages: tuple[Passage, ...], notes: list[str]) -> None:
    if not passages:
        return
    many = len(passages)
    text = f'{many} VM{" is" if many == 1 else "s are"} being migrated already'
    unknown = sum(None in (p.left, p.rate) for p in passages)
    if unknown:
        text += f'; of {unknown} how much is left is assumed'
    notes.append(text)
