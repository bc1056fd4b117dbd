"""The queries of a run, one by one."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from upperbound.domain.executions import ExecutionFilter, ExecutionOrder
from upperbound.errors import QueryLogError
from upperbound.querylog.analysis import Execution, QueryLogAnalysis
from upperbound.querylog.parquet import log_folder, run_log
from upperbound.scenario.kinds import LoadMode
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.results import ResultRow

NOT_SEALED = "the query log can be read when the load is over"


class QueryExecution(View):
    """One query as it was recorded."""

    execution_id: str
    worker_id: str
    thread: int
    kind: str
    operation: str
    phase: str
    elapsed_s: float
    """When it started, in seconds since the run's first query was due."""
    intended_at: datetime
    started_at: datetime
    ended_at: datetime
    response_ms: float
    """From when it was due; in a closed loop the same as ``service_ms``."""
    service_ms: float
    """From when it was sent."""
    outcome: str
    error_code: str | None
    error: str | None
    rows: int
    attempts: int
    """How often it was tried."""
    server_query_id: str | None


class QueryExecutions(View):
    """A part of the queries that were asked for."""

    executions: list[QueryExecution]
    total: int
    """How many there are on all pages."""
    note: str | None
    """Why there are none, when the log cannot be read here."""


def load_executions(
    store: "Store",
    run_id: str,
    wanted: ExecutionFilter,
    *,
    home: Path,
    order: ExecutionOrder = ExecutionOrder.STARTED,
    descending: bool = False,
    limit: int,
    offset: int = 0,
) -> QueryExecutions:
    """Return queries of a run.

    Raises:
        RunNotFound: there is no such run.
        QueryLogError: a part of its log cannot be read.
    """
    parent = store.results.get(run_id)
    files, note = log_files(parent, home)
    if not files:
        return QueryExecutions(executions=[], total=0, note=note)
    analysis = QueryLogAnalysis(files)
    # What counts of a run that offers a rate is how long operations took from when they were due.
    wanted = replace(wanted, by_response=parent.load_mode == LoadMode.QPS.value)
    page = analysis.executions(wanted, order=order, descending=descending, limit=limit, offset=offset)
    return QueryExecutions(executions=[_entry(one) for one in page.executions], total=page.total, note=None)


def log_files(parent: "ResultRow", home: Path) -> tuple[tuple[Path, ...], str | None]:
    """Return the sealed parts of a run's log that this machine has, or why there are none."""
    if parent.query_log is None:
        return (), NOT_SEALED
    kept = parent.query_log.get("path")
    own = log_folder(home / "runs" / parent.run_id)
    folder = Path(kept) if kept and Path(kept).is_dir() else own
    try:
        parts = run_log(folder.parent)
    except QueryLogError as error:
        return (), error.message
    if not parts.files and parent.query_log.get("rows"):
        return (), f"the query log is on the machine that the run was made from, in {kept}"
    return parts.files, None if parts.files else "no query was recorded"


def _entry(one: Execution) -> QueryExecution:
    return QueryExecution(**vars(one))
