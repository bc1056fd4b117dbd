"""The difference of two clocks, from questions and answers."""

from datetime import UTC, datetime, timedelta

import pytest

from upperbound.domain.clock_offset import ClockOffset, ClockSample, clock_offset

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sample(ahead_s: float, round_trip_s: float, answered_after_s: float | None = None) -> ClockSample:
    """An answer of a clock that is ahead, given halfway unless said otherwise."""
    after = round_trip_s / 2 if answered_after_s is None else answered_after_s
    return ClockSample(NOON, NOON + timedelta(seconds=ahead_s + after), round_trip_s)


@pytest.mark.parametrize("ahead_s", [-90.0, -0.5, 0.0, 0.25, 3_600.0])
def test_the_round_trip_is_halved(ahead_s: float) -> None:
    assert sample(ahead_s, 0.4).offset_s == pytest.approx(ahead_s)


def test_the_shortest_round_trip_is_the_most_exact_one_and_counts() -> None:
    slow_to_answer = sample(5.0, 2.0, answered_after_s=1.9)
    found = clock_offset([slow_to_answer, sample(5.0, 0.01), sample(5.0, 0.3, answered_after_s=0.0)])
    assert found.offset_s == pytest.approx(5.0)
    assert found.uncertainty_s == pytest.approx(0.005)


@pytest.mark.parametrize("answered_after_s", [0.0, 0.1, 0.2])
def test_the_true_difference_is_within_the_uncertainty(answered_after_s: float) -> None:
    found = clock_offset([sample(7.0, 0.2, answered_after_s)])
    assert abs(found.offset_s - 7.0) <= found.uncertainty_s + 1e-9


@pytest.mark.parametrize(("offset_s", "large"), [(0.999, False), (1.0, True), (-0.999, False), (-1.0, True)])
def test_a_user_is_told_from_one_second_on(offset_s: float, large: bool) -> None:
    found = ClockOffset(offset_s, 0.001)
    assert found.is_large is large
    assert bool(found.warning("store")) is large


def test_a_warning_names_the_clock_and_the_direction_and_says_that_durations_are_right() -> None:
    assert "the store's clock is 12.5 s ahead of this host's" in ClockOffset(12.5, 0.001).warning("store")
    assert "behind this host's" in ClockOffset(-12.5, 0.001).warning("target")
    assert "durations and latencies do not depend on it" in ClockOffset(12.5, 0.001).warning("store")


def test_a_difference_below_what_can_be_measured_is_none() -> None:
    assert str(ClockOffset(0.0004, 0.0005)) == "the same as this host's, ± 0.5 ms"


def test_no_answer_is_no_difference_of_zero() -> None:
    with pytest.raises(ValueError, match="no clock"):
        clock_offset([])
