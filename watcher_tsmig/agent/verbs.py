"""The allow-list: every verb, what it may be given, and who does it.

A verb that is not in the table does not exist. Arguments are judged here
before anything is done: kinds, bounds, finite numbers.
"""

import dataclasses
import math
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import jsonschema

from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.units import MIB

# Bounds of what comes from outside; each is far above what makes sense.
MAX_RATE = 1e12  # bytes/s, 8 Tbit/s
LEAST_TTL, MOST_TTL = 5.0, 86400.0
MOST_SECONDS = 60  # QEMU measures writing for 1 to 60 s
MOST_TIMES = 32
MOST_PAGES = 4096
MOST_APART = 10.0
# Bytes: less would starve any guest; a thousand TiB are more than any has
LEAST_KEEP, MOST_SIZE = 16.0 * MIB, 1e15

# \Z, because $ lets a line's end through.
VM = {
    'type': 'string',
    'pattern': r'\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z',
}
RATE = {
    'type': ['number', 'null'],
    'exclusiveMinimum': 0,
    'maximum': MAX_RATE,
}
TTL = {'type': 'number', 'minimum': LEAST_TTL, 'maximum': MOST_TTL}


def _arguments(*required: str, **properties: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        'type': 'object',
        'properties': properties,
        'required': list(required),
        'additionalProperties': False,
    }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One thing that an agent does.

    :ivar what: for people
    :ivar arguments: JSON schema
    :ivar changes: something is different afterwards, so that it is audited
        and never done late or twice
    """

    what: str
    arguments: Mapping[str, Any]
    changes: bool = False


VERBS: dict[str, Verb] = {
    'capabilities': Verb(
        what='Tell what Nova, QEMU and the network of this host can do.',
        arguments=_arguments(),
    ),
    'traffic': Verb(
        what='Tell the bytes that the NIC of migrations has carried so far.',
        arguments=_arguments(),
    ),
    'caps': Verb(
        what='List the domains whose caps are not what they were.',
        arguments=_arguments(),
    ),
    'job': Verb(
        what="Tell a domain's migration and the caps in force.",
        arguments=_arguments('vm', vm=VM),
    ),
    'set_caps': Verb(
        what="Set, change or renew a domain's caps for ttl seconds.",
        arguments=_arguments(
            'vm',
            'pre',
            'post',
            'ttl',
            vm=VM,
            pre=RATE,
            post=RATE,
            ttl=TTL,
            disks={'type': 'boolean'},
            least={'type': 'number', 'minimum': 0, 'maximum': MAX_RATE},
        ),
        changes=True,
    ),
    'clear_caps': Verb(
        what="Go back to a domain's caps as they were before.",
        arguments=_arguments('vm', vm=VM),
        changes=True,
    ),
    'measure_writing': Verb(
        what='Begin to measure what a domain writes in so many seconds.',
        arguments=_arguments(
            'vm',
            'seconds',
            vm=VM,
            seconds={
                'type': 'integer',
                'minimum': 1,
                'maximum': MOST_SECONDS,
            },
            times={'type': 'integer', 'minimum': 1, 'maximum': MOST_TIMES},
            method={'enum': [m.value for m in Method]},
        ),
        changes=True,
    ),
    'writing': Verb(
        what='Tell the last measurement of writing, or the one under way.',
        arguments=_arguments('vm', vm=VM),
    ),
    'give_back': Verb(
        what='Give caches of a guest back, for ttl seconds or a migration.',
        arguments=_arguments(
            'vm',
            'keep',
            'ttl',
            vm=VM,
            keep={
                'type': 'number',
                'minimum': LEAST_KEEP,
                'maximum': MOST_SIZE,
            },
            ttl=TTL,
        ),
        changes=True,
    ),
    'take_again': Verb(
        what='Let a guest have its memory again, here or once it arrives.',
        arguments=_arguments(
            'vm',
            vm=VM,
            size={
                'type': 'number',
                'minimum': LEAST_KEEP,
                'maximum': MOST_SIZE,
            },
            ttl=TTL,
        ),
        changes=True,
    ),
    'sample_contents': Verb(
        what='Count what pages of a domain are made of; none is told.',
        arguments=_arguments(
            'vm',
            'pages',
            vm=VM,
            pages={'type': 'integer', 'minimum': 16, 'maximum': MOST_PAGES},
            apart={
                'type': 'number',
                'minimum': 0,
                'maximum': MOST_APART,
            },
        ),
        changes=True,
    ),
}

REQUEST = {
    'type': 'object',
    'properties': {
        'verb': {'enum': list(VERBS)},
        'arguments': {'type': 'object', 'maxProperties': 8},
        'issued': {'type': 'number', 'minimum': 0, 'maximum': 1e11},
        'by': {'type': 'string', 'maxLength': 255},
    },
    'required': ['verb', 'arguments', 'issued'],
    'additionalProperties': False,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request whose form is right.

    :ivar issued: seconds since the epoch, by the clock of who asks
    :ivar by: who says that he asks, for the audit log
    """

    verb: str
    arguments: Mapping[str, Any]
    issued: float
    by: str = ''


_CHECKED: dict[str, Callable[[object], Any]] = {
    name: jsonschema.Draft202012Validator(verb.arguments).iter_errors
    for name, verb in VERBS.items()
}
_FORM = jsonschema.Draft202012Validator(REQUEST)


def read(request: object) -> Request:
    """A request, judged.

    :raises Refusal: its form is wrong, MALFORMED
    """
    try:
        _judge(_FORM.iter_errors, request)
        assert isinstance(request, dict)
        _judge(_CHECKED[request['verb']], request['arguments'])
        _finite(request['issued'], *request['arguments'].values())
    except (RecursionError, OverflowError) as error:
        raise Refusal(Code.MALFORMED, 'is too deep or too large') from error
    return Request(**request)


def _judge(check: Callable[[object], Any], found: object) -> None:
    for error in check(found):
        place = '.'.join(str(step) for step in error.absolute_path)
        # the message holds what was sent, which may be megabytes
        raise Refusal(
            Code.MALFORMED,
            f'{place or "request"}: does not fit {error.validator} '
            f'{str(error.validator_value)[:80]}',
        )


def _finite(*values: object) -> None:
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            raise Refusal(Code.MALFORMED, 'has a number that is not finite')
