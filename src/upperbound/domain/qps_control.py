"""How many threads, on how many workers, carry a rate: decided once a second from what the last interval has shown.

By Little's law (J. D. C. Little, *Operations Research* 9(3), 1961) the operations in flight are the rate times the mean
service time; each keeps a thread busy, and headroom leaves some free for arrivals that come in bunches. The service
time is what was measured and not what users waited: waiting in the backlog needs no thread.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

HEADROOM: Final = 1.5
"""Threads for each operation in flight."""
SPARE: Final = 2
"""Threads beyond those, so that low rates are not carried by a single one. With both, by Erlang's C formula, 6 in 100
Poisson arrivals find every thread busy when 4 operations are in flight, 3 when 10 are, and 1.5 when 16 are."""
DRAIN_S: Final = 5.0
"""What waits in the backlog shall be worked off within this time, beside what arrives in it."""
DEADBAND_RATIO: Final = 0.2
"""A number of threads that is needed and differs by less than this share changes nothing."""
GROWTH_RATIO: Final = 2.0
"""The threads of the next interval are at most this many times those of the last: its service time was theirs."""
DOWN_PATIENCE: Final = 10
"""Intervals in a row that must need fewer threads before any are taken away, and then the most any of them needed."""
ACHIEVED_LIMIT_PCT: Final = 98.0
"""A rate of which less than this share was achieved is missed."""
GROW_PATIENCE: Final = 2
"""Intervals in a row, with every worker at its ceiling, that must miss the rate before a worker is added."""

HELPED_RATIO: Final = 1.02
"""A worker has helped when at least this many times the rate before it is achieved."""


class Verdict(StrEnum):
    """What an interval asks for beyond the number of threads."""

    STEADY = "STEADY"
    """Nothing."""
    ADD_WORKER = "ADD_WORKER"
    """Every worker is at its ceiling, the rate is missed, and there is room for one worker more."""
    BOUNDS_LIMIT_REACHED = "BOUNDS_LIMIT_REACHED"
    """The same without any room, for as long as the scenario is patient."""


@dataclass(frozen=True)
class QpsBounds:
    """How far the controller may go."""

    min_workers: int
    max_workers: int
    """The most workers at a time, as far as the run has room for them."""
    min_threads: int
    """Of each worker."""
    max_threads: int
    """Of each worker: its ceiling."""
    patience_intervals: int | None = 3
    """Intervals in a row that a rate may be missed with everything at its bound; None for any number, where nobody has
    set bounds: then a worker is added only as long as the one before it has helped."""


@dataclass(frozen=True)
class Interval:
    """What the workers have shown since the last decision."""

    target_qps: float
    """What they were to offer."""
    achieved_qps: float
    """Attempts that ended, per second."""
    mean_service_ms: float | None
    """Of all that ended, for failed operations keep threads busy as well; None when none did."""
    waiting: int
    """Arrivals in the backlog at its end."""
    threads: int
    """The target of all workers together."""
    workers: int
    """Those that carry the rate, or are about to."""
    settling: bool = False
    """Whether some of these threads are not open yet, so that the interval says little about them."""
    judged: bool = True
    """Whether a rate that is missed counts: in the measurement it does, in the warmup caches are still cold."""


@dataclass(frozen=True)
class QpsState:
    """What the controller remembers, and what it shows in the run's row."""

    target_qps: float = 0.0
    achieved_qps: float = 0.0
    mean_service_ms: float | None = None
    needed_threads: int = 0
    """By Little's law with headroom, before any bound."""
    threads: int = 0
    """What was decided."""
    workers: int = 0
    fewer: tuple[int, ...] = ()
    """What the last intervals needed, as long as all of them needed fewer threads than there are."""
    sharing: tuple[str, ...] = ()
    """The workers that the rate is shared by; none before they were first looked at."""
    achieved_before: float = 0.0
    """What was achieved when the last worker was added."""
    missed: int = 0
    """Intervals in a row that have missed the rate with every worker at its ceiling."""
    missed_judged: int = 0
    """Of these, the last ones in a row that count against the bounds."""
    verdict: Verdict = Verdict.STEADY

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        plain = {"fewer": list(self.fewer), "sharing": list(self.sharing), "verdict": self.verdict.value}
        return {**asdict(self), **plain}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> "QpsState":
        """Read what :meth:`to_json` wrote; a state that was never written is the first one."""
        if not data:
            return cls()
        lists = {"fewer": tuple(data["fewer"]), "sharing": tuple(data["sharing"])}
        return cls(**{**data, **lists, "verdict": Verdict(data["verdict"])})


