"""The only place that reads the machine's clocks outside the measuring loop.

Decisions take ``now`` or an elapsed time as an argument; loops take a :class:`Clock`, so that a test can own time.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time, and waiting."""

    def utc_now(self) -> datetime:
        """Return the host's wall time as an aware UTC datetime; for labels, never for durations."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never go backwards; the base of every duration measured in a process."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass; zero or less returns at once."""
        ...


class SystemClock:
    """The clock of this machine.

    Monotonic time is ``time.perf_counter_ns``, the clock the measuring loop stamps its records with, so that both may
    be compared within a process.
    """

    def utc_now(self) -> datetime:
        """Return the host's wall time as an aware UTC datetime."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """Return ``time.perf_counter_ns``."""
        return time.perf_counter_ns()

    def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds``; zero or less returns at once."""
        if seconds > 0:
            time.sleep(seconds)
