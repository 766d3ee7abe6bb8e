"""Measure the facts about the agent that are named, or all.

    python -m tests.agent FOLDER [FACT]...

FOLDER holds the laboratory's programs.
"""

import sys

from tests.agent import balloon
from tests.agent import caps
from tests.agent import looking
from tests.agent import on_bus
from tests.lab import enforcement

# s; they take some seven minutes
BUDGET = 1200

FACTS = {
    'pre-copy': caps.pre_copy,
    'override': caps.override,
    'disks': caps.disks,
    'post-copy': caps.post_copy,
    'deaths': caps.deaths,
    'restarts': caps.restarts,
    'expiry': caps.expiry,
    'capabilities': looking.capabilities,
    'traffic': looking.traffic,
    'refusals': looking.refusals,
    'writing': looking.writing,
    'contents': looking.contents,
    'surveyed': looking.surveyed,
    'balloon': balloon.saves,
    'balloon-switched': balloon.switched,
    'balloon-aborted': balloon.aborted,
    'balloon-deaths': balloon.deaths,
    'balloon-orphaned': balloon.orphaned,
    'balloon-refused': balloon.refused,
    'hostile': on_bus.hostile,
    'many': on_bus.many,
    'bus-lost': on_bus.lost,
}

if __name__ == '__main__':
    sys.exit(enforcement.main(sys.argv[1:], FACTS, __doc__ or '', BUDGET))
