"""The slips: what a hand could get wrong in a module, one at a time.

Most are made by operators of cosmic-ray, of which only those are used that
turn code into what somebody could have written: `<` becomes `<=`, not `is`.
Where nothing runs there is none. Nothing is run here either.
"""

import ast
import dataclasses
import difflib
import pathlib
import types
from collections.abc import Iterable
from collections.abc import Iterator

from cosmic_ray.ast import ast_nodes
from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators import binary_operator_replacement as binary
from cosmic_ray.operators import boolean_replacer as boolean
from cosmic_ray.operators import break_continue
from cosmic_ray.operators import comparison_operator_replacement as comparison
from cosmic_ray.operators import number_replacer
from cosmic_ray.operators import unary_operator_replacement as unary
from cosmic_ray.operators import zero_iteration_for_loop as loop
from cosmic_ray.operators.operator import Operator

from tools.mutants import ours

Position = tuple[int, int]

# A slip's operator -> what it becomes, in cosmic-ray's words. `is` and `==` do
# not become each other: of enums both are the same.
BINARY = (
    'Add Sub', 'Sub Add', 'Mul Div', 'Div Mul', 'FloorDiv Mul', 'Mod Mul',
    'BitAnd BitOr', 'BitOr BitAnd',
)  # fmt: skip
COMPARISON = (
    'Eq NotEq', 'NotEq Eq', 'Is IsNot', 'IsNot Is', 'Lt LtE', 'LtE Lt',
    'Gt GtE', 'GtE Gt', 'Lt GtE', 'GtE Lt', 'Gt LtE', 'LtE Gt',
)  # fmt: skip


def _named(
    module: types.ModuleType, name: str, pairs: Iterable[str]
) -> Iterator[type[Operator]]:
    for pair in pairs:
        yield getattr(module, f'{name}_{pair.replace(" ", "_")}')


OPERATORS: tuple[type[Operator], ...] = (
    *_named(binary, 'ReplaceBinaryOperator', BINARY),
    *_named(comparison, 'ReplaceComparisonOperator', COMPARISON),
    boolean.ReplaceTrueWithFalse,
    boolean.ReplaceFalseWithTrue,
    boolean.ReplaceAndWithOr,
    boolean.ReplaceOrWithAnd,
    boolean.AddNot,
    break_continue.ReplaceBreakWithContinue,
    break_continue.ReplaceContinueWithBreak,
    number_replacer.NumberReplacer,
    unary.ReplaceUnaryOperator_Delete_Not,
    unary.ReplaceUnaryOperator_USub_UAdd,
    loop.ZeroIterationForLoop,
    ours.CatchNothing,
    ours.DropClause,
    ours.DropRow,
    ours.SwapRows,
    ours.DropStatement,
)
# A call of these changes nothing but a log that is for us.
SILENT = ('LOG.debug', 'LOG.info')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """One change of one module.

    :ivar path: of the module, below the root
    :ivar line: where it is
    :ivar operator: its place in `OPERATORS`
    :ivar occurrence: of the operator, in the order of the text
    """

    path: str
    line: int
    operator: int
    occurrence: int

    def made(self, text: str) -> str:
        """The module's text with it."""
        operator = OPERATORS[self.operator]()
        return mutate_code(text, operator, self.occurrence) or text

    def diff(self, text: str) -> list[str]:
        """The lines that it changes: `-` before, `+` after."""
        lines = difflib.unified_diff(
            text.splitlines(), self.made(text).splitlines(), n=0, lineterm=''
        )
        return [
            line
            for line in lines
            if not line.startswith(('--- ', '+++ ', '@@'))
        ]


def slips(path: str, text: str) -> list[Slip]:
    """All slips of a module, in the order of its text."""
    idle = list(_idle(ast.parse(text)))
    found = []
    nodes = list(ast_nodes(get_ast(text)))
    for number, kind in enumerate(OPERATORS):
        operator = kind()
        # counted as cosmic-ray does when it makes one
        places = (
            (node, place)
            for node in nodes
            for place in operator.mutation_positions(node)
        )
        for occurrence, (node, (begin, end)) in enumerate(places):
            if _bare(node) or any(a <= begin and end <= b for a, b in idle):
                continue
            slip = Slip(
                path=path,
                line=begin[0],
                operator=number,
                occurrence=occurrence,
            )
            found.append((begin, slip))
    return [slip for _, slip in sorted(found, key=lambda f: f[0])]


def modules(root: pathlib.Path, name: str) -> list[str]:
    """The modules that are meant by a package's or a module's name.

    :raises ValueError: there is none
    """
    path = root / 'watcher_tsmig' / name
    found = sorted(path.rglob('*.py')) if path.is_dir() else [path]
    if not found or not all(one.is_file() for one in found):
        raise ValueError(f'watcher_tsmig has no {name}')
    return [str(one.relative_to(root)) for one in found]


def _bare(node: ours.Node) -> bool:
    """Whether it is the `*` before arguments that have to be named."""
    return node == '*' and node.parent.type in ('parameters', 'lambdef')


def _idle(tree: ast.Module) -> Iterator[tuple[Position, Position]]:
    """Where a change changes nothing that runs: types, decorators, logs.

    Decorators, because those of dataclasses say what a value is for us.
    """
    for node in ast.walk(tree):
        yield from map(_span, _types(node))
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield from map(_span, node.decorator_list)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in SILENT:
            yield _span(node)


def _types(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions of a node that only say what type something has."""
    if isinstance(node, ast.ClassDef):
        yield from node.bases
    elif isinstance(node, ast.FunctionDef) and node.returns:
        yield node.returns
    elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
        yield node.annotation
    elif isinstance(node, ast.Module):
        for each in node.body:
            # an alias: Move = Callable[[Resident, str], object]
            if isinstance(each, ast.Assign) and isinstance(
                each.value, ast.Subscript
            ):
                yield each.value
            # __all__ is for those who read
            if isinstance(each, ast.Assign) and (
                ast.unparse(each.targets[0]) == '__all__'
            ):
                yield each.value


def _span(node: ast.expr) -> tuple[Position, Position]:
    return (
        (node.lineno, node.col_offset),
        (node.end_lineno or node.lineno, node.end_col_offset or 0),
    )
