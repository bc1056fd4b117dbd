"""Latency histograms in the HdrHistogram layout: mergeable, subtractable, and read by other tools.

The layout is that of HdrHistogram (http://hdrhistogram.org) for values from 1 µs to 1 h with 3 significant digits:
exact up to 2,047 µs, and above that 1,024 buckets per power of two, so that a bucket is never wider than 1/1,024 of its
values. Whatever is read from a histogram is therefore within 0.1 % of the raw value, and merging loses nothing.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Final, Self

import numpy as np
from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

LOWEST_US: Final = 1
"""The lowest value told apart from zero, in microseconds."""
HIGHEST_US: Final = 3_600_000_000
"""The highest value, one hour in microseconds; anything longer is counted as this."""
SIGNIFICANT_DIGITS: Final = 3
"""Decimal digits that are kept of every value."""

_HALF_BITS: Final = 10
_HALF: Final = 1 << _HALF_BITS
"""Half of HdrHistogram's sub-bucket count of 2,048: the number of buckets per power of two."""
_MANTISSA_BITS: Final = 52
_FLOAT_OFFSET: Final = (1023 + _HALF_BITS - 1) << _HALF_BITS
"""What the leading bits of a double exceed the bucket index by; see :func:`bucket_index`."""

COUNTS_LEN: Final = 23 * _HALF
"""Number of buckets: 2,048 x 2^21 is the first power of two above one hour, which makes 22 + 1 halves."""

_INDEX: Final = np.arange(COUNTS_LEN, dtype=np.int64)
_SHIFT: Final = np.maximum((_INDEX >> _HALF_BITS) - 1, 0)
_LOWEST_IN: Final = (_INDEX - (_SHIFT << _HALF_BITS)) << _SHIFT
_HIGHEST_IN: Final = _LOWEST_IN + (np.int64(1) << _SHIFT) - 1
_MIDDLE_OF: Final = (_LOWEST_IN + ((np.int64(1) << _SHIFT) >> 1)).astype(np.float64)


