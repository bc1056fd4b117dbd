"""Which part of a value pool, and which insert keys, belong to which thread.

Decided by group ids and by numbers that are fixed before the start, so that every worker computes its own share without
asking, and keeps it when other workers join.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

BLOCK_KEYS: Final = 64
"""Keys that a thread takes at a time: neighbours stay together in an index as far as one thread inserts them."""


@dataclass(frozen=True)
class Shard:
    """The place of one thread among the planned threads of a run.

    A thread or a worker beyond the plan shares the place of a planned one: what is dealt out once is not dealt out
    anew when somebody joins. Raises :class:`ValueError` for a negative index, and for a plan of nobody.
    """

    group_id: int
    """Zero-based index of the worker."""
    group_count: int
    """The planned number of workers."""
    thread: int
    """Zero-based index of the thread in its worker."""
    threads_per_worker: int
    """The most threads any worker has by the plan; the same for all of them, or slots would collide."""

    def __post_init__(self) -> None:
        if self.group_id < 0 or self.group_count < 1:
            raise ValueError(f"there is no group {self.group_id} beside {self.group_count} planned ones")
        if self.thread < 0 or self.threads_per_worker < 1:
            raise ValueError(f"there is no thread {self.thread} beside {self.threads_per_worker} planned ones")

    @property
    def slot(self) -> int:
        """The number of this thread among all planned ones, in [0, slots)."""
        return self.group_id % self.group_count * self.threads_per_worker + self.thread % self.threads_per_worker

    @property
    def slots(self) -> int:
        """How many threads are planned."""
        return self.group_count * self.threads_per_worker

    @property
    def identity(self) -> tuple[int, int]:
        """Two numbers that no other thread of the run has, planned or not; for its random numbers."""
        return self.group_id, self.thread

    def slice_for(self, n_values: int) -> range:
        """Return the indexes of this thread's share of a pool of ``n_values``.

        Every ``slots``-th value from ``slot`` on: the shares of all slots are disjoint and cover the pool. A pool with
        fewer values than slots cannot give each thread one and is shared as a whole. Empty only for an empty pool.
        """
        if n_values < self.slots:
            return range(n_values)
        return range(self.slot, n_values, self.slots)


def key_blocks(group_id: int, capacity: int) -> Iterator[int]:
    """Yield, without end, the first keys of the blocks of :data:`BLOCK_KEYS` keys that belong to one worker.

    Keys count from 0. No two workers of a run share a block as long as there are at most ``capacity`` of them; the
    threads of a worker take turns at one iterator. Raises :class:`ValueError` when there is no room for the group.
    """
    if not 0 <= group_id < capacity:
        raise ValueError(f"group id {group_id} is not one of {capacity}")
    return itertools.count(group_id * BLOCK_KEYS, capacity * BLOCK_KEYS)
