"""Questions to the queries in a store's tables are answered as those to the files that they came from."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.contract.store.recorded import BEGAN, UNRULY, write_log

from upperbound.domain.executions import ExecutionFilter, ExecutionOrder, ExecutionPage, QueryLogReader
from upperbound.domain.phases import Phase
from upperbound.querylog.analysis import QueryLogAnalysis
from upperbound.store.engine import Store

pytestmark = pytest.mark.parametrize("store_url", ["postgresql", "snowflake"], indirect=True)
"""An embedded store keeps queries in files."""

ROWS = 25
FILTERS = {
    "all": ExecutionFilter(),
    "kind": ExecutionFilter(kinds=("POINT_LOOKUP",), operations=("read", "write")),
    "none": ExecutionFilter(kinds=("INSERT",)),
    "failed": ExecutionFilter(failed=True),
    "well": ExecutionFilter(failed=False, outcomes=("ok", "timeout")),
    "worker and phase": ExecutionFilter(worker_id="worker-1", phase=Phase.WARMUP),
    "latency": ExecutionFilter(min_ms=1234.56, max_ms=1234.56),
    "response": ExecutionFilter(min_ms=1234.567, by_response=True),
    "time": ExecutionFilter(from_s=0.003007, to_s=0.010007),
}


@pytest.fixture
def readers(store: Store, tmp_path: Path) -> tuple[QueryLogReader, QueryLogReader]:
    """One run's queries in files, and in the store."""
    files: list[Path] = []
    for worker_id in ("worker-0", "worker-1"):
        own = write_log(tmp_path / "log", worker_id, ROWS)
        store.query_log.load_worker("run-1", worker_id, own, ROWS, tmp_path / "scratch")
        files += own
    other = write_log(tmp_path / "other", run_id="run-2")
    store.query_log.load_worker("run-2", "worker-0", other, 5, tmp_path / "scratch")
    return QueryLogAnalysis(files), store.query_log.of_run("run-1")


def page(reader: QueryLogReader, wanted: ExecutionFilter, order: ExecutionOrder, *, descending: bool) -> ExecutionPage:
    found = reader.executions(wanted, order=order, descending=descending, limit=7, offset=2)
    texts = {one.error for one in found.executions} - {None}
    assert texts <= {UNRULY, UNRULY.replace("\0", "\N{REPLACEMENT CHARACTER}")}
    return ExecutionPage(
        tuple(
            type(one)(**{**vars(one), "error": None, "elapsed_s": round(one.elapsed_s, 6)}) for one in found.executions
        ),
        found.total,
    )


@pytest.mark.parametrize("name", FILTERS)
def test_queries_are_filtered_and_counted_alike(readers: tuple[QueryLogReader, QueryLogReader], name: str) -> None:
    files, table = (page(reader, FILTERS[name], ExecutionOrder.STARTED, descending=False) for reader in readers)
    assert files == table
    assert (files.total == 0) == (name == "none")


@pytest.mark.parametrize("order", ExecutionOrder)
@pytest.mark.parametrize("descending", [False, True])
def test_queries_are_sorted_alike(
    readers: tuple[QueryLogReader, QueryLogReader], order: ExecutionOrder, descending: bool
) -> None:
    files, table = (page(reader, ExecutionFilter(), order, descending=descending) for reader in readers)
    assert files == table
    assert len(files.executions) == 7


def test_failures_and_seconds_are_counted_alike(readers: tuple[QueryLogReader, QueryLogReader]) -> None:
    files, table = readers
    (one,), (other,) = files.messages(5), table.messages(5)
    assert (
        (one.count, one.kinds, one.workers) == (other.count, other.kinds, other.workers) == (10, ("POINT_LOOKUP",), 2)
    )
    assert (one.first_s, one.last_s) == pytest.approx((other.first_s, other.last_s))
    assert table.messages(0) == []
    assert files.seconds() == table.seconds() != []


def test_what_the_server_tells_stands_beside_what_was_recorded(store: Store, tmp_path: Path) -> None:
    store.query_log.load_worker("run-1", "worker-0", write_log(tmp_path / "log"), 5, tmp_path / "scratch")
    for elapsed_ms in (1000, 1200):
        row = {
            **dict.fromkeys(("execution_ms", "compilation_ms", "queued_ms", "blocked_ms"), 10),
            **dict.fromkeys(("error_code", "warehouse_size", "rows_produced", "bytes_scanned", "cache_pct")),
            "run_id": "run-1",
            "worker_id": "worker-0",
            "server_query_id": "01b2-0002",
            "phase": "MEASUREMENT",
            "status": "SUCCESS",
            "started_at": BEGAN,
            "elapsed_ms": elapsed_ms,
            "cluster_number": 3,
        }
        file = tmp_path / f"server-{elapsed_ms}.parquet"
        pq.write_table(pa.Table.from_pylist([row]), file)
        store.query_log.load_server("run-1", [file], 1, tmp_path / "scratch")
    found = store.query_log.of_run("run-1").executions(
        ExecutionFilter(), order=ExecutionOrder.ROWS, descending=False, limit=10, offset=0
    )
    told = {one.rows: one for one in found.executions if one.server_elapsed_ms is not None}
    assert list(told) == [2], "of one query only the server has told"
    assert (told[2].server_elapsed_ms, told[2].server_queued_ms, told[2].cluster_number) == (1200, 10, 3)
    assert told[2].app_overhead_ms == pytest.approx(34.56)
