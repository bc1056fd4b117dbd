"""What a viewer of a run is sent while it goes on: ``RUN_UPDATE``, a full snapshot each time.

The names are those that other tools read; what they call connections is the threads of a run, each of which has one.
"""

from datetime import datetime
from typing import Literal, TypeAlias

from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerHealth, WorkerStatus
from upperbound.scenario.kinds import OperationType
from upperbound.views.arrivals import Arrivals
from upperbound.views.find_max import FindMaxView
from upperbound.views.guardrails import Guardrails
from upperbound.views.objectives import Slo
from upperbound.views.run_summary import ErrorSummary
from upperbound.views.view import View

SearchStatus: TypeAlias = Literal["STEPPING", "BACKING_OFF", "CONFIRMING", "BISECTING", "REPEATING", "DONE", "ENDED"]
"""What a search does now: what its current step is for, or that it is over."""


class LiveTiming(View):
    """How long things have taken, by the store's clock; none of it goes back while its phase lasts."""

    elapsed_display_seconds: float
    """Since the start, up to the end when the run has ended; 0 before the start."""
    phase_elapsed_seconds: float
    """Since the phase began."""
    phase_total_seconds: float | None
    """Planned length of the phase; null for phases that end when they are done."""


class LiveKind(View):
    """One kind of operation, or one operation."""

    operation_type: OperationType
    """``READ`` or ``WRITE``; of a kind whose operations differ, that of the first."""
    qps: float | None
    """Successful operations per second over the last interval, as the percentiles here."""
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    total_ops: int
    """Successful operations of the phase so far."""
    error_count: int
    """Failed operations of the phase so far."""


class AggregateMetrics(View):
    """All workers that live together: rates and latencies of the last interval, counts of the phase so far.

    A percentile with too few operations behind it is null. Latencies are response times in an open loop, else service
    times. In the last update of a run all figures are those of the whole measurement.
    """

    total_ops: int
    """Successful operations of the phase so far."""
    qps: float | None
    """Successful operations per second; null before there is an interval."""
    attempted_qps: float | None
    """Failed ones included."""
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    p999_latency_ms: float | None
    avg_latency_ms: float | None
    error_rate: float
    """Failed operations as a share of all, 0 to 1, over the phase; 0 when there were none."""
    total_errors: int
    """Failed operations of the phase so far."""
    active_connections: int
    """Threads whose connection is open."""
    target_connections: int
    """Threads wanted."""
    read_count: int
    """Successful operations of the phase so far that leave the data as it is."""
    write_count: int
    """Successful operations of the phase so far that change data."""
    by_kind: dict[str, LiveKind]
    """By kind, such as ``POINT_LOOKUP``: every planned one, in the scenario's order."""
    by_operation: dict[str, LiveKind] | None
    """By the operation's name; null when the scenario names none."""


class PhaseMetrics(View):
    """The phase so far: means and percentiles over all of it."""

    phase: Phase
    """``WARMUP`` or ``MEASUREMENT``: whose figures the counts of this update are."""
    seconds: float
    """Its length as far as it is counted."""
    qps: float | None
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    p999_latency_ms: float | None
    avg_latency_ms: float | None
    max_latency_ms: float | None


class LiveRun(View):
    """The run as a whole."""

    run_id: str
    name: str
    status: RunStatus
    phase: Phase
    worker_count: int
    """Workers that carry the run now, by plan."""
    elapsed_seconds: float | None
    """Since the start, up to the end when the run has ended; null before the start."""
    load_mode: str
    timing: LiveTiming
    aggregate_metrics: AggregateMetrics
    phase_metrics: PhaseMetrics
    completion_reason: str | None
    """Why its load ended; null before."""
    failure_reason: str | None
    """Why it failed; null for one that has not."""


class WorkerMetrics(View):
    """The figures of one worker, as ``run.aggregate_metrics`` has those of all."""

    qps: float | None
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    total_ops: int
    error_count: int
    active_connections: int
    target_connections: int
    cpu_percent: float | None
    """Of the processor time its machine or container may use; null before two readings."""
    memory_percent: float | None
    """Of the memory its machine or container may use."""


class WorkerUpdate(View):
    """One worker; one that is dead is listed and left out of every sum."""

    worker_id: str
    worker_group_id: int
    status: WorkerStatus
    phase: Phase
    health: WorkerHealth
    """By the age of its last heartbeat; one that has completed is healthy."""
    last_heartbeat: datetime | None
    last_heartbeat_ago_s: float
    """By the store's clock."""
    detail: str | None
    """What it is doing, in its own words: how many connections are open, say; its error when it has failed."""
    metrics: WorkerMetrics
    qps_series: tuple[float, ...]
    """Successive values of ``qps`` since somebody began to watch, the newest last; at most 60."""


class LiveOperations(View):
    """Operations of the phase so far, reads and writes."""

    reads: int
    writes: int


