"""What Gnocchi is asked for: searches of resources, operations on metrics.

Only the reading of queries lives here; what there is to find is gnocchi's.
"""

from collections.abc import Mapping
from typing import Any

from watcher_tsmig.playground import web

# What every resource has beside its type's attributes.
COMMON = ('id', 'original_resource_id', 'ended_at', 'revision_end')


def matches(query: web.Json, resource: Mapping[str, Any]) -> bool:
    """Whether a resource fits a query, in Gnocchi's JSON form.

    :raises HttpError: 400, the query is of no known form
    """
    if not query:
        return True
    try:
        ((operator, operand),) = query.items()
        if operator in ('and', '∧'):
            return all(matches(q, resource) for q in operand)
        if operator in ('or', '∨'):
            return any(matches(q, resource) for q in operand)
        if operator == 'not':
            return not matches(operand, resource)
        ((name, value),) = operand.items()
        if name not in {*resource, *COMMON}:
            kind = resource.get('type')
            raise web.HttpError(
                400, f'Resource type {kind} has no {name} attribute'
            )
        has = resource.get(name)
        if operator in ('=', '==', 'eq'):
            return bool(has == value)
        if operator in ('!=', 'ne', '≠'):
            return bool(has != value)
        if operator == 'in':
            return has in value
    except (AttributeError, TypeError, ValueError, RecursionError) as e:
        raise web.HttpError(400, f'a query that nobody can read: {e}') from e
    raise web.HttpError(400, f'an unknown operator: {operator}')


def ids(query: web.Json) -> frozenset[str] | None:
    """Of VMs or of their resources, where a query wants only such."""
    match query:
        case {'in': {'id': [*values]}} | {'in': {'instance_id': [*values]}}:
            return frozenset(map(str, values))
    return None


def operations(value: web.Json) -> list[tuple[str, str]]:
    """The metrics and aggregations of a plain ``metric`` operation.

    :raises HttpError: 400, it is another operation
    """
    match value:
        case ['metric', str(name), str(how)]:
            return [(name, how)]
        case ['metric', *pairs] if pairs and all(
            isinstance(p, list)
            and len(p) == 2
            and all(isinstance(x, str) for x in p)
            for p in pairs
        ):
            return [(name, how) for name, how in pairs]
    raise web.HttpError(400, 'only plain metric operations are known here')
