"""A query log as workers write it, for stores that keep queries in tables."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from upperbound.querylog.parquet import SCHEMA

BEGAN = datetime(2026, 3, 1, 23, 59, 59, 123456, tzinfo=UTC)
UNRULY = 'it said "no, \\ never";\nand\t\N{SNOWMAN}\0'


def write_log(folder: Path, worker_id: str = "worker-0", rows: int = 5, *, run_id: str = "run-1") -> list[Path]:
    """Write a log of two parts."""
    folder.mkdir(parents=True, exist_ok=True)
    half, files = rows // 2, []
    for part, numbers in enumerate((range(half), range(half, rows))):
        path = folder / f"{worker_id}-{part:05d}.parquet"
        pq.write_table(pa.Table.from_pylist([entry(run_id, worker_id, n) for n in numbers], schema=SCHEMA), path)
        files.append(path)
    return files


def entry(run_id: str, worker_id: str, number: int) -> dict[str, Any]:
    """Return a query; of every five the last has failed."""
    failed = number % 5 == 4
    began = BEGAN + timedelta(milliseconds=number)
    return {
        "execution_id": f"{run_id}:{worker_id}:{number}",
        "run_id": run_id,
        "test_id": f"{run_id}-{worker_id}",
        "worker_id": worker_id,
        "thread": number % 3,
        "kind": "POINT_LOOKUP",
        "operation": "read",
        "phase": "WARMUP" if number == 0 else "MEASUREMENT",
        "warmup": number == 0,
        "intended_at": began,
        "started_at": began + timedelta(microseconds=7),
        "ended_at": began + timedelta(microseconds=1234567),
        "response_us": 1234567,
        "service_us": 1234560,
        "outcome": "other" if failed else "ok",
        "error_code": "" if failed else None,
        "error": UNRULY if failed else None,
        "rows": number,
        "attempts": 2 if failed else 1,
        "server_query_id": None if failed else f"01b2-{number:04d}",
    }
