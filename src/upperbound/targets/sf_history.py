"""What Snowflake tells of the statements of a run: one by one, and by the minute."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from upperbound.domain.phases import Phase
from upperbound.domain.server_minutes import Distribution, ServerMinute
from upperbound.errors import TargetMismatch
from upperbound.targets.sf_connection import SnowflakeInfo, open_session, query

if TYPE_CHECKING:
    from upperbound.targets.sf_session_type import Session

PAGE_ROWS: Final = 10_000
"""As many rows as Snowflake's function returns at most, and of them the newest."""
KEPT: Final = timedelta(days=7)
"""How far back the function reaches."""
ENRICHMENT_TAG: Final = "upperbound:enrichment"
TICK: Final = timedelta(milliseconds=1)
"""The step of Snowflake's times of statements."""
MONITOR_HINT: Final = (
    "the role sees the statements of its own user, and those of others with MONITOR on the warehouse: "
    "GRANT MONITOR ON WAREHOUSE <warehouse> TO ROLE <role>"
)
USAGE_HINT: Final = "GRANT DATABASE ROLE SNOWFLAKE.GOVERNANCE_VIEWER TO ROLE <role> lets a role read ACCOUNT_USAGE"
_CONTROL: Final = ("BEGIN", "BEGIN_TRANSACTION", "COMMIT", "ROLLBACK", "ALTER_SESSION", "SHOW", "USE", "SET")
"""Kinds of statements that a session of the load executes beside the workload."""
_PHASES: Final = {"WARMUP": Phase.WARMUP, "RUNNING": Phase.MEASUREMENT}

STATEMENTS: Final = pa.schema(
    [
        ("server_query_id", pa.string()),
        ("worker_id", pa.string()),
        ("phase", pa.string()),
        ("kind", pa.string()),
        ("status", pa.string()),
        ("error_code", pa.string()),
        ("started_at", pa.timestamp("us", tz="UTC")),
        ("elapsed_ms", pa.int64()),
        ("execution_ms", pa.int64()),
        ("compilation_ms", pa.int64()),
        ("overload_ms", pa.int64()),
        ("provisioning_ms", pa.int64()),
        ("repair_ms", pa.int64()),
        ("blocked_ms", pa.int64()),
        ("cluster_number", pa.int32()),
        ("warehouse_size", pa.string()),
        ("rows_produced", pa.int64()),
        ("bytes_scanned", pa.int64()),
        ("cache_pct", pa.float64()),
    ]
)
"""A statement as the server tells of it. ``kind`` is null for one whose text has lost the comment that names it."""

# The arguments choose the rows first, the newest by end; only then are those of the run picked. So a page says how many
# there were and how far back it reaches, whether or not any of them is of the run. One that still runs ended in 1970.
_PAGE: Final = """
    WITH page AS (
        SELECT * FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(
            END_TIME_RANGE_START => TO_TIMESTAMP_LTZ(?), END_TIME_RANGE_END => TO_TIMESTAMP_LTZ(?),
            RESULT_LIMIT => 10000
        ))
    ), extent AS (
        SELECT COUNT(*) AS page_rows, MIN(CASE WHEN END_TIME >= TO_TIMESTAMP_LTZ(?) THEN END_TIME END) AS oldest
        FROM page
    )
    SELECT extent.page_rows, extent.oldest, page.QUERY_ID, page.QUERY_TAG, page.QUERY_TYPE,
        REGEXP_SUBSTR(page.QUERY_TEXT, 'UB_KIND=([A-Z_]+)', 1, 1, 'e', 1) AS kind,
        page.EXECUTION_STATUS, page.ERROR_CODE, page.START_TIME, page.TOTAL_ELAPSED_TIME, page.EXECUTION_TIME,
        page.COMPILATION_TIME, page.QUEUED_OVERLOAD_TIME, page.QUEUED_PROVISIONING_TIME, page.QUEUED_REPAIR_TIME,
        page.TRANSACTION_BLOCKED_TIME, page.CLUSTER_NUMBER, page.WAREHOUSE_SIZE, page.ROWS_PRODUCED, page.BYTES_SCANNED,
        {cache} AS cache_pct
    FROM extent LEFT JOIN page ON STARTSWITH(page.QUERY_TAG, ?)
        AND UPPER(page.EXECUTION_STATUS) NOT IN ('RUNNING', 'QUEUED', 'BLOCKED', 'RESUMING_WAREHOUSE')
"""
_CACHE: Final = "page.PERCENTAGE_SCANNED_FROM_CACHE"
_MINUTES: Final = """
    SELECT INTERVAL_START_TIME, QUERY_TAG, QUERY_TYPE, CALLS,
        REGEXP_SUBSTR(QUERY_TEXT, 'UB_KIND=([A-Z_]+)', 1, 1, 'e', 1) AS kind,
        TO_JSON(TOTAL_ELAPSED_TIME) AS elapsed, TO_JSON(EXECUTION_TIME) AS execution,
        TO_JSON(QUEUED_OVERLOAD_TIME) AS overload, TO_JSON(ERRORS) AS errors,
        HYBRID_TABLE_REQUESTS_THROTTLED_COUNT AS throttled
    FROM SNOWFLAKE.ACCOUNT_USAGE.AGGREGATE_QUERY_HISTORY
    WHERE STARTSWITH(QUERY_TAG, ?) AND INTERVAL_END_TIME >= TO_TIMESTAMP_LTZ(?)
        AND INTERVAL_START_TIME <= TO_TIMESTAMP_LTZ(?)
    ORDER BY INTERVAL_START_TIME
"""


