"""The threads of a real run follow its stages."""

from itertools import pairwise

from tests.integration.orchestrator.conftest import Bench

from upperbound.domain.events import EventType
from upperbound.domain.run_state import RunStatus
from upperbound.orchestrator.stopping import request_stop
from upperbound.testing.waiting import until
from upperbound.views.run_summary import load_summary

STAGES = [{"at": 1, "threads": 6, "ramp_seconds": 4}, {"at": 7, "threads": 2}]
RAMP_END_S = 6.0
"""Since the start of the run, a second of warmup included."""
CLOCKS_S = 0.5
"""By how much a worker's idea of the run's time may be out."""


def test_threads_follow_a_ramp_and_a_step_down(bench: Bench) -> None:
    more = {"scaling": {"mode": "BOUNDED", "min_workers": 2, "max_workers": 2, "max_threads": 3}}
    load = {"threads": 2, "warmup_seconds": 1, "duration_seconds": 120}
    run_id = bench.create(more={**more, "load": {**load, "stages": STAGES}})

    def active() -> int:
        return sum(beat.active_threads for beat in bench.store.heartbeats.list(run_id))

    with bench.running(run_id) as end:
        bench.until_queries(run_id)
        until(lambda: active() == 6, "all threads of the first stage have a connection")
        until(lambda: active() == 2, "the second stage holds")
        assert bench.store.runs.get(run_id).status is RunStatus.RUNNING
        request_stop(bench.store, run_id, "ada")
        assert end().status is RunStatus.CANCELLED
    events = [event for event in bench.store.events.all(run_id) if event.type is EventType.SET_WORKER_TARGET]
    assert [(event.data["step_id"], event.data["target_threads"]) for event in events] == [
        ("stage-0", 3),
        ("stage-0", 3),
        ("stage-1", 1),
        ("stage-1", 1),
    ]
    for worker_id in ("worker-0", "worker-1"):
        series = bench.store.snapshots.series(run_id, worker_id)
        assert all(row.target_threads < 3 for row in series if row.elapsed_s < RAMP_END_S - CLOCKS_S)
        up = [row.target_threads for row in series if row.elapsed_s < 1 + STAGES[1]["at"]]
        assert all(later >= earlier for earlier, later in pairwise(up)), "the ramp only goes up"
    summary = load_summary(bench.store, run_id)
    assert summary.total_operations > 0
    assert [(change.initiated_by, change.threads, change.workers) for change in summary.changes] == [
        ("plan", 6, 2),
        ("plan", 2, 2),
    ]