def needed_threads(interval: Interval) -> int:
    """Return how many threads would carry the rate and work the backlog off, at the service time that was measured."""
    if interval.mean_service_ms is None:
        return interval.threads
    demand_per_s = interval.target_qps + interval.waiting / DRAIN_S
    return math.ceil(round(demand_per_s * interval.mean_service_ms / 1e3 * HEADROOM, 9)) + SPARE


def control(state: QpsState, interval: Interval, bounds: QpsBounds) -> QpsState:
    """Return the state after an interval; its ``threads`` are what the workers of the interval shall have next.

    More threads come at once and fewer only after :data:`DOWN_PATIENCE` intervals, both only beyond the deadband; at
    most :data:`GROWTH_RATIO` times as many as now. While threads or workers are still on their way nothing is changed
    and nothing is held against the bounds. A worker that is added brings its threads with the next decision.
    """
    needed = needed_threads(interval)
    seen = replace(
        state,
        target_qps=interval.target_qps,
        achieved_qps=interval.achieved_qps,
        mean_service_ms=interval.mean_service_ms,
        needed_threads=needed,
        threads=interval.threads,
        workers=interval.workers,
        verdict=Verdict.STEADY,
    )
    if interval.settling:
        return replace(seen, fewer=(), missed=0, missed_judged=0)
    floor, ceiling = (max(1, interval.workers) * each for each in (bounds.min_threads, bounds.max_threads))
    wanted = min(max(needed, floor), ceiling)
    now = interval.threads
    band = max(1, math.floor(now * DEADBAND_RATIO))
    fewer: tuple[int, ...] = ()
    if wanted > now + band or (now < wanted == ceiling) or now < floor:
        threads = min(wanted, max(floor, math.ceil(now * GROWTH_RATIO)))
    elif now > ceiling:
        threads = ceiling
    elif wanted < now - band:
        fewer = (*state.fewer, wanted)[-DOWN_PATIENCE:]
        enough = len(fewer) == DOWN_PATIENCE
        threads, fewer = (max(fewer), ()) if enough else (now, fewer)
    else:
        threads = now
    missed = _missed(state, interval, at_ceiling=now >= ceiling and threads >= ceiling)
    judged = state.missed_judged + 1 if missed and interval.judged else 0
    following = replace(seen, threads=threads, fewer=fewer, missed=missed, missed_judged=judged)
    if interval.workers < bounds.max_workers:
        helped = interval.achieved_qps >= state.achieved_before * HELPED_RATIO
        if missed >= GROW_PATIENCE and (helped or bounds.patience_intervals is not None):
            before = interval.achieved_qps
            return replace(following, verdict=Verdict.ADD_WORKER, missed=0, achieved_before=before)
    elif bounds.patience_intervals is not None and judged >= bounds.patience_intervals:
        return replace(following, verdict=Verdict.BOUNDS_LIMIT_REACHED)
    return following


def limit_reached(state: QpsState) -> tuple[str, ...]:
    """Say what a run had reached that was ended at its bounds; empty for any other."""
    if state.verdict is not Verdict.BOUNDS_LIMIT_REACHED:
        return ()
    threads = f"{state.threads:,} {'thread' if state.threads == 1 else 'threads'}"
    workers = f"{state.workers:,} {'worker' if state.workers == 1 else 'workers'}"
    reached = f"{state.achieved_qps:,.1f} of {state.target_qps:,.1f} per second were achieved in the end"
    return (f"{reached} with {threads} on {workers}, which is all that scaling allows",)


def _missed(state: QpsState, interval: Interval, *, at_ceiling: bool) -> int:
    """Return how many intervals in a row, this one included, have missed the rate with all threads there may be."""
    missed = interval.achieved_qps < interval.target_qps * ACHIEVED_LIMIT_PCT / 100
    return state.missed + 1 if missed and at_ceiling else 0
