"""A JSON file as a source: traffic and writing that somebody else measured.

For clouds whose measures lie in something that nobody here reads: whoever
reads it writes the file, whole, as often as he likes. Only its form lives
here; how old is too old is decided where all sources are judged.
"""

import json
import os
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import jsonschema

from watcher_tsmig import errors
from watcher_tsmig.model.history import Point
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Device
from watcher_tsmig.telemetry.sources import Interface
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import Refusal

# Bytes of a file; a VM takes some 300
MOST = 64 * 2**20
RATE = {'type': 'number', 'minimum': 0}
SCHEMA = {
    'type': 'object',
    'required': ['vms'],
    'properties': {
        'vms': {
            'type': 'object',
            'additionalProperties': {
                'type': 'object',
                'required': ['at'],
                'properties': {
                    'at': {**RATE, 'description': 's since the epoch'},
                    'tx': {**RATE, 'description': 'bytes/s sent'},
                    'rx': {**RATE, 'description': 'bytes/s received'},
                    'cpu': {**RATE, 'description': 'CPUs busy'},
                    'gauges': {
                        'type': 'object',
                        'additionalProperties': RATE,
                        'description': "by Ceilometer's name of each",
                    },
                },
                'dependentRequired': {'tx': ['rx'], 'rx': ['tx']},
                'additionalProperties': False,
            },
        }
    },
    'additionalProperties': False,
}


def at_path(reach: Reach, settings: Settings) -> 'FileSource':
    """The file at a path.

    :raises errors.InputError: nobody said where it is
    """
    if not reach.place:
        raise errors.InputError('is not set', 'metrics_place')
    return FileSource(reach.place, settings)


class FileSource:
    """What one file has of VMs; it is read once.

    Rates are taken to hold for the granularity before they were measured.
    """

    name = 'file'

    def __init__(self, path: str, settings: Settings) -> None:
        self.questions = 0
        self.refusals: list[Refusal] = []
        self._path = pathlib.Path(path)
        self._settings = settings
        self._vms: Mapping[str, Mapping[str, Any]] = {}

    def probe(self) -> None:
        """Read the file.

        :raises errors.CloudError: it cannot be read or is no such file
        """
        self.questions += 1
        try:
            with self._path.open(encoding='utf-8') as file:
                if os.fstat(file.fileno()).st_size > MOST:
                    raise ValueError(f'has more than {MOST} bytes')
                told = json.load(file)
            jsonschema.validate(told, SCHEMA)
        except jsonschema.ValidationError as error:
            place = '.'.join(map(str, error.absolute_path)) or 'the file'
            raise errors.CloudError(
                f'{self._path}: {place}: {error.message[:80]}'
            ) from error
        except (OSError, ValueError, RecursionError) as error:
            text = getattr(error, 'strerror', None) or str(error)
            raise errors.CloudError(f'{self._path}: {text[:80]}') from error
        self._vms = told['vms']

    def traffic(
        self, vms: Sequence[str], now: float
    ) -> Mapping[str, Sequence[Interface]]:
        """One interface for each VM whose traffic is told."""
        return {
            vm: [
                Interface(
                    tx=(self._point(told, 'tx'),),
                    rx=(self._point(told, 'rx'),),
                )
            ]
            for vm, told in self._of(vms, now)
            if 'tx' in told
        }

    def cpu(
        self, vms: Sequence[str], now: float
    ) -> Mapping[str, Sequence[Point]]:
        """CPUs that were busy for each VM of which that is told."""
        return {
            vm: [self._point(told, 'cpu')]
            for vm, told in self._of(vms, now)
            if 'cpu' in told
        }

    def gauges(
        self, vms: Sequence[str], names: Sequence[str], now: float
    ) -> Mapping[str, Mapping[str, Sequence[Point]]]:
        """The gauges of each VM that are told."""
        return {
            vm: {
                name: [(told['at'], 0.0, value)]
                for name, value in told.get('gauges', {}).items()
                if name in names
            }
            for vm, told in self._of(vms, now)
        }

    def devices(
        self, hosts: Sequence[str], now: float
    ) -> Mapping[str, Mapping[str, Device]] | None:
        """Nothing is known of hosts here."""
        return None

    def _of(
        self, vms: Sequence[str], now: float
    ) -> list[tuple[str, Mapping[str, Any]]]:
        # What comes out of the future has a clock that nobody can trust
        latest = now + self._settings.granularity
        return [
            (vm, told)
            for vm in vms
            if (told := self._vms.get(vm)) and told['at'] <= latest
        ]

    def _point(self, told: Mapping[str, Any], what: str) -> Point:
        span = self._settings.granularity
        return told['at'] - span, span, float(told[what])
