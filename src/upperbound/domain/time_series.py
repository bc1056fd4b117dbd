"""A run over time, from the cumulative snapshots of its workers: which two of them tell of a stretch of time.

Snapshots are taken about once a second, each worker by its own clock. A stretch takes, of each worker, the snapshots
nearest to its two ends, and the rate is what was done between these two over the time between these two: a snapshot
that is some milliseconds late makes no dip and no spike.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from upperbound.domain.phases import Phase, PhasePlan

SHORTEST_STEP_S: Final = 1.0
"""Workers take a snapshot about this often; a shorter stretch would be empty for most."""
LOADED: Final = (Phase.WARMUP, Phase.MEASUREMENT)
"""Phases in which figures are counted, in their order."""
_LAST_SHARE: Final = 0.4
"""A last stretch shorter than this share of the others becomes part of the one before."""


@dataclass(frozen=True)
class Mark:
    """What one worker had counted at one moment; a snapshot without its histograms."""

    worker_id: str
    sequence: int
    """0 for the beginning of a phase, at which nothing was counted."""
    phase: Phase
    at_s: float
    """Seconds since START_TIME."""
    operations: int
    """Of the phase, up to this moment; so is ``failed``."""
    failed: int
    active_threads: int
    target_threads: int


@dataclass(frozen=True)
class Span:
    """What one worker did between two marks of one phase."""

    older: Mark
    newer: Mark

    @property
    def seconds(self) -> float:
        """The time between the two."""
        return self.newer.at_s - self.older.at_s

    @property
    def operations(self) -> int:
        """Successful operations in that time."""
        return self.newer.operations - self.older.operations

    @property
    def failed(self) -> int:
        """Failed ones."""
        return self.newer.failed - self.older.failed


@dataclass(frozen=True)
class Stretch:
    """A part of a phase: the half-open interval [begin, end), in seconds since START_TIME."""

    phase: Phase
    begin_s: float
    end_s: float
    spans: tuple[Span, ...]
    """One of each worker that did anything in it."""

    @property
    def qps(self) -> float:
        """Successful operations per second of all workers."""
        return sum(span.operations / span.seconds for span in self.spans)

    @property
    def failed_per_s(self) -> float:
        """Failed ones per second."""
        return sum(span.failed / span.seconds for span in self.spans)


def step_for(plan: PhasePlan, points: int) -> float:
    """Return the length of a stretch in seconds, whole, so that a run has at most about so many."""
    return float(max(1, math.ceil(plan.total_s / points)))


def stretches(marks: Sequence[Mark], plan: PhasePlan, step_s: float) -> list[Stretch]:
    """Return the run in stretches of ``step_s`` seconds, the last of a phase excepted.

    ``marks`` may be in any order. Raises :class:`ValueError` for a step below :data:`SHORTEST_STEP_S`.
    """
    if step_s < SHORTEST_STEP_S:
        raise ValueError(f"step_s must be at least {SHORTEST_STEP_S}, not {step_s}")
    found: list[Stretch] = []
    for phase, begin_s in zip(LOADED, (0.0, plan.warmup_s), strict=True):
        by_worker = _by_worker([mark for mark in marks if mark.phase is phase])
        if not by_worker:
            continue
        end_s = max(own[-1].at_s for own in by_worker.values())
        edges = _edges(begin_s, end_s, step_s)
        for first, last in pairwise(edges):
            spans = [_span(own, first, last) for own in by_worker.values()]
            found.append(Stretch(phase, first, last, tuple(span for span in spans if span is not None)))
    return found


def _by_worker(marks: Sequence[Mark]) -> Mapping[str, list[Mark]]:
    """Return the marks of one phase by worker, each led by the beginning, in the order of time."""
    by_worker: dict[str, list[Mark]] = {}
    for mark in sorted(marks, key=lambda mark: mark.sequence):
        own = by_worker.setdefault(mark.worker_id, [])
        # A worker that began to count anew starts from there.
        if own and (mark.operations < own[-1].operations or mark.failed < own[-1].failed):
            own.clear()
        if not own or mark.at_s > own[-1].at_s:
            own.append(mark)
    return {worker_id: own for worker_id, own in by_worker.items() if len(own) > 1}


def _edges(begin_s: float, end_s: float, step_s: float) -> list[float]:
    count = math.floor((end_s - begin_s) / step_s)
    edges = [begin_s + step_s * number for number in range(count + 1)]
    rest_s = end_s - edges[-1]
    if rest_s >= _LAST_SHARE * step_s or len(edges) == 1:
        edges.append(end_s)
    return edges


def _span(own: Sequence[Mark], first_s: float, last_s: float) -> Span | None:
    """Return the marks nearest to both ends; None for a worker that did nothing in between."""
    if own[0].at_s >= last_s or own[-1].at_s <= first_s:
        return None
    older, newer = _nearest(own, first_s), _nearest(own, last_s)
    if older == newer:
        # Snapshots are missing here: the stretch has its part of what was done until the next one.
        newer = min(older + 1, len(own) - 1)
        older = newer - 1
    return Span(own[older], own[newer])


def _nearest(own: Sequence[Mark], at_s: float) -> int:
    """Return the index of the mark nearest to a moment."""
    after = bisect_left(own, at_s, key=lambda mark: mark.at_s)
    if after == 0:
        return 0
    if after == len(own):
        return len(own) - 1
    return after if own[after].at_s - at_s < at_s - own[after - 1].at_s else after - 1
