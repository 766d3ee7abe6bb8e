"""`openstack optimize tsmig doctor`: what is wrong with a cloud.

The table of all checks, and their findings as rows; what each check looks at
is in checks.py and beside it.
"""

import argparse
import time
from collections.abc import Iterator

from cliff import columns
from osc_lib import exceptions
from osc_lib.command import command

from watcher_tsmig import errors
from watcher_tsmig.cli import checks
from watcher_tsmig.cli import checks_measured
from watcher_tsmig.cli import checks_watcher
from watcher_tsmig.cli import watching
from watcher_tsmig.cli.findings import Check
from watcher_tsmig.cli.findings import Severity
from watcher_tsmig.telemetry.doctor.examine import Seen
from watcher_tsmig.telemetry.doctor.examine import examine

#: In the order in which they are told.
CHECKS = tuple(
    Check(name=name, look=look)
    for name, look in (
        ('services', checks.services),
        ('rights', checks.rights),
        ('versions', checks.versions),
        ('clocks', checks.clocks),
        ('hosts', checks.hosts),
        ('placement', checks.placement),
        ('nics', checks.nics),
        ('limits', checks.limits),
        ('post-copy', checks.post_copy),
        ('agents', checks.agents),
        ('traffic', checks_measured.traffic),
        ('writing', checks_measured.writing),
        ('metrics', checks_measured.metrics),
        ('policies', checks_measured.policies),
        ('freshness', checks_measured.freshness),
        ('interval', checks_measured.interval),
        ('scale', checks_measured.scale),
        ('watcher', checks_watcher.watcher),
        ('workers', checks_watcher.workers),
        ('notes', checks.notes),
    )
)
HEADINGS = ('Check', 'Severity', 'Finding', 'Remedy')
#: By the worst that was found.
EXIT = {
    Severity.OK: 0,
    Severity.NOT_ASKED: 0,
    Severity.WARNING: 1,
    Severity.ERROR: 2,
}
Row = tuple[str, 'Told', str, str]


class Told(columns.FormattableColumn):
    """A severity: in words, and as its code."""

    def human_readable(self) -> str:
        """``not asked``."""
        return str(self._value.code).replace('-', ' ')

    def machine_readable(self) -> str:
        """``not-asked``."""
        return str(self._value.code)


def findings(seen: Seen) -> Iterator[tuple[Row, Severity]]:
    """A row for each finding of each check, and how bad it is."""
    for check in CHECKS:
        for found in check.look(seen):
            severity = found.severity
            row = check.name, Told(severity), found.told, found.remedy
            yield row, severity


class Doctor(command.Lister):
    """Examine the cloud for what makes plans wrong or impossible

    Exit code: 0 if all is fine or was not asked, 1 if the worst is a
    warning, 2 if it is an error (or the options are wrong). Only reads. It
    needs the role admin; with less, each refusal is told with the policy
    that would allow it.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its only option."""
        parser = super().get_parser(prog_name)
        watching.take_files(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[Row]]:
        """Headings and rows."""
        try:
            known = watching.configured(parsed_args.config_file)
            seen = examine(
                watching.access(self.app.client_manager),
                known.settings,
                now=time.time(),
                origin=known.origin,
                agents=known.agents,
                options=known.options,
            )
        except errors.TsmigError as error:
            raise exceptions.CommandError(str(error)) from None
        found = list(findings(seen))
        self._worst = max(severity for _, severity in found)
        return HEADINGS, [row for row, _ in found]

    def run(self, parsed_args: argparse.Namespace) -> int:
        """The exit code, once the rows are told."""
        super().run(parsed_args)
        return EXIT[self._worst]
