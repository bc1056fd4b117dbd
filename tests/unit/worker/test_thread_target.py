"""A target holds at once or is reached in a straight line, and a newer one replaces it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.worker.thread_target import ThreadTarget

S = 1_000_000_000


def aimed(goal: int, *, present: int | None, ramp_s: float = 0.0, now_s: int = 0) -> ThreadTarget:
    target = ThreadTarget()
    target.aim(goal, present=present, ramp_s=ramp_s, now_ns=now_s * S)
    return target


def test_without_a_target_there_is_nothing_to_do() -> None:
    assert ThreadTarget().at(5) is None


def test_without_a_ramp_it_holds_at_once() -> None:
    assert aimed(7, present=3).at(0) == 7


def test_with_a_ramp_it_is_reached_in_a_straight_line_up_and_down() -> None:
    up, down = aimed(20, present=10, ramp_s=5), aimed(10, present=20, ramp_s=5)
    assert [up.at(second * S) for second in range(7)] == [10, 12, 14, 16, 18, 20, 20]
    assert [down.at(second * S) for second in range(7)] == [20, 18, 16, 14, 12, 10, 10]


def test_without_threads_to_come_from_a_ramp_has_no_way_to_go() -> None:
    assert aimed(20, present=None, ramp_s=5).at(0) == 20


def test_a_newer_target_goes_on_from_where_the_older_one_had_got_to() -> None:
    target = aimed(20, present=10, ramp_s=10)
    target.aim(5, present=target.at(5 * S), ramp_s=5, now_ns=5 * S)
    assert [target.at(second * S) for second in (5, 7, 10, 50)] == [15, 11, 5, 5]


@pytest.mark.parametrize(("goal", "ramp_s"), [(-1, 0.0), (1, -1.0)])
def test_nonsense_is_refused(goal: int, ramp_s: float) -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        ThreadTarget().aim(goal, present=1, ramp_s=ramp_s, now_ns=0)


@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 100), st.lists(st.integers(0, 120 * S), max_size=20))
def test_the_way_never_leaves_the_two_ends_and_never_turns(
    start: int, goal: int, ramp_s: float, moments: list[int]
) -> None:
    target = aimed(goal, present=start, ramp_s=ramp_s)
    way = [target.at(moment) for moment in sorted(moments)]
    assert all(threads is not None and min(start, goal) <= threads <= max(start, goal) for threads in way)
    assert way == sorted(way, key=lambda threads: abs((threads or 0) - start))
