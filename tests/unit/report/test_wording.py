"""Figures are worded so that none reads as more, or as less, than it is."""

import pytest

from upperbound.report.wording import MISSING, count, milliseconds, percent, rate, seconds, sparkline, with_ms


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, MISSING), (0.0421, "0.042"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")],
)
def test_a_latency_has_three_digits(value: float | None, text: str) -> None:
    assert milliseconds(value) == text


def test_a_latency_that_is_not_there_has_no_unit() -> None:
    assert with_ms(None) == MISSING
    assert with_ms(1.5) == "1.50 ms"


@pytest.mark.parametrize(("value", "text"), [(None, MISSING), (0.0, "0.0"), (9.96, "10.0"), (12345.6, "12,346")])
def test_a_rate(value: float | None, text: str) -> None:
    assert rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, MISSING), (0.0, "0.00 %"), (0.0004, "<0.01 %"), (0.01, "0.01 %"), (100.0, "100.00 %")]
)
def test_a_small_share_never_reads_as_none(value: float | None, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, MISSING), (4.04, "4.0 s"), (119.94, "119.9 s"), (120.0, "2 min 00 s"), (3725.0, "1 h 02 min 05 s")],
)
def test_a_duration(value: float | None, text: str) -> None:
    assert seconds(value) == text


def test_a_count() -> None:
    assert count(1234567) == "1,234,567"
    assert count(None) == MISSING


def test_a_sparkline_rises_from_zero_to_the_highest_value() -> None:
    assert sparkline([0.0, 50.0, 100.0], 3) == "▁▅█"
    assert sparkline([0.0, 50.0, 100.0], 3, ascii_only=True) == "_+#"


def test_a_sparkline_keeps_the_newest_values_and_its_width() -> None:
    assert sparkline([100.0] * 50, 8) == "█" * 8
    assert sparkline([1.0], 4) == "   █"
    assert sparkline([], 4) == "    "
    assert sparkline([0.0, 0.0], 2) == "▁▁"
