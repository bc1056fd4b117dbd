"""A worker ends by its own clock, which need not agree with the store's to the millisecond."""

import pytest

from upperbound.domain.actions import Fail
from upperbound.domain.decide import decide
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.run_state import RunStatus
from upperbound.domain.run_view import RunView, WorkerView
from upperbound.domain.worker_state import WorkerStatus

HOUR = PhasePlan(warmup_s=0.0, duration_s=3600.0)
SHORT = PhasePlan(warmup_s=1.0, duration_s=4.0)


@pytest.mark.parametrize(
    ("plan", "elapsed_s", "fails"),
    [(SHORT, 4.4, True), (SHORT, 4.6, False), (SHORT, 4.999, False), (HOUR, 3590.0, True), (HOUR, 3596.5, False)],
)
def test_a_worker_that_ends_just_before_the_run_does_is_no_loss(plan: PhasePlan, elapsed_s: float, fails: bool) -> None:
    ended = WorkerView("worker-0", WorkerStatus.COMPLETED, heartbeat_age_s=0.1, exit_code=0, last_error=None)
    actions = decide(
        RunView(
            status=RunStatus.RUNNING,
            phase=Phase.MEASUREMENT,
            status_age_s=elapsed_s,
            elapsed_s=elapsed_s,
            plan=plan,
            workers=(ended,),
        )
    )
    assert any(isinstance(action, Fail) for action in actions) is fails
