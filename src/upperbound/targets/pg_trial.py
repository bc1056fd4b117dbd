"""Statements that are executed in earnest and then undone: whether they work, and how many rows they touch."""

import contextlib
import select
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString, Self

import psycopg
from psycopg import generators, pq

from upperbound.clock import Clock
from upperbound.domain.expectation import Attempt, AttemptEnd
from upperbound.domain.outcomes import Outcome
from upperbound.errors import TargetError
from upperbound.targets.pg_connection import ConnInfo, open_connection
from upperbound.targets.pg_types import Family, pg_type
from upperbound.targets.sqlstate import classify

LOCK_TIMEOUT_S: Final = 5.0
ASKING_LIMIT_S: Final = 60
"""How long the server may take to answer what is asked of it beside the statements, such as values for a pool."""
LOOK_AFTER_S: Final = 2.0
"""How long a statement may take before the sessions are looked for that it may be waiting for."""
_NOT_IN_A_TRANSACTION: Final = ("25001", "2D000")
"""Statements that cannot run within a transaction, and procedures that end one themselves."""
_DATA: Final = "22"
"""The class of faults of single values, some of which the taxonomy files under syntax."""
_PASSING: Final = (
    Outcome.SERIALIZATION_FAILURE,
    Outcome.DEADLOCK,
    Outcome.LOCK_TIMEOUT,
    Outcome.CONSTRAINT,
    Outcome.OTHER,
)
"""Failures that other values, or another moment, may not have."""
_SHOWN_CHARACTERS: Final = 40
_BARE: Final = (Family.INTEGER, Family.NUMBER, Family.BOOL)

_TIMEOUTS: LiteralString = """
    SELECT (SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'),
        (SELECT setting::bigint FROM pg_settings WHERE name = 'lock_timeout')
"""
_BLOCKERS: LiteralString = """
    SELECT pid, usename, application_name, state FROM pg_stat_activity
    WHERE pid = ANY (pg_blocking_pids(%s)) ORDER BY xact_start LIMIT 3
"""


@dataclass(frozen=True)
class BoundStatement:
    """A statement with the parameters of one execution, as the driver takes them."""

    text: str
    oids: tuple[int, ...] = ()
    row: tuple[bytes | None, ...] = ()

    @property
    def formats(self) -> list[int]:
        """Format codes of the parameters."""
        return [pg_type(oid).format for oid in self.oids]


