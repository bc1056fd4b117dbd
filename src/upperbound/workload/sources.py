"""Where the values of one parameter come from.

A source produces values in chunks; the driver's encoder turns a chunk into what the driver sends. The measuring loop
then only takes the next element of an iterator.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from upperbound.domain.sharding import BLOCK_KEYS
from upperbound.workload.zipf import ZipfSampler

Values = NDArray[np.int64] | Sequence[object]


class ValueSource(Protocol):
    """Produces the values of one parameter for one thread."""

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return the next ``n`` values."""
        ...


class UniformSource:
    """Every integer of ``[low, high]`` is as likely as any other."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return ``n`` independent draws."""
        return rng.integers(self._low, self._high, n, dtype=np.int64, endpoint=True)


class ZipfSource:
    """Integers of ``[low, high]``, ``low`` the most frequent, others by rank to the power of ``-exponent``."""

    def __init__(self, low: int, high: int, exponent: float) -> None:
        self._low = low
        self._sampler = ZipfSampler(high - low + 1, exponent)

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return ``n`` independent draws."""
        return self._sampler.sample(rng, n) + (self._low - 1)


class SequenceSource:
    """Integers that no other thread of the run produces, from ``start`` on, in blocks of neighbours.

    Which blocks a thread gets depends on who asks first; that none is given twice does not. Parameters that draw from
    one sequence have a lane each, so that they do not meet either.
    """

    def __init__(self, start: int, blocks: Iterator[int], *, lane: int = 0, lanes: int = 1) -> None:
        """Take keys from ``blocks``, which all threads of a worker share; see :func:`key_blocks`."""
        self._start, self._blocks, self._lanes = start + lane, blocks, lanes
        self._left = np.empty(0, np.int64)

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return the next ``n`` integers; ``rng`` is not used."""
        del rng
        missing = n - len(self._left)
        if missing > 0:
            firsts = np.fromiter(itertools.islice(self._blocks, -(-missing // BLOCK_KEYS)), np.int64)
            keys = (firsts[:, None] + np.arange(BLOCK_KEYS)).ravel()
            self._left = np.concatenate([self._left, self._start + self._lanes * keys])
        values, self._left = self._left[:n], self._left[n:]
        return values


class ListSource:
    """Values of a list (a choice or a value pool), picked by an index that another source draws."""

    def __init__(self, values: Sequence[object], index: ValueSource | None = None) -> None:
        """Pick from ``values``, uniformly if no ``index`` source is given.

        Raises:
            ValueError: there is no value to pick from.
        """
        if not values:
            raise ValueError("there is no value to pick from")
        self._values = values
        self._index = index or UniformSource(0, len(values) - 1)

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return ``n`` picks."""
        values = self._values
        indexes: Iterable[int] = np.asarray(self._index.chunk(rng, n)).tolist()
        return [values[i] for i in indexes]


class NumberListSource:
    """Integers of a list, picked by an index that another source draws."""

    def __init__(self, values: Sequence[int] | NDArray[np.int64], index: ValueSource | None = None) -> None:
        """Pick from ``values``, uniformly if no ``index`` source is given.

        Raises:
            ValueError: there is no value to pick from.
        """
        if not len(values):
            raise ValueError("there is no value to pick from")
        self._values = np.asarray(values, dtype=np.int64)
        self._index = index or UniformSource(0, len(values) - 1)

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return ``n`` picks."""
        picked: NDArray[np.int64] = self._values[np.asarray(self._index.chunk(rng, n))]
        return picked


class EncodedSource:
    """What another source draws, encoded."""

    def __init__(self, source: ValueSource, encode: Callable[[Values], Iterable[object]]) -> None:
        """Encode what ``source`` draws with ``encode``, which returns one element for each value."""
        self._source, self._encode = source, encode

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return the next ``n`` values, encoded."""
        return list(self._encode(self._source.chunk(rng, n)))


class GroupSource:
    """Lists of ``fewest`` to ``most`` values of another source, each size equally likely."""

    def __init__(self, element: ValueSource, fewest: int, most: int) -> None:
        """Make lists of what ``element`` draws."""
        self._element, self._fewest, self._most = element, fewest, most

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return ``n`` lists; their values are independent, so that one may be in a list twice."""
        sizes = rng.integers(self._fewest, self._most, n, endpoint=True)
        ends = np.cumsum(sizes)
        drawn = self._element.chunk(rng, int(ends[-1]) if n else 0)
        values = drawn.tolist() if isinstance(drawn, np.ndarray) else drawn
        return [values[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)]
