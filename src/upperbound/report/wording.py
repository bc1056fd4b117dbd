"""Figures as people read them; a figure that is not there is a dash."""

from collections.abc import Sequence
from typing import Final

MISSING: Final = "-"
_BARS: Final = "▁▂▃▄▅▆▇█"
_ASCII_BARS: Final = "_.-=+*%#"


def milliseconds(value: float | None) -> str:
    """Return a latency with three significant digits or all of its whole milliseconds, without the unit."""
    if value is None:
        return MISSING
    decimals = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{decimals}f}"


def with_ms(value: float | None) -> str:
    """Return a latency with its unit."""
    return MISSING if value is None else f"{milliseconds(value)} ms"


def rate(value: float | None) -> str:
    """Return operations per second."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def count(value: int | None) -> str:
    """Return a whole number with separators."""
    return MISSING if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """Return a share; one that is small but not zero never reads as zero."""
    if value is None:
        return MISSING
    return "<0.01 %" if 0 < value < 0.01 else f"{value:.2f} %"


def seconds(value: float | None) -> str:
    """Return a duration."""
    if value is None:
        return MISSING
    if value < 120:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min {rest:02} s" if hours else f"{minutes} min {rest:02} s"


def sparkline(values: Sequence[float], width: int, *, ascii_only: bool = False) -> str:
    """Return the last ``width`` values as bars from zero to the highest of them, padded on the left."""
    bars = _ASCII_BARS if ascii_only else _BARS
    shown = list(values)[-width:] if width > 0 else []
    top = max(shown, default=0.0)
    levels = [round(value / top * (len(bars) - 1)) if top > 0 else 0 for value in shown]
    return "".join(bars[max(0, level)] for level in levels).rjust(width)
