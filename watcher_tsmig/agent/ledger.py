"""One domain's caps while they are not what they were: value and form.

What is done with them is the keeper's, how they are kept the journal's.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from watcher_tsmig.agent.journal import Form
from watcher_tsmig.agent.values import UNLIMITED
from watcher_tsmig.agent.values import Speeds

_SPEED = {'type': 'integer', 'minimum': 0, 'maximum': UNLIMITED}
_SPEEDS = {
    'type': 'object',
    'properties': {'pre': _SPEED, 'post': _SPEED},
    'required': ['pre', 'post'],
    'additionalProperties': False,
}
_ENTRY = {
    'type': 'object',
    'properties': {
        'wanted': _SPEEDS,
        'before': _SPEEDS,
        'in_job': {'type': 'boolean'},
        'until': {'type': 'number'},
        'parts': {'type': 'integer', 'minimum': 1},
        'issued': {'type': 'number'},
        'restoring': {'type': 'boolean'},
        'done': {'type': 'boolean'},
    },
    'required': [
        'wanted',
        'before',
        'in_job',
        'until',
        'parts',
        'issued',
        'restoring',
        'done',
    ],
    'additionalProperties': False,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One domain's caps while they are ours.

    :ivar wanted: that hold now
    :ivar before: that held, and come back
    :ivar in_job: `before` was read while a migration ran, so that it is
        libvirt itself that goes back to what was before that
    :ivar until: when they end if nobody renews them
    :ivar parts: streams that the pre-copy's cap was divided among
    :ivar issued: when the last request about them was
    :ivar restoring: they are being taken back
    :ivar done: they were; what is left is when the last request about them
        was made, so that an older one is not obeyed
    """

    wanted: Speeds
    before: Speeds
    in_job: bool
    until: float
    parts: int
    issued: float
    restoring: bool = False
    done: bool = False

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> 'Entry':
        """From the file's form."""
        values = dict(found)
        for name in ('wanted', 'before'):
            values[name] = Speeds(**values[name])
        return cls(**values)


FORM = Form(name='caps', what='caps', entry=_ENTRY, read=Entry.read)
