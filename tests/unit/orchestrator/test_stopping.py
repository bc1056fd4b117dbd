"""A stop may be asked for in every state, as often as one likes, and by several at once."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from upperbound.domain.events import EventType
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.errors import RunNotFound
from upperbound.orchestrator.stopping import DRAIN_TIMEOUT_S, request_stop
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import NewRun
from upperbound.testing.waiting import until

PATHS: dict[RunStatus, list[RunStatus]] = {
    RunStatus.PREPARED: [],
    RunStatus.STARTING: [RunStatus.STARTING],
    RunStatus.RUNNING: [RunStatus.STARTING, RunStatus.RUNNING],
    RunStatus.STOPPING: [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING],
    RunStatus.CANCELLING: [RunStatus.STARTING, RunStatus.CANCELLING],
    RunStatus.COMPLETED: [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING, RunStatus.COMPLETED],
    RunStatus.CANCELLED: [RunStatus.STARTING, RunStatus.CANCELLING, RunStatus.CANCELLED],
    RunStatus.FAILED: [RunStatus.STARTING, RunStatus.FAILED],
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/store.db") as opened:
        yield opened


def run_in(store: Store, status: RunStatus) -> str:
    store.runs.create(NewRun("run", "a run", {}, 1))
    at = RunStatus.PREPARED
    for to in PATHS[status]:
        if to is RunStatus.RUNNING:
            assert store.runs.mark_running("run", 0)
        else:
            assert store.runs.transition("run", expected=at, to=to, phase=Phase.COMPLETED if to in TERMINAL else None)
        at = to
    return "run"


def stops(store: Store) -> int:
    return sum(event.type is EventType.STOP for event in store.events.after("run"))


@pytest.mark.parametrize("status", [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING])
def test_a_live_run_is_cancelled_in_two_phases(store: Store, status: RunStatus) -> None:
    run_in(store, status)
    assert request_stop(store, "run", "ada") is RunStatus.CANCELLING
    run = store.runs.get("run")
    assert (run.status, run.cancellation_reason) == (RunStatus.CANCELLING, "stopped by ada")
    assert run.end_time is None
    event = store.events.after("run")[-1]
    assert event.type is EventType.STOP
    assert event.data == {"reason": "user_stop", "initiated_by": "ada", "drain_timeout_seconds": DRAIN_TIMEOUT_S}


def test_a_run_that_nobody_has_started_is_cancelled_at_once(store: Store) -> None:
    run_in(store, RunStatus.PREPARED)
    assert request_stop(store, "run", "ada") is RunStatus.CANCELLED
    run = store.runs.get("run")
    assert (run.status, run.phase, run.cancellation_reason) == (RunStatus.CANCELLED, Phase.COMPLETED, "stopped by ada")
    assert run.end_time is not None
    assert stops(store) == 0


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_run_that_has_ended_stays_as_it_is(store: Store, status: RunStatus) -> None:
    run_in(store, status)
    before = store.runs.get("run")
    assert request_stop(store, "run", "ada") is status
    after = store.runs.get("run")
    assert (after.status, after.end_time, after.cancellation_reason) == (status, before.end_time, None)
    assert stops(store) == 0


def test_the_second_stop_changes_nothing(store: Store) -> None:
    run_in(store, RunStatus.RUNNING)
    request_stop(store, "run", "ada")
    assert request_stop(store, "run", "bob") is RunStatus.CANCELLING
    assert store.runs.get("run").cancellation_reason == "stopped by ada"
    assert stops(store) == 1


def test_a_stop_when_the_load_is_over_curtails_what_follows_and_takes_nothing_from_the_run(store: Store) -> None:
    run_in(store, RunStatus.STOPPING)
    store.runs.set_phase("run", Phase.PROCESSING)
    for who in ("ada", "bob"):
        assert request_stop(store, "run", who) is RunStatus.STOPPING
    run = store.runs.get("run")
    assert (run.status, run.phase) == (RunStatus.STOPPING, Phase.PROCESSING)
    assert run.cancellation_reason == "stopped by ada when the load was over"
    assert stops(store) == 0


def test_the_wait_for_workers_that_load_is_no_longer_for_a_stop(store: Store) -> None:
    run_in(store, RunStatus.STOPPING)
    store.runs.set_phase("run", Phase.PROCESSING)
    until(lambda: store.runs.get("run").status_age_s > 0.05, "some time passes")
    before_s = store.runs.get("run").status_age_s
    request_stop(store, "run", "ada")
    assert store.runs.get("run").status_age_s >= before_s


def test_of_many_who_stop_at_once_exactly_one_tells_the_workers(store: Store) -> None:
    run_in(store, RunStatus.RUNNING)
    answers: list[RunStatus] = []
    gate = threading.Barrier(6)

    def stop(who: int) -> None:
        gate.wait()
        answers.append(request_stop(store, "run", f"user {who}"))

    threads = [threading.Thread(target=stop, args=[who]) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [RunStatus.CANCELLING] * 6
    assert stops(store) == 1


def test_a_stop_that_races_with_the_end_of_the_run_answers_with_what_came_of_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_in(store, RunStatus.STOPPING)
    transition = store.runs.transition

    def complete_first(*args: object, **kwargs: object) -> bool:
        monkeypatch.undo()
        assert transition("run", expected=RunStatus.STOPPING, to=RunStatus.COMPLETED)
        return transition(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(store.runs, "transition", complete_first)
    assert request_stop(store, "run", "ada") is RunStatus.COMPLETED
    assert stops(store) == 0


def test_a_run_that_does_not_exist_is_an_error(store: Store) -> None:
    with pytest.raises(RunNotFound):
        request_stop(store, "nope", "ada")
