"""How threads are spread over workers, and how many workers there are."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

THREADS_PER_CORE: Final = 100
"""Threads per core of a worker's host when nothing else is given; beyond it, generators tend to measure themselves."""
GIB_PER_THREAD: Final = 1 / 1024
"""Memory set aside per thread, in GiB: 1 MiB, ten times what an idle thread may take on our side."""
MAX_PER_WORKER: Final = 1_000
"""Threads that one worker is built and tested for."""
BLOCKING_THREADS: Final = 32
"""Threads that one process carries well whose driver blocks: those it was measured with."""


@dataclass(frozen=True)
class Bounds:
    """How many workers a run may have, and how many threads each of them; None for no limit."""

    min_workers: int = 1
    max_workers: int | None = None
    min_threads: int = 1
    """Of each worker."""
    max_threads: int | None = None
    """Of each worker."""

    @property
    def consistent(self) -> bool:
        """Whether no lowest number is above the highest one."""
        return self.min_workers <= (self.max_workers or self.min_workers) and self.min_threads <= (
            self.max_threads or self.min_threads
        )

    @property
    def floor(self) -> int:
        """The fewest threads of all workers together."""
        return self.min_workers * self.min_threads

    @property
    def ceiling(self) -> int | None:
        """The most threads of all workers together; None when one of the two numbers has no limit."""
        if self.max_workers is None or self.max_threads is None:
            return None
        return self.max_workers * self.max_threads


def allocate(total: int, workers: int) -> list[int]:
    """Spread ``total`` threads over ``workers``: ``total // workers`` each, the remainder to the lowest group ids.

    Raises :class:`ValueError` for a negative total or no worker.
    """
    if total < 0:
        raise ValueError(f"cannot spread {total} threads")
    if workers < 1:
        raise ValueError(f"cannot spread threads over {workers} workers")
    base, remainder = divmod(total, workers)
    return [base + (group_id < remainder) for group_id in range(workers)]


def fill(total: int, cap: int, present: int = 1, *, floor: int = 1, most: int | None = None) -> list[int]:
    """Spread ``total`` threads so that each worker is filled to ``cap`` before the next gets more than its ``floor``.

    There are as many workers as the threads need, at least ``present`` and not more than ``most``, whose workers then
    share what is beyond the cap. Those that are there keep their floor, as a worker without any thread would leave the
    run. Raises :class:`ValueError` for a cap, a total or a floor below 1.
    """
    if cap < 1 or total < 1 or floor < 1:
        raise ValueError(f"cannot fill workers of {floor} to {cap} with {total} threads")
    workers = max(present, min(worker_count(total, cap), most or total))
    left = max(0, total - floor * workers)
    threads = []
    for _ in range(workers):
        more = min(max(0, cap - floor), left)
        threads.append(floor + more)
        left -= more
    return [has + more for has, more in zip(threads, allocate(left, workers), strict=True)]


def scale_down(current: Sequence[int], remove: int, min_threads: int) -> list[int]:
    """Return the threads of each worker after ``remove`` have been taken away.

    Each is taken from the worker that has the most, of equals from the highest group id, so that an even spread stays
    what :func:`allocate` would give. No worker goes below ``min_threads``: what cannot be taken from one is taken from
    the next, and when all are at the floor the rest stays. No worker is ever raised. Raises :class:`ValueError` for a
    negative ``remove``.
    """
    if remove < 0:
        raise ValueError(f"cannot remove {remove} threads")
    threads = list(current)
    largest_first = [(-count, -group_id) for group_id, count in enumerate(threads)]
    heapq.heapify(largest_first)
    for _ in range(remove):
        if not largest_first or -largest_first[0][0] <= min_threads:
            break
        negative_count, negative_id = largest_first[0]
        threads[-negative_id] -= 1
        heapq.heapreplace(largest_first, (negative_count + 1, negative_id))
    return threads


def per_worker_cap(
    *,
    cores: int,
    memory_gib: float,
    given: int | None = None,
    threads_per_core: int = THREADS_PER_CORE,
    gib_per_thread: float = GIB_PER_THREAD,
    max_per_worker: int = MAX_PER_WORKER,
) -> int:
    """Return how many threads one worker may have: ``given``, or what cores, memory and the maximum allow, at least 1.

    Raises :class:`ValueError` when ``given`` is below 1.
    """
    if given is not None:
        if given < 1:
            raise ValueError(f"a worker needs at least one thread, not {given}")
        return given
    return max(1, min(cores * threads_per_core, int(memory_gib / gib_per_thread), max_per_worker))


