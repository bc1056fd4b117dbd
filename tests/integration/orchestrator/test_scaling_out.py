"""Workers join and leave a run that goes on, and what they do is in its result."""

import os
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tests.integration.orchestrator.conftest import ROWS, Bench

from upperbound.domain.events import EventType
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.errors import WorkerFailed
from upperbound.launchers.base import WorkerSpec
from upperbound.orchestrator.scaling import Wanted, change_run
from upperbound.orchestrator.stopping import request_stop
from upperbound.testing.waiting import until

INSERTS: list[dict[str, Any]] = [
    {
        "kind": "INSERT",
        "weight_pct": 100,
        "sql": "INSERT INTO {table} (id, customer_id, status, amount, created_at) VALUES ($1, 1, 'new', 1, now())",
        "params": [{"sequence": {"after": "id"}}],
    }
]
AUTO = {"scaling": {"mode": "AUTO"}}
"""One worker on any machine, and room for more."""


def threads(bench: Bench, run_id: str) -> dict[str, tuple[WorkerStatus, int]]:
    """Return state and open connections by worker."""
    return {beat.worker_id: (beat.status, beat.active_threads) for beat in bench.store.heartbeats.list(run_id)}


def test_a_worker_joins_in_the_runs_phase_takes_its_share_and_inserts_keys_of_its_own(bench: Bench) -> None:
    run_id = bench.create(operations=INSERTS, more=AUTO, threads=6, warmup_seconds=1, duration_seconds=60)
    with bench.running(run_id) as end:
        until(lambda: bench.store.runs.get(run_id).phase is Phase.MEASUREMENT, "the measurement has begun")
        bench.until_queries(run_id)
        changed = change_run(bench.store, run_id, Wanted(workers=2), initiated_by="ada")
        assert changed.joined == ("worker-1",)
        running = WorkerStatus.RUNNING
        spread = {"worker-0": (running, 3), "worker-1": (running, 3)}
        until(lambda: threads(bench, run_id) == spread, "six threads on two workers")
        bench.until_queries(run_id)
        until(lambda: "worker-1" in bench.store.snapshots.newest(run_id), "the new worker has reported")
        assert {snapshot.phase for snapshot in bench.store.snapshots.series(run_id, "worker-1")} == {Phase.MEASUREMENT}
        request_stop(bench.store, run_id, "ada")
        row = end()
    assert row.status is RunStatus.CANCELLED
    assert row.total_workers_expected == 2
    early, late = bench.store.results.children(run_id)
    assert late.operations > 0
    assert (late.duration_s or 0) < (early.duration_s or 0)
    assert late.failed == 0, "no key was inserted twice"
    (start,) = bench.store.runs.get(run_id).scenario_config["sequence_starts"].values()
    assert start > ROWS, "the worker that came late begins where the others began"
    parent = bench.store.results.get(run_id)
    assert parent.failed == 0
    assert parent.operations == sum(child.operations for child in bench.store.results.children(run_id))
    log = bench.log(run_id)
    assert (parent.query_log or {})["rows"] == log.num_rows
    assert "worker-1" in pc.unique(pc.cast(log["worker_id"], pa.string())).to_pylist()


def test_a_worker_leaves_and_the_others_carry_its_threads_to_the_end(bench: Bench) -> None:
    run_id = bench.create(more=AUTO, threads=6, duration_seconds=60)
    with bench.running(run_id) as end:
        bench.until_queries(run_id)
        change_run(bench.store, run_id, Wanted(workers=2), initiated_by="ada")
        bench.until_queries(run_id)
        change_run(bench.store, run_id, Wanted(workers=1), initiated_by="ada")
        until(lambda: bench.launcher.handles["worker-1"].poll() == 0, "the worker has ended")
        assert bench.store.runs.get(run_id).status is RunStatus.RUNNING
        before = bench.store.heartbeats.list(run_id)[0].queries
        until(lambda: bench.store.heartbeats.list(run_id)[0].queries > before, "the other goes on")
        request_stop(bench.store, run_id, "ada")
        assert end().status is RunStatus.CANCELLED
    rest, out = bench.store.results.children(run_id)
    assert 0 < out.operations < rest.operations
    assert bench.store.results.get(run_id).operations == out.operations + rest.operations


def test_a_worker_that_cannot_be_started_is_given_up_and_the_run_goes_on(bench: Bench) -> None:
    run_id = bench.create(more=AUTO, threads=6, duration_seconds=9)

    def refuse(spec: WorkerSpec) -> None:
        if spec.group_id == 1:
            raise WorkerFailed("no process for worker-1")

    bench.launcher.before = refuse
    with bench.running(run_id) as end:
        bench.until_queries(run_id)
        change_run(bench.store, run_id, Wanted(workers=2), initiated_by="ada")
        until(lambda: bench.store.runs.get(run_id).worker_targets["worker-1"] == 0, "it is out of the run again")
        row = end()
    assert row.status is RunStatus.COMPLETED
    assert "scale_out: worker-1 reported a fatal error; last said: no process for worker-1" in (
        row.completion_reason or ""
    )


def test_a_worker_killed_before_it_has_sent_anything_is_no_loss(bench: Bench) -> None:
    run_id = bench.create(more=AUTO, threads=6, duration_seconds=9)

    def freeze(handle: Any) -> None:
        if handle.worker_id == "worker-1":
            os.kill(handle.pid, signal.SIGSTOP)

    bench.launcher.after = freeze
    with bench.running(run_id) as end:
        bench.until_queries(run_id)
        change_run(bench.store, run_id, Wanted(workers=2), initiated_by="ada")
        until(lambda: "worker-1" in bench.launcher.handles, "it was started")
        bench.launcher.handles["worker-1"].kill()
        row = end()
    assert row.status is RunStatus.COMPLETED
    assert "scale_out: worker-1 was killed by signal SIGKILL" in (row.completion_reason or "")
    assert [event for event in bench.store.events.after(run_id) if event.type is EventType.SET_WORKER_TARGET]
    assert not (Path(bench.home) / "runs" / run_id / "spool" / "worker-1").exists()
