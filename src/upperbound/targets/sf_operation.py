"""The operations of a scenario as Snowflake executes them, and the types that their parameters have."""

from collections.abc import Sequence

from upperbound.domain.outcomes import Outcome
from upperbound.errors import Problem, TargetMismatch
from upperbound.scenario.identifiers import SNOWFLAKE
from upperbound.scenario.model import Operation
from upperbound.scenario.params import (
    ChoiceParam,
    ListParam,
    NowParam,
    OffsetParam,
    TextParam,
    UuidParam,
    WeightedParam,
)
from upperbound.scenario.pool_needs import pool_source
from upperbound.scenario.sql_text import first_word, tokenize
from upperbound.scenario.statements import lead, render_marks
from upperbound.targets.blocking import BlockingOperation, BlockingStatement
from upperbound.targets.pg_types import Family
from upperbound.targets.sf_tables import SnowflakeTable
from upperbound.targets.sf_types import INTEGER, TEXT, TIME, SnowflakeType, values_kind


def parameter_types(operation: Operation, table: SnowflakeTable | None) -> list[SnowflakeType]:
    """Return the type of each of an operation's parameters, which is that of the values its source makes.

    Raises:
        TargetMismatch: a column is not there or of no use, or listed values have no type in common.
    """
    types: list[SnowflakeType] = []
    problems: list[Problem] = []
    for place in range(len(operation.params)):
        found = _parameter_type(operation, place, table)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            types.append(found)
    if problems:
        raise TargetMismatch(f"{operation.label}: parameters do not fit the table", problems=problems)
    return types


def _parameter_type(operation: Operation, place: int, table: SnowflakeTable | None) -> SnowflakeType | Problem:
    """Return the type of one parameter, or what is wrong with it; places are relative to the operation."""
    param, where = operation.params[place], f"params.{place}"
    if (source := pool_source(param, SNOWFLAKE)) is not None:
        return _column_type(source[0], table, where)
    match param:
        case OffsetParam():
            return _parameter_type(operation, param.offset_from.parameter - 1, table)
        case ChoiceParam(choice=values):
            listed: Sequence[object] = values
        case WeightedParam(weighted=items):
            listed = [item.value for item in items]
        case NowParam():
            return TIME
        case TextParam() | UuidParam():
            return TEXT
        case ListParam():
            return Problem(where, "Snowflake takes no list as a parameter", "write a parameter for each value")
        case _:
            return INTEGER
    return values_kind(listed) or Problem(
        where, f"${place + 1} lists values of several kinds", "a parameter has one type: put them all in quotes"
    )


def _column_type(column: str, table: SnowflakeTable | None, where: str) -> SnowflakeType | Problem:
    if table is None:
        return Problem(where, f"takes values from the column {column}, and there is no table", "set target.table")
    found = table.column(column)
    if found is None:
        names = ", ".join(one.name for one in table.columns[:12])
        return Problem(where, f"{table.name.quoted} has no column {column}", f"it has {names}")
    if found.kind.family in (Family.OTHER, Family.JSON):
        return Problem(where, f"values of {column}, of type {found.type}, cannot be parameters", "take another column")
    return found.kind


def blocking_operation(operation: Operation, table: str | None, types: Sequence[SnowflakeType]) -> BlockingOperation:
    """Return an operation as it is executed; the row that is drawn for it has a place for each ``?``."""
    statements: list[BlockingStatement] = []
    first = 0
    for rendered in render_marks(operation, table):
        binds = tuple(types[parameter].bind for parameter in rendered.parameters)
        is_query = first_word(list(tokenize(rendered.text))) == "SELECT"
        statements.append(BlockingStatement(rendered.text, binds, first, is_query=is_query))
        first += len(binds)
    rollback = None
    if operation.is_transaction:
        begin, commit, rollback = (
            BlockingStatement(lead(operation, word), counts=False) for word in ("BEGIN", "COMMIT", "ROLLBACK")
        )
        statements = [begin, *statements, commit]
    retry = {Outcome[kind.name]: most for kind, most in operation.retry.items()}
    return BlockingOperation(tuple(statements), rollback, retry)


def places(operation: Operation, table: str | None) -> tuple[int, ...]:
    """Return which parameter stands where in a row of the operation: one place for each ``?``."""
    return tuple(parameter for rendered in render_marks(operation, table) for parameter in rendered.parameters)
