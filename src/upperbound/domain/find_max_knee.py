"""Where throughput stops growing, from steps that are noisy: the plateau, what falls short of it, and the knee.

A closed system of n clients whose requests take s seconds gives at most min(n / s, C) requests per second (asymptotic
bounds; Denning and Buzen, "The Operational Analysis of Queueing Network Models", 1978). The two lines meet at
n* = C x s: the knee. Here C is the mean throughput of the plateau and 1 / s the mean throughput per thread of the steps
below it, so that the noise of both is averaged over every step made.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from upperbound.domain.find_max_steps import Level, StepRecord, levels_of

PRIOR_STEPS: Final = 4.0
"""How many repeated steps the expected noise is worth: a few repeats alone say little of a deviation."""
CLIPPED_AT: Final = 4.0
"""Deviations beyond this many times the expected noise count as this."""
SLOPE_REACH_RATIO: Final = 0.3
"""Steps with at least this share of the threads of the last one below the plateau tell the slope there."""
SHORT_Z: Final = 2.0
"""Standard errors below the plateau from which on a throughput counts as short of it."""
SLOPE_Z: Final = 2.6
"""Standard errors below the plateau from which on a step counts as one of the slope: the highest of several plateaus is
a lucky one, and one step beyond the knee among those of the slope would move the knee.
"""
INTERVAL_Z: Final = 3.5
"""Standard errors on either side of the knee in the answer.

The noise is itself estimated, from a handful of repeats, and the search looks at many levels: with 3.5 the interval
holds the knee of a simulated server in 98 to 100 % of searches whose steps have a noise of 2 to 3 %.
"""


@dataclass(frozen=True)
class Mean:
    """A mean of several steps."""

    value: float
    count: int
    threads: int
    """The fewest threads among them."""


@dataclass(frozen=True)
class Knee:
    """Where the slope meets the plateau."""

    threads: float
    low: int
    """With fewer threads throughput falls short."""
    high: int
    """From here on more threads only wait."""


def noise_ratio(records: Sequence[StepRecord], expected: float) -> float:
    """Return the relative standard deviation of a step's throughput.

    Pooled over all numbers of threads that were measured more than once, with ``expected`` as a prior worth
    :data:`PRIOR_STEPS` repeats. Steps that were disturbed count too, but none as more than :data:`CLIPPED_AT` times
    what is expected: one that stood still says that there are disturbances, not how large the others are.
    """
    squares, freedom = 0.0, 0
    for level in levels_of(records):
        if len(level.records) > 1 and level.qps > 0:
            away = [abs(record.figures.qps / level.qps - 1) for record in level.records]
            squares += sum(min(one, CLIPPED_AT * expected) ** 2 for one in away)
            freedom += len(level.records) - 1
    return math.sqrt((PRIOR_STEPS * expected**2 + squares) / (PRIOR_STEPS + freedom))


def plateau_of(levels: Sequence[Level], fewest: int = 2) -> Mean:
    """Return the highest mean throughput of neighbouring levels that hold at least ``fewest`` steps together.

    The highest single step would mostly be the luckiest one. Raises :class:`ValueError` for no levels.
    """
    if not levels:
        raise ValueError("there is no plateau without levels")
    groups = []
    for edge in range(len(levels)):
        ahead, behind = levels[edge:], levels[edge::-1]
        groups += [group for group in (_first(ahead, fewest), _first(behind, fewest)) if _steps(group) >= fewest]
    return max((_mean(group) for group in groups or [levels]), key=lambda mean: mean.value)


def is_short(level: Level, plateau: Mean, noise: float, z: float = SHORT_Z) -> bool:
    """Say whether a level's throughput is below the plateau by more than noise explains."""
    return level.qps < plateau.value * (1 - z * noise * math.sqrt(1 / level.count + 1 / plateau.count))


def knee_of(levels: Sequence[Level], noise: float) -> Knee | None:
    """Return the knee of sound levels; None when none of them is below it, or all are.

    Its ends are :data:`INTERVAL_Z` standard errors away, and never beyond a level that is short of the plateau or one
    whose threads clearly wait for each other.
    """
    peak = plateau_of(levels)
    # Up to the first that gives all there is: a step beyond the knee that noise made short must not pass for its slope.
    short = list(itertools.takewhile(lambda level: is_short(level, peak, noise, SLOPE_Z), levels))
    if not short:
        return None
    last = short[-1].threads
    full = [level for level in levels if level.threads > last and not is_short(level, peak, noise, SLOPE_Z)]
    if not full:
        return None
    plateau = _mean(full)
    slope_levels = [level for level in short if level.threads >= SLOPE_REACH_RATIO * last]
    slope = _mean(slope_levels, per_thread=True)
    if slope.value <= 0:
        return None
    threads = plateau.value / slope.value
    margin = INTERVAL_Z * noise * math.sqrt(1 / plateau.count + 1 / slope.count)
    low, high = threads * (1 - margin), threads * (1 + margin)
    sure_short = [level.threads for level in short if is_short(level, plateau, noise, INTERVAL_Z)]
    waiting = [level.threads for level in full if _waits(level, slope, noise)]
    return Knee(
        threads=threads,
        low=max([math.floor(low), *sure_short]),
        high=min([math.ceil(high), *waiting]),
    )


def _waits(level: Level, slope: Mean, noise: float) -> bool:
    """Say whether each thread gets less done than on the slope, by more than noise explains."""
    margin = INTERVAL_Z * noise * math.sqrt(1 / level.count + 1 / slope.count)
    return level.qps / level.threads < slope.value * (1 - margin)


def _first(levels: Sequence[Level], fewest: int) -> Sequence[Level]:
    """Return the first levels that hold ``fewest`` steps together, or all."""
    number = next((n for n in range(1, len(levels)) if _steps(levels[:n]) >= fewest), len(levels))
    return levels[:number]


def _steps(levels: Sequence[Level]) -> int:
    return sum(level.count for level in levels)


def _mean(levels: Sequence[Level], *, per_thread: bool = False) -> Mean:
    count = _steps(levels)
    total = sum(level.count * level.qps / (level.threads if per_thread else 1) for level in levels)
    return Mean(total / count, count, min(level.threads for level in levels))
