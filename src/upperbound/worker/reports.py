"""What a worker reports of itself, as the store takes it."""

from upperbound.domain.histogram import latency_ms
from upperbound.domain.phases import Phase
from upperbound.domain.worker_state import WorkerStatus
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.snapshots import Snapshot
from upperbound.worker.load_port import Load
from upperbound.worker.orders import WorkerOptions
from upperbound.worker.resources import Resources


def snapshot_of(load: Load, options: WorkerOptions, *, sequence: int, phase: Phase, elapsed_s: float) -> Snapshot:
    """Return the figures of ``phase`` so far, ``elapsed_s`` seconds after START_TIME."""
    figures = load.figures(phase)
    latency = latency_ms(figures.latencies)
    return Snapshot(
        run_id=options.run_id,
        test_id=options.test_id,
        worker_id=options.worker_id,
        group_id=options.group_id,
        group_count=options.group_count,
        sequence=sequence,
        phase=phase,
        elapsed_s=elapsed_s,
        operations=figures.operations,
        failed=figures.failed,
        qps=figures.operations / figures.seconds if figures.seconds > 0 else 0.0,
        p50_ms=latency.p50_ms,
        p95_ms=latency.p95_ms,
        p99_ms=latency.p99_ms,
        active_threads=load.active_threads,
        target_threads=load.target_threads,
        figures=figures.to_json(),
    )


def heartbeat_of(
    load: Load | None,
    options: WorkerOptions,
    resources: Resources,
    *,
    status: WorkerStatus,
    phase: Phase,
    last_error: str,
    detail: str,
) -> Heartbeat:
    """Return what the worker says of itself; without a ``load`` it has none yet."""
    succeeded, failed = load.totals() if load else (0, 0)
    return Heartbeat(
        run_id=options.run_id,
        worker_id=options.worker_id,
        group_id=options.group_id,
        status=status,
        phase=phase,
        active_threads=load.active_threads if load else 0,
        target_threads=load.target_threads if load else 0,
        cpu_pct=resources.cpu_pct,
        memory_pct=resources.memory_pct,
        queries=succeeded,
        errors=failed,
        last_error=last_error,
        detail=detail,
    )
