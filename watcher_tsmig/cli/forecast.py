"""`openstack optimize tsmig forecast`: what migrations would take.

Offline: from a snapshot file or from numbers on the command line. Only
options and their meaning live here; the rows are table.py's.
"""

import argparse
import dataclasses
import math
import pathlib
from collections.abc import Iterable

from osc_lib import exceptions
from osc_lib.command import command

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.cli import numbers
from watcher_tsmig.cli import table
from watcher_tsmig.execute import calibration
from watcher_tsmig.forecast.learned.conformal import Calibration
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model import snapshot
from watcher_tsmig.model.rules import NOVA
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.relief import candidates

#: Usual NICs and caps, Mbit/s.
BANDWIDTHS = ('250', '500', '1000', '2500', '10000')
#: The name of a VM that is known by its numbers only.
NAMELESS = '-'
PLAIN = 'qemu'
#: By whose rules a migration ends.
RULES = {PLAIN: Rules(), 'nova': NOVA}
NEVER_BOTH = ('memory', 'resident', 'dirty', 'post_copy')


def _picked(cloud: Cloud, wanted: Iterable[str]) -> list[Vm]:
    """The VMs of these names or ids, each once, or all of them.

    :raises errors.InputError: nobody has that name, or several have it
    """
    picked: dict[str, Vm] = {}
    for text in wanted:
        found = [vm for vm in cloud.vms if vm.id == text] or [
            vm for vm in cloud.vms if vm.name == text
        ]
        if not found:
            raise errors.InputError(
                f'{text!r} is neither the name nor the id of a VM in the '
                'snapshot',
                '--vm',
            )
        if len(found) > 1:
            raise errors.InputError(
                f'{text!r} names {len(found)} VMs; give the id, for example '
                f'{found[0].id}',
                '--vm',
            )
        picked[found[0].id] = found[0]
    return list(picked.values()) if wanted else list(cloud.vms)


def _from_snapshot(args: argparse.Namespace) -> list[table.Subject]:
    for name in NEVER_BOTH:
        if getattr(args, name):
            raise errors.InputError(
                'is for a VM without a snapshot; leave it or --snapshot out',
                '--' + name.replace('_', '-'),
            )
    cloud = snapshot.load(args.snapshot)
    hosts = {host.name: host for host in cloud.hosts}
    theirs = args.rules is None and args.downtime_limit is None
    return [
        table.Subject(
            name=vm.name,
            memory=vm.memory,
            working_set=vm.working_set,
            post_copy=vm.post_copy and bool(hosts[vm.host].post_copy),
            nova=hosts[vm.host].nova if theirs else None,
            speeds=hosts[vm.host].speeds,
            contents=vm.contents,
        )
        for vm in _picked(cloud, args.vm)
    ]


def _from_numbers(args: argparse.Namespace) -> list[table.Subject]:
    if args.vm:
        raise errors.InputError('needs --snapshot', '--vm')
    if args.memory is None:
        raise errors.InputError(
            'of which VM? Give --snapshot FILE, or --memory MIB and what it '
            'writes as --dirty SECONDS:MIB',
            'forecast',
        )
    memory = units.from_mib(numbers.positive(args.memory, '--memory'))
    resident = memory
    if args.resident is not None:
        resident = units.from_mib(
            numbers.positive(args.resident, '--resident')
        )
    if resident > memory:
        raise errors.InputError('is more than --memory', '--resident')
    samples = numbers.samples(args.dirty, '--dirty')
    for seconds, dirtied in samples:
        if dirtied > memory:
            raise errors.InputError(
                f'{units.human_size(dirtied)} dirtied within {seconds:g} s '
                f'is more than --memory has, {units.human_size(memory)}',
                '--dirty',
            )
    try:
        working_set = WorkingSet(
            resident=resident,
            samples=samples,
            source='command line',
        )
    except errors.InputError as error:
        if error.place.startswith('samples'):
            raise errors.InputError(error.message, '--dirty') from None
        raise
    return [
        table.Subject(
            name=NAMELESS,
            memory=memory,
            working_set=working_set,
            post_copy=args.post_copy,
        )
    ]


def _rules(args: argparse.Namespace) -> Rules:
    name = args.rules or PLAIN
    if name not in RULES:
        raise errors.InputError(
            f'{name!r} is none of {", ".join(RULES)}', '--rules'
        )
    rules = RULES[name]
    if args.downtime_limit is None:
        return rules
    limit = numbers.positive(args.downtime_limit, '--downtime-limit')
    return dataclasses.replace(rules, downtime_limit=limit / 1000)


