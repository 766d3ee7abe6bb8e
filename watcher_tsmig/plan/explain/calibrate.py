"""The intervals of a plan, from what the cloud's own outcomes taught.

The plan's points stay what the model says, so that the checker and the
calibration itself see one and the same figure; what was learned of their
bias and their scatter is in the interval.
"""

import dataclasses

from watcher_tsmig.forecast.learned.conformal import COLD_ERROR
from watcher_tsmig.forecast.learned.conformal import Calibration
from watcher_tsmig.plan.problem import known
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan

# How far off the first pre-copy of a VM was that was taken to be like others,
# in the one data set that shows it (QEMU/PostgreSQL: another load).
LIKE_ERROR = 3.0


def keys(mode: Mode, vm: str) -> tuple[str, str]:
    """Under which a total time is learned: from the mode to this VM."""
    return str(mode), f'{mode}/{vm}'


def groups(mode: Mode, assumed: tuple[str, ...]) -> tuple[str, ...]:
    """Whose outcomes tell how far off such a forecast can be.

    Where a VM's writing was seen, those of its mode. Where it was not, only
    of others of which as little was known: they scatter more.
    """
    for name in (known.WRITING, known.AS_ITS_LIKE):
        if name in assumed:
            return (f'{mode}, {name}',)
    return (str(mode),)


def calibrated(plan: Plan, learned: Calibration) -> Plan:
    """The plan with calibrated intervals; they hold the point in any case."""
    return dataclasses.replace(
        plan,
        migrations=tuple(_calibrated(m, learned) for m in plan.migrations),
    )


def _calibrated(migration: Migration, learned: Calibration) -> Migration:
    like = known.AS_ITS_LIKE in migration.assumed
    found = learned.forecast(
        migration.takes,
        keys(migration.mode, migration.vm),
        groups(migration.mode, migration.assumed),
        cold_error=LIKE_ERROR if like else COLD_ERROR,
    )
    return dataclasses.replace(
        migration,
        takes_low=min(found.low, migration.takes),
        takes_high=max(found.high, migration.takes),
    )


def cold(plan: Plan, learned: Calibration) -> bool:
    """Whether any interval of the plan rests on too few outcomes."""
    return any(
        learned.forecast(
            m.takes, (str(m.mode),), groups(m.mode, m.assumed)
        ).cold
        for m in plan.migrations
    )
