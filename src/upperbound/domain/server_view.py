"""What a server's history says about a run: figures of calls that are matched with what the server tells of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from upperbound.domain.enrichment import Coverage
from upperbound.domain.histogram import fewest_values, nearest_rank

SERIES_POINTS: Final = 3_600
"""As many points as a series over time has at most; a longer run has points of several seconds."""
NO_CLUSTER: Final = -1


@dataclass(frozen=True)
class Calls:
    """Recorded calls and what the server tells of each: arrays of one length.

    What the server tells is 0 for calls that are not matched, unless said otherwise.
    """

    measured: NDArray[np.bool_]
    """Whether it belongs to the measurement, and not to the warmup."""
    kind: NDArray[np.str_]
    succeeded: NDArray[np.bool_]
    reached: NDArray[np.bool_]
    """Whether it has reached the server; see :class:`~upperbound.domain.enrichment.Coverage`."""
    matched: NDArray[np.bool_]
    comparable: NDArray[np.bool_]
    """Whether its time is that of one statement: it has no other, and took one attempt."""
    started_s: NDArray[np.float64]
    """Seconds since the first call of the run was due."""
    service_ms: NDArray[np.float64]
    """From sending it until its whole answer was there."""
    elapsed_ms: NDArray[np.int64]
    execution_ms: NDArray[np.int64]
    overload_ms: NDArray[np.int64]
    provisioning_ms: NDArray[np.int64]
    repair_ms: NDArray[np.int64]
    cluster: NDArray[np.int64]
    """:data:`NO_CLUSTER` where the server names none."""
    on_warehouse: NDArray[np.bool_]
    """Whether the server names a size of a warehouse that executed it."""
    bytes_scanned: NDArray[np.int64]
    cache_pct: NDArray[np.float64]
    """NaN where the server does not tell."""

    def __len__(self) -> int:
        return len(self.measured)

    def only(self, chosen: NDArray[np.bool_]) -> "Calls":
        """Return those that are chosen."""
        return Calls(**{name: values[chosen] for name, values in vars(self).items()})

    @property
    def coverage(self) -> Coverage:
        """How far they are covered."""
        return Coverage(int(self.reached.sum()), int((self.reached & self.matched).sum()))


@dataclass(frozen=True)
class Spread:
    """How values are spread; a percentile that has too few behind it, or that is withheld, is None."""

    count: int
    mean_ms: float | None = None
    min_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


def spread(values: NDArray[Any], *, percentiles: bool = True) -> Spread:
    """Return how values are spread, in milliseconds; a percentile is the value of its nearest rank."""
    if not len(values):
        return Spread(0)
    ordered = np.sort(values)

    def at(percentile: float) -> float | None:
        if not percentiles or len(ordered) < fewest_values(percentile):
            return None
        return float(ordered[nearest_rank(percentile, len(ordered)) - 1])

    return Spread(
        count=len(ordered),
        mean_ms=float(ordered.mean()),
        min_ms=float(ordered[0]),
        p50_ms=at(50),
        p95_ms=at(95),
        p99_ms=at(99),
        max_ms=float(ordered[-1]),
    )


@dataclass(frozen=True)
class KindTimes:
    """What the server and the way to it take, for the calls of one kind or of all."""

    coverage: Coverage
    server: Spread
    """The server's own time for successful calls of one statement and one attempt."""
    overhead: Spread
    """The client's service time less the server's, of the same calls; the server's is in whole milliseconds."""
    left_out: int
    """Successful matched calls of several statements or attempts, whose times are not those of one statement."""
    withheld: str | None
    """Why percentiles are not shown."""


def kind_times(calls: Calls) -> KindTimes:
    """Return the times of calls; failed ones count for coverage alone."""
    coverage = calls.coverage
    known = calls.matched & calls.succeeded
    alone = calls.only(known & calls.comparable)
    overhead = alone.service_ms - alone.elapsed_ms
    shown = coverage.shows_percentiles
    return KindTimes(
        coverage,
        spread(alone.elapsed_ms, percentiles=shown),
        spread(overhead, percentiles=shown),
        int((known & ~calls.comparable).sum()),
        coverage.withheld,
    )


@dataclass(frozen=True)
class Waiting:
    """How long statements waited for a warehouse, for one reason or for all."""

    calls: int
    """Those that waited."""
    share_pct: float | None
    """Their share of those that are matched; None when nothing is matched."""
    times: Spread
    """Of all that are matched, with 0 for those that did not wait."""


@dataclass(frozen=True)
class Queue:
    """How long statements waited for a warehouse."""

    overload: Waiting
    """As it was busy."""
    provisioning: Waiting
    """As it was being started or resized."""
    repair: Waiting
    """As something of it was being repaired."""
    any: Waiting
    """For whatever reason."""


