"""Whatever its workers do, a run driven by decide() comes to an end, for the right reason, and leaves no process."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.decide import (
    Action,
    Cancel,
    Complete,
    EndLost,
    Fail,
    KeepGuardrails,
    KillSignal,
    KillWorkers,
    LossPolicy,
    MarkRunning,
    Process,
    RunView,
    SetPhase,
    Stop,
    WorkerView,
    decide,
    is_over,
)
from upperbound.domain.guardrails import GuardrailLimits, GuardrailState
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.run_state import RunEvent, RunStatus, next_status
from upperbound.domain.worker_state import WorkerStatus

PLAN = PhasePlan(warmup_s=3, duration_s=10)
LONGEST_S = 60 + 13 + 120 + 60


@dataclass
class SimulatedWorker:
    """A worker process that takes its time, and may misbehave."""

    worker_id: str
    ready_after_s: int = 2
    drains_in_s: int = 1
    """Time from the stop to its end; a hanging worker never drains on its own."""
    dies_at_s: int | None = None
    """Second of the simulation at which it is killed from outside."""
    ignores_term: bool = False
    status: WorkerStatus = WorkerStatus.STARTING
    silent_from_s: int | None = None
    """Second at which it stops to send heartbeats, though its process lives on."""
    cpu_pct: float = 50.0
    exit_code: int | None = None
    age_s: int = 0
    stopped_for_s: int | None = None

    def step(self, run_status: RunStatus) -> None:
        """Let one second pass."""
        self.age_s += 1
        if self.exit_code is not None:
            return
        if self.dies_at_s is not None and self.age_s >= self.dies_at_s:
            self.exit_code = -9
        elif self.stopped_for_s is not None:
            self.stopped_for_s += 1
            if self.stopped_for_s >= self.drains_in_s:
                self.status, self.exit_code = WorkerStatus.COMPLETED, 0
        elif run_status not in (RunStatus.STARTING, RunStatus.RUNNING):
            self.status, self.stopped_for_s = WorkerStatus.DRAINING, 0
        elif run_status is RunStatus.RUNNING:
            self.status = WorkerStatus.RUNNING
        elif self.age_s >= self.ready_after_s:
            self.status = WorkerStatus.READY

    def receive(self, signal: KillSignal) -> None:
        if self.exit_code is None and (signal is KillSignal.KILL or not self.ignores_term):
            self.exit_code = -9 if signal is KillSignal.KILL else -15

    def seen(self) -> WorkerView:
        age_s = 0 if self.silent_from_s is None else max(0, self.age_s - self.silent_from_s)
        return WorkerView(
            self.worker_id,
            self.status,
            float(age_s),
            self.exit_code,
            None,
            target_threads=4,
            cpu_pct=self.cpu_pct,
            memory_pct=10.0,
            heartbeats=self.age_s,
            attempts=int(self.status is WorkerStatus.COMPLETED),
        )


@dataclass
class SimulatedRun:
    """A run's row, its workers and one controller that carries out what decide() says."""

    workers: list[SimulatedWorker]
    status: RunStatus = RunStatus.STARTING
    phase: Phase = Phase.PREPARING
    status_age_s: int = 0
    elapsed_s: int | None = None
    signalled: KillSignal | None = None
    forced: bool = False
    processed: bool = False
    on_worker_loss: LossPolicy = LossPolicy.FAIL
    guardrails: GuardrailLimits | None = None
    guardrail_state: GuardrailState = field(default_factory=GuardrailState)
    reason: str = ""
    statuses: list[RunStatus] = field(default_factory=lambda: [RunStatus.STARTING])
    phases: list[Phase] = field(default_factory=lambda: [Phase.PREPARING])

    def seen(self) -> RunView:
        return RunView(
            status=self.status,
            phase=self.phase,
            status_age_s=self.status_age_s,
            elapsed_s=self.elapsed_s,
            plan=PLAN,
            workers=tuple(worker.seen() for worker in self.workers),
            signalled=self.signalled,
            forced=self.forced,
            processed=self.processed,
            on_worker_loss=self.on_worker_loss,
            guardrails=self.guardrails,
            guardrail_state=self.guardrail_state,
        )

    def drive(self, *, stop_at_s: int | None = None, force_at_s: int | None = None) -> "SimulatedRun":
        """Tick each second until the run is over; fails when that takes longer than all timeouts together."""
        for second in range(LONGEST_S):
            for worker in self.workers:
                worker.step(self.status)
            if second == stop_at_s:
                self.happen(RunEvent.USER_STOP)
            self.forced = self.forced or (force_at_s is not None and second >= force_at_s)
            for action in decide(self.seen()):
                self.carry_out(action)
            if is_over(self.seen()):
                return self
            self.status_age_s += 1
            if self.elapsed_s is not None:
                self.elapsed_s += 1
        raise AssertionError(f"the run never ended: {self.seen()}")

    def happen(self, event: RunEvent) -> None:
        after = next_status(self.status, event)
        if after is not self.status:
            self.status, self.status_age_s = after, 0
            self.statuses.append(after)

    def carry_out(self, action: Action) -> None:
        match action:
            case MarkRunning(_):
                self.happen(action.event)
                self.elapsed_s = 0
                self.enter(PLAN.first_phase)
            case SetPhase(phase):
                self.enter(phase)
            case Stop(reason, _) | Fail(reason) | Cancel(_, reason):
                self.reason = reason
                self.happen(action.event)
            case Complete(reason):
                self.reason = reason
                self.happen(action.event)
            case EndLost(worker_ids):
                for worker in self.workers:
                    if worker.worker_id in worker_ids:
                        worker.receive(KillSignal.KILL)
            case KeepGuardrails(state, _):
                self.guardrail_state = GuardrailState.from_json(state.to_json())
            case Process():
                self.processed = True
            case KillWorkers(signal):
                self.signalled = signal
                for worker in self.workers:
                    worker.receive(signal)

    def enter(self, phase: Phase) -> None:
        self.phase = phase
        self.phases.append(phase)


