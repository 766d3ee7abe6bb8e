"""What the cloud's own outcomes teach: the file between action and strategy.

The action writes what a migration showed of its VM, how long it was planned
to take and how long it took; the strategy reads that back as working sets
and as intervals. What cannot be read or written is a warning in the log: it
never stops a migration or a plan.
"""

import pathlib
from collections.abc import Callable

from oslo_log import log

from watcher_tsmig import errors
from watcher_tsmig.execute import Outcome
from watcher_tsmig.execute import calibration as file
from watcher_tsmig.execute.governor.rounds import Rounds
from watcher_tsmig.forecast.learned.conformal import Calibration
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.model.trace import CLOCK
from watcher_tsmig.model.trace import Trace
from watcher_tsmig.plan.explain import calibrate
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plugin.lessons import Lessons

LOG = log.getLogger(__name__)


def learn(
    path: str,
    planned: float,
    outcome: Outcome,
    assumed: tuple[str, ...] = (),
) -> None:
    """Take one outcome into the file.

    :param path: of the file; empty for none
    :param planned: what was forecast, s
    :param assumed: what nobody had measured, as in `Migration.assumed`
    """
    # what it stood in a queue says nothing of the next one
    took = (outcome.took or 0.0) - outcome.queued
    if not path or took <= 0:
        return
    keys = calibrate.keys(outcome.mode, outcome.vm)
    groups = calibrate.groups(outcome.mode, assumed)

    def learned(lessons: Lessons) -> Lessons:
        # what was not done as planned says nothing of the plan
        if planned > 0 and not outcome.adapted:
            lessons.calibration.learn(planned, took, keys, groups)
        if outcome.mode is Mode.HYBRID:
            return lessons
        return lessons.timed(
            outcome.vm,
            max(took - Rules().overhead, CLOCK),
            outcome.cap_rate,
            switched=outcome.mode is Mode.POST_COPY,
        )

    _change(path, outcome.vm, learned)


def remember(
    path: str, vm: str, shown: Rounds, now: float, source: str | None = None
) -> None:
    """Take what a migration showed of its VM into the file, if anything.

    :param path: of the file; empty for none
    :param now: s since the epoch
    :param source: the host that it left
    """
    if not path or not shown.memory:
        return
    try:
        trace = Trace(
            vm=vm,
            at=now,
            memory=shown.memory,
            first_pass=shown.first_pass,
            rounds=shown.kept,
            source=source or None,
        )
    except errors.InputError as error:
        LOG.warning('Nothing learned from %s: %s', vm, error)
        return
    if trace.teaches:
        _change(path, vm, lambda lessons: lessons.with_trace(trace))


def _change(path: str, vm: str, learned: Callable[[Lessons], Lessons]) -> None:
    def change(text: str | None) -> str | None:
        before = Lessons.loads(text).dumps()
        after = learned(Lessons.loads(text)).dumps()
        return after if after != before else None

    try:
        file.update(pathlib.Path(path), change)
    except errors.InputError as error:
        LOG.warning('Nothing learned from %s: %s', vm, error)


def traces(path: str) -> tuple[Trace, ...]:
    """What migrations showed of their VMs so far.

    :param path: of the file; empty for none
    """
    try:
        return _lessons(path).traces
    except errors.InputError as error:
        LOG.warning('What was learned is not used: %s', error)
        return ()


def _lessons(path: str) -> Lessons:
    return Lessons.loads(file.read(pathlib.Path(path)) if path else None)


def apply(path: str, plan: Plan) -> tuple[Plan, tuple[str, ...]]:
    """The plan with the intervals that were learned, and notes about it.

    :param path: of the file; empty for none
    """
    if not path or not plan.migrations:
        return plan, ()
    try:
        known: Calibration = _lessons(path).calibration
    except errors.InputError as error:
        LOG.warning('The calibration is not used: %s', error)
        return plan, ('the calibration cannot be read, see the log',)
    notes: tuple[str, ...] = ()
    if calibrate.cold(plan, known):
        notes = (f'durations not calibrated yet ({known.outcomes} outcomes)',)
    return calibrate.calibrated(plan, known), notes
