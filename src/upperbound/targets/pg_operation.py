"""What the server makes of an operation: of each of its statements, and of the parameters that they share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from upperbound.errors import Problem, TargetMismatch
from upperbound.scenario.model import Operation
from upperbound.scenario.statements import Rendered, render_all
from upperbound.targets.pg_describe import Connection, StatementFault, StatementShape, describe_one
from upperbound.targets.pg_types import pg_type

_INTEGERS: Final = (21, 23, 20)
"""From the narrowest to the widest: PostgreSQL widens by itself, in any expression."""
_NUMBERS: Final = (1700, 700, 701)
_TEXT, _VARCHAR = 25, 1043


@dataclass(frozen=True)
class PreparedText:
    """One statement of an operation, as it is prepared."""

    text: str
    parameters: tuple[int, ...]
    """Index in the operation's ``params`` of what feeds ``$1``, ``$2`` …"""
    shape: StatementShape
    """As the server infers it for this statement alone."""
    param_oids: tuple[int, ...]
    """The type that each of ``$1``, ``$2`` … is prepared with."""


@dataclass(frozen=True)
class OperationShape:
    """An operation that the server can prepare."""

    statements: tuple[PreparedText, ...]
    param_oids: tuple[int, ...]
    """By parameter of the operation, the type that its values are encoded for."""

    @property
    def places(self) -> tuple[int, ...]:
        """Which parameter stands where in a row of the operation: those of its statements, one after the other."""
        return tuple(parameter for statement in self.statements for parameter in statement.parameters)


@dataclass(frozen=True)
class Misfit:
    """Why one statement of an operation cannot be prepared."""

    statement: int
    """Its index."""
    fault: StatementFault


def describe_operation(
    connection: Connection, operation: Operation, table: str | None
) -> OperationShape | list[Misfit | Problem]:
    """Return the types of an operation, or what prevents them: faults of statements, or problems of parameters.

    A parameter has one type in all statements of its operation: that which they agree on, the narrowest of several
    integer types, or the integer one beside a type for other numbers. The places of problems are relative to the
    operation. Raises ``psycopg.OperationalError`` when the connection breaks.
    """
    rendered = render_all(operation, table)
    found = [describe_one(connection, statement.text) for statement in rendered]
    faults: list[Misfit | Problem] = [
        Misfit(number, shape) for number, shape in enumerate(found) if isinstance(shape, StatementFault)
    ]
    if faults:
        return faults
    shapes = [shape for shape in found if isinstance(shape, StatementShape)]
    miscounted = list(_miscounted(operation, rendered, shapes))
    if miscounted:
        return [*miscounted]
    inferred = _inferred(rendered, shapes)
    shared = {parameter: shared_type(list(by_statement.values())) for parameter, by_statement in inferred.items()}
    if disagreeing := [parameter for parameter, oid in shared.items() if oid is None]:
        return [_disagreement(parameter, inferred[parameter]) for parameter in sorted(disagreeing)]
    oids = {parameter: oid for parameter, oid in shared.items() if oid is not None}
    statements: list[PreparedText] = []
    for number, (statement, shape) in enumerate(zip(rendered, shapes, strict=True)):
        wanted = tuple(oids[parameter] for parameter in statement.parameters)
        if wanted != shape.param_oids:
            again = describe_one(connection, statement.text, wanted)
            if isinstance(again, StatementFault):
                faults.append(Misfit(number, again))
                continue
        statements.append(PreparedText(statement.text, statement.parameters, shape, wanted))
    return faults or OperationShape(tuple(statements), tuple(oids[number] for number in range(len(operation.params))))


def describe_operations(
    connection: Connection, operations: Sequence[Operation], table: str | None
) -> list[OperationShape]:
    """Return the types of every operation.

    Raises:
        TargetMismatch: with all that does not fit.
    """
    found = [describe_operation(connection, operation, table) for operation in operations]
    problems = [
        item.fault.problem(operation.label) if isinstance(item, Misfit) else item
        for operation, shape in zip(operations, found, strict=True)
        if isinstance(shape, list)
        for item in shape
    ]
    if problems:
        raise TargetMismatch("the statements do not fit the database", problems=problems)
    return [shape for shape in found if isinstance(shape, OperationShape)]


def shared_type(oids: Sequence[int]) -> int | None:
    """Return the one type that serves where each of ``oids`` was inferred; None when there is none."""
    kinds = set(oids)
    if len(kinds) == 1:
        return oids[0]
    if kinds <= {*_INTEGERS, *_NUMBERS}:
        return next((oid for oid in _INTEGERS if oid in kinds), None)
    return _TEXT if kinds == {_TEXT, _VARCHAR} else None


def _miscounted(
    operation: Operation, rendered: Sequence[Rendered], shapes: Sequence[StatementShape]
) -> Iterator[Problem]:
    for statement, shape in zip(rendered, shapes, strict=True):
        if len(shape.param_oids) != len(statement.parameters):
            counts = f"the server counts {len(shape.param_oids)} parameters, params lists {len(statement.parameters)}"
            yield Problem("params", f"{operation.label}: {counts}", "list one source for each $n")


def _inferred(rendered: Sequence[Rendered], shapes: Sequence[StatementShape]) -> dict[int, dict[int, int]]:
    """Return, by parameter, the type that each statement which uses it infers."""
    inferred: dict[int, dict[int, int]] = {}
    for number, (statement, shape) in enumerate(zip(rendered, shapes, strict=True)):
        for parameter, oid in zip(statement.parameters, shape.param_oids, strict=True):
            inferred.setdefault(parameter, {})[number] = oid
    return inferred


def _disagreement(parameter: int, by_statement: Mapping[int, int]) -> Problem:
    types = " and ".join(f"{pg_type(oid).name} in statement {number}" for number, oid in by_statement.items())
    message = f"${parameter + 1} is {types}, and a parameter has one type"
    wanted = pg_type(next(iter(by_statement.values()))).name
    return Problem(f"params.{parameter}", message, f"cast it in the others, as in ${parameter + 1}::{wanted}")
