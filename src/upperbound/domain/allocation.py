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


def fill(total: int, cap: int, present: int = 1) -> list[int]:
    """Spread ``total`` threads so that each worker is filled to ``cap`` before the next one gets more than one thread.

    There are as many workers as the threads need, at least ``present``: those that are there keep one thread each, as
    a worker without any would leave the run. Raises :class:`ValueError` for a cap or a total below 1.
    """
    if cap < 1 or total < 1:
        raise ValueError(f"cannot fill workers of {cap} with {total} threads")
    workers = max(present, worker_count(total, cap))
    left = max(0, total - workers)
    threads = []
    for _ in range(workers):
        more = min(cap - 1, left)
        threads.append(1 + more)
        left -= more
    return threads


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
    """The threads of each worker, by group id."""

    threads: tuple[int, ...]

    @property
    def worker_count(self) -> int:
        """The planned number of workers."""
        return len(self.threads)

    @property
    def total_threads(self) -> int:
        """The threads of all workers together."""
        return sum(self.threads)


def plan_workers(
    *, threads: int | None, mode: str, min_workers: int | None, min_threads: int | None, cap: int
) -> WorkerPlan:
    """Plan the workers of a run that keeps a number of threads busy.

    ``FIXED`` is exactly ``min_workers`` x ``min_threads``, whatever ``cap`` says: who fixes the numbers knows why.
    ``AUTO`` spreads ``threads`` over as few workers as ``cap`` allows and uses neither minimum.

    Raises :class:`ValueError` when a number the mode needs is missing or below 1, when ``threads`` disagrees with a
    fixed plan, and for an unknown mode.
    """
    if mode == "FIXED":
        if min_workers is None or min_threads is None or min_workers < 1 or min_threads < 1:
            raise ValueError(f"FIXED scaling needs min_workers and min_threads, not {min_workers} x {min_threads}")
        if threads is not None and threads != min_workers * min_threads:
            raise ValueError(f"{min_workers} workers x {min_threads} threads are not the load's {threads}")
        return WorkerPlan((min_threads,) * min_workers)
    if mode == "AUTO":
        if threads is None or threads < 1:
            raise ValueError(f"AUTO scaling needs a number of threads, not {threads}")
        return WorkerPlan(tuple(allocate(threads, worker_count(threads, cap))))
    raise ValueError(f"unknown scaling mode {mode!r}")
