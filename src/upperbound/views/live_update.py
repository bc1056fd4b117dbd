"""From what the tables say of a run to the update that its viewers are sent: a pure function."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, overload

from upperbound.domain.figures import KindFigures, PhaseFigures, client_bound
from upperbound.domain.find_max_steps import Limiter, Purpose
from upperbound.domain.histogram import LatencyFigures, latency_ms
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.scenario.kinds import OperationType
from upperbound.scenario.loads import FindMaxLoad
from upperbound.scenario.model import Scenario
from upperbound.views.arrivals import arrivals_of
from upperbound.views.find_max import FindMaxView, find_max_of
from upperbound.views.guardrails import guardrails_of
from upperbound.views.live import LiveReading, LiveWorker
from upperbound.views.live_payload import (
    AggregateMetrics,
    LiveArrivals,
    LiveConnections,
    LiveErrors,
    LiveFindMax,
    LiveGenerator,
    LiveKind,
    LiveLatency,
    LiveLogLine,
    LiveOperations,
    LiveOps,
    LiveRun,
    LiveStage,
    LiveTiming,
    LiveWarehouse,
    PhaseMetrics,
    RunUpdate,
    SearchStatus,
    WorkerMetrics,
    WorkerUpdate,
)
from upperbound.views.objectives import check_objectives
from upperbound.views.run_summary import MERGED, ErrorSummary
from upperbound.views.timing import phase_time, plan_of

if TYPE_CHECKING:
    from upperbound.store.heartbeats import HeartbeatRow
    from upperbound.store.logs import LogRow
    from upperbound.store.results import ResultRow
    from upperbound.store.runs import RunRow
    from upperbound.store.warehouse_polls import WarehousePollRow

MESSAGE_LENGTH: Final = 2_000
"""Characters of a log line that are sent."""
_STATUS: Final[Mapping[Purpose, SearchStatus]] = {
    Purpose.CLIMB: "STEPPING",
    Purpose.BACK_OFF: "BACKING_OFF",
    Purpose.CONFIRM: "CONFIRMING",
    Purpose.BISECT: "BISECTING",
    Purpose.REPEAT: "REPEATING",
}


def is_final(run: "RunRow") -> bool:
    """Say whether a run has ended and is fully processed, so that nothing of it changes any more."""
    return run.status in TERMINAL and run.phase is Phase.COMPLETED


def run_update(
    reading: LiveReading,
    *,
    sequence: int,
    logs: Sequence["LogRow"] = (),
    logs_after: int = 0,
    parent: "ResultRow | None" = None,
) -> RunUpdate:
    """Return the update that a reading makes.

    ``parent`` is the run's own result, which the last update takes its figures from; None before the end.
    """
    run, scenario = reading.run, reading.config.scenario
    rates = _Rates(reading, parent)
    aggregate = _aggregate(reading, rates)
    timing = _timing(run, scenario)
    total = rates.total
    return RunUpdate(
        test_id=run.run_id,
        status=run.status,
        phase=run.phase,
        timestamp=run.now,
        sequence=sequence,
        final=is_final(run),
        notice=None,
        run=LiveRun(
            run_id=run.run_id,
            name=run.name,
            status=run.status,
            phase=run.phase,
            worker_count=sum(bool(threads) for threads in run.worker_targets.values()) or run.total_workers_expected,
            elapsed_seconds=_rounded(run.elapsed_s),
            load_mode=scenario.load.mode.value,
            timing=timing,
            aggregate_metrics=aggregate,
            phase_metrics=_phase_metrics(total),
            completion_reason=run.completion_reason,
            failure_reason=_failure_reason(run, parent),
        ),
        timing=timing,
        latency_aggregation_method=MERGED,
        workers=[_worker(*pair, reading) for pair in zip(reading.workers, reading.heartbeats, strict=True)],
        ops=LiveOps(total=aggregate.total_ops, current_per_sec=aggregate.qps),
        operations=LiveOperations(reads=aggregate.read_count, writes=aggregate.write_count),
        latency=LiveLatency(
            p50=aggregate.p50_latency_ms,
            p95=aggregate.p95_latency_ms,
            p99=aggregate.p99_latency_ms,
            avg=aggregate.avg_latency_ms,
        ),
        errors=LiveErrors(count=aggregate.total_errors, rate=aggregate.error_rate, by_class=_errors(total)),
        connections=LiveConnections(active=aggregate.active_connections, target=aggregate.target_connections),
        warehouse=_warehouse(reading.warehouse),
        find_max=_find_max(find_max_of(run), aggregate),
        guardrails=guardrails_of(run, scenario),
        arrivals=_arrivals(reading, total),
        stage=_stage(run, scenario),
        generator=LiveGenerator(
            client_bound=client_bound(rates.last.generator, aggregate.p50_latency_ms),
            busy_pct=_rounded(rates.last.generator.busy_pct),
            lag_p99_ms=rates.last.generator.lag_p99_ms,
        ),
        slo=check_objectives(scenario, total, judged=total.phase is Phase.MEASUREMENT and total.seconds > 0),
        cancellation_reason=run.cancellation_reason,
        logs=[_log_line(row) for row in logs],
        logs_after=logs_after,
        log_sequence=logs[-1].sequence if logs else logs_after,
    )


def _warehouse(poll: "WarehousePollRow | None") -> LiveWarehouse | None:
    if poll is None:
        return None
    return LiveWarehouse(
        name=poll.warehouse,
        state=poll.state,
        size=poll.size,
        started_clusters=poll.started_clusters,
        max_clusters=poll.max_clusters,
        running=poll.running,
        queued=poll.queued,
        elapsed_seconds=round(poll.elapsed_s, 1),
    )


class _Rates:
    """What rates and percentiles are taken from: the last interval; of a run that is over, the whole measurement."""

    def __init__(self, reading: LiveReading, parent: "ResultRow | None") -> None:
        if parent is not None and parent.figures:
            whole = PhaseFigures.from_json(parent.figures)
            self.last = self.total = whole
            self.intervals: Mapping[str, PhaseFigures] = {"": whole}
        else:
            self.last, self.total, self.intervals = reading.last, reading.total, reading.intervals

    def per_second(self, count: Callable[[PhaseFigures], int]) -> float | None:
        """Return how often something happened per second, all workers together; None before there is an interval.

        Workers are not exactly in step, so each has its own length of time.
        """
        rates = [count(one) / one.seconds for one in self.intervals.values() if one.seconds > 0]
        return _rounded(sum(rates)) if rates else None


def _aggregate(reading: LiveReading, rates: _Rates) -> AggregateMetrics:
    scenario, total = reading.config.scenario, rates.total
    latency = latency_ms(rates.last.latencies)
    writes = {
        operation.label for operation in scenario.workload.operations if operation.operation_type is OperationType.WRITE
    }
    written = sum(kind.operations for label, kind in total.by_operation.items() if label in writes)
    kinds = {operation.label: operation.kind.value for operation in scenario.workload.operations}
    named = any(label != kind for label, kind in kinds.items())
    return AggregateMetrics(
        total_ops=total.operations,
        qps=rates.per_second(lambda one: one.operations),
        attempted_qps=rates.per_second(lambda one: one.attempts),
        **_percentiles(latency),
        p999_latency_ms=latency.p999_ms,
        avg_latency_ms=_rounded(latency.mean_ms),
        error_rate=total.failed / total.attempts if total.attempts else 0.0,
        total_errors=total.failed,
        active_connections=sum(worker.active_threads for worker in reading.counted),
        target_connections=reading.target_threads,
        read_count=total.operations - written,
        write_count=written,
        by_kind=_by(kinds, scenario, rates),
        by_operation=_by({label: label for label in kinds}, scenario, rates) if named else None,
    )


def _by(groups: Mapping[str, str], scenario: Scenario, rates: _Rates) -> dict[str, LiveKind]:
    """Return the operations in groups; ``groups`` says which group each label belongs to."""
    types: dict[str, OperationType] = {}
    members: dict[str, set[str]] = {}
    for operation in scenario.workload.operations:
        group = groups[operation.label]
        types.setdefault(group, operation.operation_type)
        members.setdefault(group, set()).add(operation.label)
    found = {}
    for group, labels in members.items():
        last, total = _of(rates.last, labels), _of(rates.total, labels)
        found[group] = LiveKind(
            operation_type=types[group],
            qps=rates.per_second(partial(_succeeded, labels=labels)),
            **_percentiles(latency_ms(last.latencies)),
            total_ops=total.operations,
            error_count=total.failed,
        )
    return found


def _of(figures: PhaseFigures, labels: Collection[str]) -> KindFigures:
    """Return the figures of some operations together."""
    return sum((kind for label, kind in figures.by_operation.items() if label in labels), start=KindFigures())


def _succeeded(figures: PhaseFigures, labels: Collection[str]) -> int:
    return sum(kind.operations for label, kind in figures.by_operation.items() if label in labels)


def _phase_metrics(total: PhaseFigures) -> PhaseMetrics:
    latency = latency_ms(total.latencies)
    return PhaseMetrics(
        phase=total.phase,
        seconds=_rounded(total.seconds),
        qps=_rounded(total.qps),
        **_percentiles(latency),
        p999_latency_ms=latency.p999_ms,
        avg_latency_ms=_rounded(latency.mean_ms),
        max_latency_ms=latency.max_ms,
    )


def _worker(worker: LiveWorker, beat: "HeartbeatRow", reading: LiveReading) -> WorkerUpdate:
    total = reading.totals.get(worker.worker_id)
    return WorkerUpdate(
        worker_id=worker.worker_id,
        worker_group_id=worker.group_id,
        status=worker.status,
        phase=beat.phase,
        health=worker.health,
        last_heartbeat=beat.last_heartbeat,
        last_heartbeat_ago_s=_rounded(max(0.0, beat.age_s)),
        detail=worker.detail,
        metrics=WorkerMetrics(
            qps=_rounded(worker.qps),
            **_percentiles(reading.latencies.get(worker.worker_id, LatencyFigures())),
            total_ops=total.operations if total else 0,
            error_count=worker.failed,
            active_connections=worker.active_threads,
            target_connections=worker.target_threads,
            cpu_percent=_rounded(beat.cpu_pct),
            memory_percent=_rounded(beat.memory_pct),
        ),
        qps_series=tuple(round(rate, 1) for rate in worker.qps_series),
    )


def _timing(run: "RunRow", scenario: Scenario) -> LiveTiming:
    phase_elapsed_s, phase_total_s = phase_time(run, plan_of(scenario))
    return LiveTiming(
        elapsed_display_seconds=_rounded(run.elapsed_s or 0.0),
        phase_elapsed_seconds=_rounded(phase_elapsed_s),
        phase_total_seconds=phase_total_s,
    )


def _failure_reason(run: "RunRow", parent: "ResultRow | None") -> str | None:
    if run.status is not RunStatus.FAILED:
        return None
    return (parent.failure_reason if parent else None) or run.completion_reason


def _errors(total: PhaseFigures) -> list[ErrorSummary]:
    frequent = sorted(total.errors.items(), key=lambda item: (-item[1].count, item[0]))
    return [ErrorSummary(outcome=label, count=error.count, sample=error.sample) for label, error in frequent]


def _find_max(search: FindMaxView | None, aggregate: AggregateMetrics) -> LiveFindMax | None:
    if search is None:
        return None
    first, prior = (search.steps[0], search.steps[-1]) if search.steps else (None, None)
    current = search.current
    ended: SearchStatus = "DONE" if search.max_type is not None else "ENDED"
    return LiveFindMax(
        current_step=current.step if current else None,
        target_threads=current.threads if current else None,
        baseline_p95_ms=first.p95_ms if first else None,
        current_p95_ms=aggregate.p95_latency_ms,
        p95_vs_baseline_pct=_above_pct(aggregate.p95_latency_ms, first.p95_ms if first else None),
        qps_vs_prior_pct=_above_pct(aggregate.qps, prior.qps if prior else None),
        queue_detected=prior is not None and prior.limiter is Limiter.QUEUEING,
        status=_STATUS[current.purpose] if current else ended,
        search=search,
    )


def _above_pct(value: float | None, base: float | None) -> float | None:
    """Return by how many percent a value is above another; None without both, or above zero."""
    return round(100.0 * (value / base - 1.0), 1) if value is not None and base else None


def _arrivals(reading: LiveReading, total: PhaseFigures) -> LiveArrivals | None:
    arrivals = arrivals_of(reading.run, reading.config.scenario, total)
    if arrivals is None:
        return None
    return LiveArrivals(**dict(arrivals), target_qps=_rounded(reading.target_qps))


def _stage(run: "RunRow", scenario: Scenario) -> LiveStage | None:
    """Return which stage has begun by the time; None for a load that has none."""
    load = scenario.load
    if isinstance(load, FindMaxLoad) or not load.stages:
        return None
    changes = load.changes
    measured_s = (run.elapsed_s or 0.0) - load.warmup_seconds
    begun = sum(change.at_s <= measured_s for change in changes) if run.elapsed_s is not None else 0
    return LiveStage(
        number=begun,
        count=len(changes),
        goal=changes[begun - 1].goal if begun else None,
        next_at_seconds=load.warmup_seconds + changes[begun].at_s if begun < len(changes) else None,
    )


def _log_line(row: "LogRow") -> LiveLogLine:
    return LiveLogLine(
        sequence=row.sequence,
        logged_at=row.logged_at,
        level=row.level,
        source=row.source,
        worker_id=row.worker_id,
        logger=row.logger,
        message=row.message if len(row.message) <= MESSAGE_LENGTH else f"{row.message[: MESSAGE_LENGTH - 1]}…",
    )


def _percentiles(latency: LatencyFigures) -> dict[str, float | None]:
    return {"p50_latency_ms": latency.p50_ms, "p95_latency_ms": latency.p95_ms, "p99_latency_ms": latency.p99_ms}


@overload
def _rounded(value: float) -> float: ...
@overload
def _rounded(value: float | None) -> float | None: ...
def _rounded(value: float | None) -> float | None:
    """Return a figure without the digits that nobody reads and every viewer would be sent."""
    return None if value is None else round(value, 3)
