"""The intervals of a plan, from what the cloud's own outcomes taught.

The plan's points stay what the model says, so that the checker and the
calibration itself see one and the same figure; what was learned of their
bias and their scatter is in the interval.
"""

import dataclasses

from watcher_tsmig.forecast.conformal import Calibration
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan


def keys(mode: Mode, vm: str) -> tuple[str, str]:
    """Under which a total time is learned: from the mode to this VM."""
    return str(mode), f'{mode}/{vm}'


def calibrated(plan: Plan, known: Calibration) -> Plan:
    """The plan with calibrated intervals; they hold the point in any case."""
    return dataclasses.replace(
        plan,
        migrations=tuple(_calibrated(m, known) for m in plan.migrations),
    )


def _calibrated(migration: Migration, known: Calibration) -> Migration:
    names = keys(migration.mode, migration.vm)
    found = known.forecast(migration.takes, names, names[:1])
    return dataclasses.replace(
        migration,
        takes_low=min(found.low, migration.takes),
        takes_high=max(found.high, migration.takes),
    )


def cold(plan: Plan, known: Calibration) -> bool:
    """Whether any interval of the plan rests on too few outcomes."""
    return any(
        known.forecast(m.takes, (str(m.mode),), (str(m.mode),)).cold
        for m in plan.migrations
    )
