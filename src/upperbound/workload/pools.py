"""Value pools in memory: up to a million values in a few pieces, picked by their index.

A Python object for each value would take several times the memory of the value itself, and seconds to make.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from upperbound.workload.packing import Packed
from upperbound.workload.sources import UniformSource, Values, ValueSource


class PackedValues:
    """Encoded values one after another in one piece of memory: all of one width, or each with a zero byte after it."""

    def __init__(self, memory: NDArray[np.uint8], *, width: int = 0, ends: NDArray[np.unsignedinteger] | None = None):
        """Take ``memory`` with values of ``width`` bytes each, or whose zero bytes are at ``ends``.

        Raises:
            ValueError: the memory does not end with the last value.
        """
        self._memory, self._width, self._ends = memory, width, ends
        self._view = memoryview(memory)  # type: ignore[arg-type]  # arrays have the protocol of buffers
        self._count = len(memory) // width if ends is None else len(ends)
        used = self._count * width if ends is None else (int(ends[-1]) + 1 if self._count else 0)
        if used != len(memory):
            raise ValueError(f"{self._count} values end at {used} in a memory of {len(memory)} bytes")

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes that the values take in memory, with what tells where they are."""
        return self._memory.nbytes + (0 if self._ends is None else self._ends.nbytes)

    @property
    def largest_bytes(self) -> int:
        """Length of the longest value."""
        ends = self._ends
        if ends is None:
            return self._width
        first = int(ends[0]) if len(ends) else 0
        return max(first, int(np.diff(ends).max(initial=1)) - 1)

    def head(self, count: int) -> "PackedValues":
        """Return the first ``count`` values, or all if there are fewer; the memory is shared."""
        if count >= len(self):
            return self
        if self._ends is None:
            return PackedValues(self._memory[: count * self._width], width=self._width)
        ends = self._ends[:count]
        return PackedValues(self._memory[: int(ends[-1]) + 1 if count else 0], ends=ends)

    def pick(self, indexes: Values) -> Iterator[bytes]:
        """Return the values at ``indexes``, one by one."""
        starts, lengths = self._places(np.asarray(indexes))
        view = self._view
        return (
            bytes(view[start : start + length]) for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
        )

    def pack(self, indexes: Values) -> Packed:
        """Return the values at ``indexes`` where they are; none is copied."""
        starts, lengths = self._places(np.asarray(indexes))
        return Packed(self._memory, starts, lengths.astype(np.int32))

    def _places(self, indexes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where the values at ``indexes`` begin, and how many bytes each has."""
        ends = self._ends
        if ends is None:
            return indexes * self._width, np.full(len(indexes), self._width, np.int64)
        # The value before the first one ends at -1, which is what the last index of all would be taken for.
        starts = np.where(indexes > 0, ends[indexes - 1].astype(np.int64) + 1, 0)
        return starts, ends[indexes].astype(np.int64) - starts


class ShareSource:
    """Indexes of a share of a pool, each equally likely."""

    def __init__(self, share: range) -> None:
        """Pick from ``share``.

        Raises:
            ValueError: there is nothing to pick from.
        """
        if not share:
            raise ValueError("there is no value to pick from")
        self._start, self._step = share.start, share.step
        self._place: ValueSource = UniformSource(0, len(share) - 1)

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return ``n`` independent draws."""
        places: NDArray[np.int64] = np.asarray(self._place.chunk(rng, n))
        return self._start + self._step * places