def crew(**of_worker_1: Any) -> list[SimulatedWorker]:
    """Return two workers, the second of which is special."""
    return [SimulatedWorker("worker-0"), replace(SimulatedWorker("worker-1"), **of_worker_1)]


def test_a_run_without_trouble_goes_through_every_phase_once_and_completes() -> None:
    run = SimulatedRun(crew()).drive()
    assert run.statuses == [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING, RunStatus.COMPLETED]
    assert run.phases == list(Phase)
    assert [worker.exit_code for worker in run.workers] == [0, 0]
    assert run.signalled is None


def test_a_killed_worker_fails_the_run_and_the_other_one_is_stopped() -> None:
    run = SimulatedRun(crew(dies_at_s=8)).drive()
    assert run.statuses == [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.FAILED]
    assert run.reason == "worker_failure: worker-1 was killed by signal SIGKILL; last said: nothing"
    assert run.processed


def test_a_worker_that_never_gets_ready_fails_the_start() -> None:
    run = SimulatedRun(crew(ready_after_s=1_000)).drive()
    assert run.statuses == [RunStatus.STARTING, RunStatus.FAILED]
    assert run.reason.startswith("start_timeout: 1 of 2 workers not ready after 60 s: worker-1")


def test_a_user_stop_ends_cancelled_with_everything_collected() -> None:
    run = SimulatedRun(crew()).drive(stop_at_s=7)
    assert run.statuses[-2:] == [RunStatus.CANCELLING, RunStatus.CANCELLED]
    assert run.processed
    assert run.reason == ""


def test_a_worker_that_will_not_drain_is_killed_and_named() -> None:
    run = SimulatedRun(crew(drains_in_s=10_000, ignores_term=True)).drive()
    assert run.statuses[-2:] == [RunStatus.STOPPING, RunStatus.CANCELLED]
    assert run.reason == "worker-1 was killed by signal SIGKILL; last said: nothing"
    assert run.signalled is KillSignal.KILL


def test_a_second_stop_ends_the_run_within_the_next_tick() -> None:
    run = SimulatedRun(crew(drains_in_s=10_000, ignores_term=True)).drive(stop_at_s=7, force_at_s=8)
    assert run.statuses[-1] is RunStatus.CANCELLED
    assert run.workers[1].age_s <= 11


def test_with_continue_a_killed_worker_is_named_in_the_reason_of_a_run_that_completes() -> None:
    run = SimulatedRun(crew(dies_at_s=8), on_worker_loss=LossPolicy.CONTINUE).drive()
    assert run.statuses == [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING, RunStatus.COMPLETED]
    assert run.reason == ("worker_loss: 1 of 2 workers: worker-1 was killed by signal SIGKILL; last said: nothing")


