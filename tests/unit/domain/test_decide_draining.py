"""What the orchestrator does when the load of a run is over, and when the run is."""

from dataclasses import replace

import pytest
from tests.unit.domain.run_views import KILL, TERM, draining, view, worker

from upperbound.domain.decide import (
    Action,
    Cancel,
    Complete,
    Fail,
    KillSignal,
    Process,
    SetPhase,
    decide,
    is_over,
)
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.domain.worker_state import WorkerStatus

BOTH = pytest.mark.parametrize("status", [RunStatus.STOPPING, RunStatus.CANCELLING])


class TestDraining:
    @BOTH
    def test_the_phase_follows_the_status(self, status: RunStatus) -> None:
        assert decide(view(status)) == [SetPhase(Phase.COOLDOWN)]

    @BOTH
    def test_results_are_collected_when_every_worker_has_drained(self, status: RunStatus) -> None:
        done = worker(0, WorkerStatus.COMPLETED), worker(1, WorkerStatus.DRAINING, exit_code=0)
        assert decide(draining(status, *done)) == [SetPhase(Phase.PROCESSING), Process()]
        assert decide(draining(status, *done, phase=Phase.PROCESSING)) == [Process()]

    @pytest.mark.parametrize(
        ("status", "end"),
        [(RunStatus.STOPPING, Complete()), (RunStatus.CANCELLING, Cancel(forced=False, reason=""))],
    )
    def test_the_run_ends_as_it_was_meant_to_once_results_are_collected(self, status: RunStatus, end: Action) -> None:
        done = [worker(n, WorkerStatus.COMPLETED, exit_code=0) for n in range(2)]
        collected = draining(status, *done, phase=Phase.PROCESSING, processed=True)
        assert decide(collected) == [end, SetPhase(Phase.COMPLETED)]

    @BOTH
    @pytest.mark.parametrize(
        ("waited_s", "signalled", "actions"),
        [
            (9.9, None, []),
            (10.0, None, [TERM]),
            (11.0, KillSignal.TERM, []),
            (119.9, KillSignal.TERM, []),
            (120.0, KillSignal.TERM, [KILL]),
            (120.0, None, [KILL]),
            (121.0, KillSignal.KILL, []),
        ],
    )
    def test_a_drain_that_drags_on_is_helped_along(
        self, status: RunStatus, waited_s: float, signalled: KillSignal | None, actions: list[Action]
    ) -> None:
        done, slow = worker(0, WorkerStatus.COMPLETED, exit_code=0), worker(1, WorkerStatus.DRAINING)
        assert decide(draining(status, done, slow, status_age_s=waited_s, signalled=signalled)) == actions

    @pytest.mark.parametrize(
        ("waited_s", "actions"),
        [(11.0, [SetPhase(Phase.PROCESSING)]), (899.9, [SetPhase(Phase.PROCESSING)]), (900.0, [KILL])],
    )
    def test_workers_that_only_load_their_logs_are_given_the_time_for_it(
        self, waited_s: float, actions: list[Action]
    ) -> None:
        done, loads = worker(0, WorkerStatus.COMPLETED, exit_code=0), worker(1, WorkerStatus.DRAINING, is_loading=True)
        assert decide(draining(RunStatus.STOPPING, done, loads, status_age_s=waited_s)) == actions

    def test_a_run_that_was_called_off_does_not_wait_for_them(self) -> None:
        loads = worker(1, WorkerStatus.DRAINING, is_loading=True)
        assert decide(draining(RunStatus.CANCELLING, loads, status_age_s=11.0)) == [TERM]

    def test_a_worker_that_is_killed_while_it_loads_its_log_fails_the_run(self) -> None:
        killed = worker(1, WorkerStatus.DRAINING, is_loading=True, exit_code=-9)
        done = worker(0, WorkerStatus.COMPLETED, exit_code=0)
        assert decide(draining(RunStatus.STOPPING, done, killed)) == [
            Fail("worker_failure: worker-1 was killed by signal SIGKILL; last said: nothing"),
        ]

    @BOTH
    def test_processes_of_another_controller_are_not_signalled(self, status: RunStatus) -> None:
        elsewhere = worker(0, WorkerStatus.DRAINING, local=False)
        assert decide(draining(status, elsewhere, status_age_s=121.0)) == []

    @BOTH
    def test_a_drain_we_had_to_kill_ends_cancelled_with_what_was_lost(self, status: RunStatus) -> None:
        done = worker(0, WorkerStatus.COMPLETED, exit_code=0)
        killed = worker(1, WorkerStatus.DRAINING, exit_code=-9, detail="4 queries in flight")
        after_kill = draining(status, done, killed, status_age_s=121.0, signalled=KillSignal.KILL)
        assert decide(after_kill) == [SetPhase(Phase.PROCESSING), Process()]
        assert decide(replace(after_kill, phase=Phase.PROCESSING, processed=True)) == [
            Cancel(forced=True, reason="worker-1 was killed by signal SIGKILL; last said: 4 queries in flight"),
            SetPhase(Phase.COMPLETED),
        ]

    @BOTH
    @pytest.mark.parametrize("local", [True, False])
    def test_a_worker_that_outlives_the_kill_does_not_hold_up_the_end(self, status: RunStatus, local: bool) -> None:
        stuck = worker(1, WorkerStatus.DRAINING, local=local)
        late = draining(status, worker(0, WorkerStatus.COMPLETED), stuck, status_age_s=125.0, signalled=KillSignal.KILL)
        assert decide(late) == [SetPhase(Phase.PROCESSING), Process()]
        assert decide(replace(late, phase=Phase.PROCESSING, processed=True))[0] == Cancel(
            forced=True, reason="worker-1 is DRAINING; last said: nothing; it had not drained"
        )

    def test_a_worker_that_crashes_while_the_planned_end_drains_fails_the_run(self) -> None:
        crashed = worker(1, WorkerStatus.DRAINING, exit_code=-11)
        assert decide(draining(RunStatus.STOPPING, worker(0), crashed)) == [
            Fail("worker_failure: worker-1 was killed by signal SIGSEGV; last said: nothing"),
            TERM,
        ]

    def test_a_crash_after_everything_was_written_is_no_loss(self) -> None:
        done = worker(0, WorkerStatus.COMPLETED, exit_code=-11)
        assert decide(draining(RunStatus.STOPPING, done, phase=Phase.PROCESSING, processed=True))[0] == Complete()

    def test_a_worker_that_crashes_while_cancelling_leaves_the_run_cancelled_and_is_named(self) -> None:
        crashed = worker(0, WorkerStatus.DRAINING, exit_code=4, last_error="disk full")
        cancelling = draining(RunStatus.CANCELLING, crashed)
        assert decide(cancelling) == [SetPhase(Phase.PROCESSING), Process()]
        assert decide(replace(cancelling, processed=True))[0] == Cancel(
            forced=False, reason="worker-0 exited with code 4 (fatal workload error); last said: disk full"
        )

    @BOTH
    def test_a_second_stop_ends_the_run_in_the_same_tick(self, status: RunStatus) -> None:
        done, busy = worker(0, WorkerStatus.COMPLETED, exit_code=0), worker(1, WorkerStatus.DRAINING)
        assert decide(draining(status, done, busy, forced=True)) == [
            KILL,
            Cancel(forced=True, reason="worker-1 is DRAINING; last said: nothing; it had not drained"),
        ]

    def test_a_second_stop_when_all_have_drained_leaves_a_planned_end_as_it_is(self) -> None:
        done = [worker(n, WorkerStatus.COMPLETED, exit_code=0) for n in range(2)]
        ending = draining(RunStatus.STOPPING, *done, phase=Phase.PROCESSING, forced=True)
        assert decide(ending) == [Process()]
        assert decide(replace(ending, processed=True)) == [Complete(), SetPhase(Phase.COMPLETED)]

    def test_a_run_that_is_cancelled_before_its_workers_are_known_ends_without_waiting(self) -> None:
        unknown = worker(0, None, local=False)
        cancelling = draining(RunStatus.CANCELLING, unknown, phase=Phase.PREPARING, elapsed_s=None)
        assert decide(cancelling) == [SetPhase(Phase.COOLDOWN), SetPhase(Phase.PROCESSING), Process()]

    def test_a_local_worker_that_has_said_nothing_yet_is_waited_for(self) -> None:
        assert decide(draining(RunStatus.CANCELLING, worker(0, None))) == []


