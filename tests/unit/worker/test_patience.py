"""A worker that comes up while the store is away waits for it as long as one that runs."""

import pytest

from upperbound.errors import StoreUnreachable
from upperbound.testing.manual_clock import ManualClock
from upperbound.worker.control import STORE_LOST_S
from upperbound.worker.patience import patiently


class Away:
    """A store that answers after so many calls."""

    def __init__(self, calls: float) -> None:
        self.calls = calls

    def __call__(self) -> str:
        self.calls -= 1
        if self.calls >= 0:
            raise StoreUnreachable("the store is away")
        return "the run"


def test_one_lost_call_does_not_end_a_worker_before_it_has_begun() -> None:
    clock = ManualClock()
    assert patiently(Away(calls=1), clock) == "the run"
    assert patiently(Away(calls=12), clock) == "the run"


def test_a_store_that_stays_away_ends_a_worker() -> None:
    clock = ManualClock()
    before_ns = clock.monotonic_ns()
    with pytest.raises(StoreUnreachable):
        patiently(Away(calls=float("inf")), clock)
    assert STORE_LOST_S <= (clock.monotonic_ns() - before_ns) / 1e9 < STORE_LOST_S + 1
