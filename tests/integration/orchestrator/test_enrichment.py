"""A run on an emulated account is matched with what the server tells of it, and what is missing is said."""

import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.emulators.handle import WAREHOUSE, SnowflakeDatabase

from upperbound.clock import SystemClock
from upperbound.domain.enrichment_status import EnrichmentStatus
from upperbound.domain.phases import Phase
from upperbound.orchestrator.enrichment import NO_CALLS, NO_IDS, SnowflakeEnrichment
from upperbound.orchestrator.follow_up import Enriched
from upperbound.orchestrator.sites import EnrichmentOrder, open_site
from upperbound.querylog.server_log import SERVER_SCHEMA, server_files, server_log_folder
from upperbound.scenario.loader import check_scenario
from upperbound.scenario.model import Scenario
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.store.query_log import CALL_COLUMNS
from upperbound.store.tables import server_executions
from upperbound.targets.sf_history import SnowflakeHistory
from upperbound.targets.sf_sessions import query_tag
from upperbound.targets.sf_target import snowflake_info
from upperbound.testing.manual_clock import ManualClock
from upperbound.testing.waiting import until

RUN = "run-1"
TARGET = SnowflakeTarget(connection_name="bench", warehouse=WAREHOUSE, table="orders")
T0 = SystemClock().utc_now().replace(second=0, microsecond=0) - timedelta(hours=1)
END = T0 + timedelta(seconds=30)


@pytest.fixture(autouse=True)
def entry(snowflake: SnowflakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "connections.toml").write_text(snowflake.connections_toml("bench"))
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))


def scenario(table_type: str = "STANDARD") -> Scenario:
    target = {"kind": "snowflake", "connection_name": "bench", "warehouse": WAREHOUSE, "table": "orders"}
    lookup = {"kind": "POINT_LOOKUP", "weight_pct": 50, "sql": "SELECT 1"}
    both = {
        "kind": "GENERIC_SQL",
        "name": "both",
        "operation_type": "READ",
        "weight_pct": 50,
        "statements": ["SELECT 1", "SELECT 2"],
    }
    return check_scenario(
        {
            "name": "On Snowflake",
            "target": target | {"table_type": table_type},
            "load": {"threads": 2, "duration_seconds": 1},
            "workload": {"seed": 1, "operations": [lookup, both]},
        }
    ).scenario


class Recorded:
    """Calls as workers have recorded them, and the history that belongs to them."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []

    def call(
        self,
        after_s: float,
        *,
        service_ms: float = 12.5,
        elapsed_ms: int | None = 10,
        phase: Phase = Phase.MEASUREMENT,
        told: dict[str, Any] | None = None,
        **more: Any,
    ) -> str:
        """Record a call, and what the server tells of it unless ``elapsed_ms`` is None."""
        identity, start = str(uuid.uuid4()), T0 + timedelta(seconds=after_s)
        usual = {"kind": "POINT_LOOKUP", "operation": "POINT_LOOKUP", "outcome": "ok", "attempts": 1}
        times = {"intended_at": start, "started_at": start, "service_us": int(service_ms * 1000)}
        whose = {"server_query_id": identity, "worker_id": "worker-0", "phase": phase.value}
        self.calls.append(whose | usual | times | {"response_us": times["service_us"]} | more)
        if elapsed_ms is not None:
            kind = self.calls[-1]["kind"]
            self.history.append(
                {
                    "query_id": identity,
                    "query_tag": query_tag(RUN, "worker-0", phase),
                    "query_text": f"/* UB_KIND={kind} */ SELECT 1",
                    "start_time": start.isoformat(),
                    "elapsed_ms": elapsed_ms,
                    **(told or {}),
                }
            )
        return identity

    def table(self) -> pa.Table:
        """The calls with the columns in which they are asked for."""
        columns = {name: [call[name] for call in self.calls] for name in CALL_COLUMNS}
        return pa.table({name: _array(name, values) for name, values in columns.items()})


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    if name.endswith("_at"):
        return pa.array(values, pa.timestamp("us", tz="UTC"))
    return pa.array(values, pa.int64() if name.endswith("_us") or name == "attempts" else pa.string())


class Waiting:
    """Lets the time of a clock pass instead of waiting, and does something each time."""

    def __init__(self, then: Callable[[int], None] = lambda _: None) -> None:
        self.waits: list[float] = []
        self.clock = ManualClock()
        self._then = then

    def __call__(self, over: threading.Event, seconds: float) -> bool:
        self.clock.advance(seconds)
        self.waits.append(seconds)
        self._then(len(self.waits))
        return over.is_set()


def enrich(
    recorded: Recorded,
    folder: Path,
    *,
    hybrid: bool = False,
    waiting: Waiting | None = None,
    wait: Callable[[threading.Event, float], bool] | None = None,
    over: threading.Event | None = None,
    start: datetime = T0,
    end: datetime | None = END,
) -> Enriched:
    """Ask the account; time passes by a clock of the test's, so that nothing is waited for."""
    waiting = waiting or Waiting()
    enrichment = SnowflakeEnrichment(
        waiting.clock,
        RUN,
        history=SnowflakeHistory(snowflake_info(TARGET, purpose="upperbound:test"), RUN),
        calls=recorded.table,
        run_folder=folder,
        start=start,
        end=end,
        single=frozenset({"POINT_LOOKUP"}),
        omits_short=hybrid,
        wait=wait or waiting,
    )
    return enrichment.run(over or threading.Event())


