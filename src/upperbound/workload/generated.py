"""Values that are made up: text, UUIDs and times."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from upperbound.workload.sources import Values

UUID_BYTES = 16
_OFFSETS_AT_ONCE = 256


class RandomBytes(Protocol):
    """Gives random bytes, such as :func:`os.urandom`."""

    def __call__(self, n: int, /) -> bytes:
        """Return ``n`` bytes."""
        ...


class TextSource:
    """Text of ``shortest`` to ``longest`` characters, each length and each of ``characters`` equally likely."""

    def __init__(self, shortest: int, longest: int, characters: str) -> None:
        """Choose from ``characters``.

        Raises:
            ValueError: there is no character, or no length.
        """
        if not characters or not 0 <= shortest <= longest:
            raise ValueError(f"no text of {shortest} to {longest} characters out of {characters!r}")
        self._shortest, self._longest = shortest, longest
        self._characters = np.frombuffer(characters.encode("utf-32-le"), dtype="<u4")

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return ``n`` independent texts."""
        lengths = rng.integers(self._shortest, self._longest, n, endpoint=True)
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if n else 0
        drawn = self._characters[rng.integers(0, len(self._characters), total)]
        text = drawn.tobytes().decode("utf-32-le")
        return [text[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]


class UuidSource:
    """UUIDs of version 4 (RFC 9562), as 16 bytes each."""

    def __init__(self, random_bytes: RandomBytes | None = None) -> None:
        """Draw from ``random_bytes``, or from the seeded generator when there is none."""
        self._random_bytes = random_bytes

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return ``n`` UUIDs."""
        drawn = (self._random_bytes or rng.bytes)(UUID_BYTES * n)
        octets = np.frombuffer(drawn, dtype=np.uint8).reshape(n, UUID_BYTES).copy()
        octets[:, 6] = octets[:, 6] & 0x0F | 0x40
        octets[:, 8] = octets[:, 8] & 0x3F | 0x80
        made = octets.tobytes()
        return [made[start : start + UUID_BYTES] for start in range(0, UUID_BYTES * n, UUID_BYTES)]


class NowSource:
    """The time it is when a value is drawn, and a drawn offset; to be drawn one at a time, when it is needed."""

    def __init__(self, now: Callable[[], datetime], earliest_s: int, latest_s: int) -> None:
        """Add ``earliest_s`` to ``latest_s`` seconds to ``now()``, any microsecond in between equally likely."""
        self._now = now
        self._bounds_us = earliest_s * 1_000_000, latest_s * 1_000_000
        self._offsets: Iterator[timedelta] = iter(())

    def chunk(self, rng: np.random.Generator, n: int) -> Values:
        """Return the present ``n`` times, each with an offset of its own."""
        low, high = self._bounds_us
        if low == high:
            fixed = timedelta(microseconds=low)
            return [self._now() + fixed for _ in range(n)]
        values: list[object] = []
        while len(values) < n:
            offset = next(self._offsets, None)
            if offset is None:
                drawn = rng.integers(low, high, _OFFSETS_AT_ONCE, endpoint=True).tolist()
                self._offsets = (timedelta(microseconds=offset_us) for offset_us in drawn)
                continue
            values.append(self._now() + offset)
        return values
