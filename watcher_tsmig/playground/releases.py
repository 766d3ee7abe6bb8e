"""What differs between the Watcher releases that the playground starts.

One row a release: the package that its own commands are in, and the services
that they start. Nothing else in the playground asks for a version, and
nothing here may import what a release has to patch first.
"""

import dataclasses
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Sequence
from typing import Any

from watcher_tsmig import errors

# A service is a class and what it is made of, by name.
Service = Sequence[str]

_SERVICE = 'watcher.common.service:Service'
_ENGINE = 'watcher.decision_engine.manager:DecisionEngineManager'
_SCHEDULING = (
    'watcher.decision_engine.scheduling:DecisionEngineSchedulingService'
)
_ENGINE_SERVICE = 'watcher.decision_engine.service:DecisionEngineService'
_APPLIER = 'watcher.applier.manager:ApplierManager'
_APPLIER_SERVICE = 'watcher.applier.service:ApplierService'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release of Watcher.

    :ivar first: the package of its commands, which chooses the kind of
        concurrency that the whole process then lives by
    :ivar services: what its decision engine and its applier start
    """

    first: str
    services: Sequence[Service]

    def begin(self) -> None:
        """Do what its commands do first; before other imports of it."""
        importlib.import_module(self.first)

    def make_services(self) -> list[Any]:
        """Its services, not yet started."""
        made = []
        for names in self.services:
            kind, *rest = [pkgutil.resolve_name(name) for name in names]
            made.append(kind(*rest))
        return made


RELEASES = {
    14: Release(
        first='watcher.cmd',
        services=((_SERVICE, _ENGINE), (_SCHEDULING,), (_SERVICE, _APPLIER)),
    ),
    15: Release(
        first='watcher.cmd.eventlet',
        services=((_ENGINE_SERVICE,), (_SERVICE, _APPLIER)),
    ),
    16: Release(
        first='watcher.cmd.eventlet',
        services=((_ENGINE_SERVICE,), (_APPLIER_SERVICE,)),
    ),
}
RELEASES[17] = RELEASES[16]


def installed() -> Release:
    """The row of the installed Watcher.

    :raises errors.InputError: there is none, or none that is known
    """
    try:
        version = importlib.metadata.version('python-watcher')
    except importlib.metadata.PackageNotFoundError:
        version = 'none'
    number = version.partition('.')[0]
    if not number.isdecimal() or int(number) not in RELEASES:
        known = ', '.join(map(str, RELEASES))
        raise errors.InputError(
            f'is not one that the playground starts: {known}',
            f'python-watcher {version}',
        )
    return RELEASES[int(number)]


def patch() -> None:
    """Let the installed Watcher make the process what it needs.

    Before the imports of anything that waits: up to 16 this replaces the
    threads and the sockets of the whole process, from 17 it does nothing.
    Nor does it without a known Watcher; its start will say so.
    """
    try:
        installed()
    except errors.InputError:
        return
    # The commands do this too, but not before they have imported oslo.log,
    # and so a socketserver that would hold up everything else.
    pkgutil.resolve_name('watcher.eventlet:patch')()
