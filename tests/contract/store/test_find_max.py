"""The steps of a search are kept once each, and its state is written together with the targets of the next step."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from upperbound.domain.events import EventType
from upperbound.domain.find_max import FindMaxState, begin
from upperbound.domain.find_max_steps import FindMaxPlan, Limiter, Purpose
from upperbound.errors import RunNotFound
from upperbound.store.engine import Store
from upperbound.store.events import NewEvent
from upperbound.store.find_max import FindMaxStep
from upperbound.store.runs import NewRun

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

STEP = FindMaxStep(
    run_id="run-1",
    step=1,
    purpose=Purpose.CLIMB,
    threads=5,
    workers=1,
    began_s=0.0,
    settled_s=6.0,
    seconds=24.0,
    operations=5_000_000_000,
    failed=3,
    qps=1234.5,
    p50_ms=1.5,
    p95_ms=2.5,
    p99_ms=None,
    limiter=Limiter.LATENCY,
    reason="p95 2.50 ms, 30 % above the first step",
)


def test_a_step_is_kept_whole(clocked_store: Store, clock: "SetClock") -> None:
    clocked_store.find_max.write(STEP)
    (row,) = clocked_store.find_max.steps("run-1")
    assert {name: getattr(row, name) for name in vars(STEP)} == vars(STEP)
    assert isinstance(row.purpose, Purpose)
    assert isinstance(row.limiter, Limiter)
    assert row.recorded_at == clock.moment


def test_a_step_written_twice_is_kept_once_as_it_was(store: Store) -> None:
    store.find_max.write(STEP)
    store.find_max.write(replace(STEP, qps=1.0))
    assert [row.qps for row in store.find_max.steps("run-1")] == [STEP.qps]


def test_steps_come_in_their_order_and_go_on_where_they_were_left(store: Store) -> None:
    for number in (10, 2, 1):
        store.find_max.write(replace(STEP, step=number, limiter=None, reason=""))
    store.find_max.write(replace(STEP, run_id="run-2"))
    assert [row.step for row in store.find_max.steps("run-1")] == [1, 2, 10]
    assert [row.step for row in store.find_max.steps("run-1", after_step=2)] == [10]
    assert store.find_max.steps("run-3") == []


def test_the_state_comes_with_the_targets_of_its_step(store: Store, new_run: Callable[..., NewRun]) -> None:
    store.runs.create(new_run(worker_targets={"worker-0": 5, "worker-1": 1}))
    assert store.runs.get("run-1").find_max_state is None
    state = begin(FindMaxPlan())
    events = [NewEvent(EventType.SET_WORKER_TARGET, {"worker_id": "worker-0", "target_threads": 15}, scope="WORKER")]
    store.runs.set_find_max("run-1", state.to_json(), {"worker-0": 15}, events)
    run = store.runs.get("run-1")
    assert FindMaxState.from_json(run.find_max_state or {}) == state
    assert run.worker_targets == {"worker-0": 15, "worker-1": 1}
    with pytest.raises(RunNotFound):
        store.runs.set_find_max("run-2", state.to_json(), {}, events)
    assert [event.data["target_threads"] for event in store.events.after("run-1", 0)] == [15]
