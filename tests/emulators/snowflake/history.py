"""The statements that were run, as Snowflake tells about them: one by one, and aggregated by the minute."""

import hashlib
import math
import statistics
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError


@dataclass
class Record:
    """A statement that ended. Times are UTC; durations are whole milliseconds, as Snowflake's."""

    query_id: str
    query_text: str
    query_type: str
    session_id: int
    user_name: str
    role_name: str | None
    database_name: str | None
    schema_name: str | None
    warehouse_name: str | None
    warehouse_size: str | None
    warehouse_type: str | None
    cluster_number: int | None
    query_tag: str
    start_time: datetime
    end_time: datetime
    queued_ms: int = 0
    blocked_ms: int = 0
    rows_produced: int | None = None
    error_code: int | None = None
    error_message: str | None = None
    hybrid_only: bool = False
    """Whether it touched tables, all of them hybrid."""
    provisioning_ms: int = 0
    repair_ms: int = 0
    compilation_ms: int = 0
    bytes_scanned: int = 0
    cache_pct: float = 0.0
    """Share of what it scanned that the warehouse had at hand, as PERCENTAGE_SCANNED_FROM_CACHE tells it."""

    @property
    def status(self) -> str:
        """SUCCESS or FAIL."""
        return "SUCCESS" if self.error_code is None else "FAIL"

    @property
    def elapsed_ms(self) -> int:
        """The time from receiving the statement to its end."""
        return round((self.end_time - self.start_time) / timedelta(milliseconds=1))

    @property
    def execution_ms(self) -> int:
        """The part of the time in which it was executed."""
        waited_ms = self.queued_ms + self.provisioning_ms + self.repair_ms + self.blocked_ms
        return max(0, self.elapsed_ms - waited_ms - self.compilation_ms)


COLUMNS: tuple[tuple[str, str, Callable[[Record], Any]], ...] = (
    ("QUERY_ID", "VARCHAR", lambda record: record.query_id),
    ("QUERY_TEXT", "VARCHAR", lambda record: record.query_text),
    ("DATABASE_NAME", "VARCHAR", lambda record: record.database_name),
    ("SCHEMA_NAME", "VARCHAR", lambda record: record.schema_name),
    ("QUERY_TYPE", "VARCHAR", lambda record: record.query_type),
    ("SESSION_ID", "BIGINT", lambda record: record.session_id),
    ("USER_NAME", "VARCHAR", lambda record: record.user_name),
    ("ROLE_NAME", "VARCHAR", lambda record: record.role_name),
    ("WAREHOUSE_NAME", "VARCHAR", lambda record: record.warehouse_name),
    ("WAREHOUSE_SIZE", "VARCHAR", lambda record: record.warehouse_size),
    ("WAREHOUSE_TYPE", "VARCHAR", lambda record: record.warehouse_type),
    ("CLUSTER_NUMBER", "BIGINT", lambda record: record.cluster_number),
    ("QUERY_TAG", "VARCHAR", lambda record: record.query_tag),
    ("EXECUTION_STATUS", "VARCHAR", lambda record: record.status),
    ("ERROR_CODE", "VARCHAR", lambda record: None if record.error_code is None else f"{record.error_code:06d}"),
    ("ERROR_MESSAGE", "VARCHAR", lambda record: record.error_message),
    ("START_TIME", "TIMESTAMPTZ", lambda record: _to_ms(record.start_time)),
    ("END_TIME", "TIMESTAMPTZ", lambda record: _to_ms(record.end_time)),
    ("TOTAL_ELAPSED_TIME", "BIGINT", lambda record: record.elapsed_ms),
    ("BYTES_SCANNED", "BIGINT", lambda record: record.bytes_scanned),
    ("PERCENTAGE_SCANNED_FROM_CACHE", "DOUBLE", lambda record: record.cache_pct),
    ("ROWS_PRODUCED", "BIGINT", lambda record: record.rows_produced),
    ("COMPILATION_TIME", "BIGINT", lambda record: record.compilation_ms),
    ("EXECUTION_TIME", "BIGINT", lambda record: record.execution_ms),
    ("QUEUED_PROVISIONING_TIME", "BIGINT", lambda record: record.provisioning_ms),
    ("QUEUED_REPAIR_TIME", "BIGINT", lambda record: record.repair_ms),
    ("QUEUED_OVERLOAD_TIME", "BIGINT", lambda record: record.queued_ms),
    ("TRANSACTION_BLOCKED_TIME", "BIGINT", lambda record: record.blocked_ms),
    ("CREDITS_USED_CLOUD_SERVICES", "DOUBLE", lambda record: 0.0),
    ("PARTITIONS_SCANNED", "BIGINT", lambda record: 0),
    ("PARTITIONS_TOTAL", "BIGINT", lambda record: 0),
    ("BYTES_SPILLED_TO_LOCAL_STORAGE", "BIGINT", lambda record: 0),
    ("BYTES_SPILLED_TO_REMOTE_STORAGE", "BIGINT", lambda record: 0),
    ("IS_CLIENT_GENERATED_STATEMENT", "BOOLEAN", lambda record: False),
    ("QUERY_PARAMETERIZED_HASH", "VARCHAR", lambda record: parameterized_hash(record.query_text)),
)
"""The columns of QUERY_HISTORY that the emulator has: name, the engine's type, and where the value comes from."""

