"""The manager's ladder: which stage lets one VM migrate, and why.

A table of rungs, tried from the top, and nothing else; what each rung
tests is stages.py's. Source: MigVisor, "Migvisor Manager", four stages,
with post-copy between the dry run and forced convergence.
"""

import dataclasses
import enum
from collections.abc import Callable

from watcher_tsmig import errors
from watcher_tsmig.forecast import stages
from watcher_tsmig.forecast.stages import Answer
from watcher_tsmig.forecast.stages import Case
from watcher_tsmig.forecast.stages import Outcome


class Stage(enum.StrEnum):
    """What decided how the VM moves."""

    PATTERN = 'pattern'
    DRY_RUN = 'dry-run'
    POST_COPY = 'post-copy'
    FORCED = 'forced'
    LEFT_OUT = 'left-out'


class Verdict(enum.StrEnum):
    """Stable codes of a decision. Do not change the string values."""

    CONVERGES = 'converges'
    COMPRESSES = 'compresses'
    WRITES_TOO_FAST = 'writes-too-fast'
    THROTTLES = 'throttles'
    DOES_NOT_CONVERGE = 'does-not-converge'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One rung tried: whether it admits the VM, and the numbers why."""

    stage: Stage
    admits: bool
    because: str
    outcome: Outcome | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The stage that decided; `attempts` ends with it.

    `outcome` is that stage's forecast; None if the VM is left out.
    """

    stage: Stage
    verdict: Verdict
    because: str
    outcome: Outcome | None
    attempts: tuple[Attempt, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Rung:
    """A stage, the test that admits a VM to it, and its code."""

    stage: Stage
    admits: Callable[[Case], Answer]
    verdict: Verdict


LADDER = (
    Rung(Stage.PATTERN, stages.by_pattern, Verdict.CONVERGES),
    Rung(Stage.DRY_RUN, stages.by_dry_run, Verdict.COMPRESSES),
    Rung(Stage.POST_COPY, stages.by_post_copy, Verdict.WRITES_TOO_FAST),
    Rung(Stage.FORCED, stages.by_force, Verdict.THROTTLES),
    Rung(Stage.LEFT_OUT, stages.left_out, Verdict.DOES_NOT_CONVERGE),
)


def decide(case: Case) -> Decision:
    """Climb down the ladder until a rung admits the VM.

    `because` of a VM left out names what each rung said.
    """
    tried: list[Attempt] = []
    for rung in LADDER:
        admits, because, outcome = rung.admits(case)
        if rung.stage is Stage.LEFT_OUT:
            because = '; '.join(a.because for a in tried)
        tried.append(
            Attempt(
                stage=rung.stage,
                admits=admits,
                because=because,
                outcome=outcome,
            )
        )
        if admits:
            return Decision(
                stage=rung.stage,
                verdict=rung.verdict,
                because=because,
                outcome=outcome,
                attempts=tuple(tried),
            )
    raise errors.InternalError('the ladder has no last rung')
