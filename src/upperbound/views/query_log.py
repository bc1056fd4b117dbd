"""The queries of a run, one by one."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from upperbound.domain.enrichment_status import EnrichmentStatus
from upperbound.domain.executions import Execution, ExecutionFilter, ExecutionOrder, QueryLogReader
from upperbound.errors import QueryLogError, ScenarioError
from upperbound.querylog.analysis import QueryLogAnalysis
from upperbound.querylog.parquet import log_folder, run_log
from upperbound.querylog.server_log import server_files
from upperbound.scenario.kinds import LoadMode
from upperbound.scenario.run_config import RunConfig
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
    server_elapsed_ms: int | None
    """By the server, where it was asked and has told; null otherwise. Of a transaction, its last statement's."""
    server_execution_ms: int | None
    server_queued_ms: int | None
    cluster_number: int | None
    app_overhead_ms: float | None
    """What the client waited longer than the server took, of queries of one statement that were tried once."""


class QueryExecutions(View):
    """A part of the queries that were asked for."""

    executions: list[QueryExecution]
    total: int
    """How many there are on all pages."""
    note: str | None
    """Why there are none, when the log cannot be read here, or what is missing."""


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
    reader, note = open_log(store, parent, home)
    if reader is None:
        return QueryExecutions(executions=[], total=0, note=note)
    # What counts of a run that offers a rate is how long operations took from when they were due.
    wanted = replace(wanted, by_response=parent.load_mode == LoadMode.QPS.value)
    page = reader.executions(wanted, order=order, descending=descending, limit=limit, offset=offset)
    single = _of_one_statement(store, run_id)
    return QueryExecutions(executions=[_entry(one, single) for one in page.executions], total=page.total, note=note)


def open_log(store: "Store", parent: "ResultRow", home: Path) -> tuple[QueryLogReader | None, str | None]:
    """Return what reads the queries of a run, and what has to be said of them; None and why when none can be read.

    They are in the store's tables or, before they are loaded there and with an embedded store, in files.
    """
    if parent.query_log is None:
        return None, NOT_SEALED
    if parent.query_log.get("loaded_rows"):
        return store.query_log.of_run(parent.run_id), parent.query_log.get("problem")
    kept = parent.query_log.get("path")
    own = log_folder(home / "runs" / parent.run_id)
    folder = Path(kept) if kept and Path(kept).is_dir() else own
    try:
        parts = run_log(folder.parent)
    except QueryLogError as error:
        return None, error.message
    if parts.files:
        return QueryLogAnalysis(parts.files, server_files(folder.parent)), None
    if parent.query_log.get("rows"):
        if store.query_log.keeps_rows and parent.enrichment_status == EnrichmentStatus.PENDING:
            return None, "the queries are being loaded into the store"
        return None, f"the query log is on the machine that the run was made from, in {kept}"
    return None, "no query was recorded"


def _of_one_statement(store: "Store", run_id: str) -> frozenset[str]:
    """Return the operations that are one statement: of others the server's time is that of the last one alone."""
    try:
        operations = RunConfig.read(store.runs.get(run_id).scenario_config).scenario.workload.operations
    except ScenarioError:
        return frozenset()
    return frozenset(one.label for one in operations if len(one.texts) == 1 and not one.is_transaction)


def _entry(one: Execution, single: frozenset[str]) -> QueryExecution:
    overhead_ms = one.app_overhead_ms if one.operation in single else None
    return QueryExecution(**vars(one), app_overhead_ms=overhead_ms)
