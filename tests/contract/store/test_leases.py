"""A run's lease lets exactly one controller act on it, in the half-open interval [acquired, expiry)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from upperbound.store.engine import Store
from upperbound.store.runs import NewRun

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock


@pytest.fixture
def runs_store(clocked_store: Store, new_run: Callable[..., NewRun]) -> Store:
    clocked_store.runs.create(new_run())
    return clocked_store


def test_a_free_lease_is_taken_and_kept_from_others(runs_store: Store) -> None:
    runs = runs_store.runs
    assert runs.acquire_lease("run-1", "a", 10)
    assert not runs.acquire_lease("run-1", "b", 10)
    run = runs.get("run-1")
    assert (run.lease_owner, run.lease_remaining_s) == ("a", 10.0)


def test_just_before_the_expiry_the_lease_is_the_owners(runs_store: Store, clock: "SetClock") -> None:
    runs = runs_store.runs
    assert runs.acquire_lease("run-1", "a", 10)
    clock.advance(9.999)
    assert not runs.acquire_lease("run-1", "b", 10)
    assert runs.extend_lease("run-1", "a", 10)
    assert runs.get("run-1").lease_remaining_s == 10.0


@pytest.mark.parametrize("past_s", [0.0, 0.001])
def test_from_the_expiry_on_the_lease_is_free_and_lost_to_its_owner(
    runs_store: Store, clock: "SetClock", past_s: float
) -> None:
    runs = runs_store.runs
    assert runs.acquire_lease("run-1", "a", 10)
    clock.advance(10 + past_s)
    assert not runs.extend_lease("run-1", "a", 10)
    assert runs.get("run-1").lease_remaining_s == -past_s
    assert runs.acquire_lease("run-1", "b", 5)
    assert not runs.extend_lease("run-1", "a", 10)
    assert not runs.release_lease("run-1", "a")
    assert runs.get("run-1").lease_owner == "b"


def test_the_owner_may_acquire_again_also_after_the_expiry(runs_store: Store, clock: "SetClock") -> None:
    runs = runs_store.runs
    assert runs.acquire_lease("run-1", "a", 10)
    clock.advance(5)
    assert runs.acquire_lease("run-1", "a", 10)
    assert runs.get("run-1").lease_remaining_s == 10.0
    clock.advance(11)
    assert runs.acquire_lease("run-1", "a", 10)


def test_a_released_lease_is_free_at_once(runs_store: Store) -> None:
    runs = runs_store.runs
    assert runs.acquire_lease("run-1", "a", 10)
    assert not runs.release_lease("run-1", "b")
    assert runs.release_lease("run-1", "a")
    assert not runs.release_lease("run-1", "a")
    run = runs.get("run-1")
    assert (run.lease_owner, run.lease_expires_at, run.lease_remaining_s) == (None, None, None)
    assert not runs.extend_lease("run-1", "a", 10)
    assert runs.acquire_lease("run-1", "b", 10)


def test_a_lease_without_length_is_refused(runs_store: Store) -> None:
    for ttl_s in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="ttl_s"):
            runs_store.runs.acquire_lease("run-1", "a", ttl_s)


def test_of_many_that_ask_for_a_free_lease_one_gets_it(store: Store, new_run: Callable[..., NewRun]) -> None:
    store.runs.create(new_run())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: store.runs.acquire_lease("run-1", f"owner-{n}", 60), range(8)))
    assert answers.count(True) == 1
    assert store.runs.get("run-1").lease_owner == f"owner-{answers.index(True)}"
