"""The summary of one run: what the command line prints, ``--json`` writes and the API answers with."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import Field

from upperbound.domain.figures import KindFigures, PhaseFigures, client_bound, merge
from upperbound.domain.histogram import Histogram, latency_ms
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.domain.worker_state import TERMINAL as WORKER_TERMINAL
from upperbound.domain.worker_state import WorkerStatus
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.views.arrivals import Arrivals, arrivals_of, target_rate
from upperbound.views.changes import Change, changes_of
from upperbound.views.enrichment import Enrichment, enrichment_of
from upperbound.views.find_max import FindMaxView, find_max_of, generator_alone
from upperbound.views.guardrails import Guardrails, guardrails_of
from upperbound.views.measured_time import time_problems
from upperbound.views.objectives import Slo, check_objectives
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.events import EventRow
    from upperbound.store.heartbeats import HeartbeatRow
    from upperbound.store.results import ResultRow
    from upperbound.store.runs import RunRow
    from upperbound.store.snapshots import SnapshotRow

MERGED = "hdr_histogram_merge"
"""How percentiles of several workers become one; see ``docs/decisions``."""


class Latency(View):
    """Percentiles in milliseconds; one that has too few samples behind it is null."""

    p50_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    p999_ms: float | None = None
    max_ms: float | None = None
    mean_ms: float | None = None
    stddev_ms: float | None = None


class RunLatency(Latency):
    """The latency of a whole run."""

    method: str | None = None
    """How the workers' latencies were put together; null for one worker."""


class Transactions(View):
    """How often transactions were begun, and how that ended; each attempt of an operation is one."""

    attempts: int
    commits: int
    rollbacks: int
    """The rest, if any, was lost with its connection, and nobody knows its end."""


class KindSummary(View):
    """One operation of the mix, or all of one kind."""

    operations: int
    """Those that succeeded."""
    failed: int
    qps: float | None
    latency: Latency
    """Service time, from the send."""
    response_time: Latency | None = None
    """From when each operation was due; null in a closed loop."""
    transactions: Transactions | None = None
    """Of those that are transactions or may be tried again; null where there are none."""


class WorkerSummary(View):
    """One worker."""

    worker_id: str
    group_id: int
    status: WorkerStatus
    operations: int
    failed: int
    qps: float | None
    p95_ms: float | None


class ErrorSummary(View):
    """One class of failures."""

    outcome: str = Field(alias="class")
    """The class, such as ``lock_timeout``."""
    count: int
    sample: str


class Generator(View):
    """How the load generator itself fared."""

    busy_pct: float | None
    """Share of time that the busiest worker did not wait for the database."""
    lag_p99_ms: float | None
    """Time an answer waited until it was handled."""
    client_bound: bool
    """The figures describe the generator and not the database."""


class Cost(View):
    """What the run has cost; null with the reason where no price is known, never zero by default."""

    credits_used: float | None = None
    credits_per_hour: float | None = None
    estimated_cost_usd: float | None = None
    cost_per_hour: float | None = None
    cost_per_1k_ops: float | None = None
    operations_per_credit: float | None = None
    qps_per_dollar: float | None = None
    cost_calculation_method: str | None = None
    reason: str | None = None


class QueryLog(View):
    """Where every query of the run is kept."""

    rows: int | None
    """Every record, warmup and failures included."""
    files: int | None
    path: str | None
    loaded_rows: int | None = None
    """How many of the records the store's tables have; null for a store that keeps them in files."""
    problem: str | None = None
    """What is missing from the log, and why; null when nothing is."""

    @property
    def whereabouts(self) -> str | None:
        """How many queries there are and where, such as ``1,234 queries in 2 Parquet files``; None when unknown."""
        if self.rows is None:
            return None
        files = f"{self.files} Parquet {'file' if self.files == 1 else 'files'}" if self.files is not None else "files"
        if not self.loaded_rows:
            return f"{self.rows:,} queries in {files}"
        if self.files:
            return f"{self.rows:,} queries, {self.loaded_rows:,} in the store and the others in {files}"
        return f"{self.loaded_rows:,} queries in the store"


class Environment(View):
    """What the run was made on and with."""

    target_version: str | None
    driver: str | None
    host: str | None
    cpu: str | None
    upperbound_version: str | None
    seed: int


class RunTemplate(View):
    """The version of a template that a run was made from; the template may be renamed or deleted since."""

    template_id: str
    version: int | None


