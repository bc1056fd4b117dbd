"""A run over time: throughput, latencies, threads and errors, of all workers together and of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from upperbound.domain.figures import KindFigures, PhaseFigures, interval, merge
from upperbound.domain.histogram import latency_ms
from upperbound.domain.phases import Phase
from upperbound.domain.resize import group_of
from upperbound.domain.time_series import SHORTEST_STEP_S, Mark, Span, Stretch, step_for, stretches
from upperbound.scenario.kinds import OperationType
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.views.run_summary import MERGED, by_kind_of
from upperbound.views.timing import plan_of
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.results import ResultRow
    from upperbound.store.runs import RunRow

POINTS: Final = 300
"""About how many points a run is shown in, unless asked otherwise."""


class KindPoint(View):
    """One kind of operation in one stretch of time."""

    qps: float
    failed_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class MetricPoint(View):
    """One stretch of time; a percentile with too few operations behind it is null."""

    elapsed_s: float
    """Where it ends, in seconds since the start."""
    seconds: float
    """How long it is."""
    phase: Phase
    qps: float
    """Successful operations per second."""
    reads_per_s: float
    writes_per_s: float
    failed_per_s: float
    error_pct: float | None
    target_qps: float | None
    """The rate to offer; null in a closed loop."""
    p50_ms: float | None
    """Response time in an open loop, else service time; merged over the workers, as all percentiles here."""
    p95_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    mean_ms: float | None
    active_threads: int
    target_threads: int
    workers: int
    """That did anything in this time."""
    generator_busy_pct: float | None
    """Of the busiest worker."""
    by_kind: dict[str, KindPoint]


class PhaseSpan(View):
    """A phase on the time axis."""

    phase: Phase
    begin_s: float
    end_s: float


class MetricSeries(View):
    """A run over time."""

    run_id: str
    step_seconds: float
    """How long a point's stretch is."""
    phases: list[PhaseSpan]
    read_only: bool
    """The scenario writes nothing."""
    latency_aggregation_method: str
    points: list[MetricPoint]


class WorkerSeries(View):
    """One worker over time."""

    worker_id: str
    points: list[MetricPoint]


class WorkerMetrics(View):
    """Every worker of a run over time."""

    run_id: str
    step_seconds: float
    phases: list[PhaseSpan]
    latency_aggregation_method: str
    workers: list[WorkerSeries]


class ErrorCount(View):
    """Failures of one class in one stretch of time."""

    elapsed_s: float
    """Where it ends, in seconds since the start."""
    seconds: float
    phase: Phase
    operations: int
    """Those that succeeded in this time."""
    failed: int
    error_pct: float | None
    by_class: dict[str, int]


class ErrorTimeline(View):
    """Failures over time."""

    run_id: str
    step_seconds: float
    phases: list[PhaseSpan]
    classes: list[str]
    """All that occur, the most frequent first."""
    points: list[ErrorCount]


def load_metrics(store: "Store", run_id: str, *, points: int = POINTS, step_s: float | None = None) -> MetricSeries:
    """Return a run over time. Raises :class:`RunNotFound` and :class:`StoreUnreachable`."""
    series = _load(store, store.runs.get(run_id), points, step_s)
    return MetricSeries(
        run_id=run_id,
        step_seconds=series.step_s,
        phases=series.phases,
        read_only=series.read_only,
        latency_aggregation_method=MERGED,
        points=[series.point(stretch, stretch.spans) for stretch in series.stretches],
    )


def load_worker_metrics(
    store: "Store", run_id: str, *, points: int = POINTS, step_s: float | None = None
) -> WorkerMetrics:
    """Return every worker of a run over time. Raises :class:`RunNotFound` and :class:`StoreUnreachable`."""
    series = _load(store, store.runs.get(run_id), points, step_s)
    by_worker: dict[str, list[MetricPoint]] = {worker_id: [] for worker_id in series.worker_ids}
    for stretch in series.stretches:
        for span in stretch.spans:
            by_worker[span.newer.worker_id].append(series.point(stretch, [span]))
    return WorkerMetrics(
        run_id=run_id,
        step_seconds=series.step_s,
        phases=series.phases,
        latency_aggregation_method=MERGED,
        workers=[WorkerSeries(worker_id=worker_id, points=found) for worker_id, found in by_worker.items()],
    )


