"""What a server tells of its statements by the minute, and how much of that can be put together.

A percentile of a minute is no percentile of the hour, and percentiles cannot be averaged. What can be merged is merged:
calls, sums, the least and the most, and means as sums over calls. Of a percentile it is said between which values those
of the groups are. That is no bound for all of them together: the server takes percentiles between values, so that two
groups of 0 and 100 ms have a p90 of 90 ms each, and 100 ms together. The bounds are the least and the most.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from upperbound.domain.phases import Phase


@dataclass(frozen=True)
class Distribution:
    """One quantity of the statements of a group, in milliseconds, as the server has put it together."""

    sum_ms: float
    min_ms: float
    median_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True)
class ServerMinute:
    """The statements of one text that one session executed in one minute."""

    start: datetime
    worker_id: str
    phase: Phase
    kind: str | None
    """None for a statement whose text has lost the comment that names it."""
    calls: int
    elapsed: Distribution | None
    """From receiving a statement to its end; None where the server does not tell."""
    execution: Distribution | None
    overload: Distribution | None
    """Waiting for a warehouse that is busy."""
    failed: int
    throttled: int
    """Requests to hybrid tables that were held back by their quota."""


@dataclass(frozen=True)
class GroupRange:
    """The lowest and the highest value that groups have of a percentile; no bound for all of them together."""

    lowest_ms: float
    highest_ms: float


@dataclass(frozen=True)
class MergedDistribution:
    """What can be said of a quantity of several groups together."""

    mean_ms: float
    min_ms: float
    max_ms: float
    median: GroupRange
    p90: GroupRange
    p99: GroupRange


@dataclass(frozen=True)
class MergedMinutes:
    """Several groups together."""

    calls: int
    failed: int
    throttled: int
    elapsed: MergedDistribution | None
    execution: MergedDistribution | None
    overload: MergedDistribution | None


def merge_minutes(minutes: Iterable[ServerMinute]) -> MergedMinutes:
    """Return what can be said of the statements of all these groups together."""
    groups = [minute for minute in minutes if minute.calls > 0]
    return MergedMinutes(
        calls=sum(minute.calls for minute in groups),
        failed=sum(minute.failed for minute in groups),
        throttled=sum(minute.throttled for minute in groups),
        elapsed=_merge([(minute.calls, minute.elapsed) for minute in groups]),
        execution=_merge([(minute.calls, minute.execution) for minute in groups]),
        overload=_merge([(minute.calls, minute.overload) for minute in groups]),
    )


def _merge(groups: list[tuple[int, Distribution | None]]) -> MergedDistribution | None:
    """Merge one quantity; None where a group does not tell of it, as nothing is known of the whole then."""
    told = [(calls, one) for calls, one in groups if one is not None]
    if not told or len(told) < len(groups):
        return None
    parts = [one for _, one in told]
    return MergedDistribution(
        mean_ms=sum(one.sum_ms for one in parts) / sum(calls for calls, _ in told),
        min_ms=min(one.min_ms for one in parts),
        max_ms=max(one.max_ms for one in parts),
        median=_range([one.median_ms for one in parts]),
        p90=_range([one.p90_ms for one in parts]),
        p99=_range([one.p99_ms for one in parts]),
    )


def _range(values: list[float]) -> GroupRange:
    return GroupRange(min(values), max(values))