class RunSummary(View):
    """The result of one run. A figure that does not apply, or that nothing was measured for, is null."""

    run_id: str
    name: str
    status: RunStatus
    phase: Phase
    completion_reason: str | None
    cancellation_reason: str | None
    failure_reason: str | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float
    """Length of the measurement as it took place, warmup not included; what QPS is counted over."""
    warmup_seconds: float
    """Length of the warmup by plan."""
    load_mode: str
    scaling_mode: str
    worker_count: int
    threads: int
    """Of all workers, by plan."""
    target_qps: float | None
    """The rate to offer, its mean where stages change it; null in a closed loop, which offers none."""
    total_operations: int
    """Operations of the measurement that succeeded."""
    failed_operations: int
    warmup_operations: int
    """Attempts in the warmup, failed ones included."""
    qps: float | None
    """Successful operations per second."""
    attempted_qps: float | None
    error_pct: float | None
    latency: RunLatency
    """Of successful operations: service time, from the send."""
    response_time: Latency | None
    """From when each operation was due, so that waiting for a free thread counts; null in a closed loop."""
    arrivals: Arrivals | None = None
    """What became of the operations that were due; null in a closed loop."""
    by_kind: dict[str, KindSummary]
    """By kind, such as ``POINT_LOOKUP``: all operations of a kind together."""
    by_operation: dict[str, KindSummary] = Field(default_factory=lambda data: data["by_kind"])
    """By the operation's name, which is its kind where the scenario gives none."""
    workers: list[WorkerSummary]
    errors: list[ErrorSummary]
    """Of the measurement, the most frequent class first."""
    generator: Generator
    slo: Slo
    cost: Cost
    enrichment: Enrichment
    find_max: FindMaxView | None
    """The search for the highest load; null in other modes."""
    guardrails: Guardrails | None
    """What the limits on the workers' machines have done; null when the scenario sets none."""
    measurement_problems: list[str] = Field(default_factory=list)
    """What of the measurement did not take place: with any, the figures of a completed run are not valid."""
    changes: list[Change]
    """What users have changed while the run went on."""
    query_log: QueryLog
    environment: Environment
    template: RunTemplate | None = None
    """What the run was made from; null for a file or a built-in scenario."""

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended."""
        return self.status in TERMINAL


def load_summary(store: "Store", run_id: str) -> RunSummary:
    """Read a run from the store and return its summary; of a run that goes on, what is known so far.

    Raises:
        RunNotFound: the store has no such run.
        StoreUnreachable: the store cannot be read now.
    """
    return build_summary(
        store.runs.get(run_id),
        store.results.get(run_id),
        store.results.children(run_id),
        snapshots=store.snapshots.newest(run_id, phase=Phase.MEASUREMENT),
        heartbeats=store.heartbeats.list(run_id),
        events=store.events.all(run_id),
    )


def build_summary(
    run: "RunRow",
    parent: "ResultRow",
    children: Sequence["ResultRow"],
    *,
    snapshots: Mapping[str, "SnapshotRow"] | None = None,
    heartbeats: Sequence["HeartbeatRow"] = (),
    events: Sequence["EventRow"] = (),
) -> RunSummary:
    """Return the summary of what these rows say.

    ``snapshots`` are the newest of the measurement by worker id; they and ``heartbeats`` stand in for a worker that has
    left no result of its own, because it goes on or was killed.
    """
    config = RunConfig.model_validate(run.scenario_config)
    by_worker = _figures_by_worker(children, snapshots or {})
    total = _total(parent, list(by_worker.values()))
    latency = latency_ms(total.histogram)
    load = config.scenario.load
    search = find_max_of(run)
    return RunSummary(
        run_id=run.run_id,
        name=run.name,
        status=run.status,
        phase=run.phase,
        completion_reason=run.completion_reason,
        cancellation_reason=run.cancellation_reason,
        failure_reason=parent.failure_reason or (run.completion_reason if run.status is RunStatus.FAILED else None),
        started_at=run.start_time,
        ended_at=run.end_time,
        duration_seconds=total.seconds,
        warmup_seconds=load.warmup_seconds,
        load_mode=load.mode.value,
        scaling_mode=config.scenario.scaling.mode.value,
        worker_count=run.total_workers_expected,
        threads=sum(config.threads),
        target_qps=target_rate(config.scenario, total),
        total_operations=total.operations,
        failed_operations=total.failed,
        warmup_operations=total.warmup_operations,
        qps=total.qps,
        attempted_qps=total.attempted_qps,
        error_pct=total.error_pct,
        latency=RunLatency(method=MERGED if run.total_workers_expected > 1 else None, **latency.to_json()),
        response_time=_response_time(total.response),
        arrivals=arrivals_of(run, config.scenario, total),
        by_kind=_summaries(by_kind_of(config.scenario, total.by_operation), total.seconds),
        by_operation=_summaries(_by_label(config.scenario, total.by_operation), total.seconds),
        workers=_workers(run, children, heartbeats, by_worker),
        errors=[
            ErrorSummary(outcome=label, count=error.count, sample=error.sample)
            for label, error in sorted(total.errors.items(), key=lambda item: (-item[1].count, item[0]))
        ],
        generator=Generator(
            busy_pct=total.generator.busy_pct,
            lag_p99_ms=total.generator.lag_p99_ms,
            client_bound=generator_alone(search) if search else client_bound(total.generator, latency.p50_ms),
        ),
        slo=check_objectives(config.scenario, total, judged=run.status is RunStatus.COMPLETED),
        cost=Cost(reason="no price per hour is known for this target"),
        enrichment=enrichment_of(parent),
        find_max=search,
        guardrails=guardrails_of(run, config.scenario),
        measurement_problems=time_problems(run, config, children, total),
        changes=changes_of(run, events),
        query_log=QueryLog(**{name: (parent.query_log or {}).get(name) for name in QueryLog.model_fields}),
        environment=_environment(config, parent.environment or {}),
        template=RunTemplate(template_id=run.template_id, version=run.template_version) if run.template_id else None,
    )


def planned_mix(run: "RunRow") -> dict[str, Decimal]:
    """Return the planned share of each operation of a run; see :func:`mix_of`."""
    return mix_of(RunConfig.model_validate(run.scenario_config).scenario)


def mix_of(scenario: Scenario) -> dict[str, Decimal]:
    """Return the planned share of each operation, in percent, in the order of the scenario."""
    return {operation.label: operation.weight_pct for operation in scenario.workload.operations}


def _figures_by_worker(
    children: Sequence["ResultRow"], snapshots: Mapping[str, "SnapshotRow"]
) -> dict[str, PhaseFigures]:
    """Return what each worker has counted in the measurement: its own result, else its newest snapshot."""
    data = {worker_id: snapshot.figures for worker_id, snapshot in snapshots.items()}
    data |= {child.worker_id: child.figures for child in children if child.worker_id and child.figures}
    return {worker_id: PhaseFigures.from_json(figures) for worker_id, figures in data.items()}


def _total(parent: "ResultRow", workers: Sequence[PhaseFigures]) -> PhaseFigures:
    """Return the figures of the run: those it ended with, else the sum of what its workers have reported."""
    if parent.figures:
        return PhaseFigures.from_json(parent.figures)
    return merge([PhaseFigures(Phase.MEASUREMENT), *workers])


def _by_label(scenario: Scenario, figures: Mapping[str, KindFigures]) -> dict[str, KindFigures]:
    """Return the figures of every operation that was planned or seen."""
    planned = {operation.label: KindFigures() for operation in scenario.workload.operations}
    return planned | dict(figures)


def by_kind_of(scenario: Scenario, figures: Mapping[str, KindFigures]) -> dict[str, KindFigures]:
    """Return the figures of every kind that was planned or seen, of all its operations together."""
    kinds = {operation.label: operation.kind.value for operation in scenario.workload.operations}
    by_kind = {kind: KindFigures() for kind in kinds.values()}
    for label, of_operation in figures.items():
        kind = kinds.get(label, label)
        by_kind[kind] = by_kind.get(kind, KindFigures()) + of_operation
    return by_kind


def _summaries(figures: Mapping[str, KindFigures], seconds: float) -> dict[str, KindSummary]:
    return {label: _summary_of(kind, seconds) for label, kind in figures.items()}


def _summary_of(kind: KindFigures, seconds: float) -> KindSummary:
    return KindSummary(
        operations=kind.operations,
        failed=kind.failed,
        qps=kind.operations / seconds if seconds > 0 else None,
        latency=Latency(**latency_ms(kind.histogram).to_json()),
        response_time=_response_time(kind.response),
        transactions=Transactions(**asdict(kind.transactions)) if kind.transactions is not None else None,
    )


def _response_time(response: Histogram | None) -> Latency | None:
    return None if response is None else Latency(**latency_ms(response).to_json())


def _workers(
    run: "RunRow",
    children: Sequence["ResultRow"],
    heartbeats: Sequence["HeartbeatRow"],
    by_worker: Mapping[str, PhaseFigures],
) -> list[WorkerSummary]:
    """Return every worker that has shown itself, by group id."""
    states = {beat.worker_id: (beat.group_id, beat.status) for beat in heartbeats}
    for child in children:
        known = states.get(child.worker_id or "")
        if child.worker_id and (known is None or known[1] not in WORKER_TERMINAL):
            states[child.worker_id] = (child.group_id or 0, WorkerStatus(child.status))
    summaries = []
    for worker_id, (group_id, status) in sorted(states.items(), key=lambda item: (item[1][0], item[0])):
        figures = by_worker.get(worker_id, PhaseFigures(Phase.MEASUREMENT))
        summaries.append(
            WorkerSummary(
                worker_id=worker_id,
                group_id=group_id,
                status=_last_status(run.status, status),
                operations=figures.operations,
                failed=figures.failed,
                qps=figures.qps,
                p95_ms=latency_ms(figures.latencies).p95_ms,
            )
        )
    return summaries


def _last_status(run: RunStatus, worker: WorkerStatus) -> WorkerStatus:
    """Return the worker's state; one that has not said its last word when its run is over was lost."""
    return WorkerStatus.FAILED if run in TERMINAL and worker not in WORKER_TERMINAL else worker


def _environment(config: RunConfig, known: Mapping[str, Any]) -> Environment:
    return Environment(
        target_version=known.get("target_version"),
        driver=known.get("driver"),
        host=known.get("host"),
        cpu=known.get("cpu"),
        upperbound_version=config.upperbound_version,
        seed=config.seed,
    )
