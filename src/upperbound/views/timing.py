"""The times of a run, all of them by the store's clock."""

from datetime import datetime
from typing import TYPE_CHECKING

from upperbound.domain.phases import Phase, PhasePlan
from upperbound.scenario.model import Scenario
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.runs import RunRow


class Timing(View):
    """When things happened, and how long they have taken up to the moment the run was read."""

    now: datetime
    """That moment."""
    created_at: datetime
    started_at: datetime | None
    """When every expected worker was ready; null before."""
    measurement_at: datetime | None
    """When the measurement began or is to begin, by plan; null before the start."""
    ended_at: datetime | None
    elapsed_seconds: float | None
    """Since the start, up to the end when the run has ended; null before the start. Never goes back."""
    elapsed_display_seconds: float
    """The same with 0 before the start: what a timer shows."""
    phase_elapsed_seconds: float
    phase_total_seconds: float | None
    """The planned length of the phase; null for phases that end when they are done."""


def plan_of(scenario: Scenario) -> PhasePlan:
    """Return the planned lengths of a run's phases."""
    return PhasePlan(warmup_s=scenario.load.warmup_seconds, duration_s=scenario.load.duration_seconds)


def timing_of(run: "RunRow", plan: PhasePlan | None) -> Timing:
    """Return the times of a run; without a plan the lengths of its phases are not known."""
    phase_elapsed_s, phase_total_s = phase_time(run, plan)
    return Timing(
        now=run.now,
        created_at=run.created_at,
        started_at=run.start_time,
        measurement_at=run.warmup_end_time,
        ended_at=run.end_time,
        elapsed_seconds=run.elapsed_s,
        elapsed_display_seconds=run.elapsed_s or 0.0,
        phase_elapsed_seconds=phase_elapsed_s,
        phase_total_seconds=phase_total_s,
    )


def phase_time(run: "RunRow", plan: PhasePlan | None) -> tuple[float, float | None]:
    """Return how long the run's phase has lasted and how long it is planned to, in seconds."""
    elapsed_s = run.elapsed_s or 0.0
    if plan is None:
        return run.status_age_s, None
    if run.phase is Phase.WARMUP:
        return min(elapsed_s, plan.warmup_s), plan.warmup_s
    if run.phase is Phase.MEASUREMENT:
        return min(max(0.0, elapsed_s - plan.warmup_s), plan.duration_s), plan.duration_s
    return run.status_age_s, None