VIEW_ONLY = frozenset(
    {
        "PERCENTAGE_SCANNED_FROM_CACHE",
        "PARTITIONS_SCANNED",
        "PARTITIONS_TOTAL",
        "BYTES_SPILLED_TO_LOCAL_STORAGE",
        "BYTES_SPILLED_TO_REMOTE_STORAGE",
    }
)
"""Those that are documented of the view in ACCOUNT_USAGE and not of the function in INFORMATION_SCHEMA."""

AGGREGATE_COLUMNS: tuple[tuple[str, str], ...] = (
    ("CALLS", "BIGINT"),
    ("INTERVAL_START_TIME", "TIMESTAMPTZ"),
    ("INTERVAL_END_TIME", "TIMESTAMPTZ"),
    ("QUERY_PARAMETERIZED_HASH", "VARCHAR"),
    ("QUERY_TEXT", "VARCHAR"),
    ("DATABASE_NAME", "VARCHAR"),
    ("SCHEMA_NAME", "VARCHAR"),
    ("QUERY_TYPE", "VARCHAR"),
    ("SESSION_ID", "BIGINT"),
    ("USER_NAME", "VARCHAR"),
    ("ROLE_NAME", "VARCHAR"),
    ("WAREHOUSE_NAME", "VARCHAR"),
    ("WAREHOUSE_SIZE", "VARCHAR"),
    ("WAREHOUSE_TYPE", "VARCHAR"),
    ("QUERY_TAG", "VARCHAR"),
    ("ERRORS", "JSON"),
    ("TOTAL_ELAPSED_TIME", "JSON"),
    ("EXECUTION_TIME", "JSON"),
    ("COMPILATION_TIME", "JSON"),
    ("QUEUED_OVERLOAD_TIME", "JSON"),
    ("QUEUED_PROVISIONING_TIME", "JSON"),
    ("QUEUED_REPAIR_TIME", "JSON"),
    ("TRANSACTION_BLOCKED_TIME", "JSON"),
    ("ROWS_PRODUCED", "JSON"),
    ("HYBRID_TABLE_REQUESTS_THROTTLED_COUNT", "BIGINT"),
)
"""The columns of AGGREGATE_QUERY_HISTORY that the emulator has."""


class History:
    """All statements in the order in which they ended; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: list[Record] = []
        self.omit_hybrid_below_ms: float = 0.0
        """Statements that touch hybrid tables alone leave no record of their own when they are shorter than this."""
        self.hybrid_sampled_share: float = 0.0
        """The share of those that leave one all the same."""
        self.history_delay_s: float = 0.0
        """How long after its end a statement is in the function of INFORMATION_SCHEMA."""
        self.tells_cache = False
        """Whether the function of INFORMATION_SCHEMA has the columns that are documented of the view alone."""
        self.delay_s: float = 0.0
        """How long ACCOUNT_USAGE lags behind."""

    def add(self, record: Record) -> None:
        """Remember a statement that ended."""
        self.add_many([record])

    def add_many(self, records: Sequence[Record]) -> None:
        """Remember statements that ended."""
        with self._lock:
            self._records.extend(records)

    def all(self) -> list[Record]:
        """Return every statement, those included that Snowflake would not show."""
        with self._lock:
            return list(self._records)

    def shown(self) -> list[Record]:
        """Return the statements that QUERY_HISTORY shows."""
        short = 0
        shown = []
        for record in self.all():
            if self._is_omitted(record):
                short += 1
                if int(short * self.hybrid_sampled_share) == int((short - 1) * self.hybrid_sampled_share):
                    continue
            shown.append(record)
        return shown

    def current(self, now: datetime) -> list[Record]:
        """Return the statements that the function of INFORMATION_SCHEMA shows by now."""
        latest = now - timedelta(seconds=self.history_delay_s)
        return [record for record in self.shown() if record.end_time <= latest]

    def settled(self, now: datetime, records: Sequence[Record]) -> list[Record]:
        """Return those that ACCOUNT_USAGE has by now."""
        latest = now - timedelta(seconds=self.delay_s)
        return [record for record in records if record.end_time <= latest]

    def clear(self) -> None:
        """Forget all statements, and undo what was set."""
        with self._lock:
            self._records.clear()
        self.omit_hybrid_below_ms = self.hybrid_sampled_share = self.history_delay_s = self.delay_s = 0.0
        self.tells_cache = False

    def _is_omitted(self, record: Record) -> bool:
        return record.hybrid_only and record.error_code is None and record.elapsed_ms < self.omit_hybrid_below_ms


def _to_ms(moment: datetime) -> datetime:
    """Return a time as the history tells it, in whole milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def made_up(given: dict[str, Any]) -> Record:
    """Return a record that a test has made up; ``start_time`` is ISO 8601, ``elapsed_ms`` what it took.

    The rest are fields of :class:`Record`. Raises TypeError for a field that there is not, KeyError without a start.
    """
    rest = dict(given)
    start = datetime.fromisoformat(rest.pop("start_time"))
    elapsed_ms = int(rest.pop("elapsed_ms", 0))
    usual: dict[str, Any] = {
        "query_id": str(uuid.uuid4()),
        "query_text": "SELECT 1",
        "query_type": "SELECT",
        "session_id": 1,
        "user_name": "TESTER",
        "role_name": "ACCOUNTADMIN",
        "database_name": None,
        "schema_name": None,
        "warehouse_name": "COMPUTE_WH",
        "warehouse_size": "X-Small",
        "warehouse_type": "STANDARD",
        "cluster_number": 1,
        "query_tag": "",
        "rows_produced": 1,
    }
    return Record(**(usual | rest), start_time=start, end_time=start + timedelta(milliseconds=elapsed_ms))