def _learned(path: pathlib.Path) -> Calibration:
    text = calibration.read(path)
    if text is None:
        raise errors.InputError(f'no file {str(path)!r}', '--calibration')
    return Calibration.loads(text)


def question(args: argparse.Namespace) -> table.Question:
    """What the options ask.

    :raises errors.InputError: an option is wrong, or the snapshot
    """
    subjects = _from_snapshot(args) if args.snapshot else _from_numbers(args)
    deadline = math.inf
    if args.deadline is not None:
        deadline = numbers.positive(args.deadline, '--deadline')
    link = None
    if args.link is not None:
        link = units.from_mbit_s(numbers.positive(args.link, '--link'))
    learned = Calibration()
    if args.calibration is not None:
        learned = _learned(pathlib.Path(args.calibration))
    rates = numbers.bandwidths(args.bandwidth or BANDWIDTHS, '--bandwidth')
    return table.Question(
        subjects=tuple(subjects),
        bandwidths=tuple(rates),
        rules=_rules(args),
        weights=numbers.weights(
            args.weights or candidates.DEFAULT, '--weights'
        ),
        deadline=deadline,
        link=link,
        calibration=learned,
    )


# argparse itself answers a wrong value with usage and exit code 2, so
# numbers come as text and are read by `numbers`.
#: Option, its metavar, how it adds up, and its help.
OPTIONS: tuple[tuple[str, str, str, str], ...] = (
    (
        '--snapshot',
        'FILE',
        'store',
        'Snapshot file; forecasts all its VMs but for --vm',
    ),
    (
        '--vm',
        'NAME|ID',
        'append',
        'VM in the snapshot (repeat for several)',
    ),
    ('--memory', 'MIB', 'store', 'Memory of a VM without a snapshot, MiB'),
    (
        '--resident',
        'MIB',
        'store',
        'Its memory that is resident and not zero, MiB; default: all of it',
    ),
    (
        '--dirty',
        'SECONDS:MIB',
        'append',
        'Distinct MiB that it writes within so many seconds (repeat; '
        'without, its pre-copy is unknown)',
    ),
    (
        '--bandwidth',
        'MBIT_S',
        'append',
        'Bandwidth of the migration on the wire, Mbit/s, or a range '
        'LOW:HIGH:STEP (repeat); default: ' + ', '.join(BANDWIDTHS),
    ),
    (
        '--link',
        'MBIT_S',
        'store',
        'Bandwidth of the link at switchover, Mbit/s, where QEMU lifts the '
        'cap; default: that of the migration',
    ),
    (
        '--downtime-limit',
        'MS',
        'store',
        'Pre-copy stops the VM once the rest takes no longer, ms; default: '
        "that of the VM's host in the snapshot, else 500, as "
        'live_migration_downtime of Nova',
    ),
    (
        '--rules',
        'NAME',
        'store',
        'qemu: the downtime limit holds from the start; nova: as stock Nova '
        'has it, the limit rises in steps and a timeout ends what takes too '
        "long. Default: the settings of the VM's host in the snapshot, "
        'qemu where it has none',
    ),
    (
        '--deadline',
        'SECONDS',
        'store',
        'The transfer should take no longer, s; raises the LCB',
    ),
    (
        '--calibration',
        'FILE',
        'store',
        'What outcomes taught about forecasts; default: nothing, a cold '
        'start with wide intervals',
    ),
    (
        '--weights',
        'NAME|SECOND:DOWNTIME:BYTE',
        'store',
        'What the cost counts: time and downtime (balanced, the default), '
        'time (fast), downtime (smooth), bytes, too (frugal); or three '
        'weights: per second, per second of downtime, per byte',
    ),
)


class Forecast(command.Lister):
    """Forecast live migrations at several bandwidths, without a cloud"""

    auth_required = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The options of OPTIONS, and those that take no text."""
        parser = super().get_parser(prog_name)
        for name, metavar, action, text in OPTIONS:
            parser.add_argument(
                name,
                metavar=f'<{metavar.lower()}>',
                action=action,
                default=[] if action == 'append' else None,
                help=text,
            )
        parser.add_argument(
            '--post-copy',
            action='store_true',
            help='A VM without a snapshot may be post-copied',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[table.Row]]:
        """Headings and rows; wrong input is one line and exit code 1."""
        try:
            asked = question(parsed_args)
        except errors.InputError as error:
            raise exceptions.CommandError(str(error)) from None
        return table.HEADINGS, list(table.table(asked))
