"""When operations of an open loop are due: schedules as data, computed ahead of the load that follows them.

A rate over time is a :class:`RateCurve`. Its integral counts the arrivals that are due by a time, and the inverse of
the integral says when each of them is: arrival number u is due when the integral reaches u. For a constant schedule u
runs over the whole numbers; for a Poisson schedule over the points of a Poisson process of rate 1, whose image under
the inverse is a Poisson process of exactly the curve's rate (time-rescaling theorem; Daley and Vere-Jones, *An
Introduction to the Theory of Point Processes*, 2nd ed., proposition 7.4.IV).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 4_096
"""Arrivals that are computed at once."""
HORIZON_S: Final = 1e9
"""What would be due later than this, some thirty years, is never due."""


class RateCurve:
    """A rate over time in straight lines, steps included; from the last point on it stays as it is there."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        """Go through ``points``, each a time in seconds and a rate per second; two of one time make a step.

        The first time must be 0. Raises :class:`ValueError` for times that go back and for negative rates.
        """
        self.points = tuple(points)
        times, rates = np.array(self.points, dtype=np.float64).reshape(-1, 2).T
        if not len(times) or times[0] != 0 or (np.diff(times) < 0).any() or not np.isfinite(times).all():
            raise ValueError(f"a rate curve begins at 0 and does not go back in time: {self.points}")
        if (rates < 0).any() or not np.isfinite(rates).all():
            raise ValueError(f"a rate is a number and not negative: {self.points}")
        spans = np.diff(times)
        self._times, self._rates = times, rates
        self._slopes = np.append(np.divide(np.diff(rates), spans, out=np.zeros_like(spans), where=spans > 0), 0.0)
        self._counts = np.append(0.0, np.cumsum(spans * (rates[:-1] + rates[1:]) / 2))

    @classmethod
    def flat(cls, rate_per_s: float) -> "RateCurve":
        """Return the curve of a rate that never changes."""
        return cls([(0.0, rate_per_s)])

    @property
    def peak_per_s(self) -> float:
        """The highest rate."""
        return float(self._rates.max())

    def rate_at(self, time_s: float) -> float:
        """Return the rate at a time, after the step where there is one."""
        piece = int(np.searchsorted(self._times, max(0.0, time_s), side="right")) - 1
        return float(self._rates[piece] + self._slopes[piece] * (max(0.0, time_s) - self._times[piece]))

    def count_until(self, time_s: float) -> float:
        """Return the integral of the rate from 0 to ``time_s``: how many arrivals are due by then."""
        time_s = max(0.0, time_s)
        piece = int(np.searchsorted(self._times, time_s, side="right")) - 1
        passed = time_s - self._times[piece]
        return float(self._counts[piece] + passed * (self._rates[piece] + self._slopes[piece] * passed / 2))

    def times_of(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for each count the first time in seconds at which the integral reaches it; infinity if it never does.

        The counts must not be negative; the result has their shape and order.
        """
        piece = np.maximum(np.searchsorted(self._counts, counts, side="left") - 1, 0)
        rest = counts - self._counts[piece]
        rate, slope = self._rates[piece], self._slopes[piece]
        # The stable root of slope / 2 x t^2 + rate x t = rest, which holds for slope 0 as well.
        divisor = rate + np.sqrt(np.maximum(rate * rate + 2 * slope * rest, 0.0))
        late = np.divide(2 * rest, divisor, out=np.full_like(rest, np.inf), where=divisor > 0)
        return np.where(rest > 0, self._times[piece] + late, self._times[piece])

    def then(self, time_s: float, rate_per_s: float) -> "RateCurve":
        """Return this curve up to ``time_s``, and from there on a rate that never changes."""
        kept = [point for point in self.points if point[0] < time_s]
        if not kept:
            return RateCurve.flat(rate_per_s)
        before = self.points[len(kept) - 1 : len(kept) + 1]
        (begin_s, first), (end_s, last) = before[0], before[-1]
        reached = first + (last - first) * (time_s - begin_s) / (end_s - begin_s) if end_s > begin_s else first
        return RateCurve([*kept, (time_s, reached), (time_s, rate_per_s)])


@dataclass(frozen=True)
class Share:
    """One worker's part of all arrivals. Raises :class:`ValueError` for a part that does not exist."""

    index: int
    """Zero-based; in [0, count)."""
    count: int
    """Over how many workers the arrivals are split."""

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"share {self.index} is not one of {self.count}")


class ArrivalSchedule:
    """The arrivals of one worker, in order, from a time on.

    Constant: of the run's arrivals, numbered from 0, a worker takes every one whose number leaves its own index when
    divided by the number of workers. So no arrival is lost or given twice, and workers that are told of a change of
    rate or number at the same run time go on without a gap. Poisson: each worker has a process of its own, of the rate
    divided by the number of workers; independent processes add up to one of the whole rate.
    """

    def __init__(
        self, curve: RateCurve, share: Share, *, poisson: bool = False, seed: int = 0, from_s: float = 0.0
    ) -> None:
        """Follow ``curve``, the rate of the whole run, from ``from_s`` seconds of run time on."""
        self.curve, self.share = curve, share
        self._counted = curve.count_until(from_s)
        """Constant: the next arrival's number. Poisson: the count the last one was due at."""
        # Run time in nanoseconds is part of the seed, so that what follows a change is not what went before again.
        self._random = np.random.default_rng([seed, share.index, round(from_s * 1e9)]) if poisson else None
        if not poisson:
            first = int(np.ceil(self._counted - 1e-9))
            self._counted = float(first + (share.index - first) % share.count)

    def next_block(self) -> NDArray[np.int64]:
        """Return when the next arrivals are due, in nanoseconds of run time, in order.

        :data:`BLOCK` of them, fewer when the rate goes to zero for good, and none after that.
        """
        step = self.share.count
        if self._random is None:
            counts = self._counted + step * np.arange(BLOCK, dtype=np.float64)
            self._counted = float(counts[-1] + step)
        else:
            counts = self._counted + step * np.cumsum(self._random.standard_exponential(BLOCK))
            self._counted = float(counts[-1])
        due_s = self.curve.times_of(counts)
        return np.rint(due_s[due_s < HORIZON_S] * 1e9).astype(np.int64)

    def expected(self, from_s: float, until_s: float) -> float:
        """Return how many arrivals this worker's share of the rate comes to between two run times, unrounded."""
        return max(0.0, self.curve.count_until(until_s) - self.curve.count_until(from_s)) / self.share.count
