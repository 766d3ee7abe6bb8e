"""Migrations that somebody had under way when the cloud was read.

Values only. How long one still takes, and what it loads, the planner says.
"""

import dataclasses

from watcher_tsmig import errors
from watcher_tsmig.model import fields

# Statuses of migrations that have not ended: of live ones, and of cold ones
# and resizes, which are over for a host once they are `finished`.
UNDER_WAY = (
    'accepted',
    'queued',
    'pre-migrating',
    'preparing',
    'running',
    'running (post-copy)',
    'migrating',
    'post-migrating',
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One migration that has not ended, whoever asked for it.

    :ivar vm: id; the cloud need not know it
    :ivar source: host that it leaves; None where the cloud has it not
    :ivar destination: host that it goes to; None where the cloud has it not,
        or Nova has not chosen yet
    :ivar left: bytes of memory and disks that it has still to send; None
        where nobody tells
    :ivar rate: bytes/s at which it has sent so far; None where nobody tells
    """

    vm: str
    source: str | None = None
    destination: str | None = None
    left: float | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        fields.text('vm', self.vm)
        if self.source is None and self.destination is None:
            raise errors.InputError('has no host of this cloud', 'source')
        for name in ('source', 'destination'):
            if getattr(self, name) is not None:
                fields.text(name, getattr(self, name))
        if self.left is not None:
            fields.number('left', self.left, low=0)
        if self.rate is not None:
            fields.number('rate', self.rate, low=0, above=True)
