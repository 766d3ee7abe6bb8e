"""The text of the calibration's file: what outcomes taught and showed.

Two things are learned: how far off forecasts were
(forecast/learned/conformal.py), and what migrations showed of their VMs
(model/trace.py), from which the working sets of VMs follow that nobody
measures (forecast/learned/experience.py).
"""

import dataclasses
import json
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.forecast.learned.conformal import Calibration
from watcher_tsmig.model.trace import Trace

FORMAT_VERSION = '2.0'
# Before it the file was a calibration and nothing else.
BEFORE = '1.0'
# Migrations that are kept of one VM, and rounds of all: the newest ones.
MOST_OF_A_VM, MOST_ROUNDS = 8, 60_000
DIGITS = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """All that was learned; the calibration is changed in place.

    :ivar traces: by time, the oldest first
    """

    calibration: Calibration = dataclasses.field(default_factory=Calibration)
    traces: tuple[Trace, ...] = ()

    def with_trace(self, trace: Trace) -> 'Lessons':
        """With one more, and without those that it displaces."""
        every = sorted((*self.traces, trace), key=lambda t: t.at)
        kept: list[Trace] = []
        of: dict[str, int] = {}
        rounds = 0
        for one in reversed(every):
            many = of[one.vm] = of.get(one.vm, 0) + 1
            rounds += 1 + len(one.rounds)
            if many <= MOST_OF_A_VM and rounds <= MOST_ROUNDS:
                kept.append(one)
        return dataclasses.replace(self, traces=tuple(reversed(kept)))

    def timed(
        self,
        vm: str,
        took: float,
        rate: float | None,
        *,
        switched: bool = False,
    ) -> 'Lessons':
        """With the time that the VM's last migration took, if it is known.

        :param took: s in which its memory was sent
        :param rate: bytes/s that were in force; None: nobody enforced any
        """
        own = [i for i, t in enumerate(self.traces) if t.vm == vm]
        if not own or self.traces[own[-1]].took is not None:
            return self
        changed = list(self.traces)
        changed[own[-1]] = dataclasses.replace(
            changed[own[-1]], took=took, rate=rate, switched=switched
        )
        return dataclasses.replace(self, traces=tuple(changed))

    def dumps(self) -> str:
        """As text: equal lessons give equal texts."""
        document = {
            'format_version': FORMAT_VERSION,
            'calibration': json.loads(self.calibration.dumps()),
            'traces': [_written(trace) for trace in self.traces],
        }
        return json.dumps(document, allow_nan=False, indent=1) + '\n'

    @classmethod
    def loads(cls, text: str | None) -> 'Lessons':
        """Read from a text; None: nothing was learned yet.

        :raises errors.InputError: it cannot be used; says where
        """
        if text is None:
            return cls()
        found = _document(text)
        if found.get('format_version') == BEFORE:
            return cls(calibration=Calibration.loads(text))
        if set(found) != {'format_version', 'calibration', 'traces'}:
            raise errors.InputError(
                'must be an object with exactly the members format_version, '
                'calibration, traces'
            )
        if found['format_version'] != FORMAT_VERSION:
            raise errors.InputError(
                f'this release reads {FORMAT_VERSION}; remove the file, and '
                'learning starts again',
                'format_version',
            )
        traces = found['traces']
        if not isinstance(traces, list) or len(traces) > MOST_ROUNDS:
            raise errors.InputError(
                f'must be a list of at most {MOST_ROUNDS}', 'traces'
            )
        return cls(
            calibration=Calibration.loads(json.dumps(found['calibration'])),
            traces=tuple(
                _read(trace, f'traces[{i}]') for i, trace in enumerate(traces)
            ),
        )


def _written(trace: Trace) -> dict[str, object]:
    out = dataclasses.asdict(trace)
    out['rounds'] = [
        [round(seconds, DIGITS), round(dirtied)]
        for seconds, dirtied in trace.rounds
    ]
    if not trace.switched:
        del out['switched']
    return {k: v for k, v in out.items() if v is not None}


def _read(found: object, place: str) -> Trace:
    if not isinstance(found, dict):
        raise errors.InputError('must be an object', place)
    try:
        rounds = tuple(tuple(pair) for pair in found.get('rounds') or ())
        return Trace(**{**found, 'rounds': rounds})
    except errors.InputError as error:
        raise error.under(place) from None
    except TypeError as error:
        raise errors.InputError(f'is no trace: {error}', place) from None


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise errors.InputError(
            f'what was learned is not JSON: {str(error)[:80]}'
        ) from None
    if not isinstance(found, dict):
        raise errors.InputError('what was learned is not an object')
    return found
