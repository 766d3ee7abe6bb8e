"""A playground whose planner gives every pre-copy less than it needs.

Run as the playground is: ``python -m tests.functional.starving``. For tests
of what becomes of plans that are wrong.
"""

import dataclasses
import runpy

from watcher_tsmig.plan import make
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Plan

make_plan = make.make_plan


def starved(migration: Migration) -> Migration:
    """The migration with half of its LCB as its cap."""
    return dataclasses.replace(
        migration, cap=migration.lcb / 2, limit=None, room=None
    )


def starving(*asked: object) -> Plan:
    """The planner's plan, made wrong."""
    plan = make_plan(*asked)
    moves = tuple(starved(m) if m.lcb else m for m in plan.migrations)
    return dataclasses.replace(plan, migrations=moves)


if __name__ == '__main__':
    # before Watcher is there, as it looks for the planner when it starts
    make.make_plan = starving
    runpy.run_module('watcher_tsmig.playground', run_name='__main__')
