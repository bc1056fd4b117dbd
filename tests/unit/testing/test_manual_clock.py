"""Time passes only when a test says so."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from upperbound.testing.manual_clock import FIRST_MOMENT, ManualClock


def test_time_stands_still_until_it_is_moved() -> None:
    clock = ManualClock()
    assert (clock.utc_now(), clock.monotonic_ns()) == (FIRST_MOMENT, clock.monotonic_ns())


def test_wall_and_monotonic_time_move_together() -> None:
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC), monotonic_ns=5)
    clock.advance(1.5)
    clock.sleep(0.25)
    assert clock.monotonic_ns() == 5 + 1_750_000_000
    assert clock.utc_now() == datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=1.75)


def test_a_sleep_of_nothing_changes_nothing_and_time_never_goes_back() -> None:
    clock = ManualClock()
    before = clock.monotonic_ns()
    clock.sleep(0)
    clock.sleep(-1)
    assert clock.monotonic_ns() == before
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-0.1)


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the naive time is what is refused


def test_no_sleep_of_several_threads_is_lost() -> None:
    clock = ManualClock(monotonic_ns=0)

    def sleep_often() -> None:
        for _ in range(500):
            clock.sleep(0.001)

    threads = [threading.Thread(target=sleep_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic_ns() == 2_000_000_000
