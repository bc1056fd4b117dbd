"""Threads are spread evenly, deterministically, and within their bounds."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from upperbound.domain.allocation import (
    Bounds,
    allocate,
    fits,
    nearest_fit,
    per_worker_cap,
    plan_workers,
    scale_down,
    worker_count,
)

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


FIXED = Bounds(2, 2, 8, 8)


def test_bounds_that_leave_no_room_are_the_plan_whatever_the_cap() -> None:
    plan = plan_workers(threads=16, bounds=FIXED, cap=4)
    assert plan.threads == (8, 8)
    assert (plan.worker_count, plan.total_threads, plan.peak_threads) == (2, 16, 16)


@pytest.mark.parametrize("threads", [0, 15, 17])
def test_threads_that_do_not_fit_into_the_bounds_are_refused(threads: int) -> None:
    with pytest.raises(ValueError, match="threads"):
        plan_workers(threads=threads, bounds=FIXED, cap=100)


@pytest.mark.parametrize("bounds", [Bounds(min_workers=0), Bounds(min_threads=0)])
def test_bounds_below_one_are_refused(bounds: Bounds) -> None:
    with pytest.raises(ValueError, match="cannot plan"):
        plan_workers(threads=1, bounds=bounds, cap=10)


@given(st.integers(1, 5_000), st.integers(1, 1_000))
def test_a_plan_without_bounds_serves_every_thread_within_the_cap_with_no_worker_to_spare(
    threads: int, cap: int
) -> None:
    plan = plan_workers(threads=threads, bounds=Bounds(), cap=cap)
    assert plan.total_threads == threads
    assert max(plan.threads) <= cap
    assert (plan.worker_count - 1) * cap < threads
    assert min(plan.threads) >= 1


@pytest.mark.parametrize(
    ("bounds", "threads"),
    [
        (Bounds(), (34, 33, 33)),
        (Bounds(max_workers=2), (50, 50)),
        (Bounds(max_workers=2, max_threads=60), (50, 50)),
        (Bounds(min_workers=5), (20, 20, 20, 20, 20)),
        (Bounds(max_threads=20), (20, 20, 20, 20, 20)),
        (Bounds(min_threads=50), (50, 50)),
        (Bounds(min_workers=4, max_workers=4, min_threads=25, max_threads=25), (25, 25, 25, 25)),
    ],
)
def test_a_plan_keeps_to_its_bounds_and_to_the_cap_where_they_allow_it(
    bounds: Bounds, threads: tuple[int, ...]
) -> None:
    assert plan_workers(threads=100, bounds=bounds, cap=40).threads == threads


@given(st.integers(1, 8), st.integers(0, 8), st.integers(1, 50), st.integers(0, 50), st.integers(1, 100), st.data())
def test_whatever_the_bounds_a_plan_stays_within_them(
    min_workers: int, more_workers: int, min_threads: int, more_threads: int, cap: int, data: st.DataObject
) -> None:
    bounds = Bounds(min_workers, min_workers + more_workers, min_threads, min_threads + more_threads)
    assert bounds.ceiling is not None
    low, start, high = sorted(data.draw(st.lists(st.integers(bounds.floor, bounds.ceiling), min_size=3, max_size=3)))
    assume(fits(low, high, bounds))
    filling = data.draw(st.booleans())
    plan = plan_workers(threads=start, bounds=bounds, cap=cap, lowest=low, peak=high, filling=filling)
    assert plan.total_threads == start
    assert plan.peak_threads == high
    assert min_workers <= plan.worker_count <= min_workers + more_workers
    assert all(min_threads <= each <= min_threads + more_threads for each in plan.threads)
    if not filling:
        peak_each = allocate(high, plan.worker_count)
        assert max(peak_each) <= min_threads + more_threads


@pytest.mark.parametrize(
    ("fewest", "most", "possible"), [(4, 8, True), (8, 16, True), (4, 9, False), (3, 3, False), (9, 9, False)]
)
def test_threads_fit_when_the_same_workers_can_carry_the_fewest_and_the_most(
    fewest: int, most: int, possible: bool
) -> None:
    bounds = Bounds(1, 2, 4, 8) if fewest != 9 else Bounds(1, 2, 5, 8)
    assert fits(fewest, most, bounds) is possible


@given(st.integers(1, 6), st.integers(0, 6), st.integers(1, 20), st.integers(0, 20), st.integers(1, 500))
def test_the_nearest_number_of_threads_that_fits_fits(
    min_workers: int, more_workers: int, min_threads: int, more_threads: int, threads: int
) -> None:
    bounds = Bounds(min_workers, min_workers + more_workers, min_threads, min_threads + more_threads)
    found = nearest_fit(threads, bounds)
    assert fits(found, found, bounds)
    if fits(threads, threads, bounds):
        assert found == threads
    for loose in (replace(bounds, max_workers=None), replace(bounds, max_threads=None)):
        found = nearest_fit(threads, loose)
        assert found >= threads
        assert fits(found, found, loose)


def test_a_plan_has_workers_for_the_most_threads_that_are_to_come() -> None:
    plan = plan_workers(threads=10, bounds=Bounds(), cap=40, lowest=5, peak=100)
    assert (plan.threads, plan.total_threads, plan.peak_threads) == ((4, 3, 3), 10, 100)
    assert plan.peak_per_worker == 34
    assert plan_workers(threads=10, bounds=Bounds(), cap=40, lowest=2, peak=100).threads == (5, 5)


@pytest.mark.parametrize(
    ("threads", "bounds", "expected"),
    [
        (5, Bounds(), (5,)),
        (40, Bounds(), (40,)),
        (45, Bounds(), (40, 5)),
        (45, Bounds(min_workers=3), (40, 4, 1)),
        (45, Bounds(max_workers=1), (45,)),
        (45, Bounds(min_workers=2, min_threads=20), (25, 20)),
    ],
)
def test_a_search_fills_a_worker_before_it_adds_one(threads: int, bounds: Bounds, expected: tuple[int, ...]) -> None:
    plan = plan_workers(threads=threads, bounds=bounds, cap=40, filling=True)
    assert sum(plan.threads) == threads
    assert plan.threads == expected
