"""Whether a statement could be executed, and how: asked of the server without executing it."""

import psycopg
from psycopg import sql

from upperbound.errors import Problem, TargetMismatch
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
from upperbound.targets.valid_statement import ValidStatement, as_operation


def validate_statement(connection: Connection, statement: str, table: str | None = None) -> ValidStatement:
    """Return what the server makes of a statement; nothing is executed, and nothing is kept in the session.

    ``{table}`` stands for ``table``, written as in ``target.table``. The connection must be in autocommit mode. Raises
    :class:`TargetMismatch` when the statement cannot be prepared, or this user may not execute it, and
    :class:`ConfigurationError` when it is not one statement.
    """
    rendered = render(as_operation(statement, has_table=table is not None), table)
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