def load_error_timeline(
    store: "Store", run_id: str, *, points: int = POINTS, step_s: float | None = None
) -> ErrorTimeline:
    """Return the failures of a run over time. Raises :class:`RunNotFound` and :class:`StoreUnreachable`."""
    series = _load(store, store.runs.get(run_id), points, step_s)
    found = [series.errors(stretch) for stretch in series.stretches]
    totals: dict[str, int] = {}
    for point in found:
        for label, count in point.by_class.items():
            totals[label] = totals.get(label, 0) + count
    return ErrorTimeline(
        run_id=run_id,
        step_seconds=series.step_s,
        phases=series.phases,
        classes=sorted(totals, key=lambda label: (-totals[label], label)),
        points=found,
    )


class _Series:
    """The stretches of a run, and the snapshots at their ends."""

    def __init__(
        self,
        scenario: Scenario,
        found: Sequence[Stretch],
        step_s: float,
        counted: Mapping[tuple[str, int], Mapping[str, Any]],
    ) -> None:
        self._scenario = scenario
        self.stretches, self.step_s = found, step_s
        self._counted = counted
        self._figures: dict[tuple[str, int], PhaseFigures] = {}

    @property
    def read_only(self) -> bool:
        """Whether the scenario writes nothing."""
        operations = self._scenario.workload.operations
        return all(operation.operation_type is OperationType.READ for operation in operations)

    @property
    def worker_ids(self) -> list[str]:
        """Every worker that did anything, in the order of their numbers."""
        return sorted({worker_id for worker_id, _ in self._counted}, key=group_of)

    @property
    def phases(self) -> list[PhaseSpan]:
        """The phases that were begun."""
        spans: dict[Phase, PhaseSpan] = {}
        for stretch in self.stretches:
            begin_s = spans[stretch.phase].begin_s if stretch.phase in spans else stretch.begin_s
            spans[stretch.phase] = PhaseSpan(phase=stretch.phase, begin_s=begin_s, end_s=stretch.end_s)
        return list(spans.values())

    def point(self, stretch: Stretch, spans: Iterable[Span]) -> MetricPoint:
        """Return what the workers of ``spans`` did in a stretch."""
        done = [(span, self._between(span)) for span in spans]
        total = merge([figures for _, figures in done]) if done else PhaseFigures(stretch.phase)
        latency = latency_ms(total.latencies)
        rates = [_rates(self._scenario, figures, span.seconds) for span, figures in done]
        by_kind = by_kind_of(self._scenario, total.by_operation)
        qps = sum(rate.qps for own in rates for rate in own.values())
        writes = sum(rate.writes_per_s for own in rates for rate in own.values())
        targets = [figures.arrivals.expected / span.seconds for span, figures in done if figures.arrivals is not None]
        return MetricPoint(
            elapsed_s=stretch.end_s,
            seconds=stretch.end_s - stretch.begin_s,
            phase=stretch.phase,
            qps=qps,
            reads_per_s=max(0.0, qps - writes),
            writes_per_s=writes,
            failed_per_s=sum(rate.failed_per_s for own in rates for rate in own.values()),
            error_pct=total.error_pct,
            target_qps=sum(targets) if targets else None,
            p50_ms=latency.p50_ms,
            p95_ms=latency.p95_ms,
            p99_ms=latency.p99_ms,
            p999_ms=latency.p999_ms,
            mean_ms=latency.mean_ms,
            active_threads=sum(span.newer.active_threads for span, _ in done),
            target_threads=sum(span.newer.target_threads for span, _ in done),
            workers=len(done),
            generator_busy_pct=total.generator.busy_pct,
            by_kind={kind: _kind(kind, figures, rates) for kind, figures in by_kind.items()},
        )

    def errors(self, stretch: Stretch) -> ErrorCount:
        """Return the failures of a stretch."""
        by_class: dict[str, int] = {}
        for span in stretch.spans:
            before = self._errors_at(span.older)
            for label, count in self._errors_at(span.newer).items():
                if more := count - before.get(label, 0):
                    by_class[label] = by_class.get(label, 0) + more
        operations = sum(span.operations for span in stretch.spans)
        failed = sum(span.failed for span in stretch.spans)
        attempts = operations + failed
        return ErrorCount(
            elapsed_s=stretch.end_s,
            seconds=stretch.end_s - stretch.begin_s,
            phase=stretch.phase,
            operations=operations,
            failed=failed,
            error_pct=100.0 * failed / attempts if attempts else None,
            by_class=by_class,
        )

    def _errors_at(self, mark: Mark) -> dict[str, int]:
        if mark.sequence == 0:
            return {}
        errors = self._counted[mark.worker_id, mark.sequence]["errors"]
        return {label: error["count"] for label, error in errors.items()}

    def _between(self, span: Span) -> PhaseFigures:
        newer = self._at(span.newer)
        return newer if span.older.sequence == 0 else interval(newer, self._at(span.older))

    def _at(self, mark: Mark) -> PhaseFigures:
        key = (mark.worker_id, mark.sequence)
        if key not in self._figures:
            self._figures[key] = PhaseFigures.from_json(self._counted[key])
        return self._figures[key]


