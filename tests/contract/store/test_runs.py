"""Runs are created whole, change state by comparing and setting, and tell their age by the store's clock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from upperbound.domain.events import EventType
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.errors import RunNotFound, StoreError
from upperbound.store.engine import Store
from upperbound.store.events import NewEvent
from upperbound.store.runs import NewRun, Rollup

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

MakeRun = Callable[..., NewRun]


def run_to(store: Store, status: RunStatus, run_id: str = "run-1") -> None:
    """Bring a new run to a status by the way runs go."""
    way = [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING, RunStatus.COMPLETED]
    for step in way[: way.index(status) + 1]:
        present = store.runs.get(run_id).status
        if step is RunStatus.RUNNING:
            assert store.runs.mark_running(run_id, 0)
        else:
            assert store.runs.transition(run_id, expected=present, to=step)


def test_a_created_run_is_prepared_and_has_a_parent_result(store: Store, new_run: MakeRun) -> None:
    scenario = {"zebra": 1, "apple": [1.5, None, True], "text": "\x00 ü €"}
    store.runs.create(
        new_run(
            scenario=scenario,
            worker_targets={"worker-0": 8},
            template_id="t-1",
            load_mode="CONCURRENCY",
            scaling_mode="FIXED",
            threads=16,
        )
    )
    run = store.runs.get("run-1")
    assert (run.status, run.phase) == (RunStatus.PREPARED, Phase.PREPARING)
    assert isinstance(run.status, RunStatus)
    assert isinstance(run.phase, Phase)
    assert (run.name, run.template_id, run.total_workers_expected) == ("checkout", "t-1", 2)
    assert run.scenario_config == scenario
    assert list(run.scenario_config) == ["zebra", "apple", "text"], "the order of keys is kept"
    assert run.worker_targets == {"worker-0": 8}
    assert (run.workers_registered, run.total_ops, run.error_count, run.current_qps) == (0, 0, 0, 0.0)
    assert (run.start_time, run.end_time, run.elapsed_s, run.lease_owner, run.lease_remaining_s) == (None,) * 5
    assert (run.find_max_state, run.qps_controller_state, run.guardrail_state) == (None, None, None)
    assert run.created_at == run.updated_at == run.status_changed_at
    assert run.created_at.utcoffset() == timedelta(0)
    parent = store.results.get("run-1")
    assert (parent.test_id, parent.run_id, parent.worker_id, parent.status) == ("run-1", "run-1", None, "PREPARED")
    assert (parent.load_mode, parent.scaling_mode, parent.threads, parent.worker_count) == (
        "CONCURRENCY",
        "FIXED",
        16,
        2,
    )


def test_a_run_id_that_is_taken_changes_nothing(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run(name="first"))
    with pytest.raises(StoreError, match="run-1 exists already"):
        store.runs.create(new_run(name="second"))
    assert store.runs.get("run-1").name == "first"
    assert len(store.runs.list()) == 1


def test_a_document_with_nan_is_refused_and_nothing_is_written(store: Store, new_run: MakeRun) -> None:
    with pytest.raises(Exception, match="not JSON compliant"):
        store.runs.create(new_run(scenario={"x": float("nan")}))
    assert store.runs.list() == []


def test_an_unknown_run_is_said_to_be_unknown(store: Store) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.runs.get("nope"),
        lambda: store.runs.resolve("nope"),
        lambda: store.runs.transition("nope", expected=RunStatus.PREPARED, to=RunStatus.STARTING),
        lambda: store.runs.mark_running("nope", 0),
        lambda: store.runs.set_phase("nope", Phase.WARMUP),
        lambda: store.runs.update_rollup("nope", Rollup(0, 0, 0, 0, 0, 0)),
        lambda: store.runs.acquire_lease("nope", "me", 1),
        lambda: store.runs.extend_lease("nope", "me", 1),
        lambda: store.runs.release_lease("nope", "me"),
    ]
    for call in calls:
        with pytest.raises(RunNotFound, match="nope"):
            call()


def test_an_id_is_found_by_its_beginning_when_that_is_unique(store: Store, new_run: MakeRun) -> None:
    for run_id in ("abc-1", "abc-2", "abc", "xyz_9", "xyzz9"):
        store.runs.create(new_run(run_id))
    assert store.runs.resolve("abc") == "abc", "a whole id wins over longer ones"
    assert store.runs.resolve("abc-1") == "abc-1"
    assert store.runs.resolve("xyz_") == "xyz_9", "an underscore stands for itself"
    with pytest.raises(RunNotFound, match="several runs begin with 'abc-': abc-1, abc-2"):
        store.runs.resolve("abc-")
    for unknown in ("ABC", "bc", "%", ""):
        with pytest.raises(RunNotFound, match="no run"):
            store.runs.resolve(unknown)


def test_runs_are_listed_newest_first_in_pages_and_by_status(
    clocked_store: Store, clock: "SetClock", new_run: MakeRun
) -> None:
    for number in range(5):
        clocked_store.runs.create(new_run(f"run-{number}"))
        clock.advance(1)
    run_to(clocked_store, RunStatus.STARTING, "run-3")
    assert [run.run_id for run in clocked_store.runs.list()] == ["run-4", "run-3", "run-2", "run-1", "run-0"]
    assert [run.run_id for run in clocked_store.runs.list(limit=2, offset=1)] == ["run-3", "run-2"]
    assert [run.run_id for run in clocked_store.runs.list(status=RunStatus.STARTING)] == ["run-3"]


def test_a_transition_happens_only_from_the_expected_status(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run())
    assert not store.runs.transition("run-1", expected=RunStatus.STARTING, to=RunStatus.FAILED, completion_reason="x")
    before = store.runs.get("run-1")
    assert (before.status, before.completion_reason, before.end_time) == (RunStatus.PREPARED, None, None)
    assert store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    assert not store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    assert store.results.get("run-1").status == "STARTING"


def test_of_many_that_ask_for_one_transition_one_succeeds(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run())
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda _: store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING), range(8)
        )
        assert sorted(answers) == [False] * 7 + [True]


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_terminal_status_sets_the_end_once(
    clocked_store: Store, clock: "SetClock", new_run: MakeRun, status: RunStatus
) -> None:
    clocked_store.runs.create(new_run())
    run_to(clocked_store, RunStatus.RUNNING)
    clock.advance(20)
    ended_at = clock.moment
    assert clocked_store.runs.transition(
        "run-1",
        expected=RunStatus.RUNNING,
        to=status,
        phase=Phase.COMPLETED,
        completion_reason="because",
        cancellation_reason="asked \x00 for",
    )
    clock.advance(100)
    clocked_store.runs.set_phase("run-1", Phase.COMPLETED)
    run, parent = clocked_store.runs.get("run-1"), clocked_store.results.get("run-1")
    assert run.end_time == parent.end_time == ended_at
    assert run.elapsed_s == 20.0, "the clock of a run stops at its end"
    assert run.status_age_s == 100.0
    assert (run.completion_reason, run.cancellation_reason) == ("because", "asked \N{REPLACEMENT CHARACTER} for")
    assert (parent.status, parent.phase) == (status.value, Phase.COMPLETED)


def test_a_transition_keeps_phase_and_reasons_it_is_not_given(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run())
    run_to(store, RunStatus.RUNNING)
    assert store.runs.transition(
        "run-1", expected=RunStatus.RUNNING, to=RunStatus.CANCELLING, cancellation_reason="Ctrl-C"
    )
    assert store.runs.transition("run-1", expected=RunStatus.CANCELLING, to=RunStatus.CANCELLED)
    run = store.runs.get("run-1")
    assert (run.phase, run.cancellation_reason) == (Phase.MEASUREMENT, "Ctrl-C")


def test_running_is_reached_by_mark_running_alone(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run())
    with pytest.raises(ValueError, match="mark_running"):
        store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.RUNNING)
    assert not store.runs.mark_running("run-1", 5), "a run that is not STARTING is left alone"
    assert store.runs.get("run-1").start_time is None
    with pytest.raises(ValueError, match="warmup_s"):
        store.runs.mark_running("run-1", -1)


def test_the_start_is_set_once_and_the_warmup_is_planned_from_it(
    clocked_store: Store, clock: "SetClock", new_run: MakeRun
) -> None:
    clocked_store.runs.create(new_run())
    run_to(clocked_store, RunStatus.STARTING)
    clock.advance(3)
    started_at = clock.moment
    assert clocked_store.runs.mark_running("run-1", 7.5)
    clock.advance(10)
    assert not clocked_store.runs.mark_running("run-1", 7.5)
    run = clocked_store.runs.get("run-1")
    assert (run.status, run.phase) == (RunStatus.RUNNING, Phase.WARMUP)
    assert run.start_time == run.warmup_start_time == started_at
    assert run.warmup_end_time == started_at + timedelta(seconds=7.5)
    assert (run.elapsed_s, run.status_age_s) == (10.0, 10.0)
    assert clocked_store.results.get("run-1").start_time == started_at


def test_without_a_warmup_the_run_begins_with_the_measurement(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run())
    run_to(store, RunStatus.RUNNING)
    run = store.runs.get("run-1")
    assert run.phase is Phase.MEASUREMENT
    assert run.warmup_end_time == run.start_time


def test_phase_and_rollup_are_written_as_given(clocked_store: Store, clock: "SetClock", new_run: MakeRun) -> None:
    clocked_store.runs.create(new_run())
    clocked_store.runs.set_phase("run-1", Phase.COOLDOWN)
    clock.advance(1)
    clocked_store.runs.update_rollup("run-1", Rollup(2, 1, 1, 5_000_000_000, 17, 1234.5))
    run = clocked_store.runs.get("run-1")
    assert run.phase is Phase.COOLDOWN
    assert clocked_store.results.get("run-1").phase is Phase.COOLDOWN
    assert (run.workers_registered, run.workers_active, run.workers_completed) == (2, 1, 1)
    assert (run.total_ops, run.error_count, run.current_qps) == (5_000_000_000, 17, 1234.5)
    assert run.updated_at == clock.moment
    assert run.now == clock.moment


def test_a_phase_never_goes_back(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run())
    for phase in (Phase.COOLDOWN, Phase.MEASUREMENT, Phase.COOLDOWN):
        store.runs.set_phase("run-1", phase)
        assert store.runs.get("run-1").phase is Phase.COOLDOWN
        assert store.results.get("run-1").phase is Phase.COOLDOWN
    with pytest.raises(RunNotFound):
        store.runs.set_phase("run-2", Phase.COOLDOWN)


def test_targets_change_for_the_workers_that_are_named(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run(worker_targets={"worker-0": 8, "worker-1": 8}))
    store.runs.set_targets("run-1", {"worker-1": 5})
    assert store.runs.get("run-1").worker_targets == {"worker-0": 8, "worker-1": 5}
    with pytest.raises(RunNotFound):
        store.runs.set_targets("run-2", {"worker-1": 5})


def test_targets_set_side_by_side_are_all_kept(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run(worker_targets={}))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.runs.set_targets("run-1", {f"worker-{n}": n}), range(8)))
    assert store.runs.get("run-1").worker_targets == {f"worker-{n}": n for n in range(8)}


def test_a_run_is_resized_with_its_events_or_not_at_all(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run(worker_targets={"worker-0": 8}, total_workers=1))
    told = [NewEvent(EventType.SET_WORKER_TARGET, {"worker_id": "worker-0", "target_threads": 4}, "WORKER")]
    targets = {"worker-0": 4, "worker-1": 4}
    assert not store.runs.resize("run-1", expected={"worker-0": 8}, targets=targets, events=told), "it does not run yet"
    store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    store.runs.mark_running("run-1", 0)
    assert not store.runs.resize("run-1", expected={"worker-0": 7}, targets=targets, events=told), "it was changed"
    assert store.events.after("run-1") == []
    assert store.runs.resize("run-1", expected={"worker-0": 8}, targets=targets, events=told)
    run = store.runs.get("run-1")
    assert (run.worker_targets, run.total_workers_expected) == (targets, 2)
    assert [event.data["worker_id"] for event in store.events.after("run-1")] == ["worker-0"]


def test_a_resize_that_was_decided_on_older_events_changes_nothing(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run(worker_targets={"worker-0": 8}, total_workers=1))
    store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    store.runs.mark_running("run-1", 0)
    told = [NewEvent(EventType.SET_WORKER_TARGET, {"worker_id": "worker-0", "target_threads": 8}, "WORKER")]
    same, number = {"worker-0": 8}, store.runs.get("run-1").next_sequence_id
    assert store.runs.resize("run-1", expected=same, targets=same, events=told, next_sequence=number)
    assert not store.runs.resize("run-1", expected=same, targets=same, events=told, next_sequence=number)
    assert len(store.events.after("run-1")) == 1
    assert not store.runs.resize("run-1", expected=same, targets=same, events=told, holder="a controller that is gone")


def test_what_guardrails_remember_is_written_with_the_targets_they_change(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run(worker_targets={"worker-0": 8, "worker-1": 8}))
    state = {"state": "critical", "workers": {"worker-0": {"over_for": 3}}}
    store.runs.set_guardrails("run-1", state, {"worker-0": 6})
    run = store.runs.get("run-1")
    assert (run.guardrail_state, run.worker_targets) == (state, {"worker-0": 6, "worker-1": 8})
    store.runs.set_guardrails("run-1", {"state": "normal"}, {})
    run = store.runs.get("run-1")
    assert (run.guardrail_state, run.worker_targets) == ({"state": "normal"}, {"worker-0": 6, "worker-1": 8})
    assert store.events.after("run-1") == []
    lowered = NewEvent(EventType.SCALE_DOWN, {"worker_id": "worker-1", "previous": 8, "new": 7}, "WORKER")
    store.runs.set_guardrails("run-1", state, {"worker-1": 7}, [lowered])
    assert [(event.type, event.scope) for event in store.events.after("run-1")] == [(EventType.SCALE_DOWN, "WORKER")]
    beyond_json = NewEvent(EventType.SCALE_DOWN, {"new": float("nan")})
    with pytest.raises(Exception, match="JSON"):
        store.runs.set_guardrails("run-1", {"state": "normal"}, {"worker-1": 1}, [beyond_json])
    run = store.runs.get("run-1")
    assert (run.guardrail_state, run.worker_targets["worker-1"]) == (state, 7), "all of it or nothing"


def test_what_guardrails_decided_on_an_older_row_is_not_done(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run(worker_targets={"worker-0": 8}))
    assert not store.runs.set_guardrails("run-1", {}, {}, seen=store.runs.get("run-1")), "it does not run yet"
    run_to(store, RunStatus.RUNNING)
    lowered = [NewEvent(EventType.SCALE_DOWN, {"worker_id": "worker-0", "previous": 8, "new": 6}, "WORKER")]
    seen = store.runs.get("run-1")
    assert store.runs.set_guardrails("run-1", {"at": 1}, {"worker-0": 6}, lowered, seen=seen)
    assert not store.runs.set_guardrails("run-1", {"at": 1}, {"worker-0": 6}, lowered, seen=seen), "done before"
    seen = store.runs.get("run-1")
    assert store.runs.resize("run-1", expected={"worker-0": 6}, targets={"worker-0": 9}, events=[])
    assert not store.runs.set_guardrails("run-1", {"at": 2}, {"worker-0": 5}, lowered, seen=seen), "changed meanwhile"
    run = store.runs.get("run-1")
    assert (run.guardrail_state, run.worker_targets) == ({"at": 1}, {"worker-0": 9})
    assert len([event for event in store.events.after("run-1") if event.type is EventType.SCALE_DOWN]) == 1


def test_a_phase_is_told_of_once_and_only_with_its_change(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run())
    told = NewEvent(EventType.SET_PHASE, {"phase": Phase.MEASUREMENT.value})
    assert store.runs.set_phase("run-1", Phase.MEASUREMENT, told)
    assert not store.runs.set_phase("run-1", Phase.MEASUREMENT, told), "a repeated write adds no event"
    assert store.runs.set_phase("run-1", Phase.COOLDOWN)
    assert not store.runs.set_phase("run-1", Phase.MEASUREMENT, told), "neither does a late one"
    assert [event.data for event in store.events.after("run-1")] == [{"phase": "MEASUREMENT"}]


def test_a_status_and_the_event_that_goes_with_it_are_written_together_or_not_at_all(
    store: Store, new_run: MakeRun
) -> None:
    store.runs.create(new_run())
    run_to(store, RunStatus.STARTING)
    assert store.runs.mark_running("run-1", 0, NewEvent(EventType.START, {}))
    stop = NewEvent(EventType.STOP, {"reason": "user_stop"})
    assert not store.runs.transition("run-1", expected=RunStatus.STARTING, to=RunStatus.CANCELLING, event=stop)
    assert [event.type for event in store.events.after("run-1")] == [EventType.START]
    assert store.runs.transition("run-1", expected=RunStatus.RUNNING, to=RunStatus.CANCELLING, event=stop)
    assert [(event.sequence, event.type) for event in store.events.after("run-1")] == [
        (1, EventType.START),
        (2, EventType.STOP),
    ]
    assert not store.runs.mark_running("run-1", 0, NewEvent(EventType.START, {}))
    assert len(store.events.after("run-1")) == 2
