"""Whether the measurement took place as it was planned: a worker that began late carried less than the run claims."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from upperbound.domain.decide import DURATION_OVER
from upperbound.domain.figures import PhaseFigures
from upperbound.domain.resize import group_of
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.scenario.run_config import RunConfig

if TYPE_CHECKING:
    from upperbound.store.results import ResultRow
    from upperbound.store.runs import RunRow

TOLERATED_RATIO: Final = 0.05
"""The share of the measurement that a worker may miss: more would show in the rate."""
TOLERATED_S: Final = 1.0
"""What it may miss in any case: the look at the store that tells it of the start, on a machine that is busy."""


def time_problems(run: "RunRow", config: RunConfig, children: Sequence["ResultRow"], total: PhaseFigures) -> list[str]:
    """Say what of a completed run's measurement is missing; empty when nothing is.

    Looks at workers that were there from the start and stayed: of one that joined, left or was lost the run tells by
    itself. The measurement is as long as planned, or where the run ended otherwise as that of the worker that measured
    longest.
    """
    if run.status is not RunStatus.COMPLETED:
        return []
    ended = {
        child.worker_id: child.duration_s or 0.0
        for child in children
        if child.worker_id and child.status == WorkerStatus.COMPLETED
    }
    seconds = {
        worker_id: measured_s
        for worker_id, measured_s in ended.items()
        if group_of(worker_id) < len(config.threads) and run.worker_targets.get(worker_id) != 0
    }
    whole_s = max(seconds.values(), default=0.0)
    if run.completion_reason == DURATION_OVER:
        whole_s = max(whole_s, config.scenario.load.duration_seconds)
    tolerated_s = max(TOLERATED_S, TOLERATED_RATIO * whole_s)
    late = [
        f"{worker_id} measured {measured_s:.1f} of {whole_s:.1f} s"
        for worker_id, measured_s in seconds.items()
        if whole_s - measured_s > tolerated_s
    ]
    return late if late or total.attempts else ["no operation was begun in the measurement"]
