"""What a worker asks of its store while it has no load yet: it waits for a store that is away."""

from collections.abc import Callable
from typing import TypeVar

from upperbound.clock import Clock
from upperbound.errors import StoreUnreachable
from upperbound.worker.control import STORE_LOST_S, store_backoff

Answer = TypeVar("Answer")


def patiently(attempt: Callable[[], Answer], clock: Clock) -> Answer:
    """Return what ``attempt`` returns, trying for as long as a running worker would while the store is away.

    Raises:
        StoreUnreachable: it stayed away.
    """
    deadline = clock.monotonic_ns() + int(STORE_LOST_S * 1e9)
    backoff = store_backoff()
    while True:
        try:
            return attempt()
        except StoreUnreachable:
            left_s = (deadline - clock.monotonic_ns()) / 1e9
            if left_s <= 0:
                raise
            clock.sleep(min(backoff.next_s(), left_s))
