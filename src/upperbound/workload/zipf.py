"""Zipf-distributed ranks for any exponent and any number of items."""

import numpy as np
from numpy.typing import NDArray


class ZipfSampler:
    """Draws ranks ``1 … items`` with probability proportional to ``rank ** -exponent``.

    Rejection-inversion after W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone
    discrete distributions", ACM TOMACS 6 (1996) 169-184: exact, without a table, in time that does not depend on
    ``items``; vectorised here, with the rejected tenth or so drawn again.
    """

    def __init__(self, items: int, exponent: float) -> None:
        """Prepare for ``items >= 1`` and ``exponent > 0``.

        Raises:
            ValueError: either is out of range.
        """
        if items < 1 or not exponent > 0:
            raise ValueError(f"zipf needs at least one item and an exponent above 0, not {items} and {exponent}")
        self._items = items
        self._exponent = exponent
        self._upper = self._integral(items + 0.5)
        self._lower = self._integral(1.5) - 1.0
        self._squeeze = 2.0 - self._integral_inverse(self._integral(2.5) - 2.0**-exponent)

    def sample(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Return ``n`` ranks, each in ``[1, items]``."""
        ranks = np.empty(n, dtype=np.int64)
        filled = 0
        while filled < n:
            u = self._upper + rng.random(n - filled) * (self._lower - self._upper)
            x = np.asarray(self._integral_inverse(u))
            k = np.clip(np.floor(x + 0.5), 1, self._items)
            accepted = (k - x <= self._squeeze) | (u >= np.asarray(self._integral(k + 0.5)) - k**-self._exponent)
            found = k[accepted].astype(np.int64)
            ranks[filled : filled + len(found)] = found
            filled += len(found)
        return ranks

    def _integral(self, x: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the integral of ``t ** -exponent`` from 1 to ``x``."""
        log_x = np.log(x)
        return np.asarray(log_x * _expm1_ratio((1.0 - self._exponent) * log_x))

    def _integral_inverse(self, y: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the ``x`` whose integral is ``y``."""
        t = np.maximum(np.asarray(y) * (1.0 - self._exponent), -1.0)
        return np.asarray(np.exp(_log1p_ratio(t) * y))


def _expm1_ratio(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``expm1(x) / x``, and its limit 1 at 0."""
    x = np.asarray(x, dtype=np.float64)
    safe = np.where(np.abs(x) > 1e-8, x, 1.0)
    return np.where(np.abs(x) > 1e-8, np.expm1(safe) / safe, 1.0 + x / 2.0)


def _log1p_ratio(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``log1p(x) / x``, and its limit 1 at 0."""
    x = np.asarray(x, dtype=np.float64)
    safe = np.where(np.abs(x) > 1e-8, x, 1.0)
    return np.where(np.abs(x) > 1e-8, np.log1p(safe) / safe, 1.0 - x / 2.0)
