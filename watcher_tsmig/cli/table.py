"""The table of forecasts: VMs times bandwidths times modes.

Values in, rows out: no options, no files. One call of the forecast on
arrays for each bandwidth, whatever the number of VMs.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from watcher_tsmig import units
from watcher_tsmig.cli import columns
from watcher_tsmig.forecast.contents import untouched
from watcher_tsmig.forecast.contents import weighed
from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.curves import fit
from watcher_tsmig.forecast.hybrid import Switch
from watcher_tsmig.forecast.hybrid import hybrid
from watcher_tsmig.forecast.learned.conformal import Calibration
from watcher_tsmig.forecast.migrations import CostWeights
from watcher_tsmig.forecast.migrations import Ending
from watcher_tsmig.forecast.migrations import Forecasts
from watcher_tsmig.forecast.migrations import Terms
from watcher_tsmig.forecast.migrations import cost
from watcher_tsmig.forecast.migrations import least_convergent_bandwidth
from watcher_tsmig.forecast.migrations import pre_copy
from watcher_tsmig.forecast.terms import settings
from watcher_tsmig.model import Contents
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.model import Speeds
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

PRE_COPY = 'pre-copy'
#: The same on what its pages hold, where somebody sampled them.
DRY_RUN = 'dry run'
POST_COPY = 'post-copy'
#: The other modes, and when post-copy begins in them.
SWITCHES = {POST_COPY: Switch.AT_ONCE, 'hybrid': Switch.FIRST_PASS}

HEADINGS = (
    'VM',
    'Bandwidth',
    'Mode',
    'Time',
    'Interval',
    'Basis',
    'Pause',
    'Slow phase',
    'Data',
    'Rounds',
    'LCB',
    'Cost',
    'Ending',
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A VM to forecast.

    :ivar memory: bytes
    :ivar working_set: None where nobody measured it
    :ivar post_copy: its owner and its host permit post-copy
    :ivar nova: the settings of its host's; None: the question's rules hold
    :ivar speeds: what migrations that leave its host can do, likewise
    :ivar contents: of its pages; None where nobody sampled them
    """

    name: str
    memory: float
    working_set: WorkingSet | None
    post_copy: bool
    nova: NovaSettings | None = None
    speeds: Speeds | None = None
    contents: Contents | None = None

    @property
    def measured(self) -> bool:
        """Whether anybody knows what it writes."""
        return self.working_set is not None and bool(self.working_set.samples)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to forecast; rates in bytes/s, times in s.

    :ivar link: at switchover, where QEMU lifts the cap; None: the cap
    :ivar calibration: what outcomes taught about total times, by mode
    """

    subjects: tuple[Subject, ...]
    bandwidths: tuple[float, ...]
    rules: Rules
    weights: CostWeights
    deadline: float = math.inf
    link: float | None = None
    calibration: Calibration = dataclasses.field(default_factory=Calibration)


Row = tuple[object, ...]


#: Endings of a pre-copy that has no end, for people.
WHY = {
    Ending.STALLS: 'stalls: writes as fast as it is sent',
    Ending.TOO_MANY_ROUNDS: 'too many rounds',
    Ending.TIMES_OUT: 'Nova ends it as too long',
}


def _code(ending: Ending) -> str:
    return ending.name.lower().replace('_', '-')


def _ending(ending: Ending, time: float, deadline: float) -> tuple[str, str]:
    if ending is not Ending.CONVERGES:
        return _code(ending), WHY[ending]
    if time > deadline:
        return (
            'after-deadline',
            f'ends after the deadline of {units.human_time(deadline)}',
        )
    return _code(ending), ''


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    """A total time in s, its interval, and what the interval stands on."""

    point: float
    interval: tuple[float, float]
    basis: tuple[str, str] = ('none', columns.UNKNOWN)


COLD = ('cold', 'cold start')


def _timed(
    question: Question, mode: str, raw: float, low: float, high: float
) -> _Timed:
    """The raw time with its interval.

    Outcomes of the mode, once there are enough, say how far to trust it.
    Until then the error of published models does, and never less than
    what the samples of the curve leave open.

    :param low: s, with the lower bracket of the curve; high likewise
    """
    if not math.isfinite(raw):
        return _Timed(point=raw, interval=(low, high))
    found = question.calibration.forecast(raw, (mode,), (mode,))
    if found.cold:
        span = (min(low, found.low), max(high, found.high))
        return _Timed(point=found.point, interval=span, basis=COLD)
    return _Timed(
        point=found.point,
        interval=(found.low, found.high),
        basis=(
            'calibrated',
            f'{question.calibration.outcomes} outcomes',
        ),
    )


def _row(
    subject: Subject,
    mode: str,
    bandwidth: float,
    found: Forecasts,
    i: int,
    timed: _Timed,
    scene: '_Scene',
) -> Row:
    # no end has no price, whatever its weights
    price = math.inf
    if math.isfinite(timed.point):
        price = float(cost(found, scene.question.weights)[i])
    lcb = math.nan if mode in SWITCHES else float(scene.lcb[i])
    ending = Ending(int(found.ending[i]))
    # NaN is padding, and a switch at once has a first pass of nothing
    rounds = float(np.count_nonzero(found.rounds[i] > 0))
    return (
        subject.name,
        columns.Rate(bandwidth),
        mode,
        columns.Span(timed.point),
        columns.Interval(timed.interval),
        columns.Told(timed.basis),
        columns.Span(float(found.t_pause[i])),
        columns.Span(float(found.t_slow[i])),
        columns.Size(float(found.data[i])),
        columns.Count(rounds),
        columns.Rate(lcb),
        columns.Amount(price),
        columns.Told(_ending(ending, timed.point, scene.question.deadline)),
    )


def _unmeasured(subject: Subject, bandwidth: float, least: float) -> Row:
    """The row of a pre-copy that may take any time from `least` on."""
    return (
        subject.name,
        columns.Rate(bandwidth),
        PRE_COPY,
        columns.Span(math.nan),
        columns.Interval((least, math.inf)),
        columns.Told(('none', columns.UNKNOWN)),
        columns.Span(math.nan),
        columns.Span(math.nan),
        columns.Size(math.nan),
        columns.Count(math.nan),
        columns.Rate(math.nan),
        columns.Amount(math.nan),
        columns.Told(('not-measured', 'nobody measured what it writes')),
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """All that does not depend on the bandwidth."""

    question: Question
    curves: Curves
    terms: Terms
    lcb: FloatArray


def _dry_runs(scene: _Scene, rate: float) -> list[Row | None]:
    """One a subject; None where there is none."""
    rows = _pre_copies(scene, rate, DRY_RUN)
    return [
        row if subject.contents and subject.measured else None
        for subject, row in zip(scene.question.subjects, rows, strict=True)
    ]


def _pre_copies(
    scene: _Scene, rate: float, mode: str = PRE_COPY
) -> list[Row | None]:
    question = scene.question
    low, mid, high = (
        pre_copy(scene.curves, rate, question.rules, bracket, scene.terms)
        for bracket in Bracket
    )
    rows: list[Row | None] = []
    for i, subject in enumerate(question.subjects):
        least = float(low.t_sum[i])
        if not subject.measured:
            rows.append(_unmeasured(subject, rate, least))
            continue
        timed = _timed(
            question,
            PRE_COPY,
            float(mid.t_sum[i]),
            least,
            float(high.t_sum[i]),
        )
        rows.append(_row(subject, mode, rate, mid, i, timed, scene))
    return rows


def _switched(scene: _Scene, rate: float, mode: str) -> list[Row | None]:
    """One a subject; None where this post-copy is not open to it."""
    question = scene.question
    rules = question.rules
    found = hybrid(
        scene.curves, rate, rules, SWITCHES[mode], terms=scene.terms
    ).forecasts
    # How long a VM waits for what it works with, if that is not known.
    known = np.array([s.measured for s in question.subjects])
    stands = np.where(
        known,
        found.t_downtime,
        np.maximum(found.t_downtime, rules.post_copy_outage),
    )
    found = dataclasses.replace(
        found, t_downtime=stands, slow=stands - found.t_pause
    )
    rows: list[Row | None] = []
    for i, subject in enumerate(question.subjects):
        time = float(found.t_sum[i])
        timed = _timed(question, mode, time, time, time)
        # Of a VM that nobody measured, nobody knows what a pass leaves.
        open_to = subject.post_copy and (known[i] or mode == POST_COPY)
        rows.append(
            _row(subject, mode, rate, found, i, timed, scene)
            if open_to
            else None
        )
    return rows


def _scene(question: Question, curves: Curves, terms: Terms) -> _Scene:
    lcb = least_convergent_bandwidth(
        curves, question.rules, question.deadline, terms=terms
    )
    return _Scene(question, curves, terms, lcb)


def table(question: Question) -> Iterator[Row]:
    """The rows, by VM as given, then bandwidth, then mode."""
    subjects = question.subjects
    if not subjects:
        return
    curves = fit(
        [
            s.working_set or WorkingSet(resident=s.memory, samples=())
            for s in subjects
        ]
    )
    memory = np.array([s.memory for s in subjects])
    terms = Terms(
        link=question.link,
        memory=memory,
        zero=untouched(memory, curves.resident),
        **settings([question.rules.under(s.nova, s.speeds) for s in subjects]),
    )
    scene = _scene(question, curves, terms)
    dry = _scene(
        question,
        curves,
        weighed(
            terms,
            [s.contents for s in subjects],
            memory,
            curves.resident,
        ),
    )
    modes = [
        rows
        for rate in question.bandwidths
        for rows in (
            _pre_copies(scene, rate),
            _dry_runs(dry, rate),
            *(_switched(scene, rate, mode) for mode in SWITCHES),
        )
    ]
    for i in range(len(subjects)):
        for rows in modes:
            row = rows[i]
            if row is not None:
                yield row
