"""Which action waits for which: the graph of an action plan, and its checks.

Pure: actions go in as the plain dicts of a solution, indices come out.
Nothing of Watcher and no database here.
"""

import graphlib
import json
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig import errors

Action = dict[str, Any]
# For each action, the indices of those that must end before it starts
Parents = list[list[int]]

DISABLE = 'change_nova_service_state'
# Watcher keeps the parents of an action as text in one column of 64 KiB,
# in which 1600 of them no longer fit.
MAX_PARENTS = 1000


def explicit(
    actions: Sequence[Action], after: Mapping[str, Sequence[str]]
) -> Parents:
    """Edges as the strategy gave them, by the keys of actions.

    :raises errors.InputError: an edge leads to no action of the plan, or
        two actions have one key, so that it could lead to either
    """
    index: dict[str, int] = {}
    for i, action in enumerate(actions):
        mine = key(action)
        if mine and index.setdefault(mine, i) != i:
            raise errors.InputError(
                f'is a second one of {mine!r}', f'actions[{i}]'
            )
    parents: Parents = []
    for i, action in enumerate(actions):
        before = []
        for name in after.get(key(action), ()):
            if name not in index:
                raise errors.InputError(
                    f'waits for {name!r}, which is not in the solution',
                    f'actions[{i}]',
                )
            before.append(index[name])
        parents.append(sorted(set(before)))
    return parents


def default(actions: Sequence[Action]) -> Parents:
    """Edges for a solution that brings none, as stock strategies' do.

    Services are disabled first, all at once. Then the actions of each
    source host run one after the other, in the solution's order; what has
    no source host forms one chain of its own. Services are enabled last.
    """
    kinds = [_kind(action) for action in actions]
    disabling = [i for i, kind in enumerate(kinds) if kind == 'disable']
    chains: dict[str, int] = {}
    parents: Parents = [[] for _ in actions]
    for i, kind in enumerate(kinds):
        if kind != 'move':
            continue
        source = str(_given(actions[i]).get('source_node') or '')
        before = chains.get(source)
        parents[i] = disabling if before is None else [before]
        chains[source] = i
    ends = sorted(chains.values()) or disabling
    for i, kind in enumerate(kinds):
        if kind == 'enable':
            parents[i] = list(ends)
    return parents


def check(actions: Sequence[Action], parents: Parents) -> None:
    """Everything that would make the applier or the database stumble.

    :raises errors.InputError: naming the action
    """
    for i, (action, mine) in enumerate(zip(actions, parents, strict=True)):
        place = f'actions[{i}]'
        if len(mine) > MAX_PARENTS:
            raise errors.InputError(
                f'waits for {len(mine)} others; {MAX_PARENTS} fit', place
            )
        _json_safe(_given(action), place)
    graph = {i: set(mine) for i, mine in enumerate(parents)}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        ring = ' -> '.join(f'actions[{i}]' for i in error.args[1])
        raise errors.InputError(f'wait for each other: {ring}') from error


def _json_safe(value: Mapping[str, Any], place: str) -> None:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise errors.InputError(
            f'input parameters are not JSON: {error}', place
        ) from error
    if len(text) > 60_000:
        raise errors.InputError('input parameters exceed 60000 bytes', place)


def _kind(action: Action) -> str:
    if action['action_type'] != DISABLE:
        return 'move'
    state = _given(action).get('state')
    return 'disable' if state in ('disabled', 'down') else 'enable'


def _given(action: Action) -> dict[str, Any]:
    return action.get('input_parameters') or {}


def key(action: Action) -> str:
    """What edges call an action: its resource's id.

    The second migration of a VM has its hop behind it, so that a planned
    migration's id is its action's key; empty for what has no resource.
    """
    given = _given(action)
    resource = str(given.get('resource_id', ''))
    hop = given.get('hop', 1)
    return resource if hop == 1 else f'{resource}#{hop}'
