"""A search in the tables: steps are announced with their state, judged by what workers report, and survive a take-over.

The workers are simulated: each second they write the snapshot that a server with some slots would have given them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from upperbound.domain.events import EventType
from upperbound.domain.figures import GeneratorFigures, KindFigures, PhaseFigures
from upperbound.domain.find_max import FindMaxState, MaxType
from upperbound.domain.find_max_pace import Window
from upperbound.domain.find_max_steps import FindMaxPlan, Limiter
from upperbound.domain.histogram import Histogram
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.run_state import RunStatus
from upperbound.orchestrator.find_max import FindMaxControl, Room, plan_of, spread, step_figures
from upperbound.scenario.loads import FindMaxLoad
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import NewRun, RunRow
from upperbound.store.snapshots import Snapshot
from upperbound.store.types import UtcTimestamp
from upperbound.store.warehouse_polls import WarehousePoll

RUN, OWNER = "run-1", "controller"
WARMUP_S = 2.0
SLOTS, SERVICE_S = 24, 0.02


@dataclass
class World:
    """A run whose workers and clock belong to the test."""

    store: Store
    moment: list[datetime]
    plan: FindMaxPlan
    room: Room
    duration_s: float = 3_000.0
    slots: int = SLOTS
    sequence: int = 0
    figures: dict[str, PhaseFigures] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    queues_above: int | None = None
    """The threads above which a warehouse, looked at every second, lets queries wait; None for no warehouse."""

    def run(self) -> RunRow:
        return self.store.runs.get(RUN)

    def second(self) -> None:
        """Let the workers work for a second with the threads that the events have told them, and report."""
        self.moment[0] += timedelta(seconds=1)
        self.sequence += 1
        run = self.run()
        threads = {worker: wanted for worker, wanted in run.worker_targets.items() if wanted}
        elapsed_s = run.elapsed_s or 0.0
        total = sum(threads.values())
        if self.queues_above is not None:
            self._look(elapsed_s, waiting=max(0, total - self.queues_above))
        per_s = min(total, self.slots) / SERVICE_S
        for worker, wanted in threads.items():
            done = int(per_s * wanted / total)
            latencies = Histogram()
            latencies.add_counts(Histogram.from_values([int(1e6 * total / per_s)]).counts * done)
            kind = KindFigures(done, 0, latencies)
            before = self.figures.get(worker, PhaseFigures(Phase.MEASUREMENT, by_operation={"serve": KindFigures()}))
            after = PhaseFigures(
                Phase.MEASUREMENT,
                seconds=before.seconds + 1.0,
                by_operation={"serve": before.by_operation["serve"] + kind},
                generator=GeneratorFigures(before.generator.busy_ns + 10**8, before.generator.wall_ns + 10**9),
            )
            if elapsed_s > WARMUP_S and worker not in self.silent:
                self.figures[worker] = after
                self._report(worker, wanted, elapsed_s, after)

    def _look(self, elapsed_s: float, waiting: int) -> None:
        poll = WarehousePoll(
            poll_id=f"poll-{self.sequence}",
            run_id=RUN,
            elapsed_s=elapsed_s,
            warehouse="BENCH_WH",
            state="STARTED",
            size="X-Small",
            min_clusters=1,
            max_clusters=1,
            started_clusters=1,
            running=8,
            queued=waiting,
            scaling_policy=None,
        )
        self.store.warehouse_polls.write(poll)

    def _report(self, worker: str, threads: int, elapsed_s: float, figures: PhaseFigures) -> None:
        group = int(worker.rpartition("-")[2])
        self.store.snapshots.write(
            Snapshot(
                run_id=RUN,
                test_id=f"{RUN}-{worker}",
                worker_id=worker,
                group_id=group,
                group_count=2,
                sequence=self.sequence,
                phase=Phase.MEASUREMENT,
                elapsed_s=elapsed_s,
                operations=figures.operations,
                failed=0,
                qps=0.0,
                p50_ms=None,
                p95_ms=None,
                p99_ms=None,
                active_threads=threads,
                target_threads=threads,
                figures=figures.to_json(),
            )
        )

    def control(self) -> FindMaxControl:
        return FindMaxControl(self.store, RUN, OWNER, self.plan, self.room, PhasePlan(WARMUP_S, self.duration_s))

    def search(self, seconds: int = 2_000) -> FindMaxState:
        """Tick once a second until the search is over, each time with a controller that knows nothing."""
        for _ in range(seconds):
            if self.control().tick(self.run()):
                break
            self.second()
        return self.state()

    def state(self) -> FindMaxState:
        found = self.run().find_max_state
        assert found is not None
        return FindMaxState.from_json(found)


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    stores = []

    def make(plan: FindMaxPlan | None = None, per_worker: int = 200, **facts: Any) -> World:
        moment = [datetime(2026, 3, 1, 12, 0, tzinfo=UTC)]
        now: sa.BindParameter[datetime] = sa.bindparam(None, callable_=lambda: moment[0], type_=UtcTimestamp())
        store = open_store(f"sqlite:///{tmp_path}/store.db", now=now)
        stores.append(store)
        targets = {"worker-0": 5}
        store.runs.create(NewRun(run_id=RUN, name="x", scenario={}, total_workers=1, worker_targets=targets))
        store.runs.acquire_lease(RUN, OWNER, 1e6)
        store.runs.transition(RUN, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        store.runs.mark_running(RUN, WARMUP_S)
        plan = plan or FindMaxPlan(step_duration_s=3.0)
        return World(store, moment, plan, Room(per_worker, 4), **facts)

    yield make
    for store in stores:
        store.close()


def test_the_search_waits_for_the_warmup(make_world: Callable[..., World]) -> None:
    world = make_world()
    assert not world.control().tick(world.run())
    assert world.run().find_max_state is None


def test_any_controller_may_make_any_tick_of_a_search(make_world: Callable[..., World]) -> None:
    world = make_world()
    answer = world.search().answer
    assert answer is not None
    assert (answer.max_type, answer.limiter) == (MaxType.TRUE_MAX, Limiter.KNEE)
    assert answer.low <= SLOTS <= (answer.high or 0)
    assert answer.qps == pytest.approx(SLOTS / SERVICE_S, rel=0.1)


def test_a_warehouse_that_queues_ends_the_climb_below_the_knee_and_is_named(make_world: Callable[..., World]) -> None:
    world = make_world(queues_above=12)
    state = world.search()
    assert state.answer is not None
    assert (state.answer.max_type, state.answer.limiter) == (MaxType.TRUE_MAX, Limiter.QUEUEING)
    assert state.answer.low <= 12 <= (state.answer.high or 0)
    for record in state.records:
        assert (record.limiter is Limiter.QUEUEING) == (record.threads > 12)


def test_every_step_is_in_the_history_with_the_figures_of_its_own_time(make_world: Callable[..., World]) -> None:
    world = make_world()
    records = world.search().records
    steps = world.store.find_max.steps(RUN)
    assert [row.step for row in steps] == list(range(1, len(records) + 1))
    assert [(row.threads, row.limiter) for row in steps] == [(record.threads, record.limiter) for record in records]
    for row in steps:
        assert row.qps == pytest.approx(min(row.threads, SLOTS) / SERVICE_S, rel=0.01), "no other step's time is in it"
        assert row.began_s < row.settled_s
        assert row.seconds >= 0.8 * world.plan.step_duration_s - 1


def test_a_step_is_announced_in_the_write_that_ends_the_one_before(make_world: Callable[..., World]) -> None:
    world = make_world()
    state = world.search()
    events = [event for event in world.store.events.after(RUN, 0) if event.type is EventType.SET_WORKER_TARGET]
    told = [(event.data["step_id"], event.data["target_threads"]) for event in events]
    threads = [5, *(record.threads for record in state.records)]
    changed = [
        (f"find-max-{record.step.number}", record.threads)
        for before, record in zip(threads, state.records, strict=False)
        if record.threads != before
    ]
    assert told == changed, "one event for each step that changes the threads"
    assert sum(world.run().worker_targets.values()) == state.records[-1].threads


def test_a_worker_is_filled_before_another_joins_and_those_that_joined_stay(make_world: Callable[..., World]) -> None:
    world = make_world(per_worker=10)
    state = world.search()
    # The first step with each number of threads: those that come back to fewer keep the workers that joined.
    steps = {row.threads: row.workers for row in reversed(world.store.find_max.steps(RUN))}
    assert steps[5] == 1
    assert steps[15] == 2
    assert steps[25] == 3
    assert all(world.run().worker_targets.values()), "nobody is taken out of the run"
    assert state.answer is not None


def test_the_ceiling_of_the_workers_bounds_the_search(make_world: Callable[..., World]) -> None:
    load = FindMaxLoad(step_duration_seconds=5.0, max_threads=500)
    assert plan_of(load, Room(per_worker=5, workers=3)).max_threads == 15
    world = make_world(plan_of(load, Room(per_worker=5, workers=3)), per_worker=5)
    answer = world.search().answer
    assert answer is not None
    assert (answer.max_type, answer.limiter, answer.best_threads) == (MaxType.BOUNDED_MAX, Limiter.THREADS, 15)


def test_a_search_gives_up_in_time_for_its_state_to_be_written(make_world: Callable[..., World]) -> None:
    world = make_world(duration_s=15.0)
    answer = world.search().answer
    assert answer is not None
    assert (answer.max_type, answer.limiter) == (MaxType.BOUNDED_MAX, Limiter.TIME)
    assert (world.run().elapsed_s or 0) < WARMUP_S + 15.0
    assert world.control().tick(world.run()), "it stays over"


def test_threads_that_a_guardrail_took_back_make_the_generator_the_limit(make_world: Callable[..., World]) -> None:
    world = make_world()
    for _ in range(1_000):
        if world.control().tick(world.run()):
            break
        if sum(world.run().worker_targets.values()) > 10:
            world.store.runs.set_targets(RUN, {"worker-0": 10})
        world.second()
    answer = world.state().answer
    assert answer is not None
    assert (answer.limiter, answer.max_type) == (Limiter.GENERATOR, MaxType.BOUNDED_MAX)


def test_threads_of_a_worker_that_went_silent_are_missing(make_world: Callable[..., World]) -> None:
    world = make_world(per_worker=10)
    world.silent = {"worker-1"}
    answer = world.search().answer
    assert answer is not None
    assert answer.limiter is Limiter.ERRORS
    assert answer.high is not None
    assert answer.high <= 15
    assert "threads had no connection" in answer.reason


def test_threads_are_spread_over_those_that_carry_and_those_that_join() -> None:
    assert spread(12, {"worker-0": 5, "worker-1": 0, "worker-2": 3}, Room(per_worker=4, workers=4)) == {
        "worker-0": 4,
        "worker-2": 4,
        "worker-3": 4,
    }
    assert spread(9, {"worker-0": 4, "worker-1": 4}, Room(per_worker=8, workers=2, floor=4)) == {
        "worker-0": 5,
        "worker-1": 4,
    }


def test_the_floor_of_the_workers_bounds_the_search_from_below() -> None:
    room = Room(per_worker=8, workers=2, floor=4, fewest_workers=2)
    assert plan_of(FindMaxLoad(step_duration_seconds=5.0), room).min_threads == 8


def test_a_step_that_nobody_reported_has_failed() -> None:
    assert step_figures([], Window(0.0, 8.0, 0)).missing_threads == 1


def test_a_controller_that_has_lost_the_run_changes_nothing(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.search(seconds=20)
    before = world.run()
    world.store.runs.release_lease(RUN, OWNER)
    world.store.runs.acquire_lease(RUN, "another", 1e6)
    for _ in range(20):
        world.control().tick(world.run())
        world.second()
    after = world.run()
    assert (after.find_max_state, after.worker_targets) == (before.find_max_state, before.worker_targets)
