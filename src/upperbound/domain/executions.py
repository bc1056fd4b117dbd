"""The queries of a run one by one: what is known of each, and which somebody wants to see in which order."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

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


@dataclass(frozen=True)
class Execution:
    """One query as it was recorded."""

    execution_id: str
    worker_id: str
    thread: int
    kind: str
    operation: str
    phase: str
    elapsed_s: float
    """When it started, in seconds since the first query was due."""
    intended_at: datetime
    started_at: datetime
    ended_at: datetime
    response_ms: float
    service_ms: float
    outcome: str
    error_code: str | None
    error: str | None
    rows: int
    attempts: int
    """How often it was tried."""
    server_query_id: str | None
    server_elapsed_ms: int | None = None
    """By the server's clock, as the rest of what the server says; None where it has said nothing."""
    server_execution_ms: int | None = None
    server_queued_ms: int | None = None
    cluster_number: int | None = None

    @property
    def app_overhead_ms(self) -> float | None:
        """What the client waited longer than the server took; None unless both times are those of one statement."""
        if self.server_elapsed_ms is None or self.attempts != 1:
            return None
        return self.service_ms - self.server_elapsed_ms


@dataclass(frozen=True)
class ExecutionPage:
    """A part of the queries that were asked for."""

    executions: tuple[Execution, ...]
    total: int
    """How many there are on all pages."""


@dataclass(frozen=True)
class LoggedMessage:
    """Failures with the same class, code and message."""

    outcome: str
    error_code: str | None
    message: str | None
    count: int
    first_s: float
    """When the first of them ended, in seconds since the first query was due."""
    last_s: float
    kinds: tuple[str, ...]
    workers: int
    """How many workers met it."""


@dataclass(frozen=True)
class SecondCount:
    """The measurement's queries of one kind that started in one second."""

    kind: str
    second: int
    """Whole seconds since the measurement's first query was due."""
    operations: int
    failed: int


class QueryLogReader(Protocol):
    """Answers questions about the queries of one run, wherever they are kept."""

    def executions(
        self, wanted: ExecutionFilter, *, order: ExecutionOrder, descending: bool, limit: int, offset: int
    ) -> ExecutionPage:
        """Return queries in an order; those that are equal in it, by when they started."""
        ...

    def messages(self, limit: int) -> list[LoggedMessage]:
        """Return what failures said, the most frequent first."""
        ...

    def seconds(self) -> list[SecondCount]:
        """Return the measurement by kind and second, by when queries started."""
        ...
