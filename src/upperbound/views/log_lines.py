"""What the orchestrator and the workers of a run have said."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.logs import LogRow


class LogEntry(View):
    """One line."""

    sequence: int
    """Rises in the order in which the store took lines in."""
    source: LogSource
    worker_id: str | None
    """Null for the orchestrator."""
    level: LogLevel
    logger: str
    message: str
    """May have line breaks."""
    logged_at: datetime
    """By the clock of who said it."""
    received_at: datetime
    """By the store's clock."""


class LogLines(View):
    """Lines of a run in the order of their sequence."""

    run_id: str
    lines: list[LogEntry]
    last_sequence: int
    """Ask for lines after this one next."""
    caught_up: bool
    """There were no more when the store was asked."""


def load_log(
    store: "Store",
    run_id: str,
    *,
    after: int = 0,
    levels: Collection[LogLevel] | None = None,
    sources: Collection[LogSource] | None = None,
    worker_id: str | None = None,
    limit: int = 1000,
) -> LogLines:
    """Return lines after a sequence number. Raises :class:`RunNotFound` and :class:`StoreUnreachable`."""
    store.runs.get(run_id)
    rows = store.logs.after(run_id, after, levels=levels, sources=sources, worker_id=worker_id, limit=limit)
    return LogLines(
        run_id=run_id,
        lines=[log_entry(row) for row in rows],
        last_sequence=rows[-1].sequence if rows else after,
        caught_up=len(rows) < limit,
    )


def log_entry(row: "LogRow") -> LogEntry:
    """Return a line as it is shown."""
    return LogEntry(
        sequence=row.sequence,
        source=row.source,
        worker_id=row.worker_id,
        level=row.level,
        logger=row.logger,
        message=row.message,
        logged_at=row.logged_at,
        received_at=row.received_at,
    )
