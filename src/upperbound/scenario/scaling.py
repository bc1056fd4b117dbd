"""How threads are spread over worker processes: one model for each scaling mode."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from upperbound.domain.allocation import Bounds
from upperbound.scenario.aliases import rename_connections
from upperbound.scenario.fields import Bound, ScenarioModel, Threads, Whole, worded_error
from upperbound.scenario.kinds import ScalingMode

WORKERS_MAX: Final = 1_000
"""Workers of one run."""
PATIENCE_INTERVALS: Final = 3
"""Control intervals in a row that a rate may be missed at the bounds, unless the scenario says otherwise."""


def _not_too_many(value: int | None) -> int | None:
    """Refuse more workers than a run may have."""
    if value is not None and value > WORKERS_MAX:
        raise worded_error(f"must be at most {WORKERS_MAX}, not {value}", "null or -1 mean no limit")
    return value


Workers = Annotated[Whole, Field(ge=1, le=WORKERS_MAX)]
MostWorkers = Annotated[Bound, AfterValidator(_not_too_many)]
Patience = Annotated[Whole, Field(ge=1, le=3_600)]


class _Scaling(ScenarioModel):
    """What the modes share."""

    @model_validator(mode="before")
    @classmethod
    def _accept_connections(cls, data: Any) -> Any:
        return rename_connections(data)


class AutoScaling(_Scaling):
    """As many workers and threads as the load needs on this machine."""

    mode: Literal[ScalingMode.AUTO] = ScalingMode.AUTO
    """``AUTO``."""
    per_worker_cap: Threads | None = None
    """The most threads of one worker; from the machine's processors and memory when left out."""
    max_workers: MostWorkers = None
    """No limit: left out, null or -1; a highest number makes it ``BOUNDED``."""
    max_threads: Bound = None
    """No limit: left out, null or -1."""

    @property
    def bounds_patience_intervals(self) -> int:
        """Without effect, because there is no bound to be reached."""
        return PATIENCE_INTERVALS

    @property
    def bounds(self) -> Bounds:
        """No bounds but the cap of a worker, where one is given."""
        return Bounds(max_threads=self.per_worker_cap)


class BoundedScaling(_Scaling):
    """As many workers and threads as the load needs, within bounds."""

    mode: Literal[ScalingMode.BOUNDED] = ScalingMode.BOUNDED
    """``BOUNDED``."""
    min_workers: Workers = 1
    """The fewest workers."""
    max_workers: MostWorkers = None
    """The most workers; no limit when left out, null or -1."""
    min_threads: Threads = 1
    """The fewest threads of each worker; ``min_connections`` is accepted for it."""
    max_threads: Bound = None
    """The most threads of each worker; no limit but the machine's when left out, null or -1. ``max_connections`` is
    accepted for it."""
    per_worker_cap: Threads | None = None
    """The most threads of one worker before another is added; from the machine's processors and memory when left
    out."""
    bounds_patience_intervals: Patience = PATIENCE_INTERVALS
    """How many control intervals in a row a rate may be missed with everything at its bound before the run ends."""

    @property
    def bounds(self) -> Bounds:
        """What was written down, the cap of a worker included."""
        caps = [cap for cap in (self.max_threads, self.per_worker_cap) if cap is not None]
        return Bounds(self.min_workers, self.max_workers, self.min_threads, min(caps, default=None))


class FixedScaling(_Scaling):
    """A given number of workers with a given number of threads each."""

    mode: Literal[ScalingMode.FIXED] = ScalingMode.FIXED
    """``FIXED``."""
    min_workers: Workers
    """Worker processes."""
    min_threads: Threads
    """Threads of each worker; ``min_connections`` is accepted for it."""
    max_workers: MostWorkers = None
    """The same as ``min_workers``, or left out."""
    max_threads: Bound = None
    """The same as ``min_threads``, or left out."""
    bounds_patience_intervals: Patience = PATIENCE_INTERVALS
    """How many control intervals in a row a rate may be missed before the run ends."""

    @property
    def per_worker_cap(self) -> int:
        """The most threads of one worker: those it has."""
        return self.min_threads

    @property
    def threads(self) -> int:
        """Threads over all workers."""
        return self.min_workers * self.min_threads

    @property
    def bounds(self) -> Bounds:
        """Exactly this many."""
        return Bounds(self.min_workers, self.min_workers, self.min_threads, self.min_threads)


Scaling = Annotated[AutoScaling | BoundedScaling | FixedScaling, Field(discriminator="mode")]
