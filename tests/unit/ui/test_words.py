"""Figures as pages write them."""

import pytest

from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerHealth
from upperbound.ui.components.words import (
    HEALTH,
    STATUS,
    clock,
    count,
    duration,
    milliseconds,
    percent,
    rate,
)


def test_every_state_has_a_word_and_a_shape_of_its_own_so_that_colour_is_not_the_only_signal() -> None:
    assert set(STATUS) == set(RunStatus)
    assert len({word for word, _, _ in STATUS.values()}) == len(RunStatus)
    assert all(glyph for _, glyph, _ in STATUS.values())
    assert set(HEALTH) == set(WorkerHealth)
    assert len({glyph for _, glyph, _ in HEALTH.values()}) == len(WorkerHealth)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, "--:--"), (0.0, "00:00"), (59.999, "00:59"), (125.5, "02:05"), (3661.0, "1:01:01")]
)
def test_a_clock_shows_whole_seconds_that_have_passed(seconds: float | None, shown: str) -> None:
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (20.0, "20 s"), (0.25, "0.2 s"), (60.0, "1 min"), (125.0, "2 min 5 s"), (3600.0, "1 h")],
)
def test_a_duration_is_in_words(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_figures_have_the_digits_that_count() -> None:
    assert [milliseconds(value) for value in (None, 0.2345, 12.34, 1234.5)] == ["–", "0.23", "12.3", "1\u202f234"]
    assert [rate(value) for value in (None, 3.14159, 1250.5)] == ["–", "3.1", "1\u202f250"]
    assert count(1_000_000) == "1\u202f000\u202f000"


def test_a_share_that_is_not_zero_is_never_shown_as_zero() -> None:
    assert [percent(value) for value in (None, 0.0, 0.0004, 0.5)] == ["–", "0.00", "<0.01", "0.50"]
