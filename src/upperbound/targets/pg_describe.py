"""What the server makes of a statement before it is executed: parameters, result columns, or what is wrong with it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import generators, pq

from upperbound.domain.outcomes import Outcome
from upperbound.errors import Problem, TargetMismatch
from upperbound.targets.sqlstate import classify

Connection = psycopg.Connection[tuple[Any, ...]]

UNDEFINED_TABLE = "42P01"
UNDEFINED_COLUMN = "42703"
INDETERMINATE_TYPE = "42P18"
_EXCERPT = 40
_NAME = re.compile(r'(?:[\w$]+|"[^"]+")(?:\.(?:[\w$]+|"[^"]+"))*')
_LEADING_COMMENT = re.compile(r"^/\*.*?\*/\s*", re.DOTALL)


@dataclass(frozen=True)
class StatementShape:
    """Types of a prepared statement."""

    param_oids: tuple[int, ...]
    """Type of ``$1``, ``$2`` …"""
    result_columns: tuple[tuple[str, int], ...]
    """Name and type of each result column; none for a statement that returns no rows."""


@dataclass(frozen=True)
class StatementFault:
    """Why the server cannot prepare a statement."""

    sqlstate: str
    message: str
    """What is wrong, with the place in the statement."""
    hint: str
    subject: str = ""
    """The name in the statement that the fault is about, if it is about one."""

    def problem(self, where: str) -> Problem:
        """Return the fault as a problem at ``where``."""
        return Problem(where, self.message, self.hint)


def describe(
    connection: Connection, statements: Sequence[str], labels: Sequence[str] | None = None
) -> list[StatementShape]:
    """Return what the server makes of each statement; nothing is executed.

    ``labels`` name the statements in problems. Raises :class:`TargetMismatch` with one problem for each statement that
    cannot be prepared. The connection must not be in a transaction.
    """
    names = labels or [f"statement {number}" for number in range(1, len(statements) + 1)]
    found = [describe_one(connection, statement) for statement in statements]
    problems = [item.problem(name) for item, name in zip(found, names, strict=True) if isinstance(item, StatementFault)]
    if problems:
        raise TargetMismatch("the statements do not fit the database", problems=problems)
    return [item for item in found if isinstance(item, StatementShape)]


def describe_one(
    connection: Connection, statement: str, param_oids: Sequence[int] | None = None
) -> StatementShape | StatementFault:
    """Return what the server makes of one statement, through the unnamed prepared statement.

    ``param_oids`` say the types of its parameters, which the server infers otherwise. Raises
    ``psycopg.OperationalError`` when the connection breaks.
    """
    pgconn = connection.pgconn
    with connection.lock:
        pgconn.send_prepare(b"", statement.encode(), list(param_oids) if param_oids else None)
        prepared = connection.wait(generators.execute(pgconn))[-1]
        if prepared.status != pq.ExecStatus.COMMAND_OK:
            return _fault(prepared, statement, pgconn)
        pgconn.send_describe_prepared(b"")
        described = connection.wait(generators.execute(pgconn))[-1]
    if described.status != pq.ExecStatus.COMMAND_OK:
        return _fault(described, statement, pgconn)
    columns = range(described.nfields)
    return StatementShape(
        tuple(described.param_type(number) for number in range(described.nparams)),
        tuple(((described.fname(number) or b"").decode(), described.ftype(number)) for number in columns),
    )


def _fault(result: pq.abc.PGresult, statement: str, pgconn: pq.abc.PGconn) -> StatementFault:
    def field(name: pq.DiagnosticField) -> str:
        return (result.error_field(name) or b"").decode(errors="replace")

    sqlstate = field(pq.DiagnosticField.SQLSTATE)
    message = field(pq.DiagnosticField.MESSAGE_PRIMARY)
    if classify(sqlstate) is Outcome.CONNECTION_LOST:
        raise psycopg.OperationalError(message or pgconn.get_error_message())
    position = field(pq.DiagnosticField.STATEMENT_POSITION)
    hint = field(pq.DiagnosticField.MESSAGE_HINT) or field(pq.DiagnosticField.MESSAGE_DETAIL)
    if not position:
        return StatementFault(sqlstate, message, hint)
    subject = _NAME.match(statement, int(position) - 1)
    place = _place(statement, int(position))
    return StatementFault(sqlstate, f"{message} {place}", hint, subject[0] if subject else "")


def _place(statement: str, position: int) -> str:
    """Say where in the statement character ``position`` is, counted from 1 without the leading comment."""
    comment = _LEADING_COMMENT.match(statement)
    start = comment.end() if comment else 0
    rest = " ".join(statement[position - 1 : position - 1 + _EXCERPT].split())
    if not rest:
        return "at its end"
    more = "…" if len(statement) > position - 1 + _EXCERPT else ""
    return f"at character {max(position - start, 1)}: {rest}{more}"
