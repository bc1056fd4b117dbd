"""Store rows for tests of what is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from upperbound.domain.figures import ErrorFigure, GeneratorFigures, KindFigures, PhaseFigures, merge
from upperbound.domain.histogram import Histogram
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.scenario.loader import parse_scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.heartbeats import HeartbeatRow
from upperbound.store.history import HistoryRow
from upperbound.store.results import ResultRow
from upperbound.store.runs import RunRow
from upperbound.store.snapshots import SnapshotRow

RUN_ID = "20261123-101500-abc123"
START = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
SCENARIO = """
name: Orders
target: {kind: postgres, url: "postgresql://app@db.example.com/shop", table: public.orders}
load: {warmup_seconds: 5, duration_seconds: 20}
scaling: {mode: FIXED, min_workers: 2, min_threads: 8}
workload:
  seed: 42
  operations:
    - {kind: POINT_LOOKUP, weight_pct: 60, sql: "SELECT * FROM {table} WHERE id = $1", params: [{range: [1, 9]}]}
    - {kind: UPDATE, weight_pct: 40, sql: "UPDATE {table} SET n = 1 WHERE id = $1", params: [{range: [1, 9]}]}
"""


def config(*overrides: str, threads: Sequence[int] = (8, 8)) -> RunConfig:
    """Return what a run of :data:`SCENARIO` is started with."""
    scenario = parse_scenario(SCENARIO, overrides).scenario
    return RunConfig(
        scenario=scenario,
        threads=tuple(threads),
        seed=42,
        target_url="postgresql://app@db.example.com/shop",
        table="public.orders",
        upperbound_version="0.1.0",
    )


def run_row(status: RunStatus = RunStatus.COMPLETED, *, workers: int = 2, **changes: Any) -> RunRow:
    """Return a row of ``RUN_STATUS``."""
    row = RunRow(
        run_id=RUN_ID,
        template_id=None,
        template_version=None,
        name="Orders",
        scenario_config=config().model_dump(mode="json"),
        status=status,
        phase=Phase.COMPLETED,
        start_time=START,
        warmup_start_time=START,
        warmup_end_time=START + timedelta(seconds=5),
        end_time=START + timedelta(seconds=26),
        total_workers_expected=workers,
        workers_registered=workers,
        workers_active=0,
        workers_completed=workers,
        total_ops=0,
        error_count=0,
        current_qps=0.0,
        worker_targets={},
        next_sequence_id=1,
        find_max_state=None,
        qps_controller_state=None,
        guardrail_state=None,
        completion_reason="duration_over",
        cancellation_reason=None,
        lease_owner=None,
        lease_expires_at=None,
        status_changed_at=START,
        created_at=START,
        updated_at=START,
        now=START + timedelta(seconds=30),
        elapsed_s=26.0,
        status_age_s=4.0,
        lease_remaining_s=None,
    )
    return replace(row, **changes)


def kind(latencies_us: Sequence[int], failed: int = 0) -> KindFigures:
    """Return the figures of a kind of operation with these latencies."""
    return KindFigures(len(latencies_us), failed, Histogram.from_values(latencies_us))


def figures(
    by_operation: Mapping[str, KindFigures] | None = None,
    *,
    seconds: float = 20.0,
    phase: Phase = Phase.MEASUREMENT,
    errors: Mapping[str, ErrorFigure] | None = None,
    busy_pct: float = 20.0,
    lag_us: Sequence[int] = (50,) * 100,
    warmup_operations: int = 0,
) -> PhaseFigures:
    """Return what one worker has counted."""
    return PhaseFigures(
        phase=phase,
        seconds=seconds,
        by_operation=dict(by_operation or {}),
        errors=dict(errors or {}),
        generator=GeneratorFigures(int(busy_pct * 1e7), int(1e9), Histogram.from_values(lag_us), 50.0),
        warmup_operations=warmup_operations,
    )


FAST = [100] * 900
SLOW = [5_000] * 100

RATE = ("load.mode=QPS", "load.target_qps=100", "load.threads=16")
"""Overrides that make :data:`SCENARIO` offer a rate."""


def offering(
    by_operation: Mapping[str, tuple[Sequence[int], Sequence[int]]], arrivals: ArrivalFigures, **changes: Any
) -> PhaseFigures:
    """Return what one worker of an open loop has counted; of each kind there are service and response times."""
    kinds = {
        label: KindFigures(len(service), 0, Histogram.from_values(service), Histogram.from_values(response))
        for label, (service, response) in by_operation.items()
    }
    return replace(figures(kinds, **changes), arrivals=arrivals)


def result_row(
    measured: PhaseFigures | None = None, *, group_id: int | None = None, status: str = "COMPLETED", **changes: Any
) -> ResultRow:
    """Return a row of ``TEST_RESULTS``: the parent, or with ``group_id`` the child of that worker."""
    worker_id = None if group_id is None else f"worker-{group_id}"
    row = ResultRow(
        test_id=RUN_ID if worker_id is None else f"{RUN_ID}-{worker_id}",
        run_id=RUN_ID,
        worker_id=worker_id,
        group_id=group_id,
        name="Orders",
        status=status,
        phase=Phase.COMPLETED,
        start_time=START,
        end_time=START,
        load_mode="CONCURRENCY",
        scaling_mode="FIXED",
        threads=16 if worker_id is None else 8,
        worker_count=2,
        operations=measured.operations if measured else 0,
        failed=measured.failed if measured else 0,
        warmup_operations=measured.warmup_operations if measured else 0,
        duration_s=measured.seconds if measured else None,
        qps=measured.qps if measured else None,
        figures=measured.to_json() if measured else None,
        summary=None,
        query_log=None,
        server_view=None,
        environment=None,
        failure_reason=None,
        enrichment_status=None,
        enrichment_reason=None,
        created_at=START,
        updated_at=START,
    )
    return replace(row, **changes)


def completed(workers: Sequence[PhaseFigures], **parent: Any) -> tuple[ResultRow, list[ResultRow]]:
    """Return the parent and the children of a run that has ended with these figures of its workers."""
    facts: dict[str, Any] = {
        "query_log": {"rows": 1234, "files": 2, "path": "/data/runs/r/query_log"},
        "environment": {
            "target_version": "PostgreSQL 18.6",
            "driver": "psycopg 3.3.9",
            "host": "bench-1",
            "cpu": "AMD EPYC, 2 cores",
            "python": "3.11.2",
            "upperbound_version": "0.1.0",
            "seed": 42,
        },
    }
    children = [result_row(one, group_id=group_id) for group_id, one in enumerate(workers)]
    return result_row(merge(workers), **(facts | parent)), children


def two_workers() -> list[PhaseFigures]:
    return [
        figures({"POINT_LOOKUP": kind(FAST, failed=10)}, warmup_operations=70),
        figures({"POINT_LOOKUP": kind(SLOW), "UPDATE": kind([9_000] * 20)}, warmup_operations=30),
    ]


def heartbeat(group_id: int, status: WorkerStatus = WorkerStatus.RUNNING, **changes: Any) -> HeartbeatRow:
    """Return the heartbeat of a worker."""
    beat = HeartbeatRow(
        run_id=RUN_ID,
        worker_id=f"worker-{group_id}",
        group_id=group_id,
        status=status,
        phase=Phase.MEASUREMENT,
        active_threads=8,
        target_threads=8,
        detail="8 connections open",
    )
    return replace(beat, **changes)


def snapshot(group_id: int, sequence: int, measured: PhaseFigures) -> SnapshotRow:
    """Return a snapshot of a worker."""
    return SnapshotRow(
        run_id=RUN_ID,
        test_id=f"{RUN_ID}-worker-{group_id}",
        worker_id=f"worker-{group_id}",
        group_id=group_id,
        group_count=2,
        sequence=sequence,
        phase=measured.phase,
        elapsed_s=measured.seconds,
        operations=measured.operations,
        failed=measured.failed,
        qps=0.0,
        p50_ms=None,
        p95_ms=None,
        p99_ms=None,
        active_threads=8,
        target_threads=8,
        figures=measured.to_json(),
        captured_at=START,
    )


def history_row(status: RunStatus = RunStatus.COMPLETED) -> HistoryRow:
    """Return a run whose last tick and whose result say different things."""
    return HistoryRow(
        run_id=RUN_ID,
        name="Orders",
        status=status,
        phase=Phase.COMPLETED,
        template_id=None,
        template_version=None,
        table_type="standard",
        tags={"team": "data"},
        load_mode="CONCURRENCY",
        scaling_mode="FIXED",
        created_at=START,
        start_time=START,
        end_time=None,
        elapsed_s=26.0,
        total_workers_expected=2,
        threads=16,
        total_ops=499,
        error_count=1,
        current_qps=99.5,
        operations=40,
        failed=2,
        qps=2.0,
        p50_ms=1.0,
        p95_ms=2.0,
        p99_ms=None,
        completion_reason="duration_over",
        cancellation_reason=None,
    )
