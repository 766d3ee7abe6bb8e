"""What the cloud's own outcomes teach: the file between action and strategy.

The action writes how long a migration was planned to take and how long it
took; the strategy reads that back as intervals. A calibration that cannot
be read or written is a warning in the log: it never stops a migration or a
plan.
"""

import pathlib

from oslo_log import log

from watcher_tsmig import errors
from watcher_tsmig.execute import Outcome
from watcher_tsmig.execute import calibration as file
from watcher_tsmig.forecast.conformal import Calibration
from watcher_tsmig.plan import calibrate
from watcher_tsmig.plan.values import Plan

LOG = log.getLogger(__name__)


def learn(path: str, planned: float, outcome: Outcome) -> None:
    """Take one outcome into the calibration's file.

    :param path: of the file; empty for none
    :param planned: what was forecast, s
    """
    # what it stood in a queue says nothing of the next one
    took = (outcome.took or 0.0) - outcome.queued
    # nor does what was not done as planned
    if not path or took <= 0 or planned <= 0 or outcome.adapted:
        return
    keys = calibrate.keys(outcome.mode, outcome.vm)

    def change(text: str | None) -> str:
        known = Calibration() if text is None else Calibration.loads(text)
        known.learn(planned, took, keys, keys[:1])
        return known.dumps()

    try:
        file.update(pathlib.Path(path), change)
    except errors.InputError as error:
        LOG.warning('Nothing learned from %s: %s', outcome.vm, error)


def apply(path: str, plan: Plan) -> tuple[Plan, tuple[str, ...]]:
    """The plan with the intervals that were learned, and notes about it.

    :param path: of the file; empty for none
    """
    if not path or not plan.migrations:
        return plan, ()
    try:
        text = file.read(pathlib.Path(path))
        known = Calibration() if text is None else Calibration.loads(text)
    except errors.InputError as error:
        LOG.warning('The calibration is not used: %s', error)
        return plan, ('the calibration cannot be read, see the log',)
    notes: tuple[str, ...] = ()
    if calibrate.cold(plan, known):
        notes = (f'durations not calibrated yet ({known.outcomes} outcomes)',)
    return calibrate.calibrated(plan, known), notes