def bucket_index(values_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bucket of each value in microseconds, as an array of the same shape.

    Values below 0 are counted as 0 and values above one hour as one hour. The index equals HdrHistogram's
    ``countsArrayIndex``. From 1,024 on the layout is that of a floating-point number, bucket = exponent and the ten
    leading mantissa bits, so the processor's own conversion to a double does the work; every value is below 2^53 and
    converts exactly.
    """
    clamped = np.clip(values_us, 0, HIGHEST_US)
    leading_bits = clamped.astype(np.float64).view(np.int64) >> (_MANTISSA_BITS - _HALF_BITS)
    return np.where(clamped < _HALF, clamped, leading_bits - _FLOAT_OFFSET)


class Histogram:
    """Counts of latencies in microseconds, one bucket each.

    Everything is derived from the counts: adding the histograms of several workers gives exactly the histogram of all
    their values, and subtracting an earlier state of a growing one gives the values in between. Minimum and maximum are
    therefore those of their buckets too, within 0.1 %. Not safe for use from several threads at once.
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(COUNTS_LEN, dtype=np.int64)
        """Number of values in each bucket; shape ``(COUNTS_LEN,)``."""

    @classmethod
    def from_values(cls, values_us: Iterable[int]) -> Self:
        """Return the histogram of ``values_us``, in microseconds."""
        histogram = cls()
        histogram.record_many(np.fromiter(values_us, dtype=np.int64))
        return histogram

    def record_many(self, values_us: NDArray[np.int64]) -> None:
        """Count every value of a one-dimensional array of microseconds; values out of range count at its ends."""
        counted = np.bincount(bucket_index(values_us))
        self.counts[: counted.size] += counted

    def add_counts(self, counts: NDArray[np.int64]) -> None:
        """Add counts of shape ``(COUNTS_LEN,)``; raises :class:`ValueError` for another shape."""
        if counts.shape != (COUNTS_LEN,):
            raise ValueError(f"counts must have shape ({COUNTS_LEN},), not {counts.shape}")
        self.counts += counts

    def copy(self) -> "Histogram":
        """Return an independent histogram with the same counts."""
        return self + Histogram()

    def __add__(self, other: "Histogram") -> "Histogram":
        result = Histogram()
        np.add(self.counts, other.counts, out=result.counts)
        return result

    def __iadd__(self, other: "Histogram") -> Self:
        self.counts += other.counts
        return self

    def __sub__(self, earlier: "Histogram") -> "Histogram":
        """Return what was counted since ``earlier``; raises :class:`ValueError` if that is no earlier state of this."""
        result = Histogram()
        np.subtract(self.counts, earlier.counts, out=result.counts)
        if result.counts.min() < 0:
            raise ValueError("the histogram to subtract is not an earlier state of this one")
        return result

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]  # mutable, so it must not be a key; this is Python's way to say it

    def __repr__(self) -> str:
        return f"Histogram(total={self.total})"

    @property
    def total(self) -> int:
        """How many values are counted."""
        return int(self.counts.sum())

    @property
    def min_us(self) -> int:
        """The lowest value of the lowest bucket in use; raises :class:`ValueError` when empty."""
        return int(_LOWEST_IN[self._used()[0]])

    @property
    def max_us(self) -> int:
        """The highest value of the highest bucket in use; raises :class:`ValueError` when empty."""
        return int(_HIGHEST_IN[self._used()[-1]])

    @property
    def mean_us(self) -> float:
        """The mean, every value taken as the middle of its bucket; raises :class:`ValueError` when empty."""
        used = self._used()
        return float(np.average(_MIDDLE_OF[used], weights=self.counts[used]))

    @property
    def stddev_us(self) -> float:
        """The standard deviation of these values (population, not sample); raises :class:`ValueError` when empty."""
        used = self._used()
        squares = np.square(_MIDDLE_OF[used] - self.mean_us)
        return float(np.sqrt(np.average(squares, weights=self.counts[used])))

    def percentile_us(self, percentile: float) -> int:
        """Return one percentile in microseconds; see :meth:`percentiles_us`."""
        return self.percentiles_us([percentile])[0]

    def percentiles_us(self, percentiles: Sequence[float]) -> list[int]:
        """Return percentiles in microseconds, in the order asked for.

        The value at percentile p of n values is the highest value of the bucket that holds the value of rank
        ceil(p / 100 x n) in ascending order: the smallest value that at least p percent do not exceed (the "inverted
        CDF", type 1 of Hyndman and Fan 1996), with no interpolation. The rank is computed in exact arithmetic on the
        decimal p: 99.9 of 1,000 values is rank 999, where 99.9 / 100 in binary would make it 1,000. Raises
        :class:`ValueError` when empty or when a p is not in (0, 100].
        """
        ranks = [nearest_rank(percentile, self.total) for percentile in percentiles]
        if ranks and not self.total:
            raise ValueError("an empty histogram has no percentiles")
        indexes = np.searchsorted(np.cumsum(self.counts), ranks, side="left")
        return [int(value) for value in _HIGHEST_IN[indexes]]

    def counts_up_to(self, values_us: Sequence[int]) -> list[int]:
        """Return how many values are at most each of ``values_us``, by the highest value of their buckets."""
        below = np.concatenate(([0], np.cumsum(self.counts)))
        indexes = np.searchsorted(_HIGHEST_IN, np.asarray(values_us, dtype=np.int64), side="right")
        return [int(count) for count in below[indexes]]

    def encode(self) -> str:
        """Return the standard HdrHistogram V2 form, compressed and base64, as its libraries in any language read it.

        Costs about 0.4 ms: the library's C codec reads the counts as a whole, nothing is recorded value by value.
        """
        standard = HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS)
        used = np.flatnonzero(self.counts)
        if used.size:
            np.copyto(np.frombuffer(standard.counts, dtype=np.int64), self.counts)
            standard.set_internal_tacking_values(int(used[0]), int(used[-1]), self.total)
        encoded: bytes = standard.encode()
        return encoded.decode("ascii")

    @staticmethod
    def decode(text: str) -> "Histogram":
        """Read the standard form, whichever tool wrote it.

        Raises :class:`ValueError` when it is not an HdrHistogram V2 or has another range or precision than ours.
        """
        try:
            standard = HdrHistogram.decode(text)
        except (ValueError, TypeError, IndexError, zlib.error, HdrCookieException, HdrLengthException) as error:
            raise ValueError(f"not an encoded HdrHistogram: {error}") from error
        layout = (standard.lowest_trackable_value, standard.highest_trackable_value, standard.significant_figures)
        if layout != (LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS):
            raise ValueError(f"a histogram for (lowest, highest, digits) = {layout} cannot be merged with ours")
        histogram = Histogram()
        histogram.add_counts(np.frombuffer(standard.counts, dtype=np.int64))
        return histogram

    def _used(self) -> NDArray[np.intp]:
        used = np.flatnonzero(self.counts)
        if not used.size:
            raise ValueError("an empty histogram has no values")
        return used


def nearest_rank(percentile: float, total: int) -> int:
    """Return ceil(percentile / 100 x total), exactly for the percentile as it is written in decimal."""
    if not 0 < percentile <= 100:
        raise ValueError(f"a percentile must be above 0 and at most 100, not {percentile}")
    return -int(-Fraction(str(percentile)) * total // 100)


@dataclass(frozen=True)
class LatencyFigures:
    """The figures of one histogram in milliseconds; a figure that the data cannot carry is None."""

    p50_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    p999_ms: float | None = None
    max_ms: float | None = None
    mean_ms: float | None = None
    stddev_ms: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """Return the figures by name, in the order they are shown."""
        return asdict(self)


_SHOWN: Final = {"p50_ms": 50.0, "p90_ms": 90.0, "p95_ms": 95.0, "p99_ms": 99.0, "p999_ms": 99.9}


def fewest_values(percentile: float) -> int:
    """Return the fewest values a percentile is shown for, 1 / (1 - p): below that it could only repeat the maximum."""
    return -int(-100 // (100 - Fraction(str(percentile))))


_FEWEST: Final = {name: fewest_values(percentile) for name, percentile in _SHOWN.items()}


def latency_ms(histogram: Histogram) -> LatencyFigures:
    """Return the figures of ``histogram`` in milliseconds, all None when it is empty.

    A percentile needs at least 1 / (1 - p) values (2 for p50, 20 for p95, 100 for p99, 1,000 for p99.9) and is None
    below.
    """
    total = histogram.total
    if not total:
        return LatencyFigures()
    values = histogram.percentiles_us(list(_SHOWN.values()))
    percentiles = {
        name: value / 1000 if total >= _FEWEST[name] else None for name, value in zip(_SHOWN, values, strict=True)
    }
    return LatencyFigures(
        **percentiles,
        max_ms=histogram.max_us / 1000,
        mean_ms=histogram.mean_us / 1000,
        stddev_ms=histogram.stddev_us / 1000,
    )