def written(folder: Path) -> list[dict[str, Any]]:
    return [row for file in server_files(folder) for row in pq.read_table(file).to_pylist()]


def view_of(enriched: Enriched) -> dict[str, Any]:
    assert enriched.view is not None, enriched.reason
    return enriched.view


def test_calls_are_matched_with_all_that_the_server_tells(snowflake: SnowflakeDatabase, tmp_path: Path) -> None:
    recorded = Recorded()
    for number in range(40):
        recorded.call(number / 4, service_ms=12.5 + number, told={"cluster_number": 1 + number % 2})
    recorded.call(20, phase=Phase.WARMUP)
    queued = recorded.call(21, elapsed_ms=400, service_ms=401, told={"queued_ms": 300, "provisioning_ms": 50})
    recorded.call(22, outcome="constraint", told={"error_code": 200001, "error_message": "twice", "rows_produced": 0})
    recorded.call(23, outcome="connection_lost", elapsed_ms=None, server_query_id=None)
    recorded.call(24, attempts=2)
    recorded.call(25, kind="GENERIC_SQL", operation="both")
    snowflake.add_history(recorded.history)
    enriched = enrich(recorded, tmp_path)
    assert (enriched.status, enriched.reason) == (EnrichmentStatus.COMPLETED, None)
    view = view_of(enriched)
    assert view["coverage"]["measurement"] == {"reached": 44, "matched": 44, "pct": 100.0}
    assert view["coverage"]["warmup"] == {"reached": 1, "matched": 1, "pct": 100.0}
    times = view["by_kind"]["POINT_LOOKUP"]
    assert (times["server"]["count"], times["overhead"]["count"], times["left_out"]) == (41, 41, 1)
    assert (times["overhead"]["min_ms"], times["overhead"]["max_ms"]) == (1.0, 41.5)
    assert view["by_kind"]["GENERIC_SQL"]["left_out"] == 1
    assert view["by_kind"]["GENERIC_SQL"]["server"]["count"] == 0
    assert (view["queue"]["overload"]["calls"], view["queue"]["any"]["times"]["max_ms"]) == (1, 350)
    assert [(one["number"], one["calls"]) for one in view["clusters"]] == [(1, 24), (2, 20)]
    assert view["errors"] == [{"code": "200001", "count": 1}]
    assert sum(point["count"] for point in view["overhead_series"]["points"]) == 42
    rows = {row["server_query_id"]: row for row in written(tmp_path)}
    assert len(rows) == 45
    assert rows[queued]["queued_ms"] == 350
    assert enriched.files == server_files(tmp_path)


def test_rows_have_the_columns_of_the_stores_table(snowflake: SnowflakeDatabase, tmp_path: Path) -> None:
    recorded = Recorded()
    recorded.call(0)
    snowflake.add_history(recorded.history)
    (file,) = enrich(recorded, tmp_path).files
    names = [column.name for column in server_executions.columns]
    assert pq.read_schema(file).names == names == SERVER_SCHEMA.names
    nullable = {column.name: column.nullable for column in server_executions.columns}
    assert {field.name: field.nullable for field in SERVER_SCHEMA} == nullable


@pytest.mark.parametrize(("known", "shown"), [(9, False), (10, True)])
def test_percentiles_are_withheld_when_the_server_tells_of_less_than_half(
    snowflake: SnowflakeDatabase, tmp_path: Path, known: int, shown: bool
) -> None:
    recorded = Recorded()
    for number in range(20):
        recorded.call(number, elapsed_ms=10 if number < known else None)
    snowflake.add_history(recorded.history)
    enriched = enrich(recorded, tmp_path)
    assert enriched.status is EnrichmentStatus.PARTIAL
    assert f"{known} of the 20 calls" in str(enriched.reason)
    measured = view_of(enriched)["measurement"]
    assert (measured["server"]["p50_ms"] is not None) == shown
    assert (measured["withheld"] is None) == shown
    assert measured["server"]["count"] == known


