"""A worker's log in the store tells how its life went, and how it ended."""

import threading
from pathlib import Path

import pytest
from tests.integration.worker.test_exits import config, prepare_run

from upperbound.domain.events import EventType
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.domain.worker_state import WorkerExit
from upperbound.orchestrator.stopping import request_stop
from upperbound.store.engine import Store
from upperbound.testing.waiting import until
from upperbound.worker.main import run_worker
from upperbound.worker.orders import WorkerOptions


@pytest.fixture(autouse=True)
def info_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """As in a worker's own process, whose root logger the worker sets up itself."""
    caplog.set_level("INFO", logger="upperbound")


def said(store: Store, level: LogLevel = LogLevel.DEBUG) -> list[str]:
    rows = store.logs.after("run", levels=level.and_above)
    assert {(row.source, row.worker_id) for row in rows} <= {(LogSource.WORKER, "worker-0")}
    return [row.message for row in rows]


def in_order(lines: list[str], *beginnings: str) -> bool:
    """Tell whether lines with these beginnings come in this order."""
    rest = iter(lines)
    return all(any(line.startswith(beginning) for line in rest) for beginning in beginnings)


def start_soon(store: Store, then_stop: str = "") -> threading.Thread:
    """Do an orchestrator's part when the worker is ready."""

    def act() -> None:
        until(lambda: any(row.status == "READY" for row in store.heartbeats.list("run")), "the worker is ready")
        assert store.runs.mark_running("run", 0.0)
        store.events.append("run", EventType.START, {})
        if then_stop:
            until(lambda: any(row.queries for row in store.heartbeats.list("run")), "the worker is sending")
            request_stop(store, "run", then_stop)

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_a_life_by_plan(store: Store, database: str) -> None:
    options = prepare_run(store, config(database, seconds=2.0))
    starter = start_soon(store)
    assert run_worker(options) == WorkerExit.CLEAN
    starter.join()
    lines = said(store)
    assert in_order(
        lines,
        "process ",
        f"connected: 2 connections to {database}",
        "start seen ",
        "the planned end has come",
        "drained: ",
        "query log sealed: ",
        "the worker ends with exit code 0",
    ), lines
    (drained,) = (line for line in lines if line.startswith("drained"))
    (child,) = store.results.children("run")
    assert drained.startswith(f"drained: {child.operations} operations and 0 failed in ")
    assert child.query_log is not None
    assert f"query log sealed: {child.query_log['rows']} rows in 1 files" in lines
    assert said(store, LogLevel.WARNING) == []


def test_a_stop_is_told_with_its_reason_and_who_asked(store: Store, database: str) -> None:
    options = prepare_run(store, config(database, seconds=60.0))
    starter = start_soon(store, then_stop="a tester")
    assert run_worker(options) == WorkerExit.CLEAN
    starter.join()
    lines = said(store)
    # The run's row may be looked at before the event.
    assert in_order(lines, "STOP seen: user_stop, by a tester", "drained: ") or in_order(
        lines, "the run is CANCELLING: the load ends", "drained: "
    ), lines


def test_why_a_worker_cannot_begin_is_told(store: Store) -> None:
    options = prepare_run(store, {"scenario": {"name": "broken"}, "threads": [2]})
    assert run_worker(options) == WorkerExit.CONFIGURATION
    lines = said(store, LogLevel.ERROR)
    assert len(lines) == 1
    assert lines[0].startswith("the configuration of run run cannot be read")
    assert said(store)[-1] == "the worker ends with exit code 1"


def test_a_target_that_is_not_there_is_told_without_a_password(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    options = prepare_run(store, config("postgresql://me@127.0.0.1:1/none"))
    assert run_worker(options) == WorkerExit.WORKLOAD
    assert any("127.0.0.1" in line for line in said(store, LogLevel.ERROR))
    assert not any(b"hunter2" in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())


def test_another_process_with_the_same_role_adds_its_lines(store: Store) -> None:
    options = WorkerOptions(store.url, "no-such-run", "worker-0", 0, 1)
    for _ in range(2):
        assert run_worker(options) == WorkerExit.CONFIGURATION
    rows = store.logs.after("no-such-run")
    assert [row.message.split()[0] for row in rows] == ["process", "there", "the"] * 2
