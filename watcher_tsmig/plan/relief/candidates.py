"""Which VMs to move off an overloaded host: enough relief at least cost.

The weights of the cost, and the choice among VMs whose cost and relief are
known, as values and arithmetic only; offers.py makes them from a cloud.
The choice is a covering knapsack, solved to proven optimality. Source:
MigVisor, "VM Migration Candidate Selection" and "Cost Saving", eq. 11.
"""

import dataclasses
import math
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import optimize
from scipy import sparse

from watcher_tsmig import errors
from watcher_tsmig.forecast.migrations import CostWeights
from watcher_tsmig.reasons import Reason

FloatArray = npt.NDArray[np.float64]

# MigVisor publishes no weights, so these are ours. The unit of cost is one
# second of a running migration. A second of downtime loses all service; a
# second of migration slows it: SPECweb fell from 870 to 765 Mbit/s in the
# first pass (Clark et al., NSDI 2005), an eighth: hence 8. A byte costs
# what it keeps a 1 Gbit/s NIC busy, where bytes count.
PER_DOWNTIME = 8.0
PER_BYTE = 8e-9

#: An operator who disagrees passes his own `CostWeights`.
WEIGHTS = {
    'balanced': CostWeights(total=1.0, downtime=PER_DOWNTIME, data=0.0),
    'fast': CostWeights(total=1.0, downtime=0.0, data=0.0),
    'smooth': CostWeights(total=0.0, downtime=1.0, data=0.0),
    'frugal': CostWeights(total=1.0, downtime=PER_DOWNTIME, data=PER_BYTE),
}
DEFAULT = 'balanced'

# Up to here every subset is looked at; above, HiGHS searches.
ENUMERATED = 14
#: Two sums of costs, or of relief, are equal within this share.
EQUAL = 1e-9
# HiGHS rounds 0/1 at 1e-6, so a set it returns may miss the relief by a
# hair; then it is forbidden and asked for again, at most this often.
MOST_CUTS = 50
#: Deterministic, unlike a limit of time; what is left then is `bound`.
MOST_NODES = 100_000
# HiGHS in SciPy 1.17 prints a debugging line to standard output when a
# solution does not survive the way back through a presolve.
PRESOLVE = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Load of a VM, or relief wanted: vCPUs, bytes, bytes/s, bytes/s."""

    vcpus: float = 0.0
    memory: float = 0.0
    tx: float = 0.0
    rx: float = 0.0

    def __post_init__(self) -> None:
        for name, value in self.items():
            if not 0 <= value < math.inf:
                raise errors.InputError('is negative or not finite', name)

    def items(self) -> tuple[tuple[str, float], ...]:
        """Pairs of name and amount."""
        return tuple(
            (f.name, getattr(self, f.name)) for f in dataclasses.fields(self)
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A VM that could go.

    :ivar cost: of its migration, >= 0; inf where it cannot migrate
    :ivar mode: 'pre-copy' or 'post-copy'; '' where it cannot migrate
    :ivar refusal: why it cannot; None where it can
    :ivar because: the same for people, with numbers
    """

    id: str
    name: str
    relief: Amounts
    cost: float
    mode: str = ''
    refusal: Reason | None = None
    because: str = ''

    def __post_init__(self) -> None:
        if math.isnan(self.cost) or self.cost < 0:
            raise errors.InputError('is negative or no number', 'cost')
        if self.refusal is None and math.isinf(self.cost):
            raise errors.InputError('of a feasible VM is infinite', 'cost')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A set of VMs, by id; what it costs and relieves."""

    vms: tuple[str, ...]
    cost: float
    relief: Amounts


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What `select` found.

    :ivar best: the cheapest set that relieves enough; None if none does
    :ivar bound: no set that relieves enough costs less; `best.cost` minus
        it is the gap, 0 but for rounding
    :ivar refused: the VMs that cannot migrate, each with its refusal
    :ivar missing: what all feasible VMs together leave unrelieved
    """

    best: Choice | None
    bound: float
    refused: tuple[Candidate, ...]
    missing: Amounts


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """min cost x, relief x >= 1, 0/1; rows scaled to the relief wanted."""

    cost: FloatArray  # (n,), scaled so that the dearest is 1
    relief: FloatArray  # (m, n)

    def covers(self, x: FloatArray) -> bool:
        return bool(np.all(self.relief @ x >= 1 - EQUAL))


