"""Numbers that look random and depend on nothing but a seed, a column and the number of a row."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MASK_64: Final = 2**64 - 1
_JENKINS_START: Final = 0x9E3779B9 + 4 + 3923095


def row_numbers(rows: range) -> NDArray[np.int64]:
    """Return the numbers of ``rows`` as an array."""
    return np.arange(rows.start, rows.stop, dtype=np.int64)


def noise(seed: int, column: int, numbers: NDArray[np.int64]) -> Hashes:
    """Return 64 random bits for each row number.

    The finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014) over the row number; the seed and the column choose where its sequence begins.
    """
    start = np.full(1, (seed * 0xD1342543DE82EF95 + column * 0xDA942042E4DD58B5 + 1) & _MASK_64, dtype=np.uint64)
    return _mix(_mix(start) + numbers.astype(np.uint64) * _GOLDEN)


def noise_words(seed: int, column: int, numbers: NDArray[np.int64], words: int) -> Hashes:
    """Return ``words`` times 64 random bits for each row number, of shape ``(rows, words)``."""
    base = noise(seed, column, numbers)[:, None]
    return _mix(base + np.arange(1, words + 1, dtype=np.uint64)[None, :] * _GOLDEN)


def pick(hashes: Hashes, count: int) -> NDArray[np.int64]:
    """Return a number in ``[0, count)`` for each hash; ``count`` is far below 2**64, so that none is favoured."""
    return (hashes % np.uint64(count)).astype(np.int64)


def postgres_hash(numbers: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return what PostgreSQL's ``hashint8extended(number, seed)`` gives for numbers that are not negative.

    Bob Jenkins' lookup3 as in PostgreSQL's ``src/common/hashfn.c``, ``hash_bytes_uint32_extended``.
    """
    bits = numbers.astype(np.uint64)
    key = (bits ^ (bits >> np.uint64(32))).astype(np.uint32)
    a = np.full(len(key), _JENKINS_START & 0xFFFFFFFF, dtype=np.uint32)
    b, c = a.copy(), a.copy()
    seed &= _MASK_64
    if seed:
        a += np.uint32(seed >> 32)
        b += np.uint32(seed & 0xFFFFFFFF)
        for r in ((4, 6, 8), (16, 19, 4)):
            a, b, c = _mix_round(a, b, c, r)
    a = a + key
    c = (c ^ b) - _rotate(b, 14)
    a = (a ^ c) - _rotate(c, 11)
    b = (b ^ a) - _rotate(a, 25)
    c = (c ^ b) - _rotate(b, 16)
    a = (a ^ c) - _rotate(c, 4)
    b = (b ^ a) - _rotate(a, 14)
    c = (c ^ b) - _rotate(b, 24)
    return ((b.astype(np.uint64) << np.uint64(32)) | c.astype(np.uint64)).astype(np.int64)


_Words = NDArray[np.uint32]


def _mix_round(a: _Words, b: _Words, c: _Words, bits: tuple[int, int, int]) -> tuple[_Words, _Words, _Words]:
    """Do one half of lookup3's ``mix``: each of the three words is stirred once."""
    a = (a - c) ^ _rotate(c, bits[0])
    c = c + b
    b = (b - a) ^ _rotate(a, bits[1])
    a = a + c
    c = (c - b) ^ _rotate(b, bits[2])
    b = b + a
    return a, b, c


def _rotate(words: _Words, bits: int) -> _Words:
    return (words << np.uint32(bits)) | (words >> np.uint32(32 - bits))


def _mix(z: Hashes) -> Hashes:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
