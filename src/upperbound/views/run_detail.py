"""A run with everything that is known of it, as far as it could be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.domain.worker_state import TERMINAL as WORKER_TERMINAL
from upperbound.domain.worker_state import WorkerHealth, WorkerStatus, worker_health
from upperbound.errors import ScenarioError
from upperbound.scenario.run_config import RunConfig
from upperbound.views.enrichment import Enrichment
from upperbound.views.run_summary import Cost, RunSummary, RunTemplate, build_summary
from upperbound.views.timing import Timing, plan_of, timing_of
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.events import EventRow
    from upperbound.store.heartbeats import HeartbeatRow
    from upperbound.store.results import ResultRow
    from upperbound.store.runs import RunRow
    from upperbound.store.snapshots import SnapshotRow


class PartNote(View):
    """A part that could not be read; it is empty, and the others are there."""

    part: str
    code: str
    """As in a problem document."""
    reason: str


class WorkerState(View):
    """One worker as its last heartbeat shows it."""

    worker_id: str
    group_id: int
    status: WorkerStatus
    phase: Phase
    health: WorkerHealth | None
    """Null for one that has ended, or whose run has."""
    last_heartbeat: datetime | None
    last_heartbeat_ago_s: float
    active_threads: int
    target_threads: int
    cpu_pct: float | None
    memory_pct: float | None
    queries: int
    """Operations that succeeded, warmup included."""
    errors: int
    last_error: str | None
    detail: str | None
    """What it is doing, in its own words."""


class RunDetail(View):
    """A run. Status, phase and times are those of its row in ``RUN_STATUS``, whatever else could be read."""

    test_id: str
    """The same as ``run_id``: the run's own result."""
    run_id: str
    name: str
    status: RunStatus
    phase: Phase
    is_terminal: bool
    """Nothing of it changes any more."""
    owned_here: bool
    """This controller drives it."""
    completion_reason: str | None
    cancellation_reason: str | None
    timing: Timing
    template: RunTemplate | None
    config: dict[str, Any]
    """What it was made with: the scenario, threads by worker, the seed."""
    worker_targets: dict[str, int]
    """Threads by worker id, as they are planned now."""
    warnings: list[str]
    """What the checks before the start have found; empty once it has ended."""
    summary: RunSummary | None
    workers: list[WorkerState]
    cost: Cost | None
    enrichment: Enrichment | None
    notes: list[PartNote]


@dataclass(frozen=True)
class DetailParts:
    """What was read of a run, beside its row; a part that could not be read is None or empty."""

    parent: "ResultRow | None" = None
    children: "Sequence[ResultRow]" = ()
    heartbeats: "Sequence[HeartbeatRow]" = ()
    snapshots: "Mapping[str, SnapshotRow] | None" = None
    """The newest of the measurement; needed while a run goes on."""
    events: "Sequence[EventRow]" = ()


def is_settled(run: "RunRow") -> bool:
    """Say whether nothing of a run changes any more: it has ended, and its results are written."""
    return run.status in TERMINAL and run.phase is Phase.COMPLETED


def build_run_detail(
    run: "RunRow",
    parts: DetailParts,
    *,
    owned_here: bool = False,
    warnings: Sequence[str] = (),
    notes: Sequence[PartNote] = (),
) -> RunDetail:
    """Return a run as these rows show it."""
    found = list(notes)
    config = _config(run, found)
    summary = _summary(run, parts, found) if config is not None else None
    return RunDetail(
        test_id=run.run_id,
        run_id=run.run_id,
        name=run.name,
        status=run.status,
        phase=run.phase,
        is_terminal=is_settled(run),
        owned_here=owned_here,
        completion_reason=run.completion_reason,
        cancellation_reason=run.cancellation_reason,
        timing=timing_of(run, plan_of(config.scenario) if config else None),
        template=RunTemplate(template_id=run.template_id, version=run.template_version) if run.template_id else None,
        config=run.scenario_config,
        worker_targets=run.worker_targets,
        warnings=list(warnings),
        summary=summary,
        workers=[worker_state(run, beat) for beat in parts.heartbeats],
        cost=summary.cost if summary else None,
        enrichment=summary.enrichment if summary else None,
        notes=found,
    )


def worker_state(run: "RunRow", beat: "HeartbeatRow") -> WorkerState:
    """Return a worker as it is shown."""
    at_rest = run.status in TERMINAL or beat.status in WORKER_TERMINAL
    return WorkerState(
        worker_id=beat.worker_id,
        group_id=beat.group_id,
        status=beat.status,
        phase=beat.phase,
        health=None if at_rest else worker_health(beat.age_s),
        last_heartbeat=beat.last_heartbeat,
        last_heartbeat_ago_s=beat.age_s,
        active_threads=beat.active_threads,
        target_threads=beat.target_threads,
        cpu_pct=beat.cpu_pct,
        memory_pct=beat.memory_pct,
        queries=beat.queries,
        errors=beat.errors,
        last_error=beat.last_error,
        detail=beat.detail,
    )


def kept_summary(run: "RunRow", parent: "ResultRow | None") -> RunSummary | None:
    """Return the summary that was kept with a run when it ended.

    None while something may still change, and for one that another version of Upperbound has kept in another form.
    """
    if not is_settled(run) or parent is None or parent.summary is None:
        return None
    try:
        kept = RunSummary.model_validate(parent.summary)
    except ValidationError:
        return None
    # It may have been made a moment before the run's last change.
    return kept if (kept.status, kept.phase) == (run.status, run.phase) else None


def _config(run: "RunRow", notes: list[PartNote]) -> RunConfig | None:
    try:
        return RunConfig.read(run.scenario_config)
    except ScenarioError as error:
        notes.append(PartNote(part="config", code="scenario_invalid", reason=error.message))
        return None


def _summary(run: "RunRow", parts: DetailParts, notes: list[PartNote]) -> RunSummary | None:
    if parts.parent is None:
        return None
    if kept := kept_summary(run, parts.parent):
        return kept
    try:
        return build_summary(
            run,
            parts.parent,
            parts.children,
            snapshots=parts.snapshots,
            heartbeats=parts.heartbeats,
            events=parts.events,
        )
    except (ValueError, KeyError) as error:
        notes.append(PartNote(part="summary", code="result_unreadable", reason=f"its figures cannot be read: {error}"))
        return None
