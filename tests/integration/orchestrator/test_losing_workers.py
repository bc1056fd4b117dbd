"""Workers that are lost, late, lowered or taken out while their run goes on."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.integration.orchestrator.conftest import Bench, bench_on

from upperbound.domain import worker_state
from upperbound.domain.events import EventType
from upperbound.domain.run_state import RunStatus
from upperbound.domain.run_view import Limits
from upperbound.domain.worker_state import WorkerStatus
from upperbound.launchers.base import WorkerHandle
from upperbound.orchestrator.stopping import request_stop
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.testing.waiting import until

CONTINUE = {"on_worker_loss": "continue"}


def rows_by_worker(bench: Bench, run_id: str) -> dict[str, int]:
    """Return the rows of each worker in the query log."""
    counts = pc.value_counts(pc.cast(bench.log(run_id)["worker_id"], pa.string())).to_pylist()
    return {count["values"]: count["counts"] for count in counts}


def test_a_run_that_may_go_on_completes_without_the_worker_it_lost_and_says_so(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=7, more=CONTINUE)
    with bench.running(run_id) as end:
        bench.until_queries(run_id, 20)
        until(lambda: len(bench.store.snapshots.newest(run_id)) == 2, "both workers have reported")
        bench.launcher.handles["worker-1"].kill()
        row = end()
    assert row.status is RunStatus.COMPLETED
    assert (row.completion_reason or "").startswith(
        "worker_loss: 1 of 2 workers: worker-1 was killed by signal SIGKILL; last said: "
    )
    assert bench.launcher.handles["worker-0"].poll() == 0
    parent, (survivor, _) = bench.store.results.get(run_id), bench.store.results.children(run_id)
    newest = bench.store.snapshots.newest(run_id)["worker-1"]
    assert parent.operations == survivor.operations + newest.operations
    assert row.worker_targets == {"worker-0": 3, "worker-1": 3}, "its threads are not moved"
    counted = rows_by_worker(bench, run_id)
    assert counted["worker-1"] >= newest.operations > 0


def test_a_run_that_may_go_on_fails_when_its_last_worker_is_lost(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=30, more=CONTINUE)
    with bench.running(run_id) as end:
        bench.until_queries(run_id)
        bench.launcher.handles["worker-1"].kill()
        until(lambda: bench.launcher.handles["worker-1"].poll() is not None, "the first one is gone")
        assert bench.store.runs.get(run_id).status is RunStatus.RUNNING
        bench.launcher.handles["worker-0"].kill()
        row = end()
    assert row.status is RunStatus.FAILED
    assert "worker-0 was killed" in (row.completion_reason or "")
    assert "worker-1 was killed" in (row.completion_reason or "")


def test_a_late_worker_joins_the_run_that_started_without_it(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=8, more=CONTINUE)

    def freeze_the_second(handle: WorkerHandle) -> None:
        if handle.worker_id == "worker-1":
            os.kill(handle.pid, signal.SIGSTOP)

    bench.launcher.after = freeze_the_second
    with bench.running(run_id) as end:

        def is_ready() -> bool:
            return any(beat.status is WorkerStatus.READY for beat in bench.store.heartbeats.list(run_id))

        until(is_ready, "the first worker is ready")
        bench.orchestrator._loops[run_id]._limits = Limits(start_timeout_s=0.1)
        until(lambda: bench.store.runs.get(run_id).status is RunStatus.RUNNING, "the run has started")
        os.kill(bench.launcher.handles["worker-1"].pid, signal.SIGCONT)
        bench.until_queries(run_id)
        row = end()
    (start,) = [event for event in bench.store.events.after(run_id) if event.type is EventType.START]
    assert "worker-1" in start.data["missing"][0]
    assert (row.status, row.completion_reason) == (RunStatus.COMPLETED, "duration_over")
    early, late = bench.store.results.children(run_id)
    assert late.operations > 0
    assert (late.duration_s or 0) < (early.duration_s or 0)
    assert bench.store.results.get(run_id).operations == early.operations + late.operations


def test_a_worker_that_is_lowered_goes_on_with_fewer_connections(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=30)
    with bench.running(run_id) as end:
        bench.until_queries(run_id)
        bench.store.runs.set_targets(run_id, {"worker-1": 1})
        data = {"worker_id": "worker-1", "previous": 3, "new": 1, "reason": "guardrail", "detail": "a test"}
        bench.store.events.append(run_id, EventType.SCALE_DOWN, data, "WORKER")

        def threads() -> list[tuple[int, int]]:
            return [(beat.active_threads, beat.target_threads) for beat in bench.store.heartbeats.list(run_id)]

        until(lambda: threads() == [(3, 3), (1, 1)], "the second worker has one connection left")
        before = bench.store.heartbeats.list(run_id)[1].queries
        until(lambda: bench.store.heartbeats.list(run_id)[1].queries > before, "it goes on")
        request_stop(bench.store, run_id, "ada")
        assert end().status is RunStatus.CANCELLED


@pytest.fixture
def shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker be STALE after 3 s of silence, and DEAD after 6 s."""
    monkeypatch.setattr(worker_state, "STALE_AFTER_S", 3.0)
    monkeypatch.setattr(worker_state, "DEAD_AFTER_S", 6.0)


@pytest.fixture(params=["sqlite", "postgresql"])
def each_bench(
    request: pytest.FixtureRequest, embedded_server: EmbeddedServer, target: str, tmp_path: Path
) -> Iterator[Bench]:
    """A bench on each kind of store."""
    with bench_on(request.param, embedded_server, target, tmp_path) as made:
        yield made


@pytest.mark.usefixtures("shortened")
def test_a_worker_that_freezes_is_taken_for_dead_and_fails_the_run(each_bench: Bench) -> None:
    bench = each_bench
    run_id = bench.create(duration_seconds=60)
    with bench.running(run_id) as end:
        bench.until_queries(run_id)
        bench.orchestrator._loops[run_id]._limits = Limits(term_after_s=2.0)
        frozen = bench.launcher.handles["worker-1"]
        os.kill(frozen.pid, signal.SIGSTOP)
        row = end()
    assert row.status is RunStatus.FAILED
    assert re.search(r"^worker_failure: worker-1 was not heard from for [67] s; last", row.completion_reason or "")
    assert frozen.poll() == -signal.SIGKILL, "SIGTERM does not reach a process that stands still"
    assert bench.launcher.handles["worker-0"].poll() == 0
    parent, newest = bench.store.results.get(run_id), bench.store.snapshots.newest(run_id)["worker-1"]
    survivor = bench.store.results.children(run_id)[0]
    assert parent.operations == survivor.operations + newest.operations


@pytest.mark.usefixtures("shortened")
def test_a_worker_that_freezes_is_taken_for_dead_and_ended_and_the_run_goes_on(each_bench: Bench) -> None:
    bench = each_bench
    run_id = bench.create(duration_seconds=15, more=CONTINUE)
    with bench.running(run_id) as end:
        bench.until_queries(run_id)
        frozen = bench.launcher.handles["worker-1"]
        os.kill(frozen.pid, signal.SIGSTOP)
        until(lambda: frozen.poll() is not None, "the frozen worker was ended")
        assert bench.store.runs.get(run_id).status is RunStatus.RUNNING
        row = end()
    assert row.status is RunStatus.COMPLETED
    reason = "worker_loss: 1 of 2 workers: worker-1 went silent, and its process was ended; last said: "
    assert (row.completion_reason or "").startswith(reason)
    assert bench.launcher.handles["worker-0"].poll() == 0
