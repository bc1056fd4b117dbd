"""The list of runs."""

from datetime import datetime
from typing import TYPE_CHECKING

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.store.history import RunFilter
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.history import HistoryRow


class RunListEntry(View):
    """One run in a list. Of a run that goes on the figures are those of its last tick."""

    run_id: str
    name: str
    status: RunStatus
    phase: Phase
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    elapsed_seconds: float | None
    """From the start to the end or until now, warmup included."""
    worker_count: int
    threads: int | None
    total_operations: int
    failed_operations: int
    qps: float | None
    """Null before the start."""
    error_pct: float | None
    """Failed operations in percent of all; null when there were none."""
    p50_ms: float | None
    """Of the result, as the other percentiles; null while the run goes on."""
    p95_ms: float | None
    p99_ms: float | None
    load_mode: str | None
    scaling_mode: str | None
    table_type: str | None
    tags: dict[str, str]
    template_id: str | None
    """Null for a run that was made from a file or a built-in scenario."""
    template_version: int | None
    reason: str | None
    """Why the run ended, or was cancelled."""


class RunList(View):
    """A page of runs."""

    runs: list[RunListEntry]
    """The newest first."""
    total: int
    """How many there are on all pages."""


def load_run_list(store: "Store", wanted: RunFilter | None = None, *, limit: int, offset: int = 0) -> RunList:
    """Return runs of the store, the newest first.

    Raises:
        StoreUnreachable: the store cannot be read now.
    """
    page = store.history.search(wanted or RunFilter(), limit=limit, offset=offset)
    return RunList(runs=[run_list_entry(row) for row in page.rows], total=page.total)


def run_list_entry(row: "HistoryRow") -> RunListEntry:
    """Return a run as it is listed."""
    over = row.status in TERMINAL
    operations, failed = (row.operations, row.failed) if over else (row.total_ops, row.error_count)
    attempts = operations + failed
    current_qps = row.current_qps if row.start_time is not None else None
    return RunListEntry(
        run_id=row.run_id,
        name=row.name,
        status=row.status,
        phase=row.phase,
        created_at=row.created_at,
        started_at=row.start_time,
        ended_at=row.end_time,
        elapsed_seconds=row.elapsed_s,
        worker_count=row.total_workers_expected,
        threads=row.threads,
        total_operations=operations,
        failed_operations=failed,
        qps=row.qps if over else current_qps,
        error_pct=100.0 * failed / attempts if attempts else None,
        p50_ms=row.p50_ms,
        p95_ms=row.p95_ms,
        p99_ms=row.p99_ms,
        load_mode=row.load_mode,
        scaling_mode=row.scaling_mode,
        table_type=row.table_type,
        tags=row.tags,
        template_id=row.template_id,
        template_version=row.template_version,
        reason=row.cancellation_reason or row.completion_reason,
    )