def queue(calls: Calls) -> Queue:
    """Return how long matched calls waited, failed ones included."""
    known, shown = calls.only(calls.matched), calls.coverage.shows_percentiles

    def waiting(times: NDArray[np.int64]) -> Waiting:
        waited = int((times > 0).sum())
        return Waiting(waited, _share(waited, len(times)), spread(times, percentiles=shown))

    together = known.overload_ms + known.provisioning_ms + known.repair_ms
    return Queue(
        waiting(known.overload_ms), waiting(known.provisioning_ms), waiting(known.repair_ms), waiting(together)
    )


@dataclass(frozen=True)
class Cluster:
    """What one cluster of the warehouse did."""

    number: int | None
    """None for calls of which the server names no cluster."""
    calls: int
    share_pct: float
    elapsed: Spread
    waited: Waiting


def clusters(calls: Calls) -> list[Cluster]:
    """Return matched calls by the cluster that executed them, in order of its number, without one last."""
    known, shown = calls.only(calls.matched), calls.coverage.shows_percentiles
    found = []
    for number in np.unique(known.cluster).tolist():
        mine = known.only(known.cluster == number)
        waited_ms = mine.overload_ms + mine.provisioning_ms + mine.repair_ms
        waited = int((waited_ms > 0).sum())
        found.append(
            Cluster(
                number=None if number == NO_CLUSTER else int(number),
                calls=len(mine),
                share_pct=100.0 * len(mine) / len(known),
                elapsed=spread(mine.elapsed_ms, percentiles=shown),
                waited=Waiting(waited, _share(waited, len(mine)), spread(waited_ms, percentiles=shown)),
            )
        )
    return sorted(found, key=lambda one: (one.number is None, one.number or 0))


@dataclass(frozen=True)
class Cache:
    """What was answered or read from memory, as far as the server tells."""

    without_warehouse: int
    """Successful calls that no warehouse executed and that scanned nothing: answered from the cache of results or from
    metadata, which the history does not tell apart."""
    without_warehouse_pct: float | None
    scanning: int
    """Calls that scanned bytes and of which the server tells from where."""
    local_pct: float | None
    """Mean over these of the share that the warehouse's local cache had; None where the server does not tell."""


def cache(calls: Calls) -> Cache:
    """Return what matched calls took from caches."""
    known = calls.only(calls.matched & calls.succeeded)
    without = int((~known.on_warehouse & (known.bytes_scanned == 0) & (known.execution_ms == 0)).sum())
    told = known.cache_pct[(known.bytes_scanned > 0) & ~np.isnan(known.cache_pct)]
    return Cache(without, _share(without, len(known)), len(told), float(told.mean()) if len(told) else None)


@dataclass(frozen=True)
class OverheadPoint:
    """The overhead of the calls that started within one step of time."""

    elapsed_s: float
    """When the step began, in seconds since the first call of the run was due."""
    count: int
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class OverheadSeries:
    """Overhead over time."""

    step_s: int
    points: tuple[OverheadPoint, ...]
    """Those of steps in which something started, warmup included."""
    withheld: str | None


def overhead_series(calls: Calls) -> OverheadSeries:
    """Return the overhead over time, each second or, for a run of more than an hour, each few seconds."""
    withheld = calls.coverage.withheld
    alone = calls.only(calls.matched & calls.succeeded & calls.comparable)
    longest_s = float(alone.started_s.max()) if len(alone) else 0.0
    step_s = max(1, int(-(-(longest_s + 1e-9) // SERIES_POINTS)))
    if withheld is not None or not len(alone):
        return OverheadSeries(step_s, (), withheld)
    steps = np.floor_divide(alone.started_s, step_s).astype(np.int64)
    order = np.argsort(steps, kind="stable")
    overhead, steps = (alone.service_ms - alone.elapsed_ms)[order], steps[order]
    numbers, firsts = np.unique(steps, return_index=True)
    points = []
    for number, values in zip(numbers.tolist(), np.split(overhead, firsts[1:]), strict=True):
        one = spread(values)
        points.append(OverheadPoint(float(number * step_s), one.count, one.p50_ms, one.p95_ms))
    return OverheadSeries(step_s, tuple(points), None)


@dataclass(frozen=True)
class ErrorCount:
    """Statements that the server has ended with an error of one code."""

    code: str
    count: int


def error_counts(codes: Sequence[str]) -> list[ErrorCount]:
    """Return how often each code occurs, the most frequent first."""
    names, counts = np.unique(np.array(codes, dtype=np.str_), return_counts=True)
    found = [ErrorCount(str(name), int(count)) for name, count in zip(names, counts, strict=True)]
    return sorted(found, key=lambda one: (-one.count, one.code))


def _share(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None
