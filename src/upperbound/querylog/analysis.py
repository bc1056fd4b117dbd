"""Questions to the sealed query log of a run, answered by DuckDB over its Parquet parts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from upperbound.domain.executions import (
    Execution,
    ExecutionFilter,
    ExecutionOrder,
    ExecutionPage,
    LoggedMessage,
    SecondCount,
)
from upperbound.errors import QueryLogError

THREADS: Final = 2
MEMORY: Final = "512MB"
_SECRETIVE: Final = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
"""Nothing is fetched from anywhere."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


_COLUMN_OF: Final = {
    ExecutionOrder.STARTED: "started_at",
    ExecutionOrder.INTENDED: "intended_at",
    ExecutionOrder.ENDED: "ended_at",
    ExecutionOrder.SERVICE: "service_us",
    ExecutionOrder.RESPONSE: "response_us",
    ExecutionOrder.ROWS: "rows",
    ExecutionOrder.KIND: "kind",
    ExecutionOrder.OUTCOME: "outcome",
    ExecutionOrder.WORKER: "worker_id",
}


class QueryLogAnalysis:
    """Reads the parts of one run; every method raises :class:`QueryLogError` for a part that cannot be read."""

    def __init__(self, files: Sequence[Path], server_files: Sequence[Path] = ()) -> None:
        """Read ``files``, of which there is at least one, and what the server tells of them, if it was asked."""
        assert files, "a log without parts has no answers"
        self._files = [str(file) for file in files]
        self._server_files = [str(file) for file in server_files]

    def executions(
        self, wanted: ExecutionFilter, *, order: ExecutionOrder, descending: bool, limit: int, offset: int
    ) -> ExecutionPage:
        """Return queries in an order; those that are equal in it, by when they started."""
        with self._connection() as connection:
            zero_us = self._zero_us(connection)
            condition, values = _condition(wanted, zero_us)
            log = f"FROM read_parquet($files) WHERE {condition}"
            values["files"] = self._files
            total = connection.execute(f"SELECT count(*) {log}", values).fetchall()[0][0]
            way = "DESC" if descending else "ASC"
            sorting = f"ORDER BY {_COLUMN_OF[order]} {way}, started_at {way}, execution_id {way}"
            page = {**values, "most": limit, "skipped": offset}
            paged = f"{_SELECT} {log} {sorting} LIMIT $most OFFSET $skipped"
            rows = connection.execute(paged, page).fetchall()
            told = self._told(connection, [row[-1] for row in rows if row[-1] is not None])
        return ExecutionPage(tuple(_execution(row, zero_us, told.get(row[-1])) for row in rows), int(total))

    def messages(self, limit: int) -> list[LoggedMessage]:
        """Return what failures said, the most frequent first."""
        with self._connection() as connection:
            zero_us = self._zero_us(connection)
            rows = connection.execute(_MESSAGES, {"files": self._files, "most": limit}).fetchall()
        return [
            LoggedMessage(
                outcome=outcome,
                error_code=code,
                message=message,
                count=count,
                first_s=(first_us - zero_us) / 1e6,
                last_s=(last_us - zero_us) / 1e6,
                kinds=tuple(kinds),
                workers=workers,
            )
            for outcome, code, message, count, first_us, last_us, kinds, workers in rows
        ]

    def seconds(self) -> list[SecondCount]:
        """Return the measurement by kind and second, by when queries started."""
        with self._connection() as connection:
            rows = connection.execute(_SECONDS, {"files": self._files}).fetchall()
        return [SecondCount(*row) for row in rows]

    def _told(self, connection: duckdb.DuckDBPyConnection, ids: list[str]) -> dict[str, tuple[Any, ...]]:
        """Return what the server tells of the queries of one page, by its id."""
        if not ids or not self._server_files:
            return {}
        rows = connection.execute(_SERVER, {"files": self._server_files, "ids": ids}).fetchall()
        return {identity: tuple(rest) for identity, *rest in rows}

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        config: dict[str, Any] = {"threads": THREADS, "memory_limit": MEMORY, **_SECRETIVE}
        try:
            with duckdb.connect(":memory:", config=config) as connection:
                yield connection
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            raise QueryLogError(
                f"the query log cannot be read: {said}", hint="see `query_log` in the summary"
            ) from None

    def _zero_us(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Return when the first query was due, in microseconds since 1970; 0 for a log without any."""
        first = "SELECT epoch_us(min(intended_at)) FROM read_parquet($files)"
        return int(connection.execute(first, {"files": self._files}).fetchall()[0][0] or 0)


_SELECT: Final = """\
SELECT execution_id, worker_id, thread, kind, operation, phase, epoch_us(intended_at), epoch_us(started_at),
  epoch_us(ended_at), response_us, service_us, outcome, error_code, error, rows, attempts, server_query_id"""
_SERVER: Final = """\
SELECT server_query_id, elapsed_ms, execution_ms, queued_ms, cluster_number
FROM read_parquet($files) WHERE list_contains($ids, server_query_id)"""
_MESSAGES: Final = """\
SELECT outcome, error_code, error, count(*) AS failures, epoch_us(min(ended_at)), epoch_us(max(ended_at)),
  list_sort(list(DISTINCT kind)), count(DISTINCT worker_id)
FROM read_parquet($files) WHERE outcome <> 'ok'
GROUP BY outcome, error_code, error ORDER BY failures DESC, outcome, error_code, error LIMIT $most"""
_SECONDS: Final = """\
WITH measured AS (
  SELECT kind, outcome, epoch_us(started_at) AS started_us, min(epoch_us(intended_at)) OVER () AS zero_us
  FROM read_parquet($files) WHERE NOT warmup
)
SELECT kind, CAST((started_us - zero_us) // 1000000 AS INTEGER) AS second,
  count(*) FILTER (WHERE outcome = 'ok'), count(*) FILTER (WHERE outcome <> 'ok')
FROM measured GROUP BY kind, second ORDER BY second, kind"""


def _condition(wanted: ExecutionFilter, zero_us: int) -> tuple[str, dict[str, Any]]:
    """Return a condition, whose values are bound by name, and the values."""
    latency = "response_us" if wanted.by_response else "service_us"
    parts: list[tuple[str, str, Any]] = [
        ("list_contains($kinds, kind)", "kinds", list(wanted.kinds) or None),
        ("list_contains($operations, operation)", "operations", list(wanted.operations) or None),
        ("list_contains($outcomes, outcome)", "outcomes", list(wanted.outcomes) or None),
        ("(outcome <> 'ok') = $failed", "failed", wanted.failed),
        ("worker_id = $worker", "worker", wanted.worker_id),
        ("phase = $phase", "phase", wanted.phase.value if wanted.phase else None),
        (f"{latency} >= $least", "least", _us(wanted.min_ms, 1e3)),
        (f"{latency} <= $most_us", "most_us", _us(wanted.max_ms, 1e3)),
        ("epoch_us(started_at) >= $begin", "begin", _us(wanted.from_s, 1e6, zero_us)),
        ("epoch_us(started_at) < $end", "end", _us(wanted.to_s, 1e6, zero_us)),
    ]
    chosen = [(condition, name, value) for condition, name, value in parts if value is not None]
    return " AND ".join(["true", *(one[0] for one in chosen)]), {name: value for _, name, value in chosen}


def _us(value: float | None, factor: float, zero_us: int = 0) -> int | None:
    return None if value is None else zero_us + round(value * factor)


def _execution(row: Sequence[Any], zero_us: int, told: Sequence[Any] | None = None) -> Execution:
    identity, worker, thread, kind, operation, phase, intended, started, ended, response, service, *rest = row
    outcome, code, error, rows, attempts, server_id = rest
    server_elapsed, server_execution, server_queued, cluster = told or (None,) * 4
    return Execution(
        execution_id=identity,
        worker_id=worker,
        thread=thread,
        kind=kind,
        operation=operation,
        phase=phase,
        elapsed_s=(started - zero_us) / 1e6,
        intended_at=_EPOCH + timedelta(microseconds=intended),
        started_at=_EPOCH + timedelta(microseconds=started),
        ended_at=_EPOCH + timedelta(microseconds=ended),
        response_ms=response / 1000,
        service_ms=service / 1000,
        outcome=outcome,
        error_code=code,
        error=error,
        rows=rows,
        attempts=attempts,
        server_query_id=server_id,
        server_elapsed_ms=server_elapsed,
        server_execution_ms=server_execution,
        server_queued_ms=server_queued,
        cluster_number=cluster,
    )
