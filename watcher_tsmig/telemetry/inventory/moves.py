"""What has moved lately, from Nova's own records of migrations.

Nova remembers every move, whoever asked for it, and whatever was restarted
meanwhile; so nothing of ours has to.
"""

import datetime

from watcher_tsmig.model.history import Moved
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.clients import Compute

FAILED = ('error', 'failed')
#: Somebody wanted the VM to stay, or to go back.
TAKEN_BACK = ('cancelled', 'reverted')


def read_moves(compute: Compute, since: float, now: float) -> list[Moved]:
    """Moves between hosts that something has happened to since.

    :param compute: openstacksdk's compute proxy
    :param since: seconds since the epoch
    :raises errors.CloudError: Nova does not answer
    """
    moment = datetime.datetime.fromtimestamp(since, datetime.UTC)
    text = moment.strftime('%Y-%m-%dT%H:%M:%SZ')
    # Nova before 2.59 does not know the filter and tells everything
    records = ask(
        'migrations', lambda: list(compute.migrations(changes_since=text))
    )
    found = []
    for record in records:
        source = record.source_compute or record.dest_compute
        destination = record.dest_compute or record.source_compute
        failed = record.status in FAILED
        if not source or not record.server_id or record.status in TAKEN_BACK:
            continue
        if source == destination and not failed:
            continue  # a resize that stayed
        at = instant(record.updated_at or record.created_at, now)
        if at >= since:
            found.append(
                Moved(
                    vm=record.server_id,
                    source=source,
                    destination=destination,
                    at=at,
                    failed=failed,
                )
            )
    return found


def instant(text: str | None, unknown: float) -> float:
    """Seconds since the epoch; Nova writes UTC, with or without saying so."""
    try:
        moment = datetime.datetime.fromisoformat(text or '')
    except ValueError:
        return unknown
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(moment.timestamp(), 0.0)
