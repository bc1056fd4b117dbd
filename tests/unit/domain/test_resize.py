"""A run in progress is given other threads and workers, or the reasons why not, all of them at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.resize import Resize, Room, group_of, next_worker, resize, worker_capacity, worker_name

TWO = {"worker-0": 4, "worker-1": 4}
ROOM = Room(capacity=16)


def told(targets: dict[str, int], room: Room = ROOM, **wanted: int) -> list[str]:
    outcome = resize(targets, targets, room, **wanted)
    assert isinstance(outcome, list)
    return [str(problem) for problem in outcome]


def test_more_threads_are_spread_over_the_same_workers() -> None:
    assert resize(TWO, TWO, ROOM, threads=11) == Resize({"worker-0": 6, "worker-1": 5}, (), ())


def test_more_workers_share_the_threads_there_are() -> None:
    assert resize(TWO, TWO, ROOM, workers=3) == Resize({"worker-0": 3, "worker-1": 3, "worker-2": 2}, ("worker-2",), ())


def test_fewer_workers_leave_from_the_highest_group_id_and_the_others_take_their_threads() -> None:
    assert resize(TWO, TWO, ROOM, workers=1) == Resize({"worker-0": 8, "worker-1": 0}, (), ("worker-1",))


def test_an_id_is_never_used_twice() -> None:
    left = {"worker-0": 8, "worker-1": 0}
    outcome = resize(left, {"worker-0": 8}, ROOM, workers=2)
    assert outcome == Resize({"worker-0": 4, "worker-2": 4}, ("worker-2",), ())
    assert next_worker({"worker-9": 0, "worker-10": 1}) == "worker-11"


def test_a_worker_that_is_lost_gets_nothing_and_is_left_as_it_is() -> None:
    assert resize(TWO, {"worker-1": 4}, ROOM, threads=6) == Resize({"worker-1": 6}, (), ())


def test_what_is_so_already_changes_nothing() -> None:
    assert resize(TWO, TWO, ROOM, threads=8, workers=2) == Resize({}, (), ())


def test_every_problem_is_told_at_once() -> None:
    assert told(TWO, Room(16, max_workers=3, max_threads=5), workers=4, threads=30) == [
        "workers: 4 are too many: the scenario's max_workers is 3",
        "threads: 30 are too many for 4 x 5 = 20 threads (the most are 15)",
    ]
    assert told(TWO, Room(16, max_workers=3, max_threads=5), threads=13) == [
        "threads: 13 are too many for 2 x 5 = 10 threads (set workers=3 as well)"
    ]
    assert told(TWO, workers=0, threads=0) == [
        "workers: a run needs at least one worker, not 0",
        "threads: a run needs at least one thread, not 0",
    ]


def test_a_floor_and_a_full_run_are_told_with_their_numbers() -> None:
    assert told(TWO, Room(16, min_threads=3), threads=5) == [
        "threads: 5 are too few: the run carries at least 2 x 3 = 6 threads (set workers=1 as well)"
    ]
    assert told(TWO, Room(16, min_workers=2, min_threads=3), threads=5) == [
        "threads: 5 are too few: the run carries at least 2 x 3 = 6 threads (the fewest are 6)"
    ]
    assert told(TWO, Room(16, min_workers=2), workers=1) == ["workers: 1 are too few: the scenario's min_workers is 2"]
    (full,) = told(TWO, Room(3), workers=5)
    assert full.startswith("workers: 5 are too many: 1 may still join, of 3 that the run had room for")


def test_a_fixed_run_stays_as_it_is() -> None:
    problems = told(TWO, Room(2, fixed=True), workers=3, threads=9)
    assert [problem.split(" (")[0] for problem in problems] == [
        "threads: the run's scaling is FIXED",
        "workers: the run's scaling is FIXED",
    ]


@given(
    st.dictionaries(st.integers(0, 8).map(worker_name), st.integers(0, 50), min_size=1),
    st.integers(1, 300),
    st.integers(1, 12),
)
def test_threads_are_kept_in_number_and_evenly_spread(targets: dict[str, int], threads: int, workers: int) -> None:
    carrying = {worker_id: target for worker_id, target in targets.items() if target}
    outcome = resize(targets, carrying, Room(40), threads=threads, workers=workers)
    if threads < workers:
        assert isinstance(outcome, list)
        return
    assert isinstance(outcome, Resize)
    after = {**targets, **outcome.targets}
    shares = [target for worker_id, target in after.items() if target]
    assert sum(shares) == threads
    assert len(shares) == workers
    assert max(shares) - min(shares) <= 1
    assert not set(outcome.joined) & set(targets)


@pytest.mark.parametrize(
    ("planned", "fixed", "maximum", "capacity"),
    [(2, True, None, 2), (2, False, 5, 5), (2, False, 1, 2), (2, False, None, 16), (10, False, None, 20)],
)
def test_room_is_made_for_workers_that_may_join(planned: int, fixed: bool, maximum: int | None, capacity: int) -> None:
    assert worker_capacity(planned, fixed=fixed, max_workers=maximum) == capacity
    assert group_of(worker_name(planned)) == planned
