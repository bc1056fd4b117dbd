"""The list of runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.results import ResultRow
    from upperbound.store.runs import RunRow


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


def load_run_list(store: "Store", *, limit: int, status: RunStatus | None = None) -> list[RunListEntry]:
    """Return the newest runs of the store, newest first.

    Raises:
        StoreUnreachable: the store cannot be read now.
    """
    rows = store.runs.list(limit=limit, status=status)
    return build_run_list([(row, store.results.get(row.run_id)) for row in rows])


def build_run_list(rows: Sequence[tuple["RunRow", "ResultRow"]]) -> list[RunListEntry]:
    """Return entries for runs and the results that go with them, in the same order."""
    return [_entry(run, result) for run, result in rows]


def _entry(run: "RunRow", result: "ResultRow") -> RunListEntry:
    over = run.status in TERMINAL
    return RunListEntry(
        run_id=run.run_id,
        name=run.name,
        status=run.status,
        phase=run.phase,
        created_at=run.created_at,
        started_at=run.start_time,
        ended_at=run.end_time,
        elapsed_seconds=run.elapsed_s,
        worker_count=run.total_workers_expected,
        threads=result.threads,
        total_operations=result.operations if over else run.total_ops,
        failed_operations=result.failed if over else run.error_count,
        qps=result.qps if over else run.current_qps,
    )