def test_with_continue_the_loss_of_the_last_worker_fails_the_run() -> None:
    crew = [SimulatedWorker("worker-0", dies_at_s=6), SimulatedWorker("worker-1", dies_at_s=8)]
    run = SimulatedRun(crew, on_worker_loss=LossPolicy.CONTINUE).drive()
    assert run.statuses == [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.FAILED]
    assert "worker-0" in run.reason
    assert "worker-1" in run.reason


def test_with_continue_a_late_worker_joins_a_run_that_started_without_it() -> None:
    run = SimulatedRun(crew(ready_after_s=65), on_worker_loss=LossPolicy.CONTINUE).drive()
    assert run.statuses == [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING, RunStatus.COMPLETED]
    assert [worker.exit_code for worker in run.workers] == [0, 0]


def test_with_continue_a_silent_worker_is_ended_and_does_not_hold_up_the_drain() -> None:
    long_plan = SimulatedRun(crew(silent_from_s=0, ready_after_s=1), on_worker_loss=LossPolicy.CONTINUE)
    long_plan.workers[0].ready_after_s = 55
    run = long_plan.drive()
    assert run.status is RunStatus.COMPLETED
    assert run.workers[1].exit_code == -9
    assert "worker-1 was" in run.reason


def test_a_run_whose_workers_all_starve_fails_and_one_whose_single_worker_starves_among_others_is_degraded() -> None:
    starving = [SimulatedWorker("worker-0", cpu_pct=95.0), SimulatedWorker("worker-1", cpu_pct=95.0)]
    run = SimulatedRun(starving, guardrails=GuardrailLimits()).drive()
    assert run.status is RunStatus.FAILED
    assert run.reason.startswith("RESOURCE_EXHAUSTION: 2 of 2 workers over for 3 intervals: worker-0 CPU 95 %")
    run = SimulatedRun(crew(cpu_pct=95.0), guardrails=GuardrailLimits()).drive()
    assert run.status is RunStatus.COMPLETED
    assert run.reason.startswith("SOFT_GUARDRAIL_DEGRADED")


@given(
    st.lists(
        st.builds(
            SimulatedWorker,
            worker_id=st.sampled_from(["worker-0", "worker-1"]),
            ready_after_s=st.integers(0, 70),
            drains_in_s=st.sampled_from([0, 1, 5, 30, 10_000]),
            dies_at_s=st.none() | st.integers(0, 100),
            ignores_term=st.booleans(),
            silent_from_s=st.none() | st.integers(0, 100),
            cpu_pct=st.sampled_from([50.0, 90.0]),
        ),
        min_size=1,
        max_size=3,
    ),
    st.none() | st.integers(0, 100),
    st.none() | st.integers(0, 100),
    st.sampled_from(LossPolicy),
    st.none() | st.just(GuardrailLimits()),
)
def test_every_run_ends_with_no_process_left_and_its_results_collected(
    workers: list[SimulatedWorker],
    stop_at_s: int | None,
    force_at_s: int | None,
    policy: LossPolicy,
    guardrails: GuardrailLimits | None,
) -> None:
    if stop_at_s is None or (force_at_s is not None and force_at_s < stop_at_s):
        force_at_s = None
    workers = [replace(worker, worker_id=f"worker-{number}") for number, worker in enumerate(workers)]
    run = SimulatedRun(workers, on_worker_loss=policy, guardrails=guardrails)
    run.drive(stop_at_s=stop_at_s, force_at_s=force_at_s)
    assert all(worker.exit_code is not None for worker in run.workers)
    assert run.processed
    assert run.phase is Phase.COMPLETED
    enough = all if policy is LossPolicy.FAIL else any
    assert run.status is not RunStatus.COMPLETED or enough(worker.exit_code == 0 for worker in run.workers)
    if run.status is RunStatus.COMPLETED:
        assert all(worker.exit_code == 0 or f"{worker.worker_id} was killed" in run.reason for worker in run.workers)
    assert run.status is not RunStatus.FAILED or run.reason


@pytest.mark.parametrize("stop_at_s", range(20))
def test_a_stop_is_safe_at_any_moment(stop_at_s: int) -> None:
    run = SimulatedRun(crew()).drive(stop_at_s=stop_at_s)
    assert run.status in (RunStatus.CANCELLED, RunStatus.COMPLETED)
