"""Workers that are added to a run that goes on: started once, no loss before they carry something, said at the end."""

from dataclasses import replace
from typing import Any

import pytest

from upperbound.domain.decide import (
    Complete,
    Dismiss,
    Fail,
    KeepGuardrails,
    Launch,
    LossPolicy,
    RunView,
    WorkerView,
    decide,
)
from upperbound.domain.guardrails import AddWorker, GuardrailLimits, ScaleDown, WarnWorker
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus


def worker(number: int, status: WorkerStatus | None = WorkerStatus.RUNNING, **changes: Any) -> WorkerView:
    age = None if status is None else 0.5
    base = WorkerView(f"worker-{number}", status, age, exit_code=None, last_error=None, target_threads=4, attempts=9)
    return replace(base, **changes)


def joiner(status: WorkerStatus | None, **changes: Any) -> WorkerView:
    return worker(2, status, **{"joined_late": True, "attempts": 0, **changes})


def view(added: WorkerView, status: RunStatus = RunStatus.RUNNING, **changes: Any) -> RunView:
    base = RunView(
        status=status,
        phase=Phase.MEASUREMENT,
        status_age_s=1.0,
        elapsed_s=10.0,
        plan=PhasePlan(warmup_s=5, duration_s=20),
        workers=(worker(0), worker(1), added),
    )
    return replace(base, **changes)


def test_a_worker_that_was_added_is_started_unless_somebody_has_started_it() -> None:
    unknown = joiner(None, local=False)
    assert decide(view(unknown)) == [Launch(("worker-2",))]
    assert decide(view(replace(unknown, target_threads=0))) == []
    # What the controller that is gone had started said so in a heartbeat of its own making.
    assert decide(view(joiner(WorkerStatus.STARTING, local=False))) == []
    assert decide(view(joiner(WorkerStatus.CONNECTING))) == []


@pytest.mark.parametrize("policy", list(LossPolicy))
@pytest.mark.parametrize(
    "lost",
    [
        joiner(WorkerStatus.CONNECTING, exit_code=4),
        joiner(WorkerStatus.STARTING, exit_code=-9),
        joiner(WorkerStatus.FAILED, local=False, last_error="no process"),
        joiner(WorkerStatus.STARTING, local=False, heartbeat_age_s=61.0),
    ],
)
def test_one_that_does_not_come_is_given_up_and_the_run_goes_on(lost: WorkerView, policy: LossPolicy) -> None:
    (action,) = decide(view(lost, on_worker_loss=policy))
    assert isinstance(action, Dismiss)
    assert action.reason.startswith("worker-2 ")
    assert decide(view(replace(lost, target_threads=0), on_worker_loss=policy)) == []


def test_one_that_has_carried_load_is_lost_like_any_other() -> None:
    killed = joiner(WorkerStatus.RUNNING, exit_code=-9, attempts=5)
    assert any(isinstance(action, Fail) for action in decide(view(killed)))


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (joiner(WorkerStatus.CONNECTING, exit_code=4, target_threads=0), "scale_out: worker-2 exited with code 4"),
        (joiner(None, local=False), "scale_out: worker-2 was not started any more"),
        (joiner(WorkerStatus.COMPLETED, exit_code=0, attempts=7), ""),
    ],
)
def test_a_completed_run_says_which_worker_did_not_come(added: WorkerView, said: str) -> None:
    ended = tuple(worker(number, WorkerStatus.COMPLETED, exit_code=0) for number in range(2))
    run = view(added, RunStatus.STOPPING, phase=Phase.PROCESSING, elapsed_s=26.0, processed=True)
    (done, *_) = decide(replace(run, workers=(*ended, added)))
    assert isinstance(done, Complete)
    assert done.reason.startswith(said)
    assert bool(done.reason) == bool(said)


GUARDED = {
    "guardrails": GuardrailLimits(patience_intervals=1),
    "new_worker": "worker-3",
}


def burning(**changes: Any) -> RunView:
    """Return a run in which one of two workers is over its limit."""
    over, calm = worker(0, cpu_pct=97.0, heartbeats=1, target_threads=10), worker(1, cpu_pct=20.0, heartbeats=1)
    return replace(view(joiner(WorkerStatus.RUNNING, attempts=1)), workers=(over, calm), **{**GUARDED, **changes})


def test_what_a_guardrail_takes_from_some_goes_to_a_worker_that_is_added() -> None:
    actions = decide(burning())
    (kept,) = [action for action in actions if isinstance(action, KeepGuardrails)]
    assert kept.targets == {"worker-0": 8, "worker-3": 2}
    assert kept.state.threads_taken == 0
    assert kept.state.degraded_reason == ""
    assert [record.action for record in kept.state.records] == ["WARNING", "SCALE_DOWN", "SCALE_OUT"]
    assert kept.verdicts[-1] == AddWorker("worker-3", 2)


def test_without_room_it_is_taken_back() -> None:
    (kept,) = [action for action in decide(burning(new_worker=None)) if isinstance(action, KeepGuardrails)]
    assert kept.targets == {"worker-0": 8}
    assert kept.state.threads_taken == 2


def test_while_one_is_on_its_way_none_is_added() -> None:
    run = burning()
    actions = decide(replace(run, workers=(*run.workers, joiner(WorkerStatus.CONNECTING))))
    (kept,) = [action for action in actions if isinstance(action, KeepGuardrails)]
    assert [type(verdict) for verdict in kept.verdicts] == [WarnWorker, ScaleDown]