@dataclass(frozen=True)
class StatementPage:
    """A part of what the server tells of a run's statements."""

    rows: pa.Table
    """Of :data:`STATEMENTS`; none of them is on another page."""
    account_rows: int
    """How many statements of the account it was picked from."""
    crowded_at: datetime | None = None
    """When more than a page of the account's statements ended within a millisecond: not all of them can be listed."""


class SnowflakeHistory:
    """Reads the history of one run's statements over a session of its own, opened when it is needed; for one thread.

    Every method raises :class:`TargetError` when the account cannot be reached, and :class:`TargetMismatch` for what it
    refuses, such as a history that the role may not read.
    """

    def __init__(self, info: SnowflakeInfo, run_id: str) -> None:
        self._info = replace(info, settings=replace(info.settings, query_tag=ENRICHMENT_TAG, result_cache=False))
        self._prefix = f"upperbound:run_id={run_id}:worker="
        self._session: Session | None = None
        self._cache = _CACHE

    def now(self) -> datetime:
        """Return the time by the server's clock."""
        moment = self._query("SELECT CURRENT_TIMESTAMP() AS moment", [])[0]["moment"]
        return _utc(moment)

    def statements(self, start: datetime, end: datetime) -> Iterator[StatementPage]:
        """Return the statements that ended from ``start`` to ``end``, by the server's clock, the newest first.

        Those of the workload alone: what sessions are set up with, and BEGIN, COMMIT and ROLLBACK, are left out. Pages
        overlap by the millisecond in which one ends, so that none of its statements is missed.
        """
        before: set[str] = set()
        while True:
            found = self._page(start, end)
            account_rows, oldest = int(found[0]["page_rows"]), found[0]["oldest"]
            rows = [row for row in found if row["query_id"] is not None]
            fresh = [row for row in rows if row["query_id"] not in before]
            before = {str(row["query_id"]) for row in rows}
            is_last = account_rows < PAGE_ROWS or oldest is None or _utc(oldest) <= start
            following = end if oldest is None else min(end, _utc(oldest) + TICK)
            crowded = not is_last and following >= end
            yield StatementPage(_table(fresh), account_rows, end - TICK if crowded else None)
            if is_last:
                return
            # Never the same page twice: what did not fit of a crowded millisecond is passed over.
            end = end - TICK if crowded else following

    def minutes(self, start: datetime, end: datetime) -> list[ServerMinute]:
        """Return what the account's usage tells of the run by minute, statement and session, in order of time.

        It has every statement, short ones on hybrid tables as well, up to three hours after they have ended.
        """
        rows = self._query(_MINUTES, [self._prefix, _text(start), _text(end)])
        return [_minute(row) for row in rows if str(row["query_type"]).upper() not in _CONTROL]

    def close(self) -> None:
        """Close the session, if there is one; never raises."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(Exception):
                session.close()

    def _page(self, start: datetime, end: datetime) -> list[dict[str, Any]]:
        values = [_text(start), _text(end), _text(start), self._prefix]
        try:
            return self._query(_PAGE.format(cache=self._cache), values)
        except TargetMismatch as error:
            # The function is not documented to tell it, as the view of the account's usage is.
            if self._cache != _CACHE or "PERCENTAGE_SCANNED_FROM_CACHE" not in error.message.upper():
                raise
            self._cache = "NULL"
            return self._query(_PAGE.format(cache=self._cache), values)

    def _query(self, text: str, values: Sequence[object]) -> list[dict[str, Any]]:
        if self._session is None:
            self._session = open_session(self._info)
        try:
            return query(self._session, text, values)
        except TargetMismatch:
            raise
        except Exception:
            self.close()
            raise


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return the workload's statements among these rows."""
    mine = [row for row in rows if str(row["query_type"]).upper() not in _CONTROL]
    tags = [_read_tag(str(row["query_tag"])) for row in mine]
    columns: dict[str, list[Any]] = {
        "server_query_id": [str(row["query_id"]).lower() for row in mine],
        "worker_id": [worker for worker, _ in tags],
        "phase": [phase for _, phase in tags],
        "kind": [row["kind"] or None for row in mine],
        "status": [str(row["execution_status"]).upper() for row in mine],
        "error_code": [None if row["error_code"] is None else f"{int(row['error_code']):06d}" for row in mine],
        "started_at": [_utc(row["start_time"]) for row in mine],
        "cluster_number": [_number(row["cluster_number"]) for row in mine],
        "warehouse_size": [row["warehouse_size"] for row in mine],
        "rows_produced": [_number(row["rows_produced"]) for row in mine],
        "bytes_scanned": [_number(row["bytes_scanned"]) for row in mine],
        "cache_pct": [None if row["cache_pct"] is None else float(row["cache_pct"]) for row in mine],
    }
    columns |= {name: [_number(row[told]) or 0 for row in mine] for name, told in _TIMES.items()}
    return pa.table({name: columns[name] for name in STATEMENTS.names}, schema=STATEMENTS)


