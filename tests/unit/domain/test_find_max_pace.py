"""A step settles when its threads are busy, and is measured after its settling part for the rest of its duration."""

import math
from dataclasses import replace

import pytest

from upperbound.domain.allocation import fill
from upperbound.domain.find_max import FindMaxState, begin
from upperbound.domain.find_max_pace import REACH_PATIENCE_S, REPORT_PATIENCE_S, Window, WorkerSeen, pace
from upperbound.domain.find_max_steps import FindMaxPlan

PLAN = FindMaxPlan(step_duration_s=10.0)
BEGUN = replace(begin(PLAN), began_s=100.0)
BUSY = WorkerSeen(wanted=5, active=5, told=5, reported_s=101.0)


def settled(state: FindMaxState | Window | None) -> float | None:
    assert isinstance(state, FindMaxState)
    return state.settled_s


def test_a_step_that_nobody_was_told_of_begins_now() -> None:
    begun = pace(PLAN, begin(PLAN), [BUSY], 42.0)
    assert isinstance(begun, FindMaxState)
    assert begun.began_s == 42.0


@pytest.mark.parametrize(
    "worker",
    [
        replace(BUSY, reported_s=99.5),
        replace(BUSY, told=3),
        replace(BUSY, active=4),
        WorkerSeen(wanted=5, active=0, told=0, reported_s=-math.inf),
    ],
    ids=["reported before the step", "not told yet", "not all connected", "silent"],
)
def test_a_step_does_not_settle_before_every_worker_says_that_its_threads_are_busy(worker: WorkerSeen) -> None:
    assert pace(PLAN, BEGUN, [BUSY, worker], 102.0) is None
    assert settled(pace(PLAN, BEGUN, [BUSY, BUSY], 102.0)) == 103.0, "2 of 10 s are left out from the report on"


def test_connections_that_do_not_come_are_counted_as_missing() -> None:
    short = replace(BUSY, active=2, reported_s=129.0)
    assert pace(PLAN, BEGUN, [short], 100.0 + REACH_PATIENCE_S - 0.1) is None
    at = 100.0 + REACH_PATIENCE_S
    state = pace(PLAN, BEGUN, [short], at)
    assert isinstance(state, FindMaxState)
    assert state.settled_s == at
    over = pace(PLAN, state, [replace(short, reported_s=at + 8.0)], at + 8.0)
    assert over == Window(at, at + 8.0, missing_threads=3)


def test_a_step_is_over_when_every_worker_has_reported_after_its_end() -> None:
    state = replace(BEGUN, settled_s=103.0)
    late = replace(BUSY, reported_s=110.9)
    done = replace(BUSY, reported_s=111.0)
    assert pace(PLAN, state, [done], 110.9) is None
    assert pace(PLAN, state, [done, late], 111.5) is None
    assert pace(PLAN, state, [done, done], 111.5) == Window(103.0, 111.0, 0)
    assert pace(PLAN, state, [done, late], 111.0 + REPORT_PATIENCE_S) == Window(103.0, 111.0, 0)


def test_a_search_that_is_over_has_no_step_to_pace() -> None:
    assert pace(PLAN, replace(BEGUN, current=None), [BUSY], 200.0) is None


@pytest.mark.parametrize(
    ("total", "cap", "present", "spread"),
    [
        (5, 200, 1, [5]),
        (200, 200, 1, [200]),
        (201, 200, 1, [200, 1]),
        (450, 200, 2, [200, 200, 50]),
        (5, 200, 3, [3, 1, 1]),
        (2, 200, 3, [1, 1, 1]),
        (3, 1, 1, [1, 1, 1]),
    ],
)
def test_a_worker_is_filled_before_the_next_one_gets_more_than_one(
    total: int, cap: int, present: int, spread: list[int]
) -> None:
    assert fill(total, cap, present) == spread
