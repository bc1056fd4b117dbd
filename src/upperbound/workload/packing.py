"""Encoded values in one piece of memory, for a driver that takes addresses instead of objects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from upperbound.workload.sources import Values

NULL = -1
"""The start of a value that is SQL's NULL."""


@dataclass(frozen=True)
class Packed:
    """A chunk of encoded values."""

    memory: NDArray[np.uint8]
    """The values; each is followed by a zero byte unless all have one length."""
    starts: NDArray[np.int64]
    """Where each value begins, :data:`NULL` for one that is NULL."""
    lengths: NDArray[np.int32]
    """How many bytes each has."""


Pack = Callable[[Values], Packed]
"""Turns a chunk of values into the driver's bytes, in one piece of memory."""


def pack_equal(encoded: NDArray[np.generic]) -> Packed:
    """Return the elements of an array, which are encoded as they lie in memory."""
    width, count = encoded.itemsize, len(encoded)
    return Packed(
        memory=encoded.view(np.uint8),
        starts=np.arange(0, width * count, width, dtype=np.int64),
        lengths=np.full(count, width, np.int32),
    )


def pack_encoded(values: Sequence[bytes | None]) -> Packed:
    """Return values of any length, each with a zero byte after it, as those in text format need."""
    some = [value or b"" for value in values]
    lengths = np.fromiter(map(len, some), np.int32, len(some))
    starts = np.zeros(len(some), np.int64)
    np.cumsum(lengths[:-1] + 1, out=starts[1:])
    if None in values:
        starts[[value is None for value in values]] = NULL
    return Packed(np.frombuffer(b"\0".join([*some, b""]), np.uint8), starts, lengths)
