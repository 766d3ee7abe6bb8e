"""The least convergent bandwidth: in closed form, and by bisection.

Only the search lives here; the rounds it walks are rounds.py's. Source of
the monotonicity that it rests on: T(1) = D(1) / B falls in B, and with it,
by induction over a nondecreasing W, every T(i+1) = W(T(i)) / B.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.rounds import CONVERGES
from watcher_tsmig.forecast.rounds import standing
from watcher_tsmig.forecast.sweep import walked_by
from watcher_tsmig.forecast.terms import PLAIN_TERMS
from watcher_tsmig.forecast.terms import Course
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.forecast.terms import channels
from watcher_tsmig.forecast.terms import course
from watcher_tsmig.forecast.terms import limit_after
from watcher_tsmig.model.rules import Rules

BoolArray = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

# Bisection of the LCB ends at this relative width, on the feasible side.
LCB_TOLERANCE = 1e-9
# Of a hand that sweeps what is left has the average age of half a sweep,
# and W is concave: so half the bandwidth is too little.
EARLY = 0.5
# Halvings that no width of floats outlasts.
MOST_HALVINGS = 200


def closed_form_lcb(
    curves: Curves,
    rules: Rules,
    downtime: FloatArray | float = np.inf,
    terms: Terms = PLAIN_TERMS,
) -> FloatArray:
    """W(tau) / tau: the LCB where nothing but the downtime limit counts.

    W is concave with W(0) = 0, so the rounds fall to the fixed point
    W(T) = B T, and a round fits the limit tau in the end iff T <= tau. It
    is the infimum, exact without a deadline, a timeout, a ceiling and a
    round limit; each of these only raises the LCB, and so does the end of
    the curve: a first pass that fits tau needs no other. At the infimum
    itself the rounds are without number. Of a VM that may be slowed down it
    is a lower bound.

    :param downtime: lowers the rules' limit, s; shape (n,) or one
    :returns: shape (n,), bytes/s on the wire; 0 where nothing is written
    """
    n = len(curves)
    how = _limited(course(curves, np.ones(n), rules, terms), downtime)
    longest = how.limit / how.full
    # whatever auto-converge may take, it may have taken from the start
    dirtied = how.factor * curves.at(longest * (1 - how.throttle))
    out: FloatArray = dirtied * channels(terms) / (longest * rules.efficiency)
    return out


def least_convergent_bandwidth(
    curves: Curves,
    rules: Rules,
    deadline: FloatArray | float = np.inf,
    downtime: FloatArray | float = np.inf,
    terms: Terms = PLAIN_TERMS,
    bracket: Bracket = Bracket.EXPECTED,
) -> FloatArray:
    """The least bandwidth at which each pre-copy ends, by bisection.

    Every round falls as B grows, and so do their number, T_sum and P; the
    convergent bandwidths are [LCB, inf) and bisection is exact, on the
    feasible side, within `LCB_TOLERANCE`. T_downtime does not fall with B:
    a faster migration may stop a round earlier with more left. Therefore
    `downtime` does not ask how long the last round happens to be, but
    lowers the limit that stops it, and whoever migrates at the result must
    set that limit too. Where the limit rises by steps (`walk` says why),
    a deadline is bracketed, not exact: every bandwidth from the result on
    meets it, and none below the result ends earlier than two limits before
    it.

    :param deadline: T_sum may not exceed it, s; shape (n,) or one
    :param downtime: the limit is lowered to it, s; shape (n,) or one
    :returns: shape (n,), bytes/s on the wire; > 0; inf where none will do
    """
    unit = _limited(
        course(curves, np.ones(len(curves)), rules, terms), downtime
    )
    last = np.minimum(deadline, unit.timeout)
    last = np.where(unit.steps > 0, last - unit.limit, last)
    search = _Search(curves, rules, terms, bracket, unit, last)
    # Whether it ends does not depend on the limit's steps, only when: so
    # the LCB without them and without a deadline is a floor, and often it.
    floor = search.without_deadline()
    share = channels(terms) / rules.efficiency
    low = np.zeros(len(curves))
    if bracket is Bracket.EXPECTED:
        low = closed_form_lcb(curves, rules, downtime, terms)
        # a hand that does not wait for the end of a round needs less, but
        # never less than where what it meets falls on average
        low = low * (EARLY if rules.window else 1.0)
    low = floor.least(
        low, _quick(floor.unit, floor.last, share, curves.resident)
    )
    if bool(np.isinf(last).all()):
        return low
    high = _quick(unit, last, share, curves.resident)
    return search.least(low, np.maximum(low, high))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """What a bisection asks: who ends in time at this bandwidth?

    :ivar unit: the courses at 1 byte/s, with the limit that holds
    :ivar last: s, T_sum may not exceed it
    """

    curves: Curves
    rules: Rules
    terms: Terms
    bracket: Bracket
    unit: Course
    last: FloatArray

    def without_deadline(self) -> '_Search':
        """The same with all the time there is, and no steps to wait for."""
        return dataclasses.replace(
            self,
            unit=dataclasses.replace(
                self.unit, steps=np.zeros(len(self.last))
            ),
            last=np.full(len(self.last), np.inf),
        )

    def ends(self, rate: FloatArray, rows: Rows) -> BoolArray:
        """Whether these rows end in time at these bandwidths."""
        curves, terms = self.curves, self.terms
        if len(rows) < len(curves):
            terms = terms.take(rows, len(curves))
            curves = curves.take(rows)
        how = dataclasses.replace(
            course(curves, rate, self.rules, terms),
            limit=self.unit.limit[rows],
            steps=self.unit.steps[rows],
        )
        walked = walked_by(self.rules, curves, how, self.bracket)
        total = walked.elapsed + standing(walked, how)
        good: BoolArray = walked.ending == CONVERGES
        return good & (total <= self.last[rows])

    def least(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """The least bandwidth in [low, high]; inf where high will not do.

        `low` is either too little or the answer.
        """
        high = np.where(np.isfinite(low), high, np.inf)
        possible = np.isfinite(high)
        high = np.where(possible, high, 1.0)
        every = np.arange(len(high))
        possible &= self.ends(high, every)
        low = np.minimum(np.maximum(low, high * 1e-12), high)
        high = np.where(self.ends(low, every), low, high)
        found = _bisect(self.ends, low.copy(), high)
        return np.where(possible, found, np.inf)


def _quick(
    unit: Course, last: FloatArray, share: FloatArray, resident: FloatArray
) -> FloatArray:
    """A bandwidth at which it ends within every limit; inf: none.

    There the first pass fits; and where its pages of zeros take longer, all
    that a second one could send does.
    """
    zeros = unit.idle > 0
    first = unit.first * unit.full * share
    again = np.where(zeros, unit.factor * resident, 0.0) * unit.full * share
    begin = np.maximum(limit_after(unit, np.zeros(len(first))), 1e-3)
    left = begin - unit.idle * unit.full
    with np.errstate(divide='ignore'):
        high: FloatArray = np.maximum(
            np.maximum(first / np.where(left > 0, left, begin), again / begin),
            (first + again + unit.begin) / np.maximum(last - unit.idle, 0.0),
        )
    # a hair above, or rounding would leave it infeasible
    return high * (1 + LCB_TOLERANCE)


def _bisect(
    ends: Callable[[FloatArray, Rows], BoolArray],
    low: FloatArray,
    high: FloatArray,
) -> FloatArray:
    for _ in range(MOST_HALVINGS):
        # Geometric: LCBs of one cloud span orders of magnitude.
        middle = np.sqrt(low * high)
        wide = (high - low > LCB_TOLERANCE * high) & (middle > low)
        rows = np.flatnonzero(wide & (middle < high))
        if not len(rows):
            break
        enough = ends(middle[rows], rows)
        high[rows[enough]] = middle[rows[enough]]
        low[rows[~enough]] = middle[rows[~enough]]
    return high


def _limited(how: Course, downtime: FloatArray | float) -> Course:
    limit = np.minimum(how.limit, downtime)
    if not bool((limit > 0).all()):
        raise ValueError('every downtime limit must be above 0')
    return dataclasses.replace(how, limit=limit)
