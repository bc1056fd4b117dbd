"""Log lines: ``TEST_LOGS``, what orchestrators and workers of a run have said."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.store.database import Database
from upperbound.store.tables import test_logs
from upperbound.store.types import store_now


@dataclass(frozen=True)
class LogWriter:
    """Who writes the lines of one process about one run."""

    run_id: str
    name: str
    """Unique among all writers of the run, those of an earlier process with the same role included."""
    source: LogSource
    worker_id: str | None = None
    """None for an orchestrator."""


@dataclass(frozen=True)
class LogLine:
    """One line, as its writer knows it."""

    number: int
    """Given by the writer, no two lines the same."""
    level: LogLevel
    logger: str
    message: str
    """May have line breaks, as tracebacks do."""
    logged_at: datetime
    """By the writer's clock, which need not agree with the store's."""


@dataclass(frozen=True)
class LogRow:
    """A line as it is stored."""

    run_id: str
    sequence: int
    """Rises in the order in which the store took lines in; starts at 1."""
    source: LogSource
    worker_id: str | None
    level: LogLevel
    logger: str
    message: str
    logged_at: datetime
    received_at: datetime
    """By the store's clock."""


class LogRepository:
    """Appends to and reads the log of a run."""

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        columns = test_logs.c
        given: dict[str, Any] = {
            column.name: sa.bindparam(f"given_{column.name}", type_=column.type) for column in columns
        }
        given["received_at"] = store_now() if now is None else now
        self._insert = sa.insert(test_logs).values(given)
        one_run = columns.run_id == sa.bindparam("run")
        self._last = sa.select(sa.func.coalesce(sa.func.max(columns.sequence), 0)).where(one_run)
        self._taken = sa.select(columns.writer_number).where(
            one_run,
            columns.writer == sa.bindparam("writer"),
            columns.writer_number.between(sa.bindparam("first"), sa.bindparam("last")),
        )
        # Of this run's log alone: a line must not hold up anybody's heartbeat or lease.
        self._lock = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("lock"), 0)))
        self._after = (
            sa.select(
                *(column for column in columns if column.name not in {"writer", "writer_number"}),
            )
            .where(one_run, columns.sequence > sa.bindparam("sequence"))
            .order_by(columns.sequence)
            .limit(sa.bindparam("most", type_=sa.Integer))
        )

    def append_many(self, writer: LogWriter, lines: Sequence[LogLine]) -> int:
        """Append lines, all or none, in the order given, and return how many were new.

        A line whose number the writer has used before is left as it is, so that a call whose answer was lost may be
        repeated. Lines become visible in the order of their sequence: who has read up to one will see every later one
        above it, however many writers there are.
        """
        if not lines:
            return 0
        numbers = [line.number for line in lines]
        with self._database.transaction(lock=log_lock(writer.run_id)) as connection:
            # SQLite's transaction is the lock already.
            if self._database.dialect == "postgresql":
                connection.execute(self._lock, {"lock": log_lock(writer.run_id)})
            span = {"run": writer.run_id, "writer": writer.name, "first": min(numbers), "last": max(numbers)}
            taken = set(connection.execute(self._taken, span).scalars())
            fresh = [line for line in lines if line.number not in taken]
            last = int(connection.execute(self._last, {"run": writer.run_id}).scalar_one())
            rows = [_values(writer, line, sequence) for sequence, line in enumerate(fresh, last + 1)]
            if rows:
                connection.execute(self._insert, rows)
        return len(rows)

    def last_sequence(self, run_id: str) -> int:
        """Return the sequence of the run's last line; 0 when there is none."""
        with self._database.connection() as connection:
            return int(connection.execute(self._last, {"run": run_id}).scalar_one())

    def after(
        self,
        run_id: str,
        sequence: int = 0,
        *,
        levels: Collection[LogLevel] | None = None,
        sources: Collection[LogSource] | None = None,
        worker_id: str | None = None,
        limit: int = 1000,
    ) -> list[LogRow]:
        """Return the run's lines with a sequence above ``sequence`` in order, at most ``limit``.

        ``levels``, ``sources`` and ``worker_id`` choose among them; None means all. Fewer than ``limit`` means that the
        caller has caught up. A run that does not exist has no lines.
        """
        columns, statement = test_logs.c, self._after
        if levels is not None:
            statement = statement.where(columns.level.in_(list(levels)))
        if sources is not None:
            statement = statement.where(columns.source.in_(list(sources)))
        if worker_id is not None:
            statement = statement.where(columns.worker_id == worker_id)
        rows = self._database.rows(statement, {"run": run_id, "sequence": sequence, "most": limit})
        return [LogRow(**row) for row in rows]


def log_lock(run_id: str) -> str:
    """Return what the lock of a run's log is called."""
    return f"test_logs:{run_id}"


def _values(writer: LogWriter, line: LogLine, sequence: int) -> dict[str, object]:
    return {
        "given_run_id": writer.run_id,
        "given_sequence": sequence,
        "given_writer": writer.name,
        "given_writer_number": line.number,
        "given_source": writer.source,
        "given_worker_id": writer.worker_id,
        "given_level": line.level,
        "given_logger": line.logger,
        "given_message": line.message,
        "given_logged_at": line.logged_at,
    }
