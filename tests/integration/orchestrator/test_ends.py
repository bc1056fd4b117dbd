"""However a run ends, its row says how, its log is whole, and no process is left."""

import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from numpy.typing import NDArray
from tests.integration.orchestrator.conftest import OPERATIONS, SLOW, Bench

from upperbound.clock import SystemClock
from upperbound.domain.enrichment_status import EnrichmentStatus
from upperbound.domain.figures import PhaseFigures
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerExit, WorkerStatus
from upperbound.errors import ConfigurationError, IllegalTransition, RunFailed, TargetMismatch, WorkerFailed
from upperbound.launchers.base import WorkerSpec
from upperbound.orchestrator.follow_up import Enriched, FollowUp
from upperbound.orchestrator.stopping import request_stop
from upperbound.scenario.run_config import RunConfig
from upperbound.store.runs import RunRow
from upperbound.testing.waiting import until


def now() -> datetime:
    return SystemClock().utc_now()


def seconds(times: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return UTC times as seconds since 1970."""
    return np.asarray(pc.cast(times, pa.int64()).to_numpy(), np.float64) / 1e6


# Killed


def test_a_killed_worker_fails_the_run_and_what_it_had_recorded_is_kept(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=30)
    with bench.running(run_id) as end:
        bench.until_queries(run_id, 50)
        snapshots = bench.store.snapshots
        until(lambda: len(snapshots.series(run_id, "worker-1", phase=Phase.MEASUREMENT)) >= 2, "a snapshot or two")
        killed_at = now()
        os.kill(bench.launcher.handles["worker-1"].pid, signal.SIGKILL)
        row = end()
    assert row.end_time is not None
    assert (row.end_time - killed_at).total_seconds() < 3.0
    assert (row.status, row.phase) == (RunStatus.FAILED, Phase.COMPLETED)
    assert "worker-1 was killed by signal SIGKILL" in (row.completion_reason or "")
    assert "worker-0" not in (row.completion_reason or "")
    assert bench.launcher.handles["worker-0"].poll() == 0
    log = bench.log(run_id)
    by_worker = pc.cast(log["worker_id"], pa.string())
    last = seconds(log.filter(pc.equal(by_worker, "worker-1"))["ended_at"]).max()
    assert killed_at.timestamp() - last < 1.0, "the log of the killed worker ends too early"
    parent = bench.store.results.get(run_id)
    assert parent.failure_reason == row.completion_reason
    assert (parent.query_log or {})["rows"] == log.num_rows
    counted = Counter(by_worker.to_pylist())
    newest = snapshots.newest(run_id)["worker-1"]
    assert 0 < newest.operations + newest.failed <= counted["worker-1"]
    survivor = bench.store.results.children(run_id)[0]
    assert survivor.operations + survivor.failed == counted["worker-0"]
    assert parent.operations == survivor.operations + newest.operations


def test_a_worker_killed_in_the_warmup_counts_with_its_warmup(bench: Bench) -> None:
    run_id = bench.create(warmup_seconds=30, duration_seconds=1)
    with bench.running(run_id) as end:
        bench.until_queries(run_id, 50)
        until(lambda: len(bench.store.snapshots.newest(run_id)) == 2, "both workers have reported")
        bench.launcher.handles["worker-0"].kill()
        row = end()
    assert row.status is RunStatus.FAILED
    newest = bench.store.snapshots.newest(run_id)["worker-0"]
    survivor = next(c for c in bench.store.results.children(run_id) if c.worker_id == "worker-1")
    parent = bench.store.results.get(run_id)
    assert parent.operations == 0
    assert survivor.warmup_operations > 0
    assert parent.warmup_operations == survivor.warmup_operations + newest.operations + newest.failed


def test_a_worker_that_cannot_connect_fails_the_run_with_what_it_said(bench: Bench) -> None:
    run_id = bench.create()
    bench.orchestrator._passwords.clear()  # the preflight has had it; between it and the start anything may happen
    row = bench.run(run_id)
    assert row.status is RunStatus.FAILED
    assert "refuses the login" in (row.completion_reason or "")
    assert "worker-" in (row.completion_reason or "")
    assert (row.start_time, bench.store.results.get(run_id).operations) == (None, 0)


def test_when_one_worker_cannot_be_started_the_others_are_ended_and_the_run_is_over(bench: Bench) -> None:
    run_id = bench.create()

    def refuse_the_second(spec: WorkerSpec) -> None:
        if spec.worker_id == "worker-1":
            raise WorkerFailed("worker-1 cannot be started: no memory")

    bench.launcher.before = refuse_the_second
    with pytest.raises(WorkerFailed, match="no memory"):
        bench.orchestrator.start_run(run_id)
    until(bench.is_quiet, "the first worker has ended")
    row = bench.store.runs.get(run_id)
    assert (row.status, row.phase) == (RunStatus.FAILED, Phase.COMPLETED)
    assert row.completion_reason == "worker-1 cannot be started: no memory"
    assert row.lease_owner is None
    assert bench.store.results.get(run_id).failure_reason == row.completion_reason


# Stopped


def test_a_prepared_run_that_is_stopped_cannot_be_started(bench: Bench) -> None:
    run_id = bench.create()
    assert request_stop(bench.store, run_id, "ada") is RunStatus.CANCELLED
    with pytest.raises(IllegalTransition):
        bench.orchestrator.start_run(run_id)
    assert bench.launcher.handles == {}


def stop_when(bench: Bench, run_id: str, condition: Callable[[RunRow], bool]) -> tuple[RunRow, list[datetime]]:
    """Run, and ask for the stop at the first tick that fulfils the condition."""
    asked: list[datetime] = []

    def stop(row: RunRow) -> None:
        if not asked and condition(row):
            asked.append(now())
            assert request_stop(bench.store, run_id, "ada") is RunStatus.CANCELLING
            bench.orchestrator.hurry(run_id)

    return bench.run(run_id, stop), asked


def test_a_stop_while_starting_cancels_before_a_query_is_sent(bench: Bench) -> None:
    run_id = bench.create()
    row, asked = stop_when(bench, run_id, lambda row: row.status is RunStatus.STARTING)
    assert asked
    assert (row.status, row.phase, row.start_time) == (RunStatus.CANCELLED, Phase.COMPLETED, None)
    assert [handle.poll() for handle in bench.launcher.handles.values()] == [0, 0]
    parent = bench.store.results.get(run_id)
    assert (parent.operations, parent.warmup_operations, (parent.query_log or {})["rows"]) == (0, 0, 0)


@pytest.mark.parametrize("force", [False, True])
def test_a_stop_when_the_load_is_over_ends_the_wait_for_the_server_and_the_run_completes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    run_id = bench.create()
    orchestrator, asked = bench.orchestrator, threading.Event()

    class Server:
        """Has nothing to tell as long as anybody waits for it."""

        def run(self, over: threading.Event) -> Enriched:
            asked.set()
            assert over.wait(120), "nobody has ended the wait"
            return Enriched(EnrichmentStatus.PARTIAL, "no time")

    def follow_up(run_id: str, _config: RunConfig, *, holder: str | None = None) -> FollowUp:
        return FollowUp(bench.store, SystemClock(), run_id, orchestrator.run_folder(run_id), Server, holder=holder)

    monkeypatch.setattr(orchestrator, "_follow_up", follow_up)
    with bench.running(run_id) as end:
        until(asked.is_set, "the server is asked")
        assert request_stop(bench.store, run_id, "ada") is RunStatus.STOPPING
        if force:
            orchestrator.force_stop(run_id)
        row = end()
    assert (row.status, row.phase, row.completion_reason) == (RunStatus.COMPLETED, Phase.COMPLETED, "duration_over")
    assert row.cancellation_reason == "stopped by ada when the load was over"
    parent = bench.store.results.get(run_id)
    assert (parent.enrichment_status, parent.enrichment_reason) == ("PARTIAL", "no time")
    assert parent.operations > 0
    assert parent.operations + parent.failed + parent.warmup_operations == len(bench.log(run_id))


def test_a_stop_while_running_lets_no_query_start_after_it_was_applied(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=30)
    row, asked = stop_when(bench, run_id, lambda row: row.status is RunStatus.RUNNING and (row.elapsed_s or 0) > 1)
    assert row.end_time is not None
    assert (row.end_time - asked[0]).total_seconds() < 5.0
    assert (row.status, row.cancellation_reason) == (RunStatus.CANCELLED, "stopped by ada")
    assert [handle.poll() for handle in bench.launcher.handles.values()] == [0, 0]
    log = bench.log(run_id)
    assert seconds(log["started_at"]).max() - asked[0].timestamp() < 2.0
    parent = bench.store.results.get(run_id)
    assert log.num_rows == parent.operations + parent.failed > 0
    assert [child.status for child in bench.store.results.children(run_id)] == [WorkerStatus.COMPLETED] * 2


def test_a_stop_while_workers_drain_cancels_what_was_about_to_complete(bench: Bench) -> None:
    nap = SLOW[0] | {"sql": SLOW[0]["sql"].replace("60", "1.5")}
    run_id = bench.create(duration_seconds=2, operations=[nap])
    row, asked = stop_when(bench, run_id, lambda row: row.status is RunStatus.STOPPING)
    assert asked
    assert row.status is RunStatus.CANCELLED
    assert bench.store.results.get(run_id).operations > 0


def test_a_stop_after_the_end_changes_nothing(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=1)
    before = bench.run(run_id)
    assert request_stop(bench.store, run_id, "ada") is RunStatus.COMPLETED
    after = bench.store.runs.get(run_id)
    assert (after.status, after.end_time, after.cancellation_reason) == (RunStatus.COMPLETED, before.end_time, None)


def test_a_forced_stop_ends_at_once_whatever_is_in_flight_and_says_what_was_lost(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=30, operations=SLOW)
    forced_at: list[datetime] = []

    def force(row: RunRow) -> None:
        if row.status is RunStatus.RUNNING and (row.elapsed_s or 0) > 0.5:
            request_stop(bench.store, run_id, "ada")
            bench.orchestrator.force_stop(run_id)
            forced_at.append(now())

    row = bench.run(run_id, force)
    assert row.end_time is not None
    assert (row.end_time - forced_at[0]).total_seconds() < 2.0
    assert (row.status, row.phase) == (RunStatus.CANCELLED, Phase.COMPLETED)
    assert (row.cancellation_reason or "").startswith("stopped by ada; worker-0 is ")
    assert (row.cancellation_reason or "").count("had not drained") == 2
    ends = {handle.poll() for handle in bench.launcher.handles.values()}
    assert ends <= {WorkerExit.CLEAN, -signal.SIGKILL}, "cancelled in time, or killed"


def test_force_alone_leaves_a_run_its_planned_time(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=1)
    forced: list[RunRow] = []

    def force(row: RunRow) -> None:
        if row.status is RunStatus.RUNNING and not forced:
            bench.orchestrator.force_stop(run_id)
            forced.append(row)

    row = bench.run(run_id, force)
    assert forced
    assert row.status in {RunStatus.COMPLETED, RunStatus.CANCELLED}
    assert row.elapsed_s is not None
    assert row.elapsed_s >= 1.0


# Other controllers


def test_a_run_that_another_controller_owns_is_not_started(bench: Bench) -> None:
    run_id = bench.create()
    assert bench.store.runs.acquire_lease(run_id, "another", 60)
    with pytest.raises(RunFailed, match="belongs to another controller"):
        bench.orchestrator.start_run(run_id)
    assert bench.launcher.handles == {}
    assert bench.store.runs.get(run_id).status is RunStatus.PREPARED


def test_a_controller_that_has_lost_the_run_lets_go_and_the_workers_end_by_the_plan(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=2)

    def take_over(row: RunRow) -> None:
        if row.status is RunStatus.RUNNING and row.lease_owner not in (None, "another"):
            assert bench.store.runs.release_lease(run_id, row.lease_owner or "")
            assert bench.store.runs.acquire_lease(run_id, "another", 60)

    with pytest.raises(RunFailed, match="taken over by another controller"):
        bench.run(run_id, take_over)
    until(bench.is_quiet, "the workers have ended by themselves")
    assert [handle.poll() for handle in bench.launcher.handles.values()] == [0, 0]
    children = bench.store.results.children(run_id)
    assert [child.status for child in children] == [WorkerStatus.COMPLETED] * 2
    # A busy machine's workers begin late, and their time counts from then; none goes on after the planned end.
    assert all(1.0 < (child.duration_s or 0.0) < 2.01 for child in children)
    assert bench.store.runs.get(run_id).status is RunStatus.RUNNING, "that is for the other controller to end"


# Before the start


def test_a_disk_without_room_for_the_log_is_refused_before_anything_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upperbound.orchestrator.log_space.FREE_DISK_BYTES", 1 << 60)
    with pytest.raises(ConfigurationError, match="are free"):
        bench.create()
    assert bench.store.runs.list() == []


def test_a_scenario_that_does_not_fit_is_refused_before_anything_is_written(bench: Bench) -> None:
    wrong = [OPERATIONS[0] | {"weight_pct": 100, "sql": "SELECT nothing FROM {table} WHERE id = $1"}]
    with pytest.raises(ConfigurationError, match="nothing"):
        bench.create(operations=wrong)
    assert bench.store.runs.list() == []
    assert not (bench.home / "runs").exists()


def test_operations_that_do_not_do_what_they_declare_are_refused_before_anything_is_written(bench: Bench) -> None:
    lookup = OPERATIONS[0] | {"weight_pct": 50, "params": [{"range": [10**7, 10**8]}]}
    insert = OPERATIONS[2] | {"weight_pct": 50, "params": [{"sequence": {"start": 1}}]}
    with pytest.raises(TargetMismatch) as caught:
        bench.create(operations=[lookup, insert])
    assert [problem.where for problem in caught.value.problems] == ["workload.operations.0", "workload.operations.1"]
    assert "duplicate key" in str(caught.value)
    assert bench.store.runs.list() == []
    assert not (bench.home / "runs").exists()
    assert bench.launcher.handles == {}


def test_what_the_tries_before_a_run_found_is_kept_as_its_warnings(bench: Bench) -> None:
    slow = SLOW[0] | {"sql": "VACUUM orders", "operation_type": "WRITE", "name": "cleaning"}
    warnings = bench.orchestrator.warnings[bench.create(operations=[slow])]
    assert "cleaning was not tried before the run: VACUUM cannot run inside a transaction block" in warnings


# A store that hangs


def hold(store_file: Path, seconds_held: float) -> tuple[datetime, datetime]:
    """Keep every writer out of the store for a while."""
    with sqlite3.connect(store_file, isolation_level=None) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        begun = now()
        threading.Event().wait(seconds_held)
        ended = now()
        connection.execute("ROLLBACK")
    connection.close()
    return begun, ended


def test_a_store_that_hangs_does_not_move_the_latencies(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=9, think_time_ms=2)
    with bench.running(run_id) as end:
        bench.until_queries(run_id)
        started = bench.store.runs.get(run_id).start_time
        assert started is not None
        begun, ended = hold(bench.home / "store.db", 5.0)
        row = end()
    assert row.status is RunStatus.COMPLETED, row.completion_reason
    log = bench.log(run_id)
    parent = bench.store.results.get(run_id)
    assert log.num_rows == parent.operations + parent.failed + parent.warmup_operations
    at, service = seconds(log["started_at"]), log["service_us"].to_numpy()
    hung = (at > begun.timestamp()) & (at < ended.timestamp())
    rest = ~hung & (at > started.replace(tzinfo=UTC).timestamp() + 0.5)
    assert min(hung.sum(), rest.sum()) > 500
    # What other work on this machine may add is milliseconds; a call that waits for the store would add seconds.
    assert np.percentile(service[hung], 99) < 3 * np.percentile(service[rest], 99) + 20_000
    gaps = np.diff(np.sort(at[(at > begun.timestamp() - 0.2) & (at < ended.timestamp() + 0.2)]))
    assert gaps.max() < 1.0, "the load has paused with the store"
    rate_hung, rate_rest = hung.sum() / 5.0, rest.sum() / (9.0 - 5.0 - 0.5)
    assert rate_hung > 0.5 * rate_rest
    assert 8.0 < PhaseFigures.from_json(parent.figures or {}).seconds < 9.01