def select(candidates: Sequence[Candidate], wanted: Amounts) -> Selection:
    """The cheapest set of VMs that relieves at least what is wanted.

    Of equally cheap sets the one with fewer VMs, then the one whose ids
    come first, so that equal input gives equal output. A set costs the
    sum of its migrations, one after another.

    :raises errors.InputError: two candidates have one id
    """
    ids = [c.id for c in candidates]
    if len(set(ids)) < len(ids):
        raise errors.InputError('are not unique', 'ids')
    refused = tuple(c for c in candidates if c.refusal is not None)
    able = sorted(
        (c for c in candidates if c.refusal is None), key=lambda c: c.id
    )
    needs = [(name, r) for name, r in wanted.items() if r > 0]
    missing = _missing(able, wanted)
    if any(v > EQUAL * getattr(wanted, k) for k, v in missing.items()):
        return Selection(
            best=None,
            bound=math.inf,
            refused=refused,
            missing=missing,
        )
    if not needs:
        return Selection(
            best=_choice([], able),
            bound=0.0,
            refused=refused,
            missing=Amounts(),
        )
    scale = max((c.cost for c in able), default=0.0) or 1.0
    problem = _Problem(
        np.array([c.cost for c in able]) / scale,
        np.array([[getattr(c.relief, k) / r for c in able] for k, r in needs]),
    )
    solve = _enumerate if len(able) <= ENUMERATED else _search
    best, bound = solve(problem)
    if best is None:
        raise errors.InternalError('a set that exists was not found')
    return Selection(
        best=_choice(best, able),
        bound=min(bound * scale, _choice(best, able).cost),
        refused=refused,
        missing=Amounts(),
    )


def _missing(able: Sequence[Candidate], wanted: Amounts) -> Amounts:
    left: Mapping[str, float] = {
        name: max(r - math.fsum(getattr(c.relief, name) for c in able), 0.0)
        for name, r in wanted.items()
    }
    return Amounts(**left)


def _choice(chosen: Sequence[int], able: Sequence[Candidate]) -> Choice:
    vms = [able[i] for i in chosen]
    sums = {
        name: math.fsum(getattr(c.relief, name) for c in vms)
        for name, _ in Amounts().items()
    }
    return Choice(
        vms=tuple(c.id for c in vms),
        cost=math.fsum(c.cost for c in vms),
        relief=Amounts(**sums),
    )


Found = tuple[list[int] | None, float]


def _enumerate(problem: _Problem) -> Found:
    """All subsets."""
    n = len(problem.cost)
    codes = np.arange(2**n)
    # Bit n-1-i is VM i, so that of two codes of as many VMs the larger
    # one is that whose ids come first.
    bits = ((codes[:, None] >> np.arange(n)[::-1]) & 1).astype(np.float64)
    good = np.all(bits @ problem.relief.T >= 1 - EQUAL, axis=1)
    if not good.any():
        return None, math.inf
    cost = np.where(good, bits @ problem.cost, np.inf)
    least = float(cost.min())
    ties = np.nonzero(cost <= least * (1 + EQUAL) + EQUAL * EQUAL)[0]
    sizes = bits[ties].sum(axis=1)
    code = ties[sizes == sizes.min()].max()
    return [i for i in range(n) if bits[code, i]], least


def _search(problem: _Problem) -> Found:
    """The same by branch and bound, and ties one decision at a time."""
    n = len(problem.cost)
    fixed = np.zeros(n)
    x, bound = _milp(problem, problem.cost, fixed, ())
    if x is None:
        return None, math.inf
    most = (problem.cost, float(problem.cost @ x))
    fewest, _ = _milp(problem, np.ones(n), fixed, (most,))
    # Rounding may hide the very set that was found first.
    x = x if fewest is None else fewest
    count = (np.ones(n), float(x.sum()))
    for i in range(n):
        if fixed.sum() == x.sum():
            break
        if not x[i]:
            fixed[i] = 1.0
            other, _ = _milp(problem, problem.cost, fixed, (most, count))
            if other is None:
                fixed[i] = 0.0
                continue
            x = other
        fixed[i] = 1.0
    return [i for i in range(n) if x[i]], bound


def _milp(
    problem: _Problem,
    objective: FloatArray,
    fixed: FloatArray,
    caps: tuple[tuple[FloatArray, float], ...],
) -> tuple[FloatArray | None, float]:
    """One integer program: (x, proven bound), or (None, inf)."""
    n = len(problem.cost)
    rows = [problem.relief]
    low = [1.0] * len(problem.relief)
    high = [math.inf] * len(problem.relief)
    for vector, limit in caps:
        rows.append(vector[None, :])
        low.append(-math.inf)
        high.append(limit * (1 + EQUAL) + EQUAL)
    for _ in range(MOST_CUTS):
        found = optimize.milp(
            objective,
            constraints=optimize.LinearConstraint(
                sparse.csr_array(np.vstack(rows)), low, high
            ),
            integrality=np.ones(n),
            bounds=optimize.Bounds(fixed, np.ones(n)),
            options={
                'mip_rel_gap': 0.0,
                'node_limit': MOST_NODES,
                'presolve': PRESOLVE,
            },
        )
        if found.x is None:
            return None, math.inf
        x: FloatArray = np.round(found.x)
        if problem.covers(x):
            return x, float(found.mip_dual_bound)
        # Covers by a rounding only: forbid this set and its subsets.
        rows.append((1.0 - x)[None, :])
        low.append(1.0)
        high.append(math.inf)
    raise errors.InternalError('no set of VMs covers within rounding')