class LiveOps(View):
    """How many operations there were, and are."""

    total: int
    """Successful operations of the phase so far."""
    current_per_sec: float | None
    """Over the last interval."""


class LiveLatency(View):
    """Milliseconds, over the last interval."""

    p50: float | None
    p95: float | None
    p99: float | None
    avg: float | None


class LiveErrors(View):
    """Failed operations of the phase so far."""

    count: int
    rate: float
    """As a share of all, 0 to 1."""
    by_class: list[ErrorSummary]
    """The most frequent class first."""


class LiveConnections(View):
    """Threads, each with its connection."""

    active: int
    target: int


class LiveWarehouse(View):
    """The warehouse under test."""

    name: str
    state: str
    """Such as ``STARTED`` or ``SUSPENDED``, in Snowflake's words."""
    size: str | None
    started_clusters: int | None
    """Null where the account's edition has no clusters."""
    max_clusters: int | None
    running: int
    """Queries that it runs."""
    queued: int
    """Queries that wait for it."""
    elapsed_seconds: float
    """When it was looked at, in seconds since the start; it is every five seconds."""


class LiveFindMax(View):
    """The search for the highest load."""

    current_step: int | None
    """Null when the search is over."""
    target_threads: int | None
    """Of the current step."""
    baseline_p95_ms: float | None
    """Of the first step."""
    current_p95_ms: float | None
    """Over the last interval."""
    p95_vs_baseline_pct: float | None
    """How far the one is above the other."""
    qps_vs_prior_pct: float | None
    """How far the throughput is above that of the step before."""
    queue_detected: bool
    """Whether the step before had the target queue queries."""
    status: SearchStatus
    """What the current step is for; ``DONE`` with an answer, ``ENDED`` without."""
    search: FindMaxView
    """Its steps and its answer."""


class LiveArrivals(Arrivals):
    """The arrivals of an open loop in the phase so far."""

    target_qps: float | None
    """The rate to offer, over the last interval."""


class LiveStage(View):
    """Where a load with stages is."""

    number: int
    """Of the stage that was begun last, from 1; 0 before the first."""
    count: int
    goal: float | None
    """Threads, or operations per second, that it comes to; null before the first."""
    next_at_seconds: float | None
    """When the next one begins, since the start of the run; null for the last."""


class LiveGenerator(View):
    """How the load generator fared in the last interval."""

    client_bound: bool
    """The figures describe the generator and not the database."""
    busy_pct: float | None
    """Of the busiest worker."""
    lag_p99_ms: float | None
    """Time an answer waited until it was handled."""


class LiveLogLine(View):
    """One line of the run's log."""

    sequence: int
    logged_at: datetime
    """By the writer's clock."""
    level: LogLevel
    source: LogSource
    worker_id: str | None
    """Null for an orchestrator."""
    logger: str
    message: str
    """Cut after 2,000 characters; the log has the rest."""


class RunUpdate(View):
    """A run at one moment, complete in itself."""

    test_id: str
    """The same as ``run.run_id``."""
    status: RunStatus
    phase: Phase
    timestamp: datetime
    """The store's clock when the run was read."""
    sequence: int
    """Rises by one with each update of the run for as long as somebody watches it. A viewer that finds one missing, or
    has connected again, reads the series and the log of the time between."""
    final: bool
    """The run has ended and is fully processed: no update follows."""
    notice: str | None
    """Why nothing here is news, such as a store that is away; null when all is well."""
    run: LiveRun
    timing: LiveTiming
    """The same as ``run.timing``."""
    latency_aggregation_method: str
    """``hdr_histogram_merge``: the percentiles are those of all workers' operations, never a mean of percentiles."""
    workers: list[WorkerUpdate]
    """In order of group id."""
    ops: LiveOps
    operations: LiveOperations
    latency: LiveLatency
    errors: LiveErrors
    connections: LiveConnections
    warehouse: LiveWarehouse | None
    """Null for a target that has none."""
    find_max: LiveFindMax | None
    """Null when the run makes no search, or has not begun with it."""
    guardrails: Guardrails | None
    """Null when the scenario sets none."""
    arrivals: LiveArrivals | None
    """Null in a closed loop, and before there are figures."""
    stage: LiveStage | None
    """Null for a load without stages."""
    generator: LiveGenerator
    slo: Slo
    """The objectives, held against the measurement so far; ``passed`` is null before it."""
    cancellation_reason: str | None
    logs: list[LiveLogLine]
    """Lines that were added since the last update, at most 100; more come with the next."""
    logs_after: int
    """The sequence of the line before the first of ``logs``: a viewer whose last line is an earlier one has missed
    some."""
    log_sequence: int
    """The sequence of the last line of ``logs``, or ``logs_after`` when there is none."""


class RunUpdateMessage(View):
    """What is sent over the WebSocket."""

    event: Literal["RUN_UPDATE"] = "RUN_UPDATE"
    data: RunUpdate
