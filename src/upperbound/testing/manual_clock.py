"""A clock whose time passes only when a test says so."""

import threading
from datetime import UTC, datetime, timedelta

FIRST_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
"""The wall time of a new clock, unless told otherwise."""


class ManualClock:
    """A :class:`upperbound.clock.Clock` that stands still until :meth:`advance` or :meth:`sleep` moves it.

    Wall and monotonic time move together. Safe to use from several threads: a sleep moves the time for all of them and
    returns at once, so that a loop that waits for a deadline gets there without the test having to wait.
    """

    def __init__(self, utc: datetime = FIRST_MOMENT, monotonic_ns: int = 1_000_000_000) -> None:
        """Stand at the given times. Raises :class:`ValueError` for a ``utc`` without a time zone."""
        if utc.tzinfo is None:
            raise ValueError(f"a moment needs a time zone: {utc.isoformat()}")
        self._lock = threading.Lock()
        self._utc = utc.astimezone(UTC)
        self._begin_ns = self._monotonic_ns = monotonic_ns

    def utc_now(self) -> datetime:
        """Return the wall time, to the microsecond."""
        return self._utc + timedelta(microseconds=(self._monotonic_ns - self._begin_ns) // 1000)

    def monotonic_ns(self) -> int:
        """Return the monotonic time."""
        return self._monotonic_ns

    def sleep(self, seconds: float) -> None:
        """Move the time by ``seconds`` and return at once; zero or less changes nothing."""
        if seconds > 0:
            self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the time by ``seconds``. Raises :class:`ValueError` for less than zero: time never goes back."""
        if seconds < 0:
            raise ValueError(f"time does not go back, not even by {-seconds} s")
        with self._lock:
            self._monotonic_ns += round(seconds * 1e9)
