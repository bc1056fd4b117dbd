"""Which part of a value pool, and which insert keys, belong to which thread."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """The place of one thread among all threads of a run.

    Decided by the group id, the planned group count and the local thread alone, so that every worker computes its own
    place without asking. Raises :class:`ValueError` for a place outside these bounds.
    """

    group_id: int
    """Zero-based index of the worker; in [0, group_count)."""
    group_count: int
    """The planned number of workers."""
    thread: int
    """Zero-based index of the thread in its worker; in [0, threads_per_worker)."""
    threads_per_worker: int
    """The most threads any worker of the run may have; the same for all its workers, or slots would collide."""

    def __post_init__(self) -> None:
        if not 0 <= self.group_id < self.group_count:
            raise ValueError(f"group id {self.group_id} is not one of {self.group_count}")
        if not 0 <= self.thread < self.threads_per_worker:
            raise ValueError(f"thread {self.thread} is not one of {self.threads_per_worker}")

    @property
    def slot(self) -> int:
        """The number of this thread among all of the run, in [0, slots); unchanged when workers are added."""
        return self.group_id * self.threads_per_worker + self.thread

    @property
    def slots(self) -> int:
        """How many threads the run can have."""
        return self.group_count * self.threads_per_worker

    def slice_for(self, n_values: int) -> range:
        """Return the indexes of this thread's share of a pool of ``n_values``.

        Every ``slots``-th value from ``slot`` on: the shares of all slots are disjoint and cover the pool. A pool with
        fewer values than slots cannot give each thread one and is shared as a whole. Empty only for an empty pool.
        """
        if n_values < self.slots:
            return range(n_values)
        return range(self.slot, n_values, self.slots)

    def sequence_value(self, start: int, k: int) -> int:
        """Return this thread's ``k``-th key (from 0) of a sequence that begins at ``start``.

        No two threads of a run ever get the same key, and together they leave no gap but those of the slower threads.
        """
        return start + k * self.slots + self.slot
