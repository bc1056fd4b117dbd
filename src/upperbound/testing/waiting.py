"""Waiting in tests: for a condition and never for a time."""

from collections.abc import Callable

from upperbound.clock import SystemClock

DEADLINE_S = 60.0
"""Longer than anything a test waits for takes on a slow machine that does other work as well."""
LOOK_S = 0.005


def until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return once ``condition`` is true; raises :class:`AssertionError` that names ``what`` after the deadline."""
    clock = SystemClock()
    deadline_ns = clock.monotonic_ns() + int(deadline_s * 1e9)
    while not condition():
        if clock.monotonic_ns() > deadline_ns:
            raise AssertionError(f"timed out after {deadline_s:g} s, waiting until {what}")
        clock.sleep(LOOK_S)
