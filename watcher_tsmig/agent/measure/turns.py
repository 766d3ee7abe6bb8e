"""Whose turn it is to be measured, and what a measurement says.

Arithmetic on values only: no clock, no hypervisor, no file.
"""

import random
from collections.abc import Container
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.agent import spool
from watcher_tsmig.agent.spool import Value

# What is measured of each domain: writing over so many seconds, or contents
CONTENTS = 'contents'
Job = tuple[str, int | str]
JOBS: tuple[int | str, ...] = (*spool.DIRTY_SPANS, CONTENTS)
# Pages that were written, of which there must be so many to tell a mix
LEAST = 16


def choose(
    domains: Sequence[str],
    last: Mapping[Job, float],
    skip: Container[str],
    due: float,
    chance: random.Random,
) -> Job | None:
    """What was looked at longest ago, of what is due; any one of several.

    :param last: when each was tried, s since the epoch; never: not there
    :param due: what was tried later is not
    """
    oldest = {
        job: last.get(job, 0.0)
        for vm in domains
        if vm not in skip
        for job in ((vm, what) for what in JOBS)
        if last.get(job, 0.0) <= due
    }
    least = min(oldest.values(), default=0.0)
    found = [job for job, at in oldest.items() if at == least]
    return chance.choice(found) if found else None


def pause(cost: float, took: float, share: float) -> float:
    """s to wait after what cost so much CPU and took so long.

    :param share: of a core
    """
    return max(cost / share - took, 0.0)


def weights(found: Mapping[str, Any], memory: float) -> dict[str, float]:
    """The metrics of a sample of pages, by name.

    :param found: of `contents.sample`
    :param memory: that it was drawn from, bytes
    """
    out = {
        spool.NONZERO: (1 - found['zero']) * memory,
        spool.ZERO: found['zero'],
    }
    if found.get('written', 0) >= LEAST:
        out[spool.BLANKED] = found['blanked']
    return out


def times(values: spool.Values) -> dict[Job, float]:
    """When each was measured last."""
    names = {
        spool.DIRTY.format(seconds=span): span for span in spool.DIRTY_SPANS
    }
    out: dict[Job, float] = {}
    for vm, known in values.items():
        for name, value in known.items():
            job = vm, names.get(name, CONTENTS)
            out[job] = max(value.at, out.get(job, 0.0))
    return out


def fresh(
    values: spool.Values, here: Container[str], least: float
) -> dict[str, dict[str, Value]]:
    """Without domains that are gone, and without what is older."""
    return {
        vm: {name: one for name, one in known.items() if one.at > least}
        for vm, known in values.items()
        if vm in here
    }
