"""Whether a statement could be executed, and how: asked of the server without executing it."""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from upperbound.errors import ConfigurationError, Problem, TargetMismatch
from upperbound.scenario.fields import HUNDRED
from upperbound.scenario.kinds import OperationKind, OperationType
from upperbound.scenario.model import Operation
from upperbound.scenario.statement_checks import check_statements
from upperbound.scenario.statements import render
from upperbound.targets.pg_catalog import similar_columns, similar_tables, type_name
from upperbound.targets.pg_describe import (
    INDETERMINATE_TYPE,
    UNDEFINED_COLUMN,
    UNDEFINED_TABLE,
    Connection,
    StatementFault,
    describe_one,
)


@dataclass(frozen=True)
class ValidStatement:
    """A statement that the server has prepared and planned."""

    parameters: tuple[str, ...]
    """Type of ``$1``, ``$2`` … as the server inferred it."""
    columns: tuple[tuple[str, str], ...]
    """Name and type of each result column; none for a statement that returns no rows."""
    plan: tuple[str, ...]
    """Lines of the plan for parameters of any value; empty for a statement that has none, such as CALL."""


def validate_statement(connection: Connection, statement: str, table: str | None = None) -> ValidStatement:
    """Return what the server makes of a statement; nothing is executed, and nothing is kept in the session.

    ``{table}`` stands for ``table``, written as in ``target.table``. The connection must be in autocommit mode. Raises
    :class:`TargetMismatch` when the statement cannot be prepared, or this user may not execute it, and
    :class:`ConfigurationError` when it is not one statement.
    """
    plain = {"kind": OperationKind.GENERIC_SQL, "operation_type": OperationType.WRITE, "sql": statement}
    if problems := list(check_statements("statement", plain, has_table=table is not None)):
        raise ConfigurationError("this is not a statement that can be executed", problems=problems)
    operation = Operation.model_construct(kind=OperationKind.GENERIC_SQL, weight_pct=HUNDRED, sql=statement)
    rendered = render(operation, table)
    found = describe_one(connection, rendered)
    if isinstance(found, StatementFault):
        raise _refused(Problem("", found.message, _hint(connection, found, table)))
    try:
        plan = _plan(connection, rendered, len(found.param_oids))
    except psycopg.errors.InsufficientPrivilege as error:
        hint = "grant the user what the statement needs"
        raise _refused(Problem("", error.diag.message_primary or "permission denied", hint)) from None
    return ValidStatement(
        tuple(type_name(connection, oid) for oid in found.param_oids),
        tuple((name, type_name(connection, oid)) for name, oid in found.result_columns),
        plan,
    )


def _plan(connection: Connection, statement: str, parameters: int) -> tuple[str, ...]:
    """Return the generic plan; a statement that EXPLAIN does not take has none.

    A generic plan does not look at the NULLs that stand for the parameters.
    """
    nulls = sql.SQL("({})").format(sql.SQL(", ").join([sql.NULL] * parameters)) if parameters else sql.SQL("")
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            connection.execute(f"PREPARE ub_validate AS {statement}".encode())
            rows = connection.execute(sql.SQL("EXPLAIN (COSTS off) EXECUTE ub_validate{}").format(nulls)).fetchall()
    except psycopg.errors.SyntaxError:
        return ()
    finally:
        connection.execute("DEALLOCATE ALL")
    return tuple(str(row[0]) for row in rows)


def _hint(connection: Connection, fault: StatementFault, table: str | None) -> str:
    if fault.sqlstate == UNDEFINED_TABLE:
        return similar_tables(connection, fault.subject)
    if fault.sqlstate == UNDEFINED_COLUMN and not fault.hint and table is not None:
        return similar_columns(connection, table, fault.subject)
    if fault.sqlstate == INDETERMINATE_TYPE:
        return "name the type in the statement, as in $1::integer"
    return fault.hint


def _refused(problem: Problem) -> TargetMismatch:
    return TargetMismatch(f"the statement cannot be executed: {problem.message}", hint=problem.hint)
