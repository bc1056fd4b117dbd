"""Heartbeats: one row per worker, dated and counted by the store."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from upperbound.domain.phases import Phase
from upperbound.domain.worker_state import WorkerStatus
from upperbound.errors import RunNotFound
from upperbound.store.engine import Store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.runs import NewRun
from upperbound.testing.waiting import DEADLINE_S

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

MakeHeartbeat = Callable[..., Heartbeat]


@pytest.fixture
def runs_store(clocked_store: Store, new_run: Callable[..., NewRun]) -> Store:
    clocked_store.runs.create(new_run())
    return clocked_store


def test_a_heartbeat_is_kept_whole(runs_store: Store, clock: "SetClock", heartbeat: MakeHeartbeat) -> None:
    given = heartbeat(
        active_threads=7,
        target_threads=8,
        cpu_pct=51.5,
        memory_pct=3.25,
        queries=5_000_000_000,
        errors=12,
        last_error="connection \x00 lost \udcff ü",
        detail="7 of 8 connections open",
    )
    runs_store.heartbeats.upsert(given)
    (row,) = runs_store.heartbeats.list("run-1")
    unchanged = {name: value for name, value in vars(given).items() if name != "last_error"}
    assert {name: getattr(row, name) for name in unchanged} == unchanged
    assert row.last_error == "connection \N{REPLACEMENT CHARACTER} lost ? ü", "what cannot be stored is replaced"
    assert isinstance(row.status, WorkerStatus)
    assert isinstance(row.phase, Phase)
    assert (row.last_heartbeat, row.heartbeat_count, row.age_s) == (clock.moment, 1, 0.0)


def test_a_later_heartbeat_takes_the_place_of_the_one_before(
    runs_store: Store, clock: "SetClock", heartbeat: MakeHeartbeat
) -> None:
    runs_store.heartbeats.upsert(heartbeat(last_error="slow", queries=1))
    clock.advance(30)
    runs_store.heartbeats.upsert(heartbeat(status=WorkerStatus.DRAINING, phase=Phase.COOLDOWN, queries=9))
    clock.advance(29.999)
    (row,) = runs_store.heartbeats.list("run-1")
    assert (row.status, row.phase, row.queries, row.last_error) == (WorkerStatus.DRAINING, Phase.COOLDOWN, 9, None)
    assert (row.heartbeat_count, row.age_s) == (2, 29.999)
    clock.advance(0.001)
    assert runs_store.heartbeats.list("run-1")[0].age_s == 30.0, "ages are exact where health is decided"


@pytest.mark.parametrize("end", [WorkerStatus.COMPLETED, WorkerStatus.FAILED])
def test_a_heartbeat_that_arrives_late_does_not_bring_back_a_worker_that_has_ended(
    runs_store: Store, clock: "SetClock", heartbeat: MakeHeartbeat, end: WorkerStatus
) -> None:
    runs_store.heartbeats.upsert(heartbeat(queries=7))
    runs_store.heartbeats.upsert(heartbeat(status=end, phase=Phase.COMPLETED, queries=9))
    clock.advance(5)
    runs_store.heartbeats.upsert(heartbeat(status=WorkerStatus.RUNNING, phase=Phase.MEASUREMENT, queries=8))
    (row,) = runs_store.heartbeats.list("run-1")
    assert (row.status, row.phase, row.queries, row.age_s) == (end, Phase.COMPLETED, 9, 5.0)
    runs_store.heartbeats.upsert(heartbeat(status=end, phase=Phase.COMPLETED, queries=10))
    (row,) = runs_store.heartbeats.list("run-1")
    assert (row.status, row.queries, row.age_s) == (end, 10, 0.0), "it may repeat itself"


def test_workers_are_listed_by_group_id_and_run(
    runs_store: Store, new_run: Callable[..., NewRun], heartbeat: MakeHeartbeat
) -> None:
    runs_store.runs.create(new_run("run-2"))
    for worker in (10, 2, 0):
        runs_store.heartbeats.upsert(heartbeat(worker))
    runs_store.heartbeats.upsert(heartbeat(1, run_id="run-2"))
    assert [row.worker_id for row in runs_store.heartbeats.list("run-1")] == ["worker-0", "worker-2", "worker-10"]
    assert [row.group_id for row in runs_store.heartbeats.list("run-2")] == [1]
    assert runs_store.heartbeats.list("nope") == []


def test_a_heartbeat_for_no_run_is_refused(runs_store: Store, heartbeat: MakeHeartbeat) -> None:
    with pytest.raises(RunNotFound, match="nope"):
        runs_store.heartbeats.upsert(heartbeat(run_id="nope"))


# Claims


def test_a_worker_is_claimed_once_and_its_row_stays_as_it_is(
    runs_store: Store, clock: "SetClock", heartbeat: MakeHeartbeat
) -> None:
    assert runs_store.heartbeats.claim(heartbeat(status=WorkerStatus.STARTING, detail="first"))
    claimed = runs_store.heartbeats.list("run-1")
    assert (claimed[0].status, claimed[0].detail) == (WorkerStatus.STARTING, "first")
    assert (claimed[0].last_heartbeat, claimed[0].heartbeat_count) == (clock.moment, 1)
    assert not runs_store.heartbeats.claim(heartbeat(status=WorkerStatus.STARTING, detail="second"))
    assert runs_store.heartbeats.list("run-1") == claimed
    assert runs_store.heartbeats.claim(heartbeat(1))


def test_a_worker_that_has_reported_cannot_be_claimed_any_more(runs_store: Store, heartbeat: MakeHeartbeat) -> None:
    runs_store.heartbeats.upsert(heartbeat(queries=5))
    assert not runs_store.heartbeats.claim(heartbeat(status=WorkerStatus.STARTING))
    assert runs_store.heartbeats.list("run-1")[0].queries == 5


def test_a_worker_of_no_run_cannot_be_claimed(runs_store: Store, heartbeat: MakeHeartbeat) -> None:
    with pytest.raises(RunNotFound):
        runs_store.heartbeats.claim(heartbeat(run_id="none"))


def test_of_many_who_claim_a_worker_at_once_one_gets_it(runs_store: Store, heartbeat: MakeHeartbeat) -> None:
    line = threading.Barrier(4)
    won: list[bool] = []

    def claim() -> None:
        line.wait(DEADLINE_S)
        won.append(runs_store.heartbeats.claim(heartbeat()))

    claiming = [threading.Thread(target=claim) for _ in range(4)]
    for thread in claiming:
        thread.start()
    for thread in claiming:
        thread.join(DEADLINE_S)
    assert sorted(won) == [False, False, False, True]