_TIMES: Final = {
    "elapsed_ms": "total_elapsed_time",
    "execution_ms": "execution_time",
    "compilation_ms": "compilation_time",
    "overload_ms": "queued_overload_time",
    "provisioning_ms": "queued_provisioning_time",
    "repair_ms": "queued_repair_time",
    "blocked_ms": "transaction_blocked_time",
}


def _minute(row: Mapping[str, Any]) -> ServerMinute:
    worker, phase = _read_tag(str(row["query_tag"]))
    errors = json.loads(row["errors"] or "[]")
    return ServerMinute(
        start=_utc(row["interval_start_time"]),
        worker_id=worker,
        phase=Phase(phase),
        kind=row["kind"] or None,
        calls=int(row["calls"]),
        elapsed=_distribution(row["elapsed"]),
        execution=_distribution(row["execution"]),
        overload=_distribution(row["overload"]),
        failed=sum(int(error.get("count", 0)) for error in errors),
        throttled=_number(row["throttled"]) or 0,
    )


def _distribution(told: str | None) -> Distribution | None:
    """Return what is told of a quantity; names of fields are looked for in any case."""
    if not told:
        return None
    fields = {str(name).lower(): value for name, value in json.loads(told).items()}
    return Distribution(
        sum_ms=float(fields["sum"]),
        min_ms=float(fields["min"]),
        median_ms=float(fields["median"]),
        p90_ms=float(fields["p90"]),
        p99_ms=float(fields["p99"]),
        max_ms=float(fields["max"]),
    )


def _read_tag(tag: str) -> tuple[str, str]:
    """Return worker and phase of a tag of ours; a phase that it does not name is the warmup, which measures nothing."""
    fields = dict(part.partition("=")[::2] for part in tag.split(":"))
    return fields.get("worker", ""), _PHASES.get(fields.get("phase", ""), Phase.WARMUP).value


def _text(moment: datetime) -> str:
    """Return a time as text that means the same in every session's time zone."""
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds")


def _utc(moment: Any) -> datetime:
    """Return a time of the server's; one without a zone is in that of the session, which is UTC."""
    assert isinstance(moment, datetime), "the driver returns times as such"
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