def _load(store: "Store", run: "RunRow", points: int, step_s: float | None) -> _Series:
    config = RunConfig.read(run.scenario_config)
    plan = plan_of(config.scenario)
    step_s = max(SHORTEST_STEP_S, step_s or step_for(plan, points))
    marks = store.snapshots.marks(run.run_id)
    last = _last_marks(marks, store.results.children(run.run_id))
    found = stretches([*marks, *last], plan, step_s)
    wanted: dict[str, set[int]] = {}
    for stretch in found:
        for span in stretch.spans:
            for mark in (span.older, span.newer):
                if mark.sequence and mark not in last:
                    wanted.setdefault(mark.worker_id, set()).add(mark.sequence)
    rows = store.snapshots.chosen(run.run_id, wanted)
    counted = {key: row.figures for key, row in rows.items()}
    counted |= {(mark.worker_id, mark.sequence): figures for mark, figures in last.items()}
    return _Series(config.scenario, found, step_s, counted)


def _last_marks(marks: Sequence[Mark], children: "Sequence[ResultRow]") -> dict[Mark, dict[str, Any]]:
    """Return, with its figures, what each worker had counted when the measurement was over for it."""
    begins = {mark.worker_id: mark for mark in marks if mark.phase is Phase.MEASUREMENT and mark.sequence == 0}
    newest = {mark.worker_id: mark for mark in marks if mark.phase is Phase.MEASUREMENT}
    found: dict[Mark, dict[str, Any]] = {}
    for child in children:
        begin, before = begins.get(child.worker_id or ""), newest.get(child.worker_id or "")
        if begin is None or before is None or not child.figures:
            continue
        at_s = begin.at_s + float(child.figures["seconds"])
        last = replace(
            before, sequence=before.sequence + 1, at_s=at_s, operations=child.operations, failed=child.failed
        )
        found[last] = child.figures
    return found


@dataclass(frozen=True)
class _Rate:
    """What one worker did per second of one kind."""

    qps: float = 0.0
    writes_per_s: float = 0.0
    failed_per_s: float = 0.0


def _rates(scenario: Scenario, figures: PhaseFigures, seconds: float) -> dict[str, _Rate]:
    """Return what a worker did per second, by kind."""
    rates: dict[str, _Rate] = {}
    for operation in scenario.workload.operations:
        done = figures.by_operation.get(operation.label)
        if done is not None:
            kind, qps = operation.kind.value, done.operations / seconds
            writes = qps if operation.operation_type is OperationType.WRITE else 0.0
            before = rates.get(kind, _Rate())
            rates[kind] = _Rate(
                before.qps + qps, before.writes_per_s + writes, before.failed_per_s + done.failed / seconds
            )
    return rates


def _kind(kind: str, figures: KindFigures, rates: Sequence[Mapping[str, _Rate]]) -> KindPoint:
    latency = latency_ms(figures.latencies)
    own = [rate[kind] for rate in rates if kind in rate]
    return KindPoint(
        qps=sum(rate.qps for rate in own),
        failed_per_s=sum(rate.failed_per_s for rate in own),
        p50_ms=latency.p50_ms,
        p95_ms=latency.p95_ms,
        p99_ms=latency.p99_ms,
    )
