"""Operators for cosmic-ray: slips in the tables and statements of this code.

Each says where in a syntax tree it can be made, and makes it.
"""

import itertools
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from cosmic_ray.operators.operator import Operator
from parso.python import tree

Node = Any  # parso has no types
Position = tuple[int, int]


class _Ours(Operator):
    """An operator that is not cosmic-ray's."""

    @classmethod
    def examples(cls) -> Sequence[object]:
        """None: these are for cosmic-ray's own tests."""
        return ()


def _span(*nodes: Node) -> tuple[Position, Position]:
    return nodes[0].start_pos, nodes[-1].end_pos


class DropClause(_Ours):
    """`a and b` becomes `a`, or `b`."""

    def mutation_positions(self, node: Node) -> Iterator[object]:
        """One for each operand."""
        if node.type in ('and_test', 'or_test'):
            yield from map(_span, node.children[::2])

    def mutate(self, node: Node, index: int) -> Node:
        """Without that operand."""
        begin = max(2 * index - 1, 0)
        node.children = node.children[:begin] + node.children[begin + 2 :]
        return node.children[0] if len(node.children) == 1 else node


def _rows(node: Node) -> list[list[Node]]:
    """The elements of a display that is written out; each with its comma."""
    if node.type not in ('testlist_comp', 'dictorsetmaker'):
        return []
    if any(c.type in ('comp_for', 'sync_comp_for') for c in node.children):
        return []
    rows: list[list[Node]] = [[]]
    for child in node.children:
        if child == ',':
            rows.append([])
        else:
            rows[-1].append(child)
    return [row for row in rows if row]


def _joined(node: Node, rows: Iterable[list[Node]]) -> Node:
    node.children = []
    for row in rows:
        comma = tree.Operator(',', row[-1].end_pos)
        node.children += [*row, comma]
    return node


def _is_written_out(node: Node, rows: list[list[Node]]) -> bool:
    """Whether each row has lines of its own, and it is no row itself."""
    lines = {row[0].start_pos[0] for row in rows}
    is_row = node.parent.parent.type == 'testlist_comp'
    return len(lines) == len(rows) and not is_row


def _is_table(node: Node, rows: list[list[Node]]) -> bool:
    """Whether it may as well have a row less: most tuples may not."""
    display = node.parent
    return (
        _is_written_out(node, rows)
        or display.children[0] != '('
        or display.parent.type in ('expr_stmt', 'comparison', 'except_clause')
    )


class DropRow(_Ours):
    """An element of a table or a set of names is forgotten."""

    def mutation_positions(self, node: Node) -> Iterator[object]:
        """One for each of two or more elements."""
        rows = _rows(node)
        if len(rows) > 1 and _is_table(node, rows):
            yield from (_span(*row) for row in rows)

    def mutate(self, node: Node, index: int) -> Node:
        """Without that element."""
        rows = _rows(node)
        return _joined(node, rows[:index] + rows[index + 1 :])


def _is_a_set(node: Node, rows: list[list[Node]]) -> bool:
    """Whether the order of its rows says nothing.

    It is looked into, or caught; or they are options, or names that a schema
    requires.
    """
    display = node.parent
    around = display.parent
    if any(row[0].get_first_leaf().value == 'cfg' for row in rows):
        return True
    if around.type == 'comparison':
        how = around.children[1]
        words = how.children if how.type == 'comp_op' else [how]
        return bool(words[-1] == 'in')
    if around.type == 'dictorsetmaker':
        at = around.children.index(display)
        name = around.children[at - 2].get_code(include_prefix=False)
        return bool(name == "'required'")
    return bool(around.type == 'except_clause')


class SwapRows(_Ours):
    """Two rows of a table stand the wrong way round."""

    def mutation_positions(self, node: Node) -> Iterator[object]:
        """One for each pair of neighbours; a table has a row a line."""
        rows = _rows(node) if node.type == 'testlist_comp' else []
        if (
            len(rows) > 1
            and _is_written_out(node, rows)
            and not _is_a_set(node, rows)
        ):
            yield from (_span(*a, *b) for a, b in itertools.pairwise(rows))

    def mutate(self, node: Node, index: int) -> Node:
        """With the second before the first."""
        rows = _rows(node)
        rows[index : index + 2] = rows[index + 1], rows[index]
        return _joined(node, rows)


class CatchNothing(_Ours):
    """An error is not caught where it was."""

    def mutation_positions(self, node: Node) -> Iterator[object]:
        """One, where it says which errors are."""
        if node.type == 'except_clause':
            yield _span(node.children[1])

    def mutate(self, node: Node, index: int) -> Node:
        """`except ():`, which is none of them."""
        place = node.children[1].start_pos
        node.children[1] = tree.Name('()', place, ' ')
        return node


class DropStatement(_Ours):
    """A statement that does something is forgotten."""

    def mutation_positions(self, node: Node) -> Iterator[object]:
        """One, if it is a call, a raise, or sets what others see."""
        if node.type == 'simple_stmt' and self._does(node.children[0]):
            yield _span(node.children[0])

    def mutate(self, node: Node, index: int) -> Node:
        """`pass` instead."""
        first = node.get_first_leaf()
        node.children[0] = tree.Keyword('pass', first.start_pos, first.prefix)
        return node

    @staticmethod
    def _does(what: Node) -> bool:
        if what.type in ('raise_stmt', 'yield_expr'):
            return True
        if what.type == 'expr_stmt':
            # a name that is not set at all would be noticed at once
            target, how = what.children[0], what.children[1]
            return target.type != 'name' or how.type == 'augassign'
        return (
            what.type in ('atom_expr', 'power')
            and what.children[-1].type == 'trailer'
        )