def describe(record: Record) -> dict[str, Any]:
    """Return a record as JSON can hold it."""
    return asdict(record) | {
        "start_time": record.start_time.isoformat(),
        "end_time": record.end_time.isoformat(),
        "status": record.status,
        "elapsed_ms": record.elapsed_ms,
    }


def aggregate(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return the rows of AGGREGATE_QUERY_HISTORY: per minute, statement, session, tag, warehouse, database, role."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        minute = record.start_time.astimezone(UTC).replace(second=0, microsecond=0)
        key = (
            minute,
            parameterized_hash(record.query_text),
            record.session_id,
            record.query_tag,
            record.warehouse_name,
            record.database_name,
            record.schema_name,
            record.role_name,
        )
        groups.setdefault(key, []).append(record)
    return [_aggregate_row(minute, digest, group) for (minute, digest, *_), group in groups.items()]


def _aggregate_row(minute: datetime, digest: str, group: list[Record]) -> dict[str, Any]:
    first = group[0]
    errors = Counter((record.error_code, record.error_message) for record in group if record.error_code is not None)
    return {
        "CALLS": len(group),
        "INTERVAL_START_TIME": minute,
        "INTERVAL_END_TIME": minute + timedelta(minutes=1),
        "QUERY_PARAMETERIZED_HASH": digest,
        "QUERY_TEXT": first.query_text,
        "DATABASE_NAME": first.database_name,
        "SCHEMA_NAME": first.schema_name,
        "QUERY_TYPE": first.query_type,
        "SESSION_ID": first.session_id,
        "USER_NAME": first.user_name,
        "ROLE_NAME": first.role_name,
        "WAREHOUSE_NAME": first.warehouse_name,
        "WAREHOUSE_SIZE": first.warehouse_size,
        "WAREHOUSE_TYPE": first.warehouse_type,
        "QUERY_TAG": first.query_tag,
        "ERRORS": [
            {"code": f"{code:06d}", "message": message, "count": count} for (code, message), count in errors.items()
        ],
        "TOTAL_ELAPSED_TIME": distribution([float(record.elapsed_ms) for record in group]),
        "EXECUTION_TIME": distribution([float(record.execution_ms) for record in group]),
        "COMPILATION_TIME": distribution([float(record.compilation_ms) for record in group]),
        "QUEUED_OVERLOAD_TIME": distribution([float(record.queued_ms) for record in group]),
        "QUEUED_PROVISIONING_TIME": distribution([float(record.provisioning_ms) for record in group]),
        "QUEUED_REPAIR_TIME": distribution([float(record.repair_ms) for record in group]),
        "TRANSACTION_BLOCKED_TIME": distribution([float(record.blocked_ms) for record in group]),
        "ROWS_PRODUCED": distribution([float(record.rows_produced or 0) for record in group]),
        "HYBRID_TABLE_REQUESTS_THROTTLED_COUNT": 0,
    }


def distribution(values: Sequence[float]) -> dict[str, float]:
    """Return what AGGREGATE_QUERY_HISTORY tells of a quantity; percentiles lie between values (PERCENTILE_CONT)."""
    ordered = sorted(values)
    return {
        "sum": math.fsum(ordered),
        "avg": statistics.fmean(ordered),
        "stddev": statistics.stdev(ordered) if len(ordered) > 1 else 0.0,
        "min": ordered[0],
        "median": _percentile(ordered, 0.5),
        "p90": _percentile(ordered, 0.9),
        "p99": _percentile(ordered, 0.99),
        "p99.9": _percentile(ordered, 0.999),
        "max": ordered[-1],
    }


def _percentile(ordered: Sequence[float], ratio: float) -> float:
    place = ratio * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def parameterized_hash(sql: str) -> str:
    """Return a hash that statements share which differ in literals alone."""
    if (known := _HASHES.get(sql)) is not None:
        return known
    try:
        expression = sqlglot.parse_one(sql, read="snowflake")
        text = expression.transform(lambda node: exp.Placeholder() if isinstance(node, exp.Literal) else node).sql(
            dialect="snowflake"
        )
    except SqlglotError:
        text = " ".join(sql.split())
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    if len(_HASHES) < _MOST_HASHES:
        _HASHES[sql] = digest
    return digest


_HASHES: dict[str, str] = {}
_MOST_HASHES = 10_000