def blocking_cap(threads: int, cores: int) -> int:
    """Return how many threads one worker may have whose driver blocks: a worker for each core once there are enough.

    Python lets one thread of a process run at a time, so a worker carries what one core carries, about 1,650 point
    lookups a second with Snowflake's connector 5.2, whatever the number of its threads. Below
    :data:`BLOCKING_THREADS` threads another process costs more than it brings.
    """
    return max(BLOCKING_THREADS, -(-threads // max(1, cores)))


def worker_count(threads: int, cap: int) -> int:
    """Return how many workers ``threads`` need when each may have ``cap``: ceil(threads / cap), at least 1.

    Raises :class:`ValueError` for a cap below 1.
    """
    if cap < 1:
        raise ValueError(f"a worker needs at least one thread, not {cap}")
    return max(1, -(-threads // cap))


def threads_for_rate(rate_per_s: float, latency_ms: float) -> int:
    """Return how many threads carry a rate when each operation takes ``latency_ms``: their product, at least 1.

    Little's law, L = lambda x W (J. D. C. Little, *Operations Research* 9(3), 1961): the operations in flight, each of
    which keeps a thread busy. It is the least number that can do; a rate that varies needs more.
    """
    return max(1, math.ceil(round(rate_per_s * latency_ms / 1e3, 9)))


@dataclass(frozen=True)
class WorkerPlan:
    """The threads of each worker at the start, by group id, and what they may become."""

    threads: tuple[int, ...]
    bounds: Bounds = Bounds()
    """Within which workers and threads may be added or taken away."""
    cap: int | None = None
    """Threads of one worker before another is added; None when that was not asked."""
    peak: int | None = None
    """Threads of all workers together when the plan has most; None for those of the start."""

    @property
    def worker_count(self) -> int:
        """The planned number of workers."""
        return len(self.threads)

    @property
    def total_threads(self) -> int:
        """The threads of all workers together, at the start."""
        return sum(self.threads)

    @property
    def peak_threads(self) -> int:
        """The most threads that the plan is sure to come to."""
        return max(self.total_threads, self.peak or 0)

    @property
    def peak_per_worker(self) -> int:
        """The most threads of one worker that the plan is sure to come to."""
        return max((*self.threads, -(-self.peak_threads // self.worker_count)))


def _fewest_workers(fewest: int, most: int, bounds: Bounds) -> int | None:
    """Return how many workers it takes to carry between ``fewest`` and ``most`` threads; None when none can.

    The same workers must have threads enough for their floor when there are fewest, and room when there are most.
    """
    needed = max(bounds.min_workers, -(-most // bounds.max_threads) if bounds.max_threads else 1)
    allowed = fewest // bounds.min_threads
    return needed if needed <= (allowed if bounds.max_workers is None else min(allowed, bounds.max_workers)) else None


def fits(fewest: int, most: int, bounds: Bounds) -> bool:
    """Tell whether one number of workers can carry every number of threads in [fewest, most]."""
    return _fewest_workers(fewest, most, bounds) is not None


def nearest_fit(threads: int, bounds: Bounds) -> int:
    """Return the number of threads that the bounds allow and that ``threads`` come nearest to, rather above than below.

    The bounds must be consistent.
    """
    wanted = max(threads, bounds.floor)
    if bounds.max_threads is None:
        return wanted
    workers = max(bounds.min_workers, -(-wanted // bounds.max_threads))
    if bounds.max_workers is not None:
        workers = min(workers, bounds.max_workers)
    return min(max(wanted, workers * bounds.min_threads), workers * bounds.max_threads)


def plan_workers(
    *, threads: int, bounds: Bounds, cap: int, lowest: int | None = None, peak: int | None = None, filling: bool = False
) -> WorkerPlan:
    """Plan as few workers as carry ``threads`` with ``cap`` each, within ``bounds``, and spread the threads over them.

    ``cap`` is what a worker should have, the bounds are what it must have: where both cannot be kept, as with few
    workers at most, a worker gets more than ``cap``. Bounds that leave no room are exactly what the plan is. ``lowest``
    and ``peak`` are the fewest and the most threads that are to come, when that is known: the workers are enough for
    the most, and not more than the fewest can be spread over. With ``filling`` a worker is full before another is
    added; else all have the same, the first ones one more.

    Raises:
        ValueError: the threads, or a bound, are below 1, or the threads do not fit into the bounds.
    """
    most = max(threads, peak or 0)
    fewest = min(threads, lowest or threads)
    if fewest < 1 or bounds.min_workers < 1 or bounds.min_threads < 1:
        raise ValueError(f"cannot plan workers for {fewest} threads within {bounds}")
    if (count := _fewest_workers(fewest, most, bounds)) is None:
        raise ValueError(f"{fewest} to {most} threads do not fit into {bounds}")
    room = min(fewest // bounds.min_threads, bounds.max_workers or fewest)
    if bounds.max_threads is not None:
        cap = min(cap, bounds.max_threads)
    if filling:
        spread = fill(threads, cap, count, floor=bounds.min_threads, most=room)
    else:
        # Who is to come down to few threads, or may have few workers, has workers beyond the cap.
        spread = allocate(threads, max(count, min(worker_count(most, cap), room)))
    count = len(spread)
    return WorkerPlan(tuple(spread), bounds, max(cap, -(-most // count)), most)
