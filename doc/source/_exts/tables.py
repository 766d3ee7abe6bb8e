"""The directive `table-of`: tables that are drawn from the code's own.

What the code decides by a table, the documentation shows from that table,
so that they cannot differ. Texts come from the code and are not repeated.
"""

import json
import math
import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from oslo_config import cfg

from watcher_tsmig import reasons
from watcher_tsmig import units
from watcher_tsmig.agent import verbs as agent_verbs
from watcher_tsmig.cli import doctor
from watcher_tsmig.cli import forecast as cli_forecast
from watcher_tsmig.execute.governor import govern
from watcher_tsmig.plan import policies
from watcher_tsmig.plan import values
from watcher_tsmig.plan.problem import ladder
from watcher_tsmig.plan.relief import candidates
from watcher_tsmig.plugin import efficacy
from watcher_tsmig.plugin.audits import relief_story
from watcher_tsmig.plugin.options import action_options
from watcher_tsmig.plugin.options import options
from watcher_tsmig.plugin.schema import relief_schema
from watcher_tsmig.plugin.schema import schema
from watcher_tsmig.telemetry.direct import SERVICES
from watcher_tsmig.telemetry.doctor import probes
from watcher_tsmig.telemetry.needs import devices

Row = tuple[str, ...]
ROOT = pathlib.Path(__file__).parents[3]


def parameters(properties: dict[str, Any]) -> Iterable[Row]:
    yield ('Parameter', 'Type', 'Default', 'Meaning')
    for name, rule in properties.items():
        yield (
            f'``{name}``',
            rule['type'],
            f'``{str(rule["default"]).lower()}``'
            if rule['default'] != ''
            else 'empty',
            plain(rule['description']),
        )


def reason_codes() -> Iterable[Row]:
    yield ('Code', 'What it means')
    for code in reasons.Reason:
        yield (f'``{code}``', plain(reasons.MEANING[code]))


def refusals() -> Iterable[Row]:
    yield ('What a VM has', 'What that forbids', 'In Nova')
    for bar in devices.BARS:
        yield (
            plain(bar.because),
            'any live migration' if bar.live else 'post-copy',
            'any'
            if bar.until is None
            else f'below microversion {bar.until[0]}.{bar.until[1]}',
        )


def service_classes() -> Iterable[Row]:
    yield ('Class', 'Longest outage by post-copy', 'Weight of its outages')
    for row in values.CLASSES:
        longest = 'any'
        if math.isfinite(row.max_outage):
            longest = units.human_time(row.max_outage)
        yield (f'``{row.name}``', longest, f'{row.weight:g}')


def why_not() -> Iterable[Row]:
    yield ('Code', 'What it means')
    for reason, text in relief_story.WHY.items():
        yield (f'``{reason}``', plain(text))


def indicators() -> Iterable[Row]:
    yield ('Indicator', 'Unit', 'Meaning')
    for row in efficacy.TABLE:
        yield (f'``{row.name}``', plain(row.unit), plain(row.description))


def policy() -> Iterable[Row]:
    yield (
        'Policy',
        'What comes first',
        'Share of what is left',
        'Least share of a NIC',
        'From a host',
        'To a host',
        'In all',
        'What a second of the plan is worth',
    )
    for name, row in policies.POLICIES.items():
        yield (
            f'``{name}``',
            schema.FIRST[name],
            f'{row.nic_share:.0%}',
            f'{row.nic_floor:.0%}',
            str(row.max_per_source),
            str(row.max_per_destination),
            str(row.max_in_cluster),
            f'{row.urgency:g} s of one VM',
        )


def option_rows(opts: Iterable[cfg.Opt]) -> Iterable[Row]:
    yield ('Option', 'Default', 'Meaning')
    for opt in opts:
        default = opt.default
        if isinstance(default, list):
            default = ','.join(map(str, default))
        yield (f'``{opt.name}``', f'``{default}``', plain(opt.help or ''))


