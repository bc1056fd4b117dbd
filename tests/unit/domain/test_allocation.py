"""Threads are spread evenly, deterministically, and within their bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.allocation import WorkerPlan, allocate, per_worker_cap, plan_workers, scale_down, worker_count

TOTALS = st.integers(0, 5_000)
WORKERS = st.integers(1, 60)


@pytest.mark.parametrize(
    ("total", "workers", "expected"),
    [(16, 2, [8, 8]), (10, 3, [4, 3, 3]), (11, 3, [4, 4, 3]), (2, 4, [1, 1, 0, 0]), (0, 2, [0, 0])],
)
def test_the_remainder_goes_to_the_lowest_group_ids(total: int, workers: int, expected: list[int]) -> None:
    assert allocate(total, workers) == expected


@given(TOTALS, WORKERS)
def test_an_allocation_is_complete_and_even(total: int, workers: int) -> None:
    threads = allocate(total, workers)
    assert len(threads) == workers
    assert sum(threads) == total
    assert max(threads) - min(threads) <= 1
    assert threads == sorted(threads, reverse=True)


@pytest.mark.parametrize(("total", "workers"), [(-1, 2), (5, 0), (5, -1)])
def test_an_impossible_allocation_is_refused(total: int, workers: int) -> None:
    with pytest.raises(ValueError, match="cannot spread"):
        allocate(total, workers)


@given(st.data(), TOTALS, WORKERS)
def test_scaling_an_even_spread_down_gives_what_a_fresh_allocation_would(
    data: st.DataObject, total: int, workers: int
) -> None:
    remove = data.draw(st.integers(0, total))
    assert scale_down(allocate(total, workers), remove, min_threads=0) == allocate(total - remove, workers)


@given(st.lists(st.integers(0, 200), max_size=20), st.integers(0, 3_000), st.integers(0, 50))
def test_scaling_down_takes_as_much_as_the_floors_leave_and_raises_nobody(
    current: list[int], remove: int, min_threads: int
) -> None:
    after = scale_down(current, remove, min_threads)
    floors = [min(count, min_threads) for count in current]
    assert all(floor <= new <= old for floor, new, old in zip(floors, after, current, strict=True))
    assert sum(after) == max(sum(current) - remove, sum(floors))


def test_what_cannot_be_taken_from_one_is_taken_from_the_next() -> None:
    assert scale_down([10, 2, 2], 6, min_threads=2) == [4, 2, 2]
    assert scale_down([10, 2, 2], 100, min_threads=2) == [2, 2, 2]


def test_scaling_down_by_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot remove -1"):
        scale_down([1], -1, 0)


def test_scaling_down_leaves_its_input_alone() -> None:
    current = [8, 8]
    scale_down(current, 3, 1)
    assert current == [8, 8]


@pytest.mark.parametrize(
    ("cores", "memory_gib", "expected"),
    [
        (2, 64.0, 200),
        (64, 0.125, 128),
        (64, 64.0, 1_000),
        (0, 0.0, 1),
    ],
    ids=["cores", "memory", "maximum", "never below one"],
)
def test_the_cap_is_the_tightest_of_cores_memory_and_maximum(cores: int, memory_gib: float, expected: int) -> None:
    assert per_worker_cap(cores=cores, memory_gib=memory_gib) == expected


def test_a_given_cap_is_taken_as_it_is() -> None:
    assert per_worker_cap(cores=1, memory_gib=0.1, given=5_000) == 5_000
    with pytest.raises(ValueError, match="at least one thread"):
        per_worker_cap(cores=1, memory_gib=1, given=0)


@pytest.mark.parametrize(("threads", "cap", "expected"), [(100, 100, 1), (101, 100, 2), (1, 100, 1), (200, 1, 200)])
def test_workers_are_as_few_as_the_cap_allows(threads: int, cap: int, expected: int) -> None:
    assert worker_count(threads, cap) == expected


def test_a_cap_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one thread"):
        worker_count(10, 0)


def test_a_fixed_plan_is_exactly_workers_times_threads_whatever_the_cap() -> None:
    plan = plan_workers(threads=None, mode="FIXED", min_workers=2, min_threads=8, cap=4)
    assert plan == WorkerPlan((8, 8))
    assert (plan.worker_count, plan.total_threads) == (2, 16)


def test_a_fixed_plan_that_agrees_with_the_load_is_accepted_and_one_that_does_not_is_refused() -> None:
    assert plan_workers(threads=8, mode="FIXED", min_workers=2, min_threads=4, cap=100).total_threads == 8
    with pytest.raises(ValueError, match="2 workers x 4 threads are not the load's 9"):
        plan_workers(threads=9, mode="FIXED", min_workers=2, min_threads=4, cap=100)


@pytest.mark.parametrize(("workers", "threads"), [(None, 4), (2, None), (0, 4), (2, 0)])
def test_a_fixed_plan_needs_both_numbers(workers: int | None, threads: int | None) -> None:
    with pytest.raises(ValueError, match="FIXED scaling needs"):
        plan_workers(threads=None, mode="FIXED", min_workers=workers, min_threads=threads, cap=100)


@given(st.integers(1, 5_000), st.integers(1, 1_000))
def test_an_automatic_plan_serves_every_thread_within_the_cap_with_no_worker_to_spare(threads: int, cap: int) -> None:
    plan = plan_workers(threads=threads, mode="AUTO", min_workers=None, min_threads=None, cap=cap)
    assert plan.total_threads == threads
    assert max(plan.threads) <= cap
    assert (plan.worker_count - 1) * cap < threads
    assert min(plan.threads) >= 1


@pytest.mark.parametrize("threads", [None, 0])
def test_an_automatic_plan_needs_threads(threads: int | None) -> None:
    with pytest.raises(ValueError, match="AUTO scaling needs"):
        plan_workers(threads=threads, mode="AUTO", min_workers=1, min_threads=1, cap=10)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown scaling mode 'SOME'"):
        plan_workers(threads=1, mode="SOME", min_workers=1, min_threads=1, cap=10)
