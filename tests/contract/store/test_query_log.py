"""Queries are loaded whole or not at all, once however often that is tried, and read back as they were recorded."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from tests.contract.store.recorded import BEGAN, UNRULY, entry, write_log
from tests.emulators.handle import SnowflakeEmulator

from upperbound.errors import StoreError
from upperbound.store.engine import Store
from upperbound.store.query_log import CALL_COLUMNS
from upperbound.store.tables import query_executions

pytestmark = pytest.mark.parametrize("store_url", ["postgresql", "snowflake"], indirect=True)
"""An embedded store keeps queries in files."""


def load(store: Store, files: list[Path], scratch: Path, rows: int = 5, worker_id: str = "worker-0") -> None:
    store.query_log.load_worker("run-1", worker_id, files, rows, scratch)


def test_what_was_recorded_is_read_back_to_the_microsecond(store: Store, engine: sa.Engine, tmp_path: Path) -> None:
    load(store, write_log(tmp_path / "log"), tmp_path / "scratch")
    with engine.connect() as connection:
        ordered = sa.select(query_executions).order_by(query_executions.c.execution_id)
        found = [dict(row) for row in connection.execute(ordered).mappings()]
    expected = [entry("run-1", "worker-0", number) for number in range(5)]
    if store.dialect == "postgresql":
        expected[4]["error"] = UNRULY.replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert found == expected
    assert list((tmp_path / "scratch").iterdir() if (tmp_path / "scratch").exists() else []) == []


def test_loading_twice_doubles_nothing_and_leaves_other_workers_alone(store: Store, tmp_path: Path) -> None:
    one, eleven = write_log(tmp_path / "a", "worker-1"), write_log(tmp_path / "b", "worker-11", 6)
    load(store, eleven, tmp_path / "scratch", 6, "worker-11")
    for _ in range(2):
        load(store, one, tmp_path / "scratch", 5, "worker-1")
    assert store.query_log.counts("run-1") == {"worker-1": 5, "worker-11": 6}
    assert store.query_log.staged() == []


def test_files_that_have_fewer_rows_than_they_should_are_refused_and_nothing_is_kept(
    store: Store, tmp_path: Path
) -> None:
    files = write_log(tmp_path / "log")
    with pytest.raises(StoreError, match=r"of 6 rows of run-1/worker-0 5 arrived .* none was kept"):
        load(store, files, tmp_path / "scratch", 6)
    assert store.query_log.counts("run-1") == {}
    load(store, files, tmp_path / "scratch")
    assert store.query_log.counts("run-1") == {"worker-0": 5}
    assert store.query_log.staged() == []


def test_rows_of_a_load_that_went_wrong_before_are_replaced(store: Store, engine: sa.Engine, tmp_path: Path) -> None:
    files = write_log(tmp_path / "log")
    load(store, files, tmp_path / "scratch")
    with engine.begin() as connection:
        connection.execute(sa.delete(query_executions).where(query_executions.c["rows"] == 3))
    load(store, files, tmp_path / "scratch")
    with engine.connect() as connection:
        numbers = connection.execute(sa.select(query_executions.c["rows"])).scalars()
        assert sorted(numbers) == [0, 1, 2, 3, 4]


def test_several_workers_load_at_once_and_two_loads_of_one_do_not_double_it(store: Store, tmp_path: Path) -> None:
    logs = {f"worker-{number}": write_log(tmp_path / str(number), f"worker-{number}", 40) for number in range(3)}
    failures: list[BaseException] = []

    def bring(worker_id: str, attempt: int) -> None:
        try:
            load(store, logs[worker_id], tmp_path / "scratch" / f"{worker_id}-{attempt}", 40, worker_id)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)

    threads = [Thread(target=bring, args=(worker_id, attempt)) for worker_id in logs for attempt in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert store.query_log.counts("run-1") == dict.fromkeys(logs, 40)


def test_calls_are_read_back_as_the_servers_view_is_compared_with_them(store: Store, tmp_path: Path) -> None:
    load(store, write_log(tmp_path / "log"), tmp_path / "scratch")
    calls = store.query_log.calls("run-1")
    assert tuple(calls.column_names) == CALL_COLUMNS
    ordered = sorted(calls.to_pylist(), key=lambda call: call["started_at"])
    assert [call["server_query_id"] for call in ordered] == [*(f"01b2-000{number}" for number in range(4)), None]
    assert (ordered[0]["phase"], ordered[0]["started_at"]) == ("WARMUP", BEGAN + timedelta(microseconds=7))


def test_a_deleted_run_takes_its_queries_along(store: Store, tmp_path: Path, new_run: Callable[..., Any]) -> None:
    store.runs.create(new_run())
    load(store, write_log(tmp_path / "log"), tmp_path / "scratch")
    store.query_log.load_worker(
        "run-2", "worker-0", write_log(tmp_path / "other", run_id="run-2"), 5, tmp_path / "scratch"
    )
    store.history.delete("run-1")
    assert store.query_log.counts("run-1") == {}
    assert store.query_log.counts("run-2") == {"worker-0": 5}


def test_files_that_were_left_on_the_stage_are_found_and_removed_by_run(
    store: Store, snowflake_emulator: SnowflakeEmulator, tmp_path: Path
) -> None:
    if store.dialect != "snowflake":
        assert (store.query_log.staged(), store.query_log.remove_staged("run-1")) == ([], 0), "there is no stage"
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
