"""Whether Snowflake would execute a statement, and how: asked without executing it."""

from typing import Final

from upperbound.errors import ConfigurationError, TargetMismatch
from upperbound.scenario.identifiers import SNOWFLAKE, IdentifierError, parse_table
from upperbound.scenario.sql_text import first_word, tokenize
from upperbound.scenario.statements import render_marks
from upperbound.targets.sf_connection import ResultColumn, describe, query
from upperbound.targets.sf_session_type import Session
from upperbound.targets.valid_statement import ValidStatement, as_operation

TYPE_OF_ITS_VALUE: Final = "the type of the value that is given"
"""A ``?`` has no type of its own on Snowflake."""
_RETURNS_ROWS: Final = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "VALUES", "CALL", "EXPLAIN")
_EXPLAINED: Final = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE")


def validate_on_snowflake(session: Session, statement: str, table: str | None = None) -> ValidStatement:
    """Return what Snowflake makes of a statement; nothing is executed.

    ``{table}`` stands for ``table``, written as in ``target.table``. A statement with parameters has no plan: Snowflake
    plans with their values. Raises :class:`TargetMismatch` when Snowflake refuses the statement,
    :class:`ConfigurationError` when it is not one statement, and :class:`TargetUnreachable` when the session breaks.
    """
    if table is not None:
        try:
            parse_table(table, SNOWFLAKE)
        except IdentifierError as error:
            raise ConfigurationError(error.message, hint=error.hint) from None
    (rendered,) = render_marks(as_operation(statement, has_table=table is not None), table)
    word = first_word(list(tokenize(statement)))
    try:
        columns = describe(session, rendered.text)
        plan = _plan(session, rendered.text) if word in _EXPLAINED and not rendered.parameters else ()
    except TargetMismatch as error:
        raise TargetMismatch(f"the statement cannot be executed: {error.message}", hint=error.hint) from None
    return ValidStatement(
        (TYPE_OF_ITS_VALUE,) * len(set(rendered.parameters)),
        # What a change answers with is the number of its rows, as on PostgreSQL.
        tuple((column.name, type_name(column)) for column in columns) if word in _RETURNS_ROWS else (),
        plan,
    )


def type_name(column: ResultColumn) -> str:
    """Return the type of a result column as Snowflake writes it."""
    if column.kind == "FIXED":
        return f"NUMBER({column.precision},{column.scale})"
    if column.kind == "TEXT":
        return f"VARCHAR({column.length})" if column.length is not None else "VARCHAR"
    return "FLOAT" if column.kind == "REAL" else column.kind


def _plan(session: Session, text: str) -> tuple[str, ...]:
    rows = query(session, f"EXPLAIN USING TEXT {text}")
    return tuple(line for row in rows for cell in row.values() for line in str(cell).splitlines())
