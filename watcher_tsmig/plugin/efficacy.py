"""How good an action plan of the goal is, in numbers an operator reads.

The table of indicators and its translation from a `Plan` live here. The
names, units and types are a contract of the goal: changing one makes
Watcher cancel every audit of the goal at the next start.
"""

import dataclasses
from typing import Any

from watcher.decision_engine.goal.efficacy import base
from watcher.decision_engine.goal.efficacy import indicators
from watcher.decision_engine.solution import efficacy as solution

from watcher_tsmig import units
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plugin import story
from watcher_tsmig.report import journeys


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One indicator; Watcher's columns hold 63, 255 and 63 characters."""

    name: str
    description: str
    unit: str
    kind: str  # of JSON: 'integer' admits no fraction


TABLE = (
    Row('migrations', 'Live migrations in the plan.', 'VMs', 'integer'),
    Row(
        'post_copies',
        'Migrations that switch to post-copy, in which a failing network '
        'or host loses the VM.',
        'VMs',
        'integer',
    ),
    Row(
        'left_out',
        "VMs that stay on the hosts to empty; the audit's status message "
        'and the decision engine log say why.',
        'VMs',
        'integer',
    ),
    Row(
        'makespan_s',
        'Forecast time from the start of the plan to the end of its last '
        'migration.',
        's',
        'number',
    ),
    Row(
        'worst_downtime_ms',
        'Longest forecast interruption of any one VM.',
        'ms',
        'number',
    ),
    Row(
        'data_gib',
        'Forecast data that all migrations send together.',
        'GiB',
        'number',
    ),
    Row(
        'peak_nic_load_pct',
        'Largest forecast contention on a network interface: application '
        'traffic that runs the same way as the migrations.',
        '%',
        'number',
    ),
    Row(
        'lower_bound_s',
        'No plan for the same migrations can end sooner than this.',
        's',
        'number',
    ),
    Row(
        'price_s',
        'What the VMs bear: weighed seconds in which one does not serve, '
        'with what may happen by its chance.',
        's',
        'number',
    ),
    Row(
        'price_pre_copy_s',
        'The same of a plan with pre-copy wherever that is possible.',
        's',
        'number',
    ),
    Row(
        'price_post_copy_s',
        'The same of a plan with post-copy wherever that is possible.',
        's',
        'number',
    ),
)


class Indicator(indicators.IndicatorSpecification):
    """One row of the table as Watcher wants it."""

    def __init__(self, row: Row) -> None:
        super().__init__(
            name=row.name, description=row.description, unit=row.unit
        )
        self._kind = row.kind

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the value."""
        return {'type': self._kind, 'minimum': 0}


class TrafficSensitiveMigration(base.EfficacySpecification):
    """Efficacy of the goal of the same name."""

    def get_indicators_specifications(self) -> list[Indicator]:
        """Every row of the table."""
        return [Indicator(row) for row in TABLE]

    def get_global_efficacy_indicator(
        self, indicators_map: dict[str, Any] | None
    ) -> list[solution.Indicator]:
        """Share of the VMs to move that the plan moves."""
        if not indicators_map:
            return []
        moved = indicators_map['migrations']
        wanted = moved + indicators_map['left_out']
        if not wanted:
            # nothing was to move, or nothing could be planned: no success
            return []
        return [
            solution.Indicator(
                name='moved_pct',
                description='VMs that leave, of all on the hosts to empty.',
                unit='%',
                value=round(100.0 * moved / wanted, 1),
            )
        ]


def descriptions(plan: Plan) -> dict[str, str]:
    """By indicator, this plan's words for it; not of all of them.

    Horizon and the command line show the indicators with the button that
    starts the plan, and nothing of the audit.
    """
    stay = [f'{v.name} ({v.reason}): {v.because}' for v in plan.left_out]
    post = [
        f'{m.name}{"" if m.mode.early else ", after a first pass"}: '
        f'{m.because}'
        for m in plan.migrations
        if m.mode.switches
    ]
    assumed = [
        f'{m.name} ({", ".join(m.assumed)})'
        for m in plan.migrations
        if m.assumed
    ]
    rows = (
        ('left_out', 'Stay: ', stay),
        ('post_copies', 'By post-copy: ', post),
        ('migrations', 'Planned on assumed values: ', assumed),
        (
            'lower_bound_s',
            'No plan for these migrations can end sooner: ',
            [plan.critical] if plan.critical else [],
        ),
    )
    return {
        name: head + story.listed(items, story.LIMIT - len(head) - 1) + '.'
        for name, head, items in rows
        if items
    }


# Of what has no bound; JSON knows no infinity.
MOST = 1e9


def _bounded(price: float) -> float:
    return round(min(float(price), MOST), 2)


def indicators_of(plan: Plan | None) -> dict[str, int | float]:
    """The values for a plan; zeros where nothing could be planned.

    A VM that moves twice, through a third host, counts once.
    """
    if plan is None:
        return {row.name: 0 for row in TABLE}
    return {
        'migrations': journeys.vms(plan),
        'post_copies': journeys.post_copied(plan),
        'left_out': len(plan.left_out),
        'makespan_s': round(float(plan.makespan), 1),
        'worst_downtime_ms': round(plan.worst_downtime * 1000.0, 1),
        'data_gib': round(plan.data / units.GIB, 2),
        'peak_nic_load_pct': round(plan.peak_load * 100.0, 1),
        'lower_bound_s': round(float(plan.lower_bound), 1),
        'price_s': _bounded(plan.prices.plan),
        'price_pre_copy_s': _bounded(plan.prices.pre_copy),
        'price_post_copy_s': _bounded(plan.prices.post_copy),
    }
