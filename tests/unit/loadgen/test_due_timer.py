"""A timer wakes epoll when its time has come and not before, and an order that is replaced is forgotten."""

import select
from collections.abc import Iterator

import pytest

from upperbound.clock import SystemClock
from upperbound.loadgen.due_timer import DueTimer
from upperbound.testing.waiting import DEADLINE_S

MS = 1_000_000


@pytest.fixture
def timer() -> Iterator[DueTimer]:
    made = DueTimer()
    yield made
    made.close()


def wait(timer: DueTimer, timeout_s: float) -> bool:
    with select.epoll() as epoll:
        epoll.register(timer.fd, select.EPOLLIN)
        return bool(epoll.poll(timeout_s))


def test_it_wakes_when_its_time_has_come_and_not_before(timer: DueTimer) -> None:
    clock = SystemClock()
    due_ns = clock.monotonic_ns() + 3 * MS + 700_000
    timer.set(due_ns)
    assert wait(timer, DEADLINE_S)
    assert clock.monotonic_ns() >= due_ns


@pytest.mark.parametrize("due_ns", [0, -5])
def test_a_time_that_has_passed_is_now(timer: DueTimer, due_ns: int) -> None:
    timer.set(due_ns)
    assert wait(timer, DEADLINE_S)


def test_a_new_order_replaces_one_that_has_come_due(timer: DueTimer) -> None:
    timer.set(1)
    assert wait(timer, DEADLINE_S)
    timer.set(SystemClock().monotonic_ns() + 3_600_000 * MS)
    assert not wait(timer, 0)
