"""The load over time is data: it can be asked before the run, and it is what the run follows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.arrivals import RateCurve
from upperbound.domain.stages import Change, Due, Segment, due, profile

RAMP = [Change(10, 100, ramp_s=20), Change(40, 20)]


def test_without_stages_the_load_never_changes() -> None:
    flat = profile(8, [], warmup_s=5, total_s=65)
    assert [flat.at(time_s) for time_s in (-1, 0, 30, 65, 99)] == [8] * 5
    assert flat.segments == (Segment(0, 65, 8, 8),)


@pytest.mark.parametrize(
    ("time_s", "threads"),
    [(0, 20), (14.9, 20), (15, 20), (20, 40), (25, 60), (35, 100), (44.9, 100), (45, 20), (65, 20)],
)
def test_a_ramp_is_a_straight_line_and_a_step_holds_from_its_time_on(time_s: float, threads: float) -> None:
    assert profile(20, RAMP, warmup_s=5, total_s=65).at(time_s) == threads


def test_the_lines_of_a_profile_leave_no_gap() -> None:
    lines = profile(20, RAMP, warmup_s=5, total_s=65).segments
    assert lines == (
        Segment(0, 15, 20, 20),
        Segment(15, 35, 20, 100),
        Segment(35, 45, 100, 100),
        Segment(45, 65, 20, 20),
    )


def test_the_lowest_and_the_highest_load_are_those_that_come_about_in_the_run() -> None:
    whole = profile(20, [*RAMP, Change(50, 500)], warmup_s=5, total_s=65)
    assert (whole.lowest, whole.highest) == (20, 500)
    cut = profile(20, [*RAMP, Change(60, 500)], warmup_s=5, total_s=65)
    assert (cut.lowest, cut.highest) == (20, 100)
    half = profile(20, RAMP, warmup_s=5, total_s=25)
    assert (half.highest, half.at(25)) == (60, 60)


def test_a_stage_at_the_start_of_the_measurement_leaves_the_warmup_as_it_was() -> None:
    steep = profile(1, [Change(0, 9)], warmup_s=3, total_s=10)
    assert (steep.at(2.99), steep.at(3)) == (1, 9)
    assert profile(1, [Change(0, 9)], warmup_s=0, total_s=10).at(0) == 9


@pytest.mark.parametrize("second", [Change(29, 5), Change(5, 5), Change(40, 5, ramp_s=-1)])
def test_stages_that_run_into_each_other_have_no_profile(second: Change) -> None:
    with pytest.raises(ValueError, match="begins before"):
        profile(1, [RAMP[0], second], warmup_s=0, total_s=60)


def test_a_stage_may_begin_when_the_one_ahead_of_it_ends() -> None:
    assert profile(1, [Change(0, 5, 10), Change(10, 2)], warmup_s=0, total_s=20).at(10) == 2


def seconds(most: int) -> st.SearchStrategy[float]:
    """Return times as somebody writes them: in milliseconds."""
    return st.integers(0, most * 1_000).map(lambda milliseconds: milliseconds / 1_000)


plans = st.lists(st.tuples(seconds(50), st.floats(0, 1_000), seconds(50)), max_size=6)


def _changes(plan: list[tuple[float, float, float]]) -> list[Change]:
    """Return one change after the other, each some time after the end of the one ahead of it."""
    changes: list[Change] = []
    for wait_s, goal, ramp_s in plan:
        changes.append(Change((changes[-1].end_s if changes else 0.0) + wait_s, goal, ramp_s))
    return changes


@given(plans, st.floats(0, 1_000), seconds(30), st.floats(1, 500), st.floats(0, 1))
def test_a_profile_stays_between_the_loads_it_was_made_of(
    plan: list[tuple[float, float, float]], base: float, warmup_s: float, measured_s: float, share: float
) -> None:
    changes = _changes(plan)
    whole = profile(base, changes, warmup_s=warmup_s, total_s=warmup_s + measured_s)
    loads = [base, *(change.goal for change in changes)]
    assert min(loads) - 1e-6 <= whole.lowest <= whole.at((warmup_s + measured_s) * share) <= whole.highest + 1e-6
    assert whole.highest <= max(loads) + 1e-6
    assert whole.at(warmup_s * 0.99) == base or warmup_s == 0
    for change in changes:
        later = [other.at_s for other in changes if other.at_s >= change.end_s and other is not change]
        if change.end_s < measured_s and all(at_s > change.end_s for at_s in later):
            assert whole.at(warmup_s + change.end_s) == pytest.approx(change.goal, abs=1e-6)


@given(plans, st.floats(0.1, 1_000), seconds(30))
def test_arrivals_follow_a_profile_point_by_point(
    plan: list[tuple[float, float, float]], base: float, warmup_s: float
) -> None:
    whole = profile(base, _changes(plan), warmup_s=warmup_s, total_s=warmup_s + 100)
    curve = RateCurve(whole.points)
    for time_s in np.linspace(0, warmup_s + 99, 23):
        assert curve.rate_at(float(time_s)) == pytest.approx(whole.at(float(time_s)), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("measured_s", "done", "expected"),
    [
        (9.9, 0, None),
        (10.0, 0, Due(0, 100, 20)),
        (10.7, 0, Due(0, 100, 19.3)),
        (10.7, 1, None),
        (31.0, 0, Due(0, 100, 0)),
        (41.0, 0, Due(1, 20, 0)),
        (41.0, 1, Due(1, 20, 0)),
        (41.0, 2, None),
        (-3.0, 0, None),
    ],
)
def test_a_stage_is_due_once_and_late_ones_end_when_they_were_to_end(
    measured_s: float, done: int, expected: Due | None
) -> None:
    assert due(RAMP, measured_s, done) == expected


@given(plans, st.lists(st.floats(0, 400), max_size=30))
def test_whoever_ticks_and_however_often_each_stage_is_told_at_most_once_and_the_newest_holds(
    plan: list[tuple[float, float, float]], ticks: list[float]
) -> None:
    changes, done, told = _changes(plan), 0, []
    for tick in sorted(ticks):
        if found := due(changes, tick, done):
            told.append(found.stage)
            done = found.stage + 1
    assert told == sorted(set(told))
    begun = [place for place, change in enumerate(changes) if ticks and change.at_s <= max(ticks)]
    assert told[-1:] == begun[-1:]
