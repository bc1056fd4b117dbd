"""What became of the arrivals of an open loop, and whether the rate that was asked for was offered."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

OFFERED_LIMIT_PCT: Final = 99.5
"""The smallest share of the arrivals, in percent, that must have been sent for a rate to count as offered."""
POISSON_DEVIATIONS: Final = 4.0
"""How many standard deviations a number of Poisson arrivals may stay below its mean before it says anything: chance
alone goes further once in 30,000 runs."""


@dataclass(frozen=True)
class ArrivalFigures:
    """The arrivals of one worker, or of one run, that were due in one phase."""

    expected: float = 0.0
    """What the rate comes to over the time: its integral, unrounded."""
    offered: int = 0
    """Arrivals that were due."""
    started: int = 0
    """Of these, those that were sent."""
    late: int = 0
    """Of the started ones, those sent more than 1 ms after they were due."""
    dropped: int = 0
    """Arrivals that found the backlog full and were never sent."""

    @property
    def unstarted(self) -> int:
        """Arrivals that wait in the backlog; those that waited when the load or the warmup ended are never sent."""
        return self.offered - self.started - self.dropped

    @property
    def started_pct(self) -> float | None:
        """Share of the arrivals that were sent, 0 to 100; None when nothing was due."""
        return 100.0 * self.started / self.offered if self.offered else None

    def __add__(self, other: "ArrivalFigures") -> "ArrivalFigures":
        return ArrivalFigures(
            self.expected + other.expected,
            self.offered + other.offered,
            self.started + other.started,
            self.late + other.late,
            self.dropped + other.dropped,
        )

    def __sub__(self, earlier: "ArrivalFigures") -> "ArrivalFigures":
        """Return what came after ``earlier``; raises :class:`ValueError` if that is no earlier state of this."""
        passed = ArrivalFigures(
            max(0.0, self.expected - earlier.expected),
            self.offered - earlier.offered,
            self.started - earlier.started,
            self.late - earlier.late,
            self.dropped - earlier.dropped,
        )
        if min(passed.offered, passed.started, passed.late, passed.dropped) < 0:
            raise ValueError("the arrivals to subtract are not an earlier state of these")
        return passed

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ArrivalFigures":
        """Read what :meth:`to_json` wrote; raises :class:`KeyError` for a missing field."""
        return cls(
            float(data["expected"]), int(data["offered"]), int(data["started"]), int(data["late"]), int(data["dropped"])
        )


def rate_problems(arrivals: ArrivalFigures, *, poisson: bool) -> tuple[str, ...]:
    """Say why figures of a run must not be compared with others at the same rate; empty when the rate was offered.

    A rate is offered when no arrival was dropped, at least 99.5 % of those that were due were sent, and as many were
    due as the rate comes to: 99.5 % of it, and for Poisson arrivals also no fewer than chance explains.
    """
    problems = []
    if arrivals.dropped:
        problems.append(f"{arrivals.dropped:,} of {arrivals.offered:,} arrivals were dropped, the backlog being full")
    sent_pct = arrivals.started_pct
    if sent_pct is not None and sent_pct < OFFERED_LIMIT_PCT:
        problems.append(
            f"only {arrivals.started:,} of {arrivals.offered:,} arrivals were sent ({sent_pct:.1f} %, "
            f"wanted at least {OFFERED_LIMIT_PCT} %)"
        )
    chance = POISSON_DEVIATIONS * math.sqrt(arrivals.expected) if poisson else 1.0
    fewest = min(arrivals.expected * OFFERED_LIMIT_PCT / 100, arrivals.expected - chance)
    if arrivals.offered < fewest:
        problems.append(f"only {arrivals.offered:,} arrivals were due where the rate comes to {arrivals.expected:,.0f}")
    return tuple(problems)
