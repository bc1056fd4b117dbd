"""What the orchestrator does in every situation it can see."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.run_views import PLAN, TERM, draining, reason, starting, view, worker

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
from upperbound.domain.guardrails import (
    GuardrailLimits,
    GuardrailMode,
    GuardrailState,
    ScaleDown,
    WarnWorker,
)
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus, next_status
from upperbound.domain.worker_state import WorkerStatus


class TestPrepared:
    def test_a_prepared_run_waits_for_whoever_starts_it(self) -> None:
        assert decide(view(RunStatus.PREPARED, worker(0, None, local=False), phase=Phase.PREPARING)) == []

    def test_a_run_without_workers_is_no_run(self) -> None:
        with pytest.raises(ValueError, match="at least one worker"):
            RunView(RunStatus.PREPARED, Phase.PREPARING, 0, None, PLAN, ())


class TestStarting:
    def test_it_runs_when_every_worker_is_ready(self) -> None:
        assert decide(starting(worker(0, WorkerStatus.READY), worker(1, WorkerStatus.READY))) == [MarkRunning()]

    @pytest.mark.parametrize("status", [None, WorkerStatus.STARTING, WorkerStatus.CONNECTING])
    def test_it_waits_for_the_last_one(self, status: WorkerStatus | None) -> None:
        assert decide(starting(worker(0, WorkerStatus.READY), worker(1, status), waited_s=59.9)) == []

    def test_after_the_timeout_it_fails_naming_who_is_missing_and_what_they_last_said(self) -> None:
        actions = decide(
            starting(
                worker(0, WorkerStatus.READY),
                worker(1, WorkerStatus.CONNECTING, detail="3 of 8 connections open"),
                worker(2, None),
                worker(3, WorkerStatus.STARTING, last_error="cannot resolve host db"),
                waited_s=60.0,
            )
        )
        assert reason(actions) == (
            "start_timeout: 3 of 4 workers not ready after 60 s: "
            "worker-1 is CONNECTING; last said: 3 of 8 connections open | "
            "worker-2 was never heard from; last said: nothing | "
            "worker-3 is STARTING; last said: cannot resolve host db"
        )
        assert actions[1:] == [TERM]

    def test_a_worker_that_exits_before_it_is_ready_fails_the_run_at_once(self) -> None:
        actions = decide(starting(worker(0, None, exit_code=1, last_error="no such table"), worker(1, None)))
        assert reason(actions) == (
            "worker_failure: worker-0 exited with code 1 (configuration); last said: no such table"
        )
        assert actions[1:] == [TERM]

    def test_ready_and_gone_is_not_ready(self) -> None:
        actions = decide(starting(worker(0, WorkerStatus.READY), worker(1, WorkerStatus.READY, exit_code=-9)))
        assert reason(actions).startswith("worker_failure: worker-1 was killed by signal SIGKILL")


class TestRunning:
    @pytest.mark.parametrize(
        ("elapsed_s", "phase", "actions"),
        [
            (4.9, Phase.WARMUP, []),
            (5.0, Phase.WARMUP, [SetPhase(Phase.MEASUREMENT)]),
            (5.0, Phase.MEASUREMENT, []),
            (24.9, Phase.MEASUREMENT, []),
            (25.0, Phase.MEASUREMENT, [Stop("duration_over", RunStatus.STOPPING), SetPhase(Phase.COOLDOWN)]),
            (99.0, Phase.WARMUP, [Stop("duration_over", RunStatus.STOPPING), SetPhase(Phase.COOLDOWN)]),
        ],
    )
    def test_it_follows_the_plan(self, elapsed_s: float, phase: Phase, actions: list[Action]) -> None:
        assert decide(view(RunStatus.RUNNING, elapsed_s=elapsed_s, phase=phase)) == actions

    def test_a_clock_that_steps_back_does_not_bring_back_a_phase(self) -> None:
        assert decide(view(RunStatus.RUNNING, elapsed_s=1.0, phase=Phase.MEASUREMENT)) == []

    @pytest.mark.parametrize(
        ("exit_code", "happened"),
        [
            (-9, "was killed by signal SIGKILL"),
            (-11, "was killed by signal SIGSEGV"),
            (-15, "was killed by signal SIGTERM"),
            (-63, "was killed by signal 63"),
            (2, "exited with code 2 (store unreachable)"),
            (3, "exited with code 3 (no start came)"),
            (4, "exited with code 4 (fatal workload error)"),
            (137, "exited with code 137"),
            (0, "ended before the run did"),
        ],
    )
    def test_a_worker_that_exits_fails_the_run_at_once_and_says_how(self, exit_code: int, happened: str) -> None:
        actions = decide(view(RunStatus.RUNNING, worker(0), worker(1, exit_code=exit_code, last_error="disk full")))
        assert actions == [Fail(f"worker_failure: worker-1 {happened}; last said: disk full"), TERM]

    def test_all_lost_workers_are_named_and_there_is_nobody_left_to_signal(self) -> None:
        actions = decide(view(RunStatus.RUNNING, worker(0, exit_code=-9), worker(1, exit_code=4)))
        assert actions == [
            Fail(
                "worker_failure: worker-0 was killed by signal SIGKILL; last said: nothing | "
                "worker-1 exited with code 4 (fatal workload error); last said: nothing"
            )
        ]

    def test_a_worker_that_reports_a_fatal_error_fails_the_run_before_it_exits(self) -> None:
        failed = worker(1, WorkerStatus.FAILED, last_error="permission denied")
        assert decide(view(RunStatus.RUNNING, worker(0), failed)) == [
            Fail("worker_failure: worker-1 reported a fatal error; last said: permission denied"),
            TERM,
        ]

    @pytest.mark.parametrize("local", [True, False])
    @pytest.mark.parametrize(("age_s", "fails"), [(29.0, False), (59.9, False), (60.0, True)])
    def test_a_worker_fails_the_run_when_its_heartbeat_is_dead_not_when_it_is_stale(
        self, age_s: float, fails: bool, local: bool
    ) -> None:
        silent = worker(1, heartbeat_age_s=age_s, local=local)
        actions = decide(view(RunStatus.RUNNING, worker(0), silent))
        if fails:
            assert reason(actions) == "worker_failure: worker-1 was not heard from for 60 s; last said: nothing"
        else:
            assert actions == []

    def test_a_worker_that_completes_early_fails_the_run(self) -> None:
        early = worker(1, WorkerStatus.COMPLETED, exit_code=0)
        assert "worker-1 ended before the run did" in reason(decide(view(RunStatus.RUNNING, worker(0), early)))

    def test_workers_that_ended_by_the_plan_while_no_controller_looked_are_no_loss(self) -> None:
        """After a take-over: completed long ago, so that the heartbeat is old."""
        done = [worker(n, WorkerStatus.COMPLETED, local=False, heartbeat_age_s=500.0) for n in range(2)]
        actions = decide(view(RunStatus.RUNNING, *done, elapsed_s=530.0))
        assert actions == [Stop("duration_over", RunStatus.STOPPING), SetPhase(Phase.COOLDOWN)]

    def test_a_worker_that_died_while_no_controller_looked_is_a_loss(self) -> None:
        dead = worker(1, local=False, heartbeat_age_s=510.0)
        done = worker(0, WorkerStatus.COMPLETED, local=False, heartbeat_age_s=500.0)
        assert reason(decide(view(RunStatus.RUNNING, done, dead, elapsed_s=530.0))).startswith(
            "worker_failure: worker-1 was not heard from for 510 s"
        )


CONTINUE = LossPolicy.CONTINUE


def lenient(status: RunStatus, *workers: WorkerView, **changes: Any) -> RunView:
    """Return a run that goes on without workers it has lost."""
    return view(status, *workers, on_worker_loss=CONTINUE, **changes)


class TestGoingOnWithoutWorkers:
    def test_a_run_goes_on_with_the_workers_that_are_left(self) -> None:
        assert decide(lenient(RunStatus.RUNNING, worker(0), worker(1, exit_code=-9))) == []

    def test_losing_the_last_one_fails_it(self) -> None:
        actions = decide(lenient(RunStatus.RUNNING, worker(0, exit_code=4), worker(1, exit_code=-9)))
        assert reason(actions).startswith("worker_failure: worker-0 exited with code 4")

    def test_a_worker_that_was_never_heard_from_is_none_to_rely_on(self) -> None:
        late, lost = worker(0, None), worker(1, exit_code=-9)
        assert "worker-1" in reason(decide(lenient(RunStatus.RUNNING, late, lost)))
        assert decide(lenient(RunStatus.RUNNING, worker(0, WorkerStatus.CONNECTING), lost)) == []

    def test_a_silent_process_is_ended_until_it_is_gone_so_that_it_cannot_come_back(self) -> None:
        silent = worker(1, heartbeat_age_s=60.0)
        assert decide(lenient(RunStatus.RUNNING, worker(0), silent)) == [EndLost(("worker-1",))]
        assert decide(lenient(RunStatus.RUNNING, worker(0), replace(silent, exit_code=-9))) == []
        assert decide(lenient(RunStatus.RUNNING, worker(0), replace(silent, local=False))) == []

    def test_a_silent_worker_that_was_ended_is_not_said_to_have_been_killed_by_somebody(self) -> None:
        ended = worker(1, exit_code=-9, was_ended=True)
        assert decide(view(RunStatus.RUNNING, worker(0), ended))[0] == Fail(
            "worker_failure: worker-1 went silent, and its process was ended; last said: nothing"
        )

    def test_the_planned_end_comes_as_if_nothing_had_happened(self) -> None:
        over = lenient(RunStatus.RUNNING, worker(0), worker(1, exit_code=-9), elapsed_s=25.0)
        assert decide(over) == [Stop("duration_over", RunStatus.STOPPING), SetPhase(Phase.COOLDOWN)]

    def test_the_run_completes_and_says_what_it_has_lost(self) -> None:
        done, lost = worker(0, WorkerStatus.COMPLETED, exit_code=0, attempts=9), worker(1, exit_code=-9, attempts=5)
        end = draining(RunStatus.STOPPING, done, lost, on_worker_loss=CONTINUE)
        assert decide(end) == [SetPhase(Phase.PROCESSING), Process()]
        assert decide(replace(end, phase=Phase.PROCESSING, processed=True)) == [
            Complete("worker_loss: 1 of 2 workers: worker-1 was killed by signal SIGKILL; last said: nothing"),
            SetPhase(Phase.COMPLETED),
        ]

    def test_a_worker_that_came_too_late_to_do_anything_is_named(self) -> None:
        done, idle = (worker(n, WorkerStatus.COMPLETED, exit_code=0, attempts=9 - 9 * n) for n in range(2))
        end = draining(RunStatus.STOPPING, done, idle, on_worker_loss=CONTINUE, processed=True)
        assert decide(end)[0] == Complete("worker_absent: worker-1 contributed nothing")

    def test_losing_the_last_worker_while_stopping_fails_the_run(self) -> None:
        lost = [worker(n, WorkerStatus.DRAINING, exit_code=-9) for n in range(2)]
        assert reason(decide(draining(RunStatus.STOPPING, *lost, on_worker_loss=CONTINUE))).startswith("worker_failure")

    def test_a_drain_we_had_to_kill_is_still_no_completion(self) -> None:
        done, killed = worker(0, WorkerStatus.COMPLETED, exit_code=0), worker(1, WorkerStatus.DRAINING, exit_code=-9)
        end = draining(
            RunStatus.STOPPING, done, killed, on_worker_loss=CONTINUE, signalled=KillSignal.KILL, processed=True
        )
        assert Cancel(forced=True, reason="worker-1 was killed by signal SIGKILL; last said: nothing") in decide(end)

    def test_a_silent_process_does_not_hold_up_the_drain(self) -> None:
        done, silent = worker(0, WorkerStatus.COMPLETED, exit_code=0), worker(1, heartbeat_age_s=70.0)
        assert decide(draining(RunStatus.STOPPING, done, silent, on_worker_loss=CONTINUE)) == [EndLost(("worker-1",))]

    def test_it_starts_without_a_worker_that_is_lost_before_it_was_ready(self) -> None:
        view_ = replace(starting(worker(0, WorkerStatus.READY), worker(1, None, exit_code=4)), on_worker_loss=CONTINUE)
        (start,) = decide(view_)
        assert isinstance(start, MarkRunning)
        assert start.missing == ("worker-1 exited with code 4 (fatal workload error); last said: nothing",)

    def test_it_waits_for_a_late_worker_until_the_timeout_and_then_starts_without_it(self) -> None:
        late = worker(1, WorkerStatus.CONNECTING, detail="3 of 8 connections open")
        waiting = replace(starting(worker(0, WorkerStatus.READY), late, waited_s=59.9), on_worker_loss=CONTINUE)
        assert decide(waiting) == []
        assert decide(replace(waiting, status_age_s=60.0)) == [
            MarkRunning(missing=("worker-1 is CONNECTING; last said: 3 of 8 connections open",))
        ]

    def test_it_does_not_start_without_any_ready_worker(self) -> None:
        nobody = replace(starting(worker(0, WorkerStatus.CONNECTING), worker(1, None), waited_s=60.0))
        assert reason(decide(replace(nobody, on_worker_loss=CONTINUE))).startswith("start_timeout: 2 of 2")

    def test_a_start_that_has_lost_every_worker_fails(self) -> None:
        lost = starting(worker(0, None, exit_code=1), worker(1, None, exit_code=1))
        assert reason(decide(replace(lost, on_worker_loss=CONTINUE))).startswith("worker_failure: worker-0")


class TestWorkersTakenOut:
    def test_a_worker_that_was_taken_out_may_end_before_the_run(self) -> None:
        out = worker(1, WorkerStatus.COMPLETED, exit_code=0, target_threads=0)
        assert decide(view(RunStatus.RUNNING, worker(0, target_threads=4), out)) == []

    def test_it_must_not_crash_though(self) -> None:
        out = worker(1, exit_code=-11, target_threads=0)
        assert "SIGSEGV" in reason(decide(view(RunStatus.RUNNING, worker(0, target_threads=4), out)))


def guarded(*cpu_pct: float, heartbeats: int = 1, **changes: Any) -> RunView:
    workers = [
        worker(n, cpu_pct=cpu, memory_pct=20.0, target_threads=10, heartbeats=heartbeats)
        for n, cpu in enumerate(cpu_pct)
    ]
    return view(RunStatus.RUNNING, *workers, **{"guardrails": GuardrailLimits(patience_intervals=1), **changes})


class TestGuardrails:
    def test_a_run_without_guardrails_is_left_alone_however_its_workers_fare(self) -> None:
        assert decide(guarded(100.0, 100.0, guardrails=None)) == []

    def test_nothing_is_written_while_all_is_well(self) -> None:
        assert decide(guarded(10.0, 20.0)) == []

    def test_what_is_remembered_is_written_with_the_targets_and_what_tells_of_them(self) -> None:
        (keep,) = decide(guarded(95.0, 20.0))
        assert isinstance(keep, KeepGuardrails)
        assert keep.targets == {"worker-0": 8}
        assert keep.state.records[0].at_s == 10.0
        assert keep.verdicts == (
            WarnWorker("worker-0", "CPU 95 % (limit 80 %)"),
            ScaleDown("worker-0", 10, 8, "CPU 95 % (limit 80 %) for 1 interval"),
        )
        assert decide(guarded(95.0, 20.0, guardrail_state=keep.state)) == [], "the same readings again"

    def test_the_phase_goes_on_beside_it(self) -> None:
        assert decide(guarded(95.0, 20.0, phase=Phase.WARMUP))[-1] == SetPhase(Phase.MEASUREMENT)

    def test_all_over_fails_the_run_and_only_that(self) -> None:
        keep, failure, kill = decide(guarded(95.0, 96.0, phase=Phase.WARMUP))
        assert isinstance(keep, KeepGuardrails)
        assert failure == Fail(
            "RESOURCE_EXHAUSTION: 2 of 2 workers over for 1 interval: "
            "worker-0 CPU 95 % (limit 80 %) | worker-1 CPU 96 % (limit 80 %)"
        )
        assert kill == TERM

    def test_hard_mode_fails_for_one(self) -> None:
        hard = GuardrailLimits(mode=GuardrailMode.HARD)
        assert "1 of 2 workers over" in reason(decide(guarded(95.0, 20.0, guardrails=hard)))

    def test_workers_that_do_not_send_load_or_are_lost_do_not_count(self) -> None:
        over = guarded(95.0)
        for other in (worker(1, WorkerStatus.CONNECTING), worker(1, exit_code=-9), worker(1, target_threads=0)):
            both = replace(over, workers=(*over.workers, other), on_worker_loss=CONTINUE)
            assert "1 of 1 worker over" in reason(decide(both))

    def test_at_the_planned_end_nothing_is_lowered_any_more(self) -> None:
        assert decide(guarded(95.0, 96.0, elapsed_s=25.0))[0] == Stop("duration_over", RunStatus.STOPPING)

    def test_a_run_that_was_lowered_says_so_when_it_completes(self) -> None:
        done = worker(0, WorkerStatus.COMPLETED, exit_code=0)
        end = draining(RunStatus.STOPPING, done, processed=True, guardrail_state=GuardrailState(threads_taken=2))
        assert decide(end)[0] == Complete("SOFT_GUARDRAIL_DEGRADED: 2 threads taken back")


WORKERS = st.builds(
    WorkerView,
    worker_id=st.sampled_from(["worker-0", "worker-1"]),
    status=st.none() | st.sampled_from(WorkerStatus),
    heartbeat_age_s=st.none() | st.floats(0, 200),
    exit_code=st.none() | st.integers(-70, 255),
    last_error=st.none() | st.just("oops"),
    local=st.booleans(),
    target_threads=st.none() | st.integers(0, 9),
    cpu_pct=st.none() | st.floats(0, 100),
    heartbeats=st.integers(0, 5),
)
VIEWS = st.builds(
    RunView,
    status=st.sampled_from(RunStatus),
    phase=st.sampled_from(Phase),
    status_age_s=st.floats(0, 300),
    elapsed_s=st.none() | st.floats(0, 60),
    plan=st.just(PLAN),
    workers=st.lists(WORKERS, min_size=1, max_size=3).map(tuple),
    signalled=st.none() | st.sampled_from(KillSignal),
    forced=st.booleans(),
    processed=st.booleans(),
    on_worker_loss=st.sampled_from(LossPolicy),
    guardrails=st.none() | st.builds(GuardrailLimits, mode=st.sampled_from(GuardrailMode)),
)


class TestAnyView:
    @given(VIEWS)
    def test_at_most_one_action_changes_the_status_and_the_table_allows_it(self, any_view: RunView) -> None:
        changes = [
            action for action in decide(any_view) if isinstance(action, MarkRunning | Stop | Fail | Complete | Cancel)
        ]
        assert len(changes) <= 1
        for change in changes:
            target = next_status(any_view.status, change.event)
            assert not isinstance(change, Stop) or target is change.status

    @given(VIEWS)
    def test_a_phase_is_never_set_back(self, any_view: RunView) -> None:
        phases = [any_view.phase, *(action.phase for action in decide(any_view) if isinstance(action, SetPhase))]
        order = [list(Phase).index(phase) for phase in phases]
        assert order == sorted(set(order))

    @given(VIEWS)
    def test_no_signal_is_sent_twice_or_after_a_stronger_one(self, any_view: RunView) -> None:
        for action in decide(any_view):
            if isinstance(action, KillWorkers):
                assert any_view.signalled is not KillSignal.KILL
                assert action.signal is not any_view.signalled

    @given(VIEWS)
    def test_a_run_that_is_over_needs_nothing_more(self, any_view: RunView) -> None:
        if is_over(any_view) and any_view.processed:
            assert decide(any_view) == []
