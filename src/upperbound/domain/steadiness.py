"""Whether a rate stayed the same over a measurement, from what was done in each second of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

BLOCKS: Final = 20
"""Into how many blocks a measurement is cut: means of blocks depend on each other less than seconds do."""
FEWEST: Final = 8
"""Blocks below which no trend is looked for."""
LIKELY: Final = 1.96
"""Standard deviations of Kendall's statistic beyond which order is not taken for chance: 5 % of both sides."""
NOTICEABLE_PCT: Final = 2.0
"""A smaller change from the first to the last block is none that matters."""


class Trend(StrEnum):
    """Which way a rate went."""

    STEADY = "steady"
    RISING = "rising"
    FALLING = "falling"
    UNKNOWN = "unknown"
    """The measurement was too short to tell."""


@dataclass(frozen=True)
class Spread:
    """A rate second by second."""

    seconds: int
    """How many whole ones there are."""
    mean: float
    low: float
    high: float
    stddev: float
    """Of the population, not a sample's."""
    variation_pct: float | None
    """The standard deviation in percent of the mean; None when nothing was done."""
    trend: Trend
    change_pct: float | None
    """From the first block to the last, by the line that fits best; None when it is not known."""


def spread(rates: Sequence[float]) -> Spread | None:
    """Return how rates of successive seconds are spread; None when there is none."""
    if not rates:
        return None
    values = np.asarray(rates, dtype=np.float64)
    mean, stddev = float(values.mean()), float(values.std())
    trend, change_pct = _trend(values)
    return Spread(
        seconds=len(rates),
        mean=mean,
        low=float(values.min()),
        high=float(values.max()),
        stddev=stddev,
        variation_pct=100.0 * stddev / mean if mean > 0 else None,
        trend=trend,
        change_pct=change_pct,
    )


def _trend(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[Trend, float | None]:
    """Return the trend by the test of Mann and Kendall over the means of blocks, and the change by least squares."""
    blocks = np.array([float(block.mean()) for block in np.array_split(values, min(BLOCKS, len(values)))])
    count, mean = len(blocks), float(blocks.mean())
    if count < FEWEST or mean <= 0:
        return Trend.UNKNOWN, None
    # Mann (1945), Kendall (1975): how many pairs rise, less how many fall.
    differences = np.sign(blocks[None, :] - blocks[:, None])
    score = float(np.triu(differences, 1).sum())
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    z = (score - math.copysign(1.0, score)) / deviation if score else 0.0
    slope = float(np.polyfit(np.arange(count), blocks, 1)[0])
    change_pct = 100.0 * slope * (count - 1) / mean
    if abs(z) < LIKELY or abs(change_pct) < NOTICEABLE_PCT:
        return Trend.STEADY, change_pct
    return (Trend.RISING if change_pct > 0 else Trend.FALLING), change_pct