def test_history_that_comes_late_is_waited_for(snowflake: SnowflakeDatabase, tmp_path: Path) -> None:
    recorded = Recorded()
    for number in range(10):
        recorded.call(number)

    def come(wait: int) -> None:
        if wait == 6:
            snowflake.add_history(recorded.history)

    waiting = Waiting(come)
    enriched = enrich(recorded, tmp_path, waiting=waiting)
    assert enriched.status is EnrichmentStatus.COMPLETED
    assert view_of(enriched)["reading"]["attempts"] == 7
    assert waiting.waits == [2, 4, 8, 16, 30, 30]


def test_after_four_minutes_it_is_told_what_is_missing(snowflake: SnowflakeDatabase, tmp_path: Path) -> None:
    recorded, waiting = Recorded(), Waiting()
    for number in range(10):
        recorded.call(number)
    enriched = enrich(recorded, tmp_path, waiting=waiting)
    assert enriched.status is EnrichmentStatus.FAILED
    assert "none of the 10 calls" in str(enriched.reason)
    assert "MONITOR" in str(enriched.reason)
    assert 180 < sum(waiting.waits) <= 240
    assert (enriched.view, enriched.files) == (None, ())


def test_an_interrupted_reading_says_so_and_can_be_run_again(snowflake: SnowflakeDatabase, tmp_path: Path) -> None:
    recorded, over = Recorded(), threading.Event()
    for number in range(10):
        recorded.call(number)
    snowflake.add_history(recorded.history[:6])
    begun = threading.Event()

    def wait(over: threading.Event, seconds: float) -> bool:
        begun.set()
        return over.wait(seconds * 100)

    found: list[Enriched] = []
    thread = threading.Thread(target=lambda: found.append(enrich(recorded, tmp_path, wait=wait, over=over)))
    thread.start()
    until(begun.is_set, "the first attempt to be over")
    over.set()
    thread.join(30)
    (interrupted,) = found
    assert interrupted.status is EnrichmentStatus.PARTIAL
    assert "interrupted" in str(interrupted.reason)
    assert len(written(tmp_path)) == 6

    snowflake.add_history(recorded.history[6:])
    (server_log_folder(tmp_path) / "part-00007.draft").write_bytes(b"of a process that was killed")
    again = enrich(recorded, tmp_path)
    assert again.status is EnrichmentStatus.COMPLETED
    assert sorted(row["server_query_id"] for row in written(tmp_path)) == sorted(
        call["server_query_id"] for call in recorded.calls
    )
    assert enrich(recorded, tmp_path).view is not None
    assert len(written(tmp_path)) == 10, "running it once more doubles nothing"


def test_short_statements_on_hybrid_tables_are_told_of_by_the_minute(
    snowflake: SnowflakeDatabase, tmp_path: Path
) -> None:
    snowflake.settings(omit_hybrid_below_ms=500, hybrid_sampled_share=0.1)
    recorded = Recorded()
    for number in range(100):
        recorded.call(number / 5, elapsed_ms=5 + number % 10, told={"hybrid_only": True})
    snowflake.add_history(recorded.history)
    waiting = Waiting()
    enriched = enrich(recorded, tmp_path, hybrid=True, waiting=waiting)
    assert enriched.status is EnrichmentStatus.COMPLETED
    assert "by the minute has 100 statements" in str(enriched.reason)
    assert waiting.waits == [2, 4, 8], "what never comes is not waited for"
    view = view_of(enriched)
    assert view["coverage"]["measurement"] == {"reached": 100, "matched": 10, "pct": 10.0}
    assert view["measurement"]["server"]["p50_ms"] is None
    minutes = view["minutes"]
    assert (minutes["calls"], minutes["measurement"]["calls"], minutes["groups_left_out"]) == (100, 100, 0)
    elapsed = minutes["by_kind"]["POINT_LOOKUP"]["elapsed"]
    assert (elapsed["mean_ms"], elapsed["min_ms"], elapsed["max_ms"]) == (9.5, 5, 14)


def test_the_history_by_the_minute_that_lags_is_told_to_be_asked_for_later(
    snowflake: SnowflakeDatabase, tmp_path: Path
) -> None:
    snowflake.settings(omit_hybrid_below_ms=500, usage_delay_s=3 * 3600)
    recorded = Recorded()
    recorded.call(0, told={"hybrid_only": True})
    snowflake.add_history(recorded.history)
    enriched = enrich(recorded, tmp_path, hybrid=True)
    assert enriched.status is EnrichmentStatus.PARTIAL
    assert "lags up to 3 hours; run it again then" in str(enriched.reason)


