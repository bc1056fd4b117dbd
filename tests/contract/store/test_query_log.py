"""Queries are loaded whole or not at all, once however often that is tried, and read back as they were recorded."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from tests.emulators.handle import SnowflakeEmulator

from upperbound.errors import StoreError
from upperbound.querylog.parquet import SCHEMA
from upperbound.store.engine import Store
from upperbound.store.query_log import CALL_COLUMNS
from upperbound.store.tables import query_executions

BEGAN = datetime(2026, 3, 1, 23, 59, 59, 123456, tzinfo=UTC)
UNRULY = 'it said "no, \\ never";\nand\t\N{SNOWMAN}\0'


@pytest.fixture
def rows_store(store: Store) -> Store:
    """A store that keeps queries in tables."""
    if not store.query_log.keeps_rows:
        pytest.skip("not applicable: an embedded store keeps queries in files")
    return store


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


def load(store: Store, files: list[Path], scratch: Path, rows: int = 5, worker_id: str = "worker-0") -> None:
    store.query_log.load_worker("run-1", worker_id, files, rows, scratch)


def test_what_was_recorded_is_read_back_to_the_microsecond(
    rows_store: Store, engine: sa.Engine, tmp_path: Path
) -> None:
    load(rows_store, write_log(tmp_path / "log"), tmp_path / "scratch")
    with engine.connect() as connection:
        ordered = sa.select(query_executions).order_by(query_executions.c.execution_id)
        found = [dict(row) for row in connection.execute(ordered).mappings()]
    expected = [entry("run-1", "worker-0", number) for number in range(5)]
    if rows_store.dialect == "postgresql":
        expected[4]["error"] = UNRULY.replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert found == expected
    assert list((tmp_path / "scratch").iterdir() if (tmp_path / "scratch").exists() else []) == []


def test_loading_twice_doubles_nothing_and_leaves_other_workers_alone(rows_store: Store, tmp_path: Path) -> None:
    one, eleven = write_log(tmp_path / "a", "worker-1"), write_log(tmp_path / "b", "worker-11", 6)
    load(rows_store, eleven, tmp_path / "scratch", 6, "worker-11")
    for _ in range(2):
        load(rows_store, one, tmp_path / "scratch", 5, "worker-1")
    assert rows_store.query_log.counts("run-1") == {"worker-1": 5, "worker-11": 6}
    assert rows_store.query_log.staged() == []


def test_files_that_have_fewer_rows_than_they_should_are_refused_and_nothing_is_kept(
    rows_store: Store, tmp_path: Path
) -> None:
    files = write_log(tmp_path / "log")
    with pytest.raises(StoreError, match=r"of 6 rows of run-1/worker-0 5 arrived .* none was kept"):
        load(rows_store, files, tmp_path / "scratch", 6)
    assert rows_store.query_log.counts("run-1") == {}
    load(rows_store, files, tmp_path / "scratch")
    assert rows_store.query_log.counts("run-1") == {"worker-0": 5}
    assert rows_store.query_log.staged() == []


def test_rows_of_a_load_that_went_wrong_before_are_replaced(
    rows_store: Store, engine: sa.Engine, tmp_path: Path
) -> None:
    files = write_log(tmp_path / "log")
    load(rows_store, files, tmp_path / "scratch")
    with engine.begin() as connection:
        connection.execute(sa.delete(query_executions).where(query_executions.c["rows"] == 3))
    load(rows_store, files, tmp_path / "scratch")
    with engine.connect() as connection:
        numbers = connection.execute(sa.select(query_executions.c["rows"])).scalars()
        assert sorted(numbers) == [0, 1, 2, 3, 4]


def test_several_workers_load_at_once_and_two_loads_of_one_do_not_double_it(rows_store: Store, tmp_path: Path) -> None:
    logs = {f"worker-{number}": write_log(tmp_path / str(number), f"worker-{number}", 40) for number in range(3)}
    failures: list[BaseException] = []

    def bring(worker_id: str, attempt: int) -> None:
        try:
            load(rows_store, logs[worker_id], tmp_path / "scratch" / f"{worker_id}-{attempt}", 40, worker_id)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)

    threads = [Thread(target=bring, args=(worker_id, attempt)) for worker_id in logs for attempt in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert rows_store.query_log.counts("run-1") == dict.fromkeys(logs, 40)


def test_calls_are_those_that_the_server_has_a_name_for(rows_store: Store, tmp_path: Path) -> None:
    load(rows_store, write_log(tmp_path / "log"), tmp_path / "scratch")
    calls = rows_store.query_log.calls("run-1")
    assert tuple(calls.column_names) == CALL_COLUMNS
    first = min(calls.to_pylist(), key=lambda call: call["server_query_id"])
    assert (calls.num_rows, first["server_query_id"], first["phase"]) == (4, "01b2-0000", "WARMUP")
    assert first["started_at"] == BEGAN + timedelta(microseconds=7)


def test_a_deleted_run_takes_its_queries_along(rows_store: Store, tmp_path: Path, new_run: Callable[..., Any]) -> None:
    rows_store.runs.create(new_run())
    load(rows_store, write_log(tmp_path / "log"), tmp_path / "scratch")
    rows_store.query_log.load_worker(
        "run-2", "worker-0", write_log(tmp_path / "other", run_id="run-2"), 5, tmp_path / "scratch"
    )
    rows_store.history.delete("run-1")
    assert rows_store.query_log.counts("run-1") == {}
    assert rows_store.query_log.counts("run-2") == {"worker-0": 5}


def test_files_that_were_left_on_the_stage_are_found_and_removed_by_run(
    store: Store, snowflake_emulator: SnowflakeEmulator, tmp_path: Path
) -> None:
    if store.dialect != "snowflake":
        assert (store.query_log.staged(), store.query_log.remove_staged("run-1")) == ([], 0)
        return
    snowflake_emulator.control("fault", action="error", pattern="^COPY INTO", code=100132, sqlstate="P0000", times=2)
    for run_id in ("run-1", "run-10"):
        files = write_log(tmp_path / run_id, run_id=run_id)
        with pytest.raises(StoreError):
            store.query_log.load_worker(run_id, "worker-0", files, 5, tmp_path / "scratch")
    left = store.query_log.staged()
    assert [file.path for file in left if file.run_id == "run-1"] == [
        f"run-1/worker-0/worker-0-0000{part}.parquet" for part in range(2)
    ]
    assert all(file.size_bytes > 0 for file in left)
    assert store.query_log.remove_staged("run-1") == 2
    assert {file.run_id for file in store.query_log.staged()} == {"run-10"}
    assert store.query_log.remove_staged("run-10") == 2
