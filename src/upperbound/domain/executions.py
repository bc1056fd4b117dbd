"""Which of a run's queries somebody wants to see, and in which order."""

from dataclasses import dataclass
from enum import StrEnum

from upperbound.domain.phases import Phase


class ExecutionOrder(StrEnum):
    """What queries may be sorted by."""

    STARTED = "started"
    INTENDED = "intended"
    ENDED = "ended"
    SERVICE = "service"
    RESPONSE = "response"
    ROWS = "rows"
    KIND = "kind"
    OUTCOME = "outcome"
    WORKER = "worker"


@dataclass(frozen=True)
class ExecutionFilter:
    """Which queries are wanted; None or nothing leaves one out of account."""

    kinds: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    failed: bool | None = None
    """Those that failed, or those that did not."""
    worker_id: str | None = None
    phase: Phase | None = None
    min_ms: float | None = None
    """Service time, or response time in an open loop; this one included, as is ``max_ms``."""
    max_ms: float | None = None
    from_s: float | None = None
    """Started at this time or later, in seconds since the first query was due."""
    to_s: float | None = None
    """Started before this time."""
    by_response: bool = False
    """Latencies are response times."""
