"""What is compared with the server is what was recorded, and what the server tells is kept whole or not at all."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from upperbound.domain.executions import ExecutionFilter, ExecutionOrder
from upperbound.errors import QueryLogError
from upperbound.querylog import server_log
from upperbound.querylog.analysis import QueryLogAnalysis
from upperbound.querylog.calls import read_calls
from upperbound.querylog.parquet import SCHEMA, log_files, log_folder
from upperbound.querylog.server_log import SERVER_SCHEMA, server_files, server_log_folder, write_server_log
from upperbound.store.query_log import CALL_COLUMNS

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def logged(folder: Path, worker_id: str, ids: list[str | None]) -> None:
    """Write one part of a query log."""
    usual: dict[str, Any] = {"warmup": False, "error_code": None, "error": None, "outcome": "ok", "attempts": 1}
    rows = [
        {
            field.name: usual.get(field.name, NOW if pa.types.is_timestamp(field.type) else 7)
            if not pa.types.is_string(field.type) and not pa.types.is_dictionary(field.type)
            else usual.get(field.name, "x")
            for field in SCHEMA
        }
        | {"worker_id": worker_id, "server_query_id": one}
        for one in ids
    ]
    log_folder(folder).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), log_folder(folder) / f"{worker_id}-00000.parquet")


def told(ids: list[str]) -> pa.Table:
    rows = [
        {field.name: NOW if pa.types.is_timestamp(field.type) else 1 for field in SERVER_SCHEMA}
        | dict.fromkeys(("run_id", "worker_id", "phase", "status", "error_code", "warehouse_size"), "x")
        | {"server_query_id": one}
        for one in ids
    ]
    return pa.Table.from_pylist(rows, schema=SERVER_SCHEMA)


def kept(folder: Path) -> list[str]:
    return [one for file in server_files(folder) for one in pq.read_table(file).column("server_query_id").to_pylist()]


def test_calls_of_all_workers_are_read(tmp_path: Path) -> None:
    logged(tmp_path, "worker-0", ["a", None])
    logged(tmp_path, "worker-1", ["b"])
    calls = read_calls(tmp_path)
    assert calls.column_names == list(CALL_COLUMNS)
    assert calls.column("server_query_id").to_pylist() == ["a", None, "b"]
    assert calls.column("worker_id").to_pylist() == ["worker-0", "worker-0", "worker-1"]
    assert calls.column("started_at").to_pylist() == [NOW] * 3


def test_a_run_without_a_log_has_no_calls(tmp_path: Path) -> None:
    assert read_calls(tmp_path).num_rows == 0


def test_a_part_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    logged(tmp_path, "worker-0", ["a"])
    (log_folder(tmp_path) / "worker-1-00000.parquet").write_bytes(b"garbage")
    with pytest.raises(QueryLogError, match="cannot be read"):
        read_calls(tmp_path)


def test_what_the_server_tells_replaces_what_it_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_log, "PART_ROWS", 2)
    assert [file.name for file in write_server_log(tmp_path, told(["a", "b", "c", "d", "e"]))] == [
        "part-00000.parquet",
        "part-00001.parquet",
        "part-00002.parquet",
    ]
    assert kept(tmp_path) == ["a", "b", "c", "d", "e"]
    write_server_log(tmp_path, told(["f"]))
    assert kept(tmp_path) == ["f"]
    assert write_server_log(tmp_path, told([])) == ()
    assert kept(tmp_path) == []


def test_what_cannot_be_written_whole_leaves_what_was_there(tmp_path: Path) -> None:
    write_server_log(tmp_path, told(["a"]))
    (server_log_folder(tmp_path) / "part-00000.draft").mkdir()
    with pytest.raises(QueryLogError, match="cannot be written"):
        write_server_log(tmp_path, told(["b"]))
    assert kept(tmp_path) == ["a"]


def test_queries_are_shown_with_what_the_server_tells_of_them(tmp_path: Path) -> None:
    logged(tmp_path, "worker-0", ["a", None, "b"])
    write_server_log(tmp_path, told(["a", "of another call"]))
    reader = QueryLogAnalysis(log_files(tmp_path), server_files(tmp_path))
    page = reader.executions(ExecutionFilter(), order=ExecutionOrder.STARTED, descending=False, limit=10, offset=0)
    found = {one.server_query_id: one for one in page.executions}
    assert page.total == 3
    assert (found["a"].server_elapsed_ms, found["a"].server_queued_ms, found["a"].cluster_number) == (1, 1, 1)
    assert found["a"].app_overhead_ms == pytest.approx(0.007 - 1)
    assert found["b"].server_elapsed_ms is None
    assert found[None].app_overhead_ms is None
