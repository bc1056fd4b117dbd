"""Integers that are not equally likely: by weights, with a hot part, on a bell curve, on a falling one.

Each may stand for the values of a range or be the indexes of a list.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from upperbound.workload.sources import Values


class WeightedSource:
    """Integers from 0 on, the i-th with a probability proportional to the i-th weight."""

    def __init__(self, weights: Sequence[float]) -> None:
        """Take one weight for each integer.

        Raises:
            ValueError: there is no weight, or one is not above 0.
        """
        if not weights or not all(weight > 0 for weight in weights):
            raise ValueError("every weight must be above 0, and there must be one")
        shares = np.cumsum(np.asarray(weights, dtype=np.float64))
        self._steps = shares[:-1] / shares[-1]

    def chunk(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Return ``n`` independent draws."""
        return np.searchsorted(self._steps, rng.random(n), side="right").astype(np.int64)


class HotSetSource:
    """Integers of ``[low, high]``: the lowest ``hot_pct`` percent of them get ``access_pct`` percent of the draws.

    Hot ones are equally likely among themselves, and so are the others. At least one is hot; when all are, each is as
    likely as any other.
    """

    def __init__(self, low: int, high: int, hot_pct: float, access_pct: float) -> None:
        """Split ``[low, high]``.

        Raises:
            ValueError: the range is empty, or a share is not above 0 and at most 100.
        """
        if low > high or not 0 < hot_pct <= 100 or not 0 < access_pct <= 100:
            raise ValueError(f"no hot set of {hot_pct} % with {access_pct} % of the draws in {low} to {high}")
        items = high - low + 1
        self._low, self._high = low, high
        self._cold = low + min(items, max(1, round(items * hot_pct / 100)))
        self._access_ratio = access_pct / 100

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return ``n`` independent draws."""
        if self._cold > self._high:
            return rng.integers(self._low, self._high, n, dtype=np.int64, endpoint=True)
        hot = rng.random(n) < self._access_ratio
        hot_values = rng.integers(self._low, self._cold, n, dtype=np.int64)
        cold_values = rng.integers(self._cold, self._high, n, dtype=np.int64, endpoint=True)
        return np.where(hot, hot_values, cold_values)


class GaussianSource:
    """Integers of ``[low, high]`` under a normal curve around the middle, cut off at both ends.

    ``deviations`` standard deviations lie between the middle and either end: the range is cut into as many equal slices
    as it has integers, and one is as likely as the curve's area over its slice. So does ``random_gaussian`` of pgbench.
    """

    def __init__(self, low: int, high: int, deviations: float) -> None:
        """Lay the curve over ``[low, high]``.

        Raises:
            ValueError: the range is empty, or ``deviations`` is not above 0.
        """
        if low > high or not deviations > 0:
            raise ValueError(f"no bell curve of {deviations} deviations over {low} to {high}")
        self._low = np.uint64(low % 2**64)
        self._items = high - low + 1
        self._deviations = deviations

    def chunk(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Return ``n`` independent draws."""
        places = np.empty(n, dtype=np.float64)
        filled = 0
        while filled < n:
            drawn = rng.standard_normal(n - filled) / (2 * self._deviations) + 0.5
            kept = drawn[(drawn >= 0) & (drawn < 1)]
            places[filled : filled + len(kept)] = kept
            filled += len(kept)
        return _at(places, self._items, self._low)


class ExponentialSource:
    """Integers of ``[low, high]`` under a curve that falls to ``exp(-decay)`` of its beginning, cut off at both ends.

    The range is cut into as many equal slices as it has integers, and one is as likely as the curve's area over its
    slice: each by the same factor less likely than the one before. So does ``random_exponential`` of pgbench.
    """

    def __init__(self, low: int, high: int, decay: float) -> None:
        """Lay the curve over ``[low, high]``.

        Raises:
            ValueError: the range is empty, or ``decay`` is not above 0.
        """
        if low > high or not decay > 0:
            raise ValueError(f"no exponential curve with a decay of {decay} over {low} to {high}")
        self._low = np.uint64(low % 2**64)
        self._items = high - low + 1
        self._decay = decay

    def chunk(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Return ``n`` independent draws."""
        # The inverse of the distribution function, which is expm1(-decay * place) / expm1(-decay).
        places = np.log1p(rng.random(n) * math.expm1(-self._decay)) / -self._decay
        return _at(places, self._items, self._low)


def _at(places: NDArray[np.float64], items: int, low: np.uint64) -> NDArray[np.int64]:
    """Return the integers that stand at places of [0, 1) in a range of ``items`` from ``low`` on."""
    # Counted without a sign, as a range may be wider than the numbers that have one; the sum wraps into place.
    steps = np.minimum((places * items).astype(np.uint64), np.uint64(items - 1))
    return (steps + low).view(np.int64)
