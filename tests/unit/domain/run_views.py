"""Views of runs for the tests of what the orchestrator does."""

from dataclasses import replace
from typing import Any

from upperbound.domain.decide import (
    Action,
    Fail,
    KillSignal,
    KillWorkers,
    Limits,
    RunView,
    WorkerView,
)
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus

PLAN = PhasePlan(warmup_s=5, duration_s=20)
LIMITS = Limits()
TERM, KILL = KillWorkers(KillSignal.TERM), KillWorkers(KillSignal.KILL)


def worker(number: int = 0, status: WorkerStatus | None = WorkerStatus.RUNNING, **changes: Any) -> WorkerView:
    """Return a live local worker that was heard from just now."""
    age = None if status is None else 0.5
    return replace(WorkerView(f"worker-{number}", status, age, exit_code=None, last_error=None), **changes)


def view(status: RunStatus, *workers: WorkerView, **changes: Any) -> RunView:
    """Return a run in the middle of its measurement."""
    base = RunView(
        status=status,
        phase=Phase.MEASUREMENT,
        status_age_s=1.0,
        elapsed_s=10.0,
        plan=PLAN,
        workers=workers or (worker(0), worker(1)),
    )
    return replace(base, **changes)


def starting(*workers: WorkerView, waited_s: float = 1.0) -> RunView:
    return view(RunStatus.STARTING, *workers, phase=Phase.PREPARING, elapsed_s=None, status_age_s=waited_s)


def draining(status: RunStatus, *workers: WorkerView, **changes: Any) -> RunView:
    return view(status, *workers, **{"phase": Phase.COOLDOWN, "elapsed_s": 26.0, **changes})


def reason(actions: list[Action]) -> str:
    """Return the reason of the one failure among ``actions``."""
    (failure,) = [action for action in actions if isinstance(action, Fail)]
    return failure.reason
