"""When a step of a search begins, from when on its figures count, and when it is over."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from upperbound.domain.find_max import FindMaxState
from upperbound.domain.find_max_steps import FindMaxPlan

REACH_PATIENCE_S: Final = 30.0
"""How long connections may take to be opened; then the step is measured with those that there are."""
REPORT_PATIENCE_S: Final = 5.0
"""How long the last figures of a step are waited for, should a worker have gone silent."""


@dataclass(frozen=True)
class WorkerSeen:
    """What the newest report of a worker that carries load says of its threads."""

    wanted: int
    """The threads it shall use."""
    active: int
    """Those that have a connection; 0 without a report."""
    told: int
    """The threads it believes it shall use; 0 without a report."""
    reported_s: float
    """When it reported, in seconds since START_TIME; negative infinity without a report."""


@dataclass(frozen=True)
class Window:
    """The part of a step that is measured, in seconds since START_TIME; half-open."""

    from_s: float
    to_s: float
    missing_threads: int
    """Threads that had no connection at its end."""


def pace(
    plan: FindMaxPlan, state: FindMaxState, workers: Sequence[WorkerSeen], now_s: float
) -> FindMaxState | Window | None:
    """Return what has changed at ``now_s``: the state, or the window of a step that is over; None when nothing has.

    A step settles when every worker has reported, since the step began, that all its threads are busy. Then comes the
    part that is left out, and the rest of the step's duration is measured.
    """
    if state.current is None:
        return None
    if state.began_s is None:
        return replace(state, began_s=now_s)
    if state.settled_s is None:
        return _settle(plan, state, workers, now_s, state.began_s)
    ends_s = state.settled_s + plan.step_duration_s - plan.settle_s
    reported = all(worker.reported_s >= ends_s for worker in workers)
    if now_s < ends_s or (not reported and now_s < ends_s + REPORT_PATIENCE_S):
        return None
    missing = sum(max(0, worker.wanted - worker.active) for worker in workers)
    return Window(state.settled_s, ends_s, missing)


def _settle(
    plan: FindMaxPlan, state: FindMaxState, workers: Sequence[WorkerSeen], now_s: float, began_s: float
) -> FindMaxState | None:
    busy = all(worker.reported_s > began_s and worker.told == worker.wanted == worker.active for worker in workers)
    if busy and workers:
        return replace(state, settled_s=max(worker.reported_s for worker in workers) + plan.settle_s)
    if now_s - began_s >= REACH_PATIENCE_S:
        return replace(state, settled_s=now_s)
    return None
