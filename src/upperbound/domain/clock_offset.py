"""How far another host's clock is from ours, reckoned from questions and answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

WARN_FROM_S: Final = 1.0
"""Clocks that differ by this much or more are told of: times of two hosts side by side then mislead a reader."""
HARMLESS: Final = "durations and latencies do not depend on it; times of day in lists and logs do"
"""What a user who is told of such a difference should know."""


@dataclass(frozen=True)
class ClockSample:
    """One question for the time and its answer."""

    asked_at: datetime
    """Our clock when the question was sent."""
    answer: datetime
    """The other clock when it answered."""
    round_trip_s: float
    """From the question to the answer, by our monotonic clock."""

    @property
    def offset_s(self) -> float:
        """How far the other clock is ahead, had it answered halfway; negative when it is behind."""
        return (self.answer - self.asked_at).total_seconds() - self.round_trip_s / 2


@dataclass(frozen=True)
class ClockOffset:
    """The difference of two clocks."""

    offset_s: float
    """How far the other clock is ahead of ours; negative when it is behind."""
    uncertainty_s: float
    """The true difference lies within this of :attr:`offset_s`: half the round trip."""

    @property
    def is_large(self) -> bool:
        """Whether a user should know: from :data:`WARN_FROM_S` on, in either direction."""
        return abs(self.offset_s) >= WARN_FROM_S

    def warning(self, whose: str) -> str:
        """Return what to tell of the clock of ``whose``; empty when the difference is small."""
        return f"the {whose}'s clock is {self}; {HARMLESS}" if self.is_large else ""

    def __str__(self) -> str:
        direction = "ahead of" if self.offset_s > 0 else "behind"
        margin = f"± {_readable(self.uncertainty_s)}"
        if abs(self.offset_s) <= self.uncertainty_s:
            return f"the same as this host's, {margin}"
        return f"{_readable(abs(self.offset_s))} {direction} this host's, {margin}"


def clock_offset(samples: Sequence[ClockSample]) -> ClockOffset:
    """Return the offset from the sample with the shortest round trip, which is the most exact one.

    This is the way of NTP (RFC 5905, section 8). Raises :class:`ValueError` without a sample.
    """
    if not samples:
        raise ValueError("no clock was read")
    best = min(samples, key=lambda sample: sample.round_trip_s)
    return ClockOffset(best.offset_s, best.round_trip_s / 2)


def _readable(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:,.1f} s"
