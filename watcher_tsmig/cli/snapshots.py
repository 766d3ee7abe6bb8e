"""`openstack optimize tsmig snapshot`: a cloud as a file.

Taken from a live cloud, shown, checked, and given other names. Only the
commands live here; the file is model/snapshot.py's.
"""

import argparse
import functools
import pathlib
import secrets
import time
from collections.abc import Callable
from typing import Any
from typing import ParamSpec
from typing import TypeVar

from cliff import columns as cliff_columns
from osc_lib import exceptions
from osc_lib.command import command

from watcher_tsmig import errors
from watcher_tsmig.cli import columns
from watcher_tsmig.cli import watching
from watcher_tsmig.cli.summary import summary
from watcher_tsmig.model import alias
from watcher_tsmig.model import snapshot
from watcher_tsmig.plugin import learning
from watcher_tsmig.plugin.audits import patterns
from watcher_tsmig.telemetry.direct import SERVICES
from watcher_tsmig.telemetry.direct import read_directly

P = ParamSpec('P')
R = TypeVar('R')
Shown = tuple[tuple[str, ...], tuple[object, ...]]

#: Where nobody names a file: when it was taken, UTC.
NAME = 'tsmig-%Y%m%dT%H%M%SZ.json'
MOST_KEY = 4096


def told(action: Callable[P, R]) -> Callable[P, R]:
    """What we raise on purpose becomes one line and exit code 1."""

    @functools.wraps(action)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return action(*args, **kwargs)
        except errors.TsmigError as error:
            raise exceptions.CommandError(str(error)) from None

    return wrapped


class Lines(cliff_columns.FormattableColumn):
    """Sentences, or a number of each thing."""

    def human_readable(self) -> str:
        """A line each."""
        rows = self._value
        if isinstance(rows, dict):
            rows = [f'{name}: {count}' for name, count in rows.items()]
        return '\n'.join(rows) or columns.UNKNOWN

    def machine_readable(self) -> Any:  # noqa: ANN401 - JSON
        """A list, or an object."""
        return self._value


def _shown(rows: tuple[tuple[str, object], ...]) -> Shown:
    names, values = zip(*rows, strict=True)
    return names, values


class Create(command.ShowOne):
    """Write the cloud as it is now to a snapshot file

    Reads what an audit reads, without Watcher. Only the owner may read the
    file, since it names VMs of all projects. It needs the role admin.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'file',
            metavar='<file>',
            nargs='?',
            help='File to write, replaced if it is there; default: '
            'tsmig-TIME.json',
        )
        watching.take_files(parser)
        return parser

    @told
    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """What was written."""
        known = watching.configured(parsed_args.config_file)
        access = watching.access(self.app.client_manager)
        now, began = time.time(), time.monotonic()
        read = read_directly(
            access,
            known.settings,
            now=now,
            origin=known.origin,
            agents=known.agents,
        )
        reading = patterns.learned(
            patterns.applied(read.reading, now),
            learning.traces(known.calibration),
            known.prior,
        )
        path = parsed_args.file or time.strftime(NAME, time.gmtime(now))
        snapshot.dump(reading.cloud, path)
        asked = access.tally.requests(access.endpoints)
        by_name = {SERVICES.get(k, k): count for k, count in asked.items()}
        return _shown(
            (
                ('File', str(path)),
                *summary(reading.cloud),
                ('Requests', Lines(by_name)),
                ('Time', columns.Span(time.monotonic() - began)),
                ('Notes', Lines(list(reading.notes))),
            )
        )


class Show(command.ShowOne):
    """Show what is in a snapshot file"""

    auth_required = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its option."""
        parser = super().get_parser(prog_name)
        parser.add_argument('file', metavar='<file>', help='Snapshot file')
        return parser

    @told
    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Its numbers."""
        return _shown(summary(snapshot.load(parsed_args.file)))


class Validate(command.Command):
    """Check a snapshot file; the exit code is 1 if it cannot be used"""

    auth_required = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its option."""
        parser = super().get_parser(prog_name)
        parser.add_argument('file', metavar='<file>', help='Snapshot file')
        return parser

    @told
    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """One line."""
        cloud = snapshot.load(parsed_args.file)
        self.app.stdout.write(
            f'{parsed_args.file}: {len(cloud.hosts)} hosts, '
            f'{len(cloud.vms)} VMs\n'
        )


class Anonymise(command.ShowOne):
    """Write a snapshot file with all names and ids replaced

    Hosts, VMs, zones, groups, links and classes of service get other names,
    the same everywhere; sizes, traffic, times and who belongs together stay.
    """

    auth_required = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options."""
        parser = super().get_parser(prog_name)
        parser.add_argument('file', metavar='<file>', help='Snapshot file')
        parser.add_argument('out', metavar='<out>', help='File to write')
        parser.add_argument(
            '--key-file',
            metavar='<file>',
            help='File with a secret of '
            f'{alias.LEAST_KEY} bytes or more: under the same one the same '
            'names are replaced by the same. Default: a new secret, which '
            'nobody keeps',
        )
        return parser

    @told
    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """What was written."""
        cloud = snapshot.load(parsed_args.file)
        key = secrets.token_bytes(32)
        if parsed_args.key_file:
            key = _key(pathlib.Path(parsed_args.key_file))
        found = alias.anonymised(cloud, key)
        snapshot.dump(found, parsed_args.out)
        return _shown((('File', parsed_args.out), *summary(found)))


def _key(path: pathlib.Path) -> bytes:
    """A secret from a file.

    :raises errors.InputError: there is none
    """
    try:
        with path.open('rb') as file:
            key = file.read(MOST_KEY).strip()
    except OSError as error:
        raise errors.InputError(
            f'{str(path)!r} cannot be read: {error.strerror}', '--key-file'
        ) from None
    if len(key) < alias.LEAST_KEY:
        raise errors.InputError(
            f'{str(path)!r} has {len(key)} bytes, fewer than '
            f'{alias.LEAST_KEY}; make one with `openssl rand -hex 32`',
            '--key-file',
        )
    return key
