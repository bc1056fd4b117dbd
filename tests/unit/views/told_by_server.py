"""A server's view as it is kept: made by the code that makes it, from calls of a test's own."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from upperbound.domain.phases import Phase
from upperbound.domain.server_minutes import Distribution, ServerMinute
from upperbound.orchestrator.server_figures import Reading, matched_calls, server_view
from upperbound.store.query_log import CALL_COLUMNS
from upperbound.targets.sf_history import STATEMENTS

T0 = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = Distribution(100.0, 1.0, 5.0, 9.0, 12.0, 13.0)


def minute(calls: int = 20) -> ServerMinute:
    return ServerMinute(T0, "worker-0", Phase.MEASUREMENT, "POINT_LOOKUP", calls, TIMES, TIMES, None, 1, 2)


def document(
    calls: int = 40,
    *,
    matched: int = 40,
    minutes: list[ServerMinute] | None = None,
    first: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the view of so many calls, 12.5 ms each and 10 by the server, as far as they are matched."""
    ids = [str(uuid.UUID(int=number + 1)) for number in range(calls)]
    starts = [T0 + timedelta(milliseconds=50 * number) for number in range(calls)]
    recorded = {
        "server_query_id": ids,
        "worker_id": ["worker-0"] * calls,
        "phase": ["MEASUREMENT"] * calls,
        "kind": ["POINT_LOOKUP"] * calls,
        "operation": ["by key"] * calls,
        "intended_at": pa.array(starts, pa.timestamp("us", tz="UTC")),
        "started_at": pa.array(starts, pa.timestamp("us", tz="UTC")),
        "service_us": [12_500] * calls,
        "response_us": [12_500] * calls,
        "outcome": ["ok"] * calls,
        "attempts": [1] * calls,
    }
    assert tuple(recorded) == CALL_COLUMNS
    told = [_statement(identity, start) for identity, start in zip(ids[:matched], starts, strict=False)]
    if told and first:
        told[0] |= first
    table = pa.Table.from_pylist(told, schema=STATEMENTS)
    both = pa.table(recorded)
    reading = Reading(T0, T0, T0, attempts=2, waited_s=2.0, account_statements=99, notes=("a note",))
    return server_view(matched_calls(both, table, frozenset({"by key"})), table, both, minutes, reading)


def _statement(identity: str, start: datetime) -> dict[str, Any]:
    times = dict.fromkeys(("compilation_ms", "overload_ms", "provisioning_ms", "repair_ms", "blocked_ms"), 0)
    return {
        "server_query_id": identity,
        "worker_id": "worker-0",
        "phase": "MEASUREMENT",
        "kind": "POINT_LOOKUP",
        "status": "SUCCESS",
        "error_code": None,
        "started_at": start,
        "elapsed_ms": 10,
        "execution_ms": 9,
        **times,
        "cluster_number": 1,
        "warehouse_size": "X-Small",
        "rows_produced": 1,
        "bytes_scanned": 100,
        "cache_pct": 50.0,
    }
