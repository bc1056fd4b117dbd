"""A worker that cannot do its work ends with the code that says why, and says it in the store."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerExit, WorkerStatus
from upperbound.loadgen import event_loop
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store
from upperbound.store.heartbeats import HeartbeatRow
from upperbound.store.runs import NewRun
from upperbound.testing.manual_clock import ManualClock
from upperbound.testing.waiting import until
from upperbound.worker import main as main_module
from upperbound.worker.main import run_worker
from upperbound.worker.orders import WorkerOptions


def config(url: str, sql: str = "SELECT 1", seconds: float = 1.0) -> dict[str, Any]:
    """Return what a run's row holds for a plain load of two threads on the database at ``url``."""
    operation = {"kind": "GENERIC_SQL", "operation_type": "READ", "weight_pct": 100, "sql": sql}
    scenario = Scenario.model_validate(
        {
            "name": "exits",
            "target": {"kind": "postgres", "url": url},
            "load": {"threads": 2, "duration_seconds": seconds},
            "workload": {"operations": [operation]},
        }
    )
    made = RunConfig(scenario=scenario, threads=(2,), seed=1, target_url=url, table=None, upperbound_version="test")
    return made.model_dump(mode="json")


def prepare_run(store: Store, scenario: Mapping[str, Any]) -> WorkerOptions:
    store.runs.create(NewRun("run", "exits", scenario, 1))
    assert store.runs.transition("run", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    return WorkerOptions(store.url, "run", "worker-0", 0, 1)


def last_heartbeat(store: Store) -> HeartbeatRow:
    return store.heartbeats.list("run")[0]


def test_a_configuration_that_cannot_be_read_is_exit_1_and_is_said(store: Store) -> None:
    options = prepare_run(store, {"scenario": {"name": "broken"}, "threads": [2]})
    assert run_worker(options) == WorkerExit.CONFIGURATION
    beat = last_heartbeat(store)
    assert beat.status is WorkerStatus.FAILED
    assert "the configuration of run run cannot be read" in (beat.last_error or "")
    assert "target_url" in (beat.last_error or "")


def test_a_place_that_the_run_has_not_is_exit_1_and_is_said(store: Store, database: str) -> None:
    prepare_run(store, config(database))
    options = WorkerOptions(store.url, "run", "worker-3", 3, 4)
    assert run_worker(options) == WorkerExit.CONFIGURATION
    assert "no group id 3 among 1 workers" in (last_heartbeat(store).last_error or "")


def test_without_a_home_a_worker_says_what_to_set(store: Store, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = prepare_run(store, config(database))
    monkeypatch.delenv("UPPERBOUND_HOME")
    assert run_worker(options) == WorkerExit.CONFIGURATION
    assert "UPPERBOUND_HOME" in (last_heartbeat(store).last_error or "")


def test_a_run_that_is_not_there_is_exit_1(store: Store) -> None:
    assert run_worker(WorkerOptions(store.url, "no-such-run", "worker-0", 0, 1)) == WorkerExit.CONFIGURATION


def test_a_store_that_is_not_there_for_a_minute_is_exit_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody@127.0.0.1:{taken.getsockname()[1]}/none"
        clock = ManualClock()
        before_ns = clock.monotonic_ns()
        assert run_worker(WorkerOptions(url, "run", "worker-0", 0, 1), clock) == WorkerExit.STORE_UNREACHABLE
    assert 60 <= (clock.monotonic_ns() - before_ns) / 1e9 < 62


def test_a_ready_worker_that_is_not_started_for_two_minutes_is_exit_3(store: Store, database: str) -> None:
    options = prepare_run(store, config(database))
    clock = ManualClock()
    before_ns = clock.monotonic_ns()
    assert run_worker(options, clock) == WorkerExit.NO_START
    assert (clock.monotonic_ns() - before_ns) / 1e9 >= main_module.START_TIMEOUT_S
    beat = last_heartbeat(store)
    assert beat.status is WorkerStatus.FAILED
    assert "no START came within 120 s" in (beat.last_error or "")
    assert beat.detail == "2 connections open"


def test_a_statement_that_does_not_fit_the_target_is_exit_1(store: Store, database: str) -> None:
    options = prepare_run(store, config(database, "SELECT * FROM gone"))
    assert run_worker(options) == WorkerExit.CONFIGURATION
    assert 'relation "gone" does not exist' in (last_heartbeat(store).last_error or "")


def test_a_wrong_password_is_exit_4_and_the_password_is_not_said(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = prepare_run(store, config(database))
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    assert run_worker(options) == WorkerExit.WORKLOAD
    beat = last_heartbeat(store)
    assert "refuses the login" in (beat.last_error or "")
    assert "hunter2" not in (beat.last_error or "")


def test_a_log_that_cannot_be_written_is_exit_4_and_the_result_says_so(
    store: Store, database: str, tmp_path: Path
) -> None:
    options = prepare_run(store, config(database))
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / "spool").write_text("a file where the folder should be")
    assert store.runs.mark_running("run", 0)
    assert run_worker(options) == WorkerExit.WORKLOAD
    assert "the query log cannot be written" in (last_heartbeat(store).last_error or "")


def test_a_target_that_goes_away_is_exit_4_and_the_result_is_that_of_a_failed_worker(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_loop, "TARGET_LOST_NS", 500_000_000)
    options = prepare_run(store, config(database, "SELECT pg_sleep(0.01)", seconds=30))
    assert store.runs.mark_running("run", 0)
    address, _, name = database.rpartition("/")

    def take_away() -> None:
        until(lambda: store.heartbeats.list("run") and last_heartbeat(store).queries > 10, "the load runs")
        with psycopg.connect(f"{address}/postgres", autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    taker = threading.Thread(target=take_away)
    taker.start()
    code = run_worker(options)
    taker.join()
    assert code == WorkerExit.WORKLOAD
    beat = last_heartbeat(store)
    assert beat.status is WorkerStatus.FAILED
    assert "the target is gone" in (beat.last_error or "")
    child = store.results.children("run")[0]
    assert child.status == WorkerStatus.FAILED
    assert "the target is gone" in (child.failure_reason or "")
    assert child.operations > 10
    assert child.failed >= 1
    assert child.query_log is not None
    assert child.query_log["rows"] == child.operations + child.failed


def test_a_run_that_is_over_before_the_worker_is_ready_is_exit_0_and_nothing_is_sent(
    store: Store, database: str
) -> None:
    options = prepare_run(store, config(database))
    store.runs.transition("run", expected=RunStatus.STARTING, to=RunStatus.CANCELLING)
    assert run_worker(options) == WorkerExit.CLEAN
    beat = last_heartbeat(store)
    assert (beat.status, beat.queries) == (WorkerStatus.COMPLETED, 0)
    assert store.results.children("run") == []


def test_a_fault_of_ours_is_exit_4_and_is_said(store: Store, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError("nobody has thought of this")

    monkeypatch.setattr(main_module, "prepare", fail)
    options = prepare_run(store, config(database))
    assert run_worker(options) == WorkerExit.WORKLOAD
    assert "nobody has thought of this" in (last_heartbeat(store).last_error or "")


ENDS_LATE = """
import os, sys
from upperbound.worker.main import run_worker
from upperbound.worker.orders import WorkerOptions

class Late:
    def __del__(self, kill=os.kill, number=os.getpid(), signal=int(sys.argv[1])):
        kill(number, signal)

late = Late()  # the interpreter ends it with this module, when it has given up the handlers of signals
sys.exit(run_worker(WorkerOptions(sys.argv[2], "run", "worker-0", 0, 1)))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_process_ends_does_not_change_its_exit_code(
    store: Store, database: str, number: signal.Signals
) -> None:
    options = prepare_run(store, config(database))
    store.runs.transition("run", expected=RunStatus.STARTING, to=RunStatus.CANCELLING)
    arguments = [sys.executable, "-c", ENDS_LATE, str(int(number)), options.store_url]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == WorkerExit.CLEAN, ended.stderr
    assert last_heartbeat(store).status is WorkerStatus.COMPLETED
