"""A viewer is sent what the tables say: rates of the last interval, counts of the phase, and names that stay."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.views.rows import (
    RATE,
    START,
    config,
    figures,
    heartbeat,
    kind,
    offering,
    result_row,
    run_row,
    snapshot,
)

from upperbound.domain.figures import ErrorFigure, PhaseFigures, merge
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerHealth, WorkerStatus
from upperbound.store.heartbeats import HeartbeatRow
from upperbound.store.logs import LogRow
from upperbound.store.runs import RunRow
from upperbound.views.live import LiveTracker
from upperbound.views.live_payload import RunUpdate, RunUpdateMessage
from upperbound.views.live_update import MESSAGE_LENGTH, run_update

CONTRACT: Mapping[str, Any] = {
    "test_id": ...,
    "status": ...,
    "phase": ...,
    "timestamp": ...,
    "run": {
        "run_id": ...,
        "status": ...,
        "phase": ...,
        "worker_count": ...,
        "elapsed_seconds": ...,
        "timing": {"elapsed_display_seconds": ..., "phase_elapsed_seconds": ..., "phase_total_seconds": ...},
        "aggregate_metrics": dict.fromkeys(
            [
                *("total_ops", "qps", "attempted_qps", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms"),
                *("p999_latency_ms", "avg_latency_ms", "error_rate", "total_errors", "active_connections"),
                *("target_connections", "read_count", "write_count"),
            ],
            ...,
        )
        | {"by_kind": {"POINT_LOOKUP": {"qps": ..., "p95_latency_ms": ...}}},
    },
    "timing": {"elapsed_display_seconds": ...},
    "latency_aggregation_method": "hdr_histogram_merge",
    "workers": [
        dict.fromkeys(
            [
                *("worker_id", "worker_group_id", "status", "phase", "health"),
                *("last_heartbeat", "last_heartbeat_ago_s"),
            ],
            ...,
        )
        | {
            "metrics": dict.fromkeys(
                [
                    *("qps", "p95_latency_ms", "error_count", "active_connections", "target_connections"),
                    *("cpu_percent", "memory_percent"),
                ],
                ...,
            )
        }
    ],
    "ops": {"total": ..., "current_per_sec": ...},
    "operations": {"reads": ..., "writes": ...},
    "latency": {"p50": ..., "p95": ..., "p99": ..., "avg": ...},
    "errors": {"count": ..., "rate": ...},
    "connections": {"active": ..., "target": ...},
    "warehouse": None,
    "find_max": None,
    "guardrails": None,
    "generator": {"client_bound": ..., "busy_pct": ..., "lag_p99_ms": ...},
    "slo": {"passed": ..., "checks": ...},
    "cancellation_reason": ...,
    "logs": ...,
}
"""What other tools rely on; ``...`` is any value."""


def running(phase: Phase = Phase.MEASUREMENT, elapsed_s: float = 10.0, **changes: Any) -> RunRow:
    """Return the row of a run that goes on."""
    given = {"end_time": None, "completion_reason": None, **changes}
    return run_row(RunStatus.RUNNING, phase=phase, elapsed_s=elapsed_s, **given)


def update(
    *workers: PhaseFigures, run: RunRow | None = None, beats: list[HeartbeatRow] | None = None, **more: Any
) -> RunUpdate:
    """Return the first update of a run whose workers have counted this."""
    snapshots = {f"worker-{group_id}": snapshot(group_id, 1, one) for group_id, one in enumerate(workers)}
    heartbeats = beats if beats is not None else [heartbeat(group_id) for group_id in range(len(workers))]
    return run_update(LiveTracker().read(run or running(), heartbeats, snapshots), sequence=0, **more)


def missing(wanted: Any, found: Any, place: str = "data") -> list[str]:
    """Return the places where ``found`` lacks what is wanted."""
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return [place]
        return [
            gap
            for key, value in wanted.items()
            for gap in ([f"{place}.{key}"] if key not in found else missing(value, found[key], f"{place}.{key}"))
        ]
    if isinstance(wanted, list):
        return [gap for item in found for gap in missing(wanted[0], item, f"{place}[]")] if found else [place]
    return [] if wanted is ... or wanted == found else [place]


def test_the_message_has_every_name_that_other_tools_rely_on() -> None:
    message = json.loads(RunUpdateMessage(data=update(figures({"UPDATE": kind([100] * 100)}))).model_dump_json())
    assert message["event"] == "RUN_UPDATE"
    assert missing(CONTRACT, message["data"]) == []
    assert message["data"]["timestamp"].endswith("Z")


def test_rates_are_of_the_last_interval_and_counts_of_the_phase() -> None:
    tracker = LiveTracker()
    tracker.read(
        running(), [heartbeat(0)], {"worker-0": snapshot(0, 1, figures({"UPDATE": kind([100] * 1000)}, seconds=1))}
    )
    later = figures({"UPDATE": kind([100] * 1000 + [9_000] * 50, failed=10)}, seconds=2)
    reading = tracker.read(running(), [heartbeat(0)], {"worker-0": snapshot(0, 2, later)})
    found = run_update(reading, sequence=1)
    metrics = found.run.aggregate_metrics
    assert (metrics.qps, metrics.attempted_qps) == (50.0, 60.0)
    assert metrics.p50_latency_ms == pytest.approx(9.0, rel=1e-3)
    assert (metrics.total_ops, metrics.total_errors) == (1050, 10)
    assert metrics.error_rate == pytest.approx(10 / 1060)
    assert found.run.phase_metrics.qps == 525.0
    assert found.run.phase_metrics.p50_latency_ms == pytest.approx(0.1, rel=1e-3)
    assert found.workers[0].qps_series == (1000.0, 50.0)


def test_percentiles_of_several_workers_are_those_of_the_merged_latencies() -> None:
    fast = figures({"UPDATE": kind([100] * 900)}, seconds=1)
    slow = figures({"UPDATE": kind([5_000] * 100)}, seconds=1)
    metrics = update(fast, slow).run.aggregate_metrics
    assert metrics.qps == 1000.0
    assert metrics.p50_latency_ms == pytest.approx(0.1, rel=1e-3)
    assert metrics.p95_latency_ms == pytest.approx(5.0, rel=1e-3)


def test_reads_and_writes_are_told_apart_by_what_the_scenario_says() -> None:
    found = update(figures({"POINT_LOOKUP": kind([100] * 30), "UPDATE": kind([100] * 12, failed=3)}, seconds=2))
    assert (found.operations.reads, found.operations.writes) == (30, 12)
    by_kind = found.run.aggregate_metrics.by_kind
    assert list(by_kind) == ["POINT_LOOKUP", "UPDATE"]
    assert (by_kind["POINT_LOOKUP"].operation_type, by_kind["POINT_LOOKUP"].qps) == ("READ", 15.0)
    assert (by_kind["UPDATE"].operation_type, by_kind["UPDATE"].error_count) == ("WRITE", 3)
    assert found.run.aggregate_metrics.by_operation is None


def test_operations_with_names_are_shown_by_name_and_by_kind() -> None:
    sql = "workload.operations.0.sql=UPDATE {table} SET n = 2 WHERE id = $1"
    named = config("workload.operations.0.kind=UPDATE", "workload.operations.0.name=by key", sql)
    found = update(
        figures({"by key": kind([100] * 30), "UPDATE": kind([9_000] * 10)}, seconds=1),
        run=running(scenario_config=named.model_dump(mode="json")),
    ).run.aggregate_metrics
    assert found.by_kind["UPDATE"].total_ops == 40
    assert found.by_operation is not None
    assert {name: one.total_ops for name, one in found.by_operation.items()} == {"by key": 30, "UPDATE": 10}


def test_a_dead_worker_is_listed_and_left_out_of_the_sums() -> None:
    counted = figures({"UPDATE": kind([100] * 100)}, seconds=1)
    found = update(counted, counted, beats=[heartbeat(0), heartbeat(1, age_s=60.0)])
    assert found.run.aggregate_metrics.qps == 100.0
    assert [worker.health for worker in found.workers] == [WorkerHealth.HEALTHY, WorkerHealth.DEAD]
    assert found.workers[1].last_heartbeat_ago_s == 60.0


def test_a_worker_that_has_completed_is_not_missed() -> None:
    counted = figures({"UPDATE": kind([100] * 100)}, seconds=1)
    found = update(counted, beats=[heartbeat(0, WorkerStatus.COMPLETED, age_s=600.0)])
    assert found.workers[0].health is WorkerHealth.HEALTHY
    assert found.ops.total == 100


def test_errors_are_told_by_class_the_most_frequent_first() -> None:
    errors = {"deadlock": ErrorFigure(2, "deadlock detected"), "lock_timeout": ErrorFigure(5, "canceling statement")}
    found = update(figures({"UPDATE": kind([100] * 93, failed=7)}, errors=errors))
    assert [(one.outcome, one.count) for one in found.errors.by_class] == [("lock_timeout", 5), ("deadlock", 2)]
    assert found.errors.rate == pytest.approx(0.07)


def test_a_prepared_run_has_no_time_and_no_figures() -> None:
    row = run_row(RunStatus.PREPARED, phase=Phase.PREPARING, start_time=None, elapsed_s=None, end_time=None)
    found = update(run=row)
    assert found.run.elapsed_seconds is None
    assert found.timing.elapsed_display_seconds == 0.0
    assert found.run.aggregate_metrics.qps is None
    assert found.workers == []
    assert found.connections.target == 16
    assert found.final is False


def test_warmup_is_marked_as_such_and_judged_by_no_objective() -> None:
    slo = config("slo.p95_ms=1").model_dump(mode="json")
    warm = figures({"UPDATE": kind([9_000] * 100)}, phase=Phase.WARMUP, seconds=2)
    found = update(warm, run=running(Phase.WARMUP, 2.0, scenario_config=slo))
    assert found.run.phase_metrics.phase is Phase.WARMUP
    assert (found.slo.passed, found.slo.checks) == (None, [])
    measured = update(replace(warm, phase=Phase.MEASUREMENT), run=running(scenario_config=slo))
    assert measured.slo.passed is False
    assert measured.slo.checks[0].actual == pytest.approx(9.0, rel=1e-3)


def test_a_generator_at_its_end_is_called_so() -> None:
    assert update(figures({"UPDATE": kind([100] * 100)}, busy_pct=99.0)).generator.client_bound is True
    assert update(figures({"UPDATE": kind([100] * 100)}, busy_pct=40.0)).generator.client_bound is False


def test_an_open_loop_shows_its_arrivals() -> None:
    scenario = config(*RATE).model_dump(mode="json")
    due = ArrivalFigures(expected=200.0, offered=200, started=190, late=4, dropped=3)
    counted = offering({"UPDATE": ([100] * 180, [2_000] * 180)}, due, seconds=2.0)
    found = update(counted, run=running(scenario_config=scenario))
    assert found.arrivals is not None
    assert (found.arrivals.target_qps, found.arrivals.unstarted, found.arrivals.dropped) == (100.0, 7, 3)
    assert found.latency.p50 == pytest.approx(2.0, rel=1e-3)


def test_a_load_with_stages_says_where_it_is() -> None:
    stages = 'load.stages=[{"at": 2, "target_qps": 12}, {"at": 8, "target_qps": 4}]'
    staged = config(*RATE, stages)
    row = running(elapsed_s=8.0, scenario_config=staged.model_dump(mode="json"))
    stage = update(run=row).stage
    assert stage is not None
    assert (stage.number, stage.count, stage.goal, stage.next_at_seconds) == (1, 2, 12.0, 13.0)
    before = update(run=replace(row, elapsed_s=3.0)).stage
    assert before is not None
    assert (before.number, before.goal, before.next_at_seconds) == (0, None, 7.0)


def test_the_last_update_has_the_figures_of_the_whole_measurement() -> None:
    workers = [figures({"UPDATE": kind([100] * 1000)}), figures({"UPDATE": kind([300] * 1000)})]
    beats = [heartbeat(group_id, WorkerStatus.COMPLETED, age_s=9_000) for group_id in range(2)]
    found = update(run=run_row(), beats=beats, parent=result_row(merge(workers)))
    assert found.final is True
    assert found.run.completion_reason == "duration_over"
    assert (found.run.aggregate_metrics.qps, found.ops.total) == (100.0, 2000)
    assert found.latency.p50 == pytest.approx(0.1, rel=1e-3)
    assert found.run.elapsed_seconds == 26.0


def test_a_run_that_has_failed_says_why() -> None:
    failed = run_row(RunStatus.FAILED, completion_reason="worker_failure: worker-1 was killed by signal SIGKILL")
    assert update(run=failed).run.failure_reason == "worker_failure: worker-1 was killed by signal SIGKILL"
    parent = result_row(status="FAILED", failure_reason="worker-1 was lost")
    assert update(run=failed, parent=parent).run.failure_reason == "worker-1 was lost"
    assert update(run=run_row(), parent=result_row()).run.failure_reason is None


def test_log_lines_say_what_they_follow_and_are_cut_when_they_are_long() -> None:
    rows = [line(41, "short"), line(42, "x" * (MESSAGE_LENGTH + 1))]
    found = update(logs=rows, logs_after=40)
    assert (found.logs_after, found.log_sequence) == (40, 42)
    assert [len(one.message) for one in found.logs] == [5, MESSAGE_LENGTH]
    assert found.logs[1].message.endswith("…")
    nothing = update(logs_after=40)
    assert (nothing.logs_after, nothing.log_sequence) == (40, 40)


def line(sequence: int, message: str) -> LogRow:
    """Return a line of a worker."""
    return LogRow(
        run_id="r",
        sequence=sequence,
        source=LogSource.WORKER,
        worker_id="worker-0",
        level=LogLevel.INFO,
        logger="upperbound.worker",
        message=message,
        logged_at=START,
        received_at=START,
    )
