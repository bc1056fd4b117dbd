"""What failed is left alone for longer each time, up to a ceiling, and by no two callers for the same time."""

import random

import pytest

from upperbound.domain.backoff import Backoff


def test_each_wait_is_twice_the_one_before_up_to_the_ceiling() -> None:
    longest = Backoff(0.5, 5.0, lambda: 1.0)
    assert [longest.next_s() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_chance_takes_at_most_half_of_a_wait() -> None:
    shortest = Backoff(0.5, 5.0, lambda: 0.0)
    assert [shortest.next_s() for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 2.5, 2.5]


def test_a_success_begins_anew() -> None:
    waits = Backoff(0.5, 5.0, lambda: 1.0)
    for _ in range(9):
        waits.next_s()
    waits.reset()
    assert waits.next_s() == 0.5


def test_a_hundred_that_have_lost_the_same_server_come_back_spread_out() -> None:
    draw = random.Random(7).random
    fleet = [Backoff(0.5, 5.0, draw) for _ in range(100)]
    moments = sorted(sum(each.next_s() for _ in range(5)) for each in fleet)
    assert moments[-1] - moments[0] > 2.0
    crowd = max(sum(start <= moment < start + 0.1 for moment in moments) for start in moments)
    assert crowd < 15, "of a hundred, within a tenth of a second"


@pytest.mark.parametrize(("first_s", "most_s"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0)])
def test_a_wait_that_makes_no_sense_is_refused(first_s: float, most_s: float) -> None:
    with pytest.raises(ValueError, match="cannot grow"):
        Backoff(first_s, most_s, random.random)