class TestAfterTheEnd:
    def test_a_failed_run_stops_the_workers_that_are_left(self) -> None:
        lost, left = worker(0, exit_code=-9), worker(1)
        failed = view(RunStatus.FAILED, lost, left)
        assert decide(failed) == [TERM]
        assert decide(replace(failed, signalled=KillSignal.TERM)) == []
        assert decide(replace(failed, signalled=KillSignal.TERM, status_age_s=10.0)) == [KILL]
        assert decide(replace(failed, signalled=KillSignal.KILL, status_age_s=11.0)) == []

    def test_a_process_that_outlives_its_cancelled_run_is_killed(self) -> None:
        left = view(RunStatus.CANCELLED, worker(0, WorkerStatus.COMPLETED), phase=Phase.COMPLETED)
        assert decide(left) == []
        assert not is_over(left)
        assert decide(replace(left, status_age_s=10.0)) == [KILL]

    @pytest.mark.parametrize("status", sorted(TERMINAL))
    def test_results_are_collected_however_the_run_ended(self, status: RunStatus) -> None:
        gone = view(status, worker(0, exit_code=-9), worker(1, exit_code=0))
        assert decide(gone) == [SetPhase(Phase.PROCESSING), Process()]
        assert decide(replace(gone, phase=Phase.PROCESSING)) == [Process()]
        assert decide(replace(gone, phase=Phase.PROCESSING, processed=True)) == [SetPhase(Phase.COMPLETED)]
        over = replace(gone, phase=Phase.COMPLETED, processed=True)
        assert decide(over) == []
        assert is_over(over)

    def test_a_process_that_cannot_be_ended_is_waited_for_only_so_long(self) -> None:
        stuck = view(RunStatus.FAILED, worker(0), signalled=KillSignal.KILL, status_age_s=15.0)
        assert decide(stuck) == [SetPhase(Phase.PROCESSING), Process()]

    @pytest.mark.parametrize("status", sorted(set(RunStatus) - TERMINAL))
    def test_a_run_that_goes_on_is_not_over(self, status: RunStatus) -> None:
        assert not is_over(view(status, worker(0, exit_code=0), phase=Phase.COMPLETED))