def test_a_role_that_may_not_read_the_usage_of_the_account_is_told_what_to_be_granted(
    snowflake: SnowflakeDatabase, tmp_path: Path
) -> None:
    snowflake.settings(omit_hybrid_below_ms=500)
    snowflake.fault("error", code=2003, sqlstate="02000", pattern="ACCOUNT_USAGE", message="not authorized")
    recorded = Recorded()
    recorded.call(0, told={"hybrid_only": True})
    recorded.call(1, elapsed_ms=600, service_ms=601, told={"hybrid_only": True})
    snowflake.add_history(recorded.history)
    enriched = enrich(recorded, tmp_path, hybrid=True)
    assert enriched.status is EnrichmentStatus.PARTIAL
    assert "GRANT DATABASE ROLE SNOWFLAKE.GOVERNANCE_VIEWER" in str(enriched.reason)
    assert view_of(enriched)["minutes"] is None


def test_a_role_that_may_not_read_the_history_is_told_what_to_be_granted(
    snowflake: SnowflakeDatabase, tmp_path: Path
) -> None:
    snowflake.fault("error", code=3001, sqlstate="42501", pattern="QUERY_HISTORY", message="Insufficient privileges")
    recorded = Recorded()
    recorded.call(0)
    waiting = Waiting()
    enriched = enrich(recorded, tmp_path, waiting=waiting)
    assert enriched.status is EnrichmentStatus.FAILED
    assert "Insufficient privileges" in str(enriched.reason)
    assert "GRANT MONITOR" in str(enriched.reason)
    assert waiting.waits == [], "a refusal is not asked for again"


def test_an_account_that_cannot_be_reached_is_a_failure_and_no_exception(
    snowflake: SnowflakeDatabase, tmp_path: Path
) -> None:
    snowflake.fault("error", place="login", code=390100, message="Incorrect username or password was specified.")
    recorded = Recorded()
    recorded.call(0)
    enriched = enrich(recorded, tmp_path)
    assert enriched.status is EnrichmentStatus.FAILED
    assert "refuses the login" in str(enriched.reason)


def test_a_session_that_breaks_is_opened_again(snowflake: SnowflakeDatabase, tmp_path: Path) -> None:
    recorded = Recorded()
    for number in range(10):
        recorded.call(number)

    def breaks(wait: int) -> None:
        snowflake.add_history(recorded.history[wait * 5 - 5 : wait * 5])
        snowflake.expire_tokens(master=True)

    enriched = enrich(recorded, tmp_path, waiting=Waiting(breaks))
    assert enriched.status is EnrichmentStatus.COMPLETED


def test_a_run_that_is_too_long_ago_is_told_where_its_history_is(tmp_path: Path) -> None:
    recorded = Recorded()
    recorded.call(0)
    long_ago = T0 - timedelta(days=8)
    enriched = enrich(recorded, tmp_path, start=long_ago, end=long_ago + timedelta(minutes=1))
    assert enriched.status is EnrichmentStatus.FAILED
    assert "reaches back 7 days" in str(enriched.reason)


def test_the_site_of_a_run_knows_what_its_operations_and_its_table_are_like(
    snowflake: SnowflakeDatabase, tmp_path: Path
) -> None:
    snowflake.settings(omit_hybrid_below_ms=500)
    recorded = Recorded()
    for number in range(20):
        recorded.call(number, told={"hybrid_only": True})
        recorded.call(number, kind="GENERIC_SQL", operation="both", elapsed_ms=700, service_ms=701)
    snowflake.add_history(recorded.history)
    order = EnrichmentOrder(RUN, tmp_path, scenario("HYBRID"), T0, END, recorded.table)
    enrichment = open_site(order.scenario, None, None, "upperbound:test").enrichment(order, SystemClock())
    assert enrichment is not None
    over = threading.Event()
    over.set()
    view = view_of(enrichment.run(over))
    assert view["by_kind"]["GENERIC_SQL"]["left_out"] == 20
    assert view["by_kind"]["POINT_LOOKUP"]["coverage"]["pct"] == 0
    assert view["minutes"] is None, "it was told to come to an end"


def test_what_cannot_be_matched_is_not_asked_for(tmp_path: Path) -> None:
    nothing = enrich(Recorded(), tmp_path)
    assert (nothing.status, nothing.reason) == (EnrichmentStatus.SKIPPED, NO_CALLS)
    without_ids = Recorded()
    without_ids.call(0, server_query_id=None)
    enriched = enrich(without_ids, tmp_path)
    assert (enriched.status, enriched.reason) == (EnrichmentStatus.SKIPPED, NO_IDS)