class Trial:
    """Executes statements over one connection, and leaves nothing of them behind but what no rollback undoes.

    That is what sequences have given out, dead versions of rows, and what functions do beyond the database.
    """

    def __init__(self, info: ConnInfo, clock: Clock) -> None:
        """Open a connection on which nothing waits for ever.

        Raises :class:`TargetError`, and the driver's errors when the server gives up.
        """
        self._info, self._clock = info, clock
        self.connection = open_connection(info)
        try:
            row = self.connection.execute(_TIMEOUTS).fetchone()
            assert row is not None, "a SELECT without a table has a row"
            # A limit that the user has set holds in the run too, and is not to be raised here.
            self._statement_timeout_ms, self._lock_timeout_ms = int(row[0]), int(row[1])
            limits = f"SET statement_timeout = '{ASKING_LIMIT_S}s'; SET lock_timeout = {int(LOCK_TIMEOUT_S * 1000)}"
            self.connection.execute(limits.encode())
        except BaseException:
            self.connection.close()
            raise
        self._blockers = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def attempt(self, statements: Sequence[BoundStatement], limit_s: float, *, begin: str = "BEGIN") -> Attempt:
        """Execute statements one after the other in a transaction, with the checks of its end, and roll it back.

        ``begin`` begins the transaction, which may be of another isolation level than the session's. Each statement may
        take ``limit_s`` seconds, and wait for a lock for :data:`LOCK_TIMEOUT_S`. Rows are summed up. Raises
        ``psycopg.OperationalError`` when the connection is lost.
        """
        limit_ms, lock_ms = max(1, int(limit_s * 1000)), int(LOCK_TIMEOUT_S * 1000)
        limit_is_ours = not 0 < self._statement_timeout_ms <= limit_ms
        opening = (
            f"{begin};"
            f"SET LOCAL statement_timeout = {limit_ms if limit_is_ours else self._statement_timeout_ms};"
            f"SET LOCAL lock_timeout = {min(lock_ms, self._lock_timeout_ms or lock_ms)}"
        )
        self._blockers = ""
        counted: list[int | None] = []
        try:
            self.connection.execute(opening.encode())
            # Constraints that are deferred to the end of the transaction would never be looked at.
            for statement in [*statements, BoundStatement("SET CONSTRAINTS ALL IMMEDIATE")]:
                started_ns = self._clock.monotonic_ns()
                result = self._execute(statement)
                if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
                    took_ms = (self._clock.monotonic_ns() - started_ns) / 1e6
                    return self._failure(result.result, gave_up=limit_is_ours and took_ms >= limit_ms)
                counted.append(result.rows)
        finally:
            self._undo()
        rows = [count for count in counted if count is not None]
        return Attempt(AttemptEnd.DONE, rows=sum(rows) if rows else None)

    def readable(self, oids: Sequence[int], row: Sequence[bytes | None]) -> list[str]:
        """Return the parameters of an execution as the server writes them, long ones cut off."""
        if not row:
            return []
        columns = ", ".join(f"${place}::text" for place in range(1, len(row) + 1))
        result = self.connection.pgconn.exec_params(
            f"SELECT {columns}".encode(), row, oids, [pg_type(oid).format for oid in oids]
        )
        if result.status != pq.ExecStatus.TUPLES_OK:
            return ["?"] * len(row)
        return [_shown(result.get_value(0, place), oid) for place, oid in enumerate(oids)]

    def _execute(self, statement: BoundStatement) -> "_Result":
        """Execute one statement and count its rows, without keeping them."""
        pgconn, connection = self.connection.pgconn, self.connection
        rows = 0
        with connection.lock:
            pgconn.send_query_params(statement.text.encode(), statement.row, statement.oids, statement.formats)
            pgconn.set_single_row_mode()
            connection.wait(generators.send(pgconn))
            self._look_who_is_in_the_way()
            last: pq.abc.PGresult | None = None
            while True:
                result = connection.wait(generators.fetch(pgconn)) if pgconn.is_busy() else pgconn.get_result()
                if result is None:
                    break
                rows += result.status == pq.ExecStatus.SINGLE_TUPLE
                last = result
        assert last is not None, "every statement has a result"
        if last.status == pq.ExecStatus.FATAL_ERROR and classify(_field(last, _SQLSTATE)) is Outcome.CONNECTION_LOST:
            raise psycopg.OperationalError(_field(last, _MESSAGE) or pgconn.get_error_message())
        return _Result(last, last.status, rows if last.status == pq.ExecStatus.TUPLES_OK else last.command_tuples)

    def _undo(self) -> None:
        """End the transaction, if there is one; a statement that was interrupted is not waited for."""
        status = self.connection.pgconn.transaction_status
        if status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR):
            self.connection.execute("ROLLBACK")
        elif status == pq.TransactionStatus.ACTIVE:
            with contextlib.suppress(psycopg.Error):
                self.connection.cancel_safe()

    def _look_who_is_in_the_way(self) -> None:
        """Find out, once for each statement that takes long, which sessions it waits for."""
        pgconn, answer = self.connection.pgconn, select.poll()
        answer.register(pgconn.socket, select.POLLIN)
        if not pgconn.is_busy() or answer.poll(LOOK_AFTER_S * 1000):
            return
        try:
            with open_connection(self._info) as other:
                found = other.execute(_BLOCKERS, [pgconn.backend_pid]).fetchall()
        except (TargetError, psycopg.Error):
            return  # the server has no room for another session: who is in the way stays unknown
        self._blockers = ", ".join(map(_session, found))

    def _failure(self, result: pq.abc.PGresult, *, gave_up: bool) -> Attempt:
        sqlstate = _field(result, _SQLSTATE)
        outcome = classify(sqlstate)
        detail = _field(result, pq.DiagnosticField.MESSAGE_DETAIL)
        message = " ".join(_field(result, _MESSAGE).split()) + (f" ({' '.join(detail.split())})" if detail else "")
        hint = _field(result, pq.DiagnosticField.MESSAGE_HINT)
        if sqlstate in _NOT_IN_A_TRANSACTION:
            return Attempt(AttemptEnd.UNFIT, message=message)
        if outcome is Outcome.STATEMENT_TIMEOUT and gave_up:
            return Attempt(AttemptEnd.TOO_SLOW, message=message)
        if outcome is Outcome.LOCK_TIMEOUT and self._blockers:
            message = f"{message}: the lock is held by {self._blockers}"
            hint = hint or "wait until the lock is free, or end the session that holds it"
        passing = outcome in _PASSING or sqlstate.startswith(_DATA)
        return Attempt(AttemptEnd.FAILED if passing else AttemptEnd.REFUSED, message=message, hint=hint)


@dataclass(frozen=True)
class _Result:
    """The last result of a statement."""

    result: pq.abc.PGresult
    status: int
    rows: int | None
    """Rows returned, or else affected; None when the server counts none."""


_SQLSTATE = pq.DiagnosticField.SQLSTATE
_MESSAGE = pq.DiagnosticField.MESSAGE_PRIMARY


def _field(result: pq.abc.PGresult, field: pq.DiagnosticField) -> str:
    return (result.error_field(field) or b"").decode(errors="replace")


def _session(row: tuple[Any, ...]) -> str:
    """Describe a session by what the server lets this user see of it."""
    pid, user, application, state = row
    said = ", ".join(str(word) for word in (application, f"user {user}" if user else "", state) if word)
    return f"session {pid}" + (f" ({said})" if said else "")


def _shown(value: bytes | None, oid: int) -> str:
    """Return a value as SQL would have it."""
    if value is None:
        return "NULL"
    text = value.decode(errors="replace")
    short = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return short if pg_type(oid).family in _BARE else "'{}'".format(short.replace("'", "''"))
