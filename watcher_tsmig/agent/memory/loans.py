"""One domain's memory while it is not what it was: value and form.

What is done with it is the lender's (`balloon`), how it is kept the journal's.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from watcher_tsmig.agent.journal import Form

# One loan takes 250 bytes.
_SIZE = {'type': 'number', 'minimum': 0, 'maximum': 1e15}
_LOAN = {
    'type': 'object',
    'properties': {
        'before': _SIZE,
        'period': {'type': ['integer', 'null'], 'minimum': 0},
        'until': {'type': 'number'},
        'issued': {'type': 'number'},
        'restoring': {'type': 'boolean'},
        'awaited': {'type': 'boolean'},
        'done': {'type': 'boolean'},
    },
    'required': [
        'before',
        'period',
        'until',
        'issued',
        'restoring',
        'awaited',
        'done',
    ],
    'additionalProperties': False,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """One domain's memory while it is not what it was; sizes are bytes.

    :ivar before: size that it has to have again
    :ivar period: s between two statistics as they were before; None: not
        ours to put back
    :ivar until: when it ends if nobody renews it, s since the epoch
    :ivar issued: when the last request about it was made
    :ivar restoring: the size is being put back
    :ivar awaited: the domain is to arrive on this host, smaller than it was
    :ivar done: it is put back; what is left is when the last request was
        made, so that an older one is not obeyed
    """

    before: float
    until: float
    issued: float
    period: int | None = None
    restoring: bool = False
    awaited: bool = False
    done: bool = False

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> 'Loan':
        """From the file's form."""
        return cls(**found)


FORM = Form(
    name='loans',
    what='memory that was given back',
    entry=_LOAN,
    read=Loan.read,
)
