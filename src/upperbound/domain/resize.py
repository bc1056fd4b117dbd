"""Changing how many threads and workers carry a run while it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from upperbound.domain.allocation import MAX_PER_WORKER, allocate
from upperbound.errors import Problem

SPARE_WORKERS: Final = 16
"""The workers that a run without a maximum has room for; more room spreads its insert keys thinner."""
_PREFIX: Final = "worker-"


def worker_name(group_id: int) -> str:
    """Return the id of the worker with this group id."""
    return f"{_PREFIX}{group_id}"


def group_of(worker_id: str) -> int:
    """Return the group id of a worker. Raises :class:`ValueError` for what is no worker's id."""
    return int(worker_id.removeprefix(_PREFIX))


def next_worker(targets: Mapping[str, int]) -> str:
    """Return the id of a worker that joins: an id is never used twice in a run."""
    return worker_name(max(map(group_of, targets), default=-1) + 1)


def worker_capacity(planned: int, *, fixed: bool, max_workers: int | None) -> int:
    """Return the most workers a run may ever have, those that have left it included.

    A fixed run has its plan's. Another one has room for its maximum, or without one for :data:`SPARE_WORKERS` and at
    least as many as it begins with once more.
    """
    if fixed:
        return planned
    return max(planned, max_workers) if max_workers is not None else max(2 * planned, SPARE_WORKERS)


@dataclass(frozen=True)
class Room:
    """What a run may grow and shrink to."""

    capacity: int
    """See :func:`worker_capacity`."""
    fixed: bool = False
    """Whether workers and threads are what the scenario says, and nothing else."""
    min_workers: int = 1
    max_workers: int | None = None
    """None for no limit but the capacity."""
    min_threads: int = 1
    """Of each worker."""
    max_threads: int | None = None
    """Of each worker; None for what a worker is built for."""

    @property
    def per_worker(self) -> int:
        """The most threads of one worker."""
        return min(self.max_threads or MAX_PER_WORKER, MAX_PER_WORKER)


@dataclass(frozen=True)
class Resize:
    """New targets, by worker id; only of workers whose target changes."""

    targets: Mapping[str, int]
    """Threads from now on; 0 takes a worker out of the run."""
    joined: tuple[str, ...]
    """Those of them that are new."""
    retired: tuple[str, ...]
    """Those of them that leave."""


def resize(
    targets: Mapping[str, int],
    carrying: Mapping[str, int],
    room: Room,
    *,
    threads: int | None = None,
    workers: int | None = None,
) -> Resize | list[Problem]:
    """Spread ``threads`` over ``workers``, each as it is now when left out; returns every problem if that cannot be.

    ``targets`` are those of all workers the run has ever had, ``carrying`` those of the workers that can be told to
    change. Workers leave from the highest group id on, join with new ids, and the threads are allotted anew.
    """
    total = sum(carrying.values()) if threads is None else threads
    count = len(carrying) if workers is None else workers
    if problems := _problems(targets, carrying, room, threads=threads, workers=workers, total=total, count=count):
        return problems
    present = sorted(carrying, key=group_of)
    stay, retired = present[:count], present[count:]
    first = group_of(next_worker(targets))
    joined = [worker_name(first + number) for number in range(count - len(stay))]
    wanted = dict(zip([*stay, *joined], allocate(total, count), strict=True)) | dict.fromkeys(retired, 0)
    changed = {worker_id: target for worker_id, target in wanted.items() if targets.get(worker_id) != target}
    return Resize(changed, tuple(joined), tuple(retired))


def _problems(
    targets: Mapping[str, int],
    carrying: Mapping[str, int],
    room: Room,
    *,
    threads: int | None,
    workers: int | None,
    total: int,
    count: int,
) -> list[Problem]:
    if room.fixed:
        hint = "give the scenario scaling AUTO or BOUNDED, and start it anew"
        asked = [("threads", threads), ("workers", workers)]
        return [Problem(key, "the run's scaling is FIXED", hint) for key, value in asked if value is not None]
    problems = []
    if count < 1:
        problems.append(Problem("workers", f"a run needs at least one worker, not {count}"))
    elif workers is not None:
        problems += _problems_of_workers(targets, carrying, room, workers)
    if total < 1:
        problems.append(Problem("threads", f"a run needs at least one thread, not {total}"))
    elif count >= 1 and total < count * room.min_threads:
        lowest = f"{count} x {room.min_threads} = {count * room.min_threads} threads"
        fewer, fewest = total // room.min_threads, room.min_workers * room.min_threads
        hint = f"set workers={fewer} as well" if fewer >= room.min_workers else f"the fewest are {fewest}"
        problems.append(Problem("threads", f"{total} are too few: the run carries at least {lowest}", hint))
    elif count >= 1 and -(-total // count) > room.per_worker:
        most = f"{count} x {room.per_worker} = {count * room.per_worker} threads"
        needed, allowed = -(-total // room.per_worker), _most_workers(targets, carrying, room)
        hint = f"set workers={needed} as well" if needed <= allowed else f"the most are {allowed * room.per_worker}"
        problems.append(Problem("threads", f"{total} are too many for {most}", hint))
    return problems


def _problems_of_workers(
    targets: Mapping[str, int], carrying: Mapping[str, int], room: Room, workers: int
) -> list[Problem]:
    if workers < room.min_workers:
        return [Problem("workers", f"{workers} are too few: the scenario's min_workers is {room.min_workers}")]
    if room.max_workers is not None and workers > room.max_workers:
        return [Problem("workers", f"{workers} are too many: the scenario's max_workers is {room.max_workers}")]
    left = room.capacity - len(targets)
    if workers > _most_workers(targets, carrying, room):
        said = (
            f"{workers} are too many: {left} may still join, of {room.capacity} that the run had room for at its start"
        )
        return [Problem("workers", said, "give the scenario scaling BOUNDED with a max_workers, and start it anew")]
    return []


def _most_workers(targets: Mapping[str, int], carrying: Mapping[str, int], room: Room) -> int:
    """Return how many workers may carry the run at once: an id is never used twice, and each takes of the capacity."""
    most = len(carrying) + room.capacity - len(targets)
    return most if room.max_workers is None else min(most, room.max_workers)