def ladder_rungs() -> Iterable[Row]:
    yield ('Stage', 'What it is')
    for stage in ladder.Stage:
        yield (f'``{stage}``', plain(ladder.MEANING[stage]))


def governor() -> Iterable[Row]:
    yield ('Code', 'When', 'What')
    for rule in govern.RULES:
        yield (f'``{rule.code}``', plain(rule.when), rule.kind.value)


def weights() -> Iterable[Row]:
    yield ('Name', 'Per second', 'Per second of downtime', 'Per byte')
    for name, row in candidates.WEIGHTS.items():
        yield (
            f'``{name}``',
            f'{row.total:g}',
            f'{row.downtime:g}',
            f'{row.data:g}',
        )


def forecast_options() -> Iterable[Row]:
    yield ('Option', 'Meaning')
    for name, metavar, action, text in cli_forecast.OPTIONS:
        many = ' ...' if action == 'append' else ''
        yield (f'``{name} {metavar}``{many}', plain(text))


def verbs() -> Iterable[Row]:
    yield ('Verb', 'What it does', 'Arguments')
    for name, verb in agent_verbs.VERBS.items():
        arguments = ', '.join(f'``{n}``' for n in verb.arguments['properties'])
        yield (f'``{name}``', plain(verb.what), arguments or 'none')


def doctor_checks() -> Iterable[Row]:
    yield ('Check', 'What it looks at')
    for check in doctor.CHECKS:
        yield (f'``{check.name}``', plain(check.look.__doc__ or ''))


def doctor_rights() -> Iterable[Row]:
    yield ('Of whom', 'What is asked for', 'Policy', 'Without it')
    for probe in probes.PROBES:
        yield (
            SERVICES[probe.service],
            plain(probe.gives),
            plain(probe.policy),
            'no plan' if probe.vital else 'worse plans',
        )


def overhead() -> Iterable[Row]:
    """What benchmarks.overhead printed of hosts."""
    path = ROOT / 'benchmarks/recorded/overhead.json'
    yield ('Guests', 'Of a core, in all', "By the agent's own count")
    for row in json.loads(path.read_text('utf-8'))['host']:
        yield (
            f'{row["guests"]} of {row["guest_gib"]:.0f} GiB',
            f'{row["cores"]:.1%}',
            f'{row["own_count"]:.1%}',
        )


TABLES: dict[str, Callable[[], Iterable[Row]]] = {
    'parameters': lambda: parameters(schema.PROPERTIES),
    'relief-parameters': lambda: parameters(relief_schema.PROPERTIES),
    'relief-reasons': why_not,
    'indicators': indicators,
    'policies': policy,
    'reasons': reason_codes,
    'refusals': refusals,
    'classes': service_classes,
    'ladder': ladder_rungs,
    'governor': governor,
    'overhead': overhead,
    'verbs': verbs,
    'weights': weights,
    'forecast-options': forecast_options,
    'doctor-checks': doctor_checks,
    'doctor-rights': doctor_rights,
    'strategy-options': lambda: option_rows(options.STRATEGY),
    'relief-options': lambda: option_rows(options.LOADS),
    'action-options': lambda: option_rows(action_options.ACTION),
    'verify-options': lambda: option_rows(action_options.VERIFY),
}


def plain(text: str) -> str:
    """One line in which nothing is markup."""
    line = ' '.join(text.split())
    return ''.join(f'\\{c}' if c in '\\*_`|' else c for c in line)


class TableOf(Directive):
    """``.. table-of:: parameters``"""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in TABLES:
            raise self.error(f'{name} is none of {", ".join(TABLES)}')
        lines = ['.. list-table::', '   :header-rows: 1', '']
        for row in TABLES[name]():
            for i, cell in enumerate(row):
                lines.append(
                    f'   {"-" if i else "* -"} {cell}'.replace(
                        '   - ', '     - ', 1
                    )
                )
        parent = nodes.Element()
        self.state.nested_parse(StringList([*lines, ''], name), 0, parent)
        return parent.children


def setup(app: object) -> dict[str, bool]:
    app.add_directive('table-of', TableOf)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
