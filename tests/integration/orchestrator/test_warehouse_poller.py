"""The warehouse of a run is looked at while the run goes on, over a session of its own, on an emulated account."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.emulators.handle import WAREHOUSE, SnowflakeDatabase

from upperbound.clock import SystemClock
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import RunNotFound
from upperbound.orchestrator.sites import open_site
from upperbound.orchestrator.warehouse_poller import WarehousePoller, WarehouseWatch
from upperbound.scenario.loader import check_scenario
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import NewRun
from upperbound.testing.waiting import until
from upperbound.views.warehouse import NOT_SEEN, load_warehouse_details, load_warehouse_series

RUN = "run-1"
CLOCK = SystemClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with a run on Snowflake that is about to start."""
    with open_store(f"sqlite:///{tmp_path}/store.db") as opened:
        config = RunConfig(
            scenario=scenario(), threads=(2,), seed=1, target_url=None, table="ORDERS", upperbound_version="0"
        )
        document = config.model_dump(mode="json")
        opened.runs.create(NewRun(RUN, "x", document, 1, {"worker-0": 2}, threads=2))
        opened.runs.transition(RUN, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        yield opened


@pytest.fixture
def watch(snowflake: SnowflakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WarehouseWatch:
    (tmp_path / "connections.toml").write_text(snowflake.connections_toml("bench"))
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))
    found = open_site(scenario(), None, None, "upperbound:warehouse").watch_warehouse()
    assert found is not None
    return found


def clusters(store: Store) -> int | None:
    last = load_warehouse_details(store, RUN).last
    return None if last is None else last.started_clusters


def scenario() -> Scenario:
    operation = {"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1"}
    return check_scenario(
        {
            "name": "On Snowflake",
            "target": {"kind": "snowflake", "connection_name": "bench", "warehouse": WAREHOUSE, "table": "orders"},
            "load": {"threads": 2, "duration_seconds": 1},
            "workload": {"operations": [operation]},
        }
    ).scenario


def test_what_the_warehouse_does_is_kept_from_the_start_of_the_clock_to_the_end(
    snowflake: SnowflakeDatabase, store: Store, watch: WarehouseWatch
) -> None:
    snowflake.set_warehouse(
        state="STARTED", min_clusters=1, max_clusters=4, started_clusters=2, shown_running=45, shown_queued=3
    )
    with WarehousePoller(store, CLOCK, RUN, watch, poll_s=0.1):
        assert store.warehouse_polls.newest(RUN) is None
        assert load_warehouse_details(store, RUN).note == NOT_SEEN
        store.runs.mark_running(RUN, 0.0)
        until(lambda: len(store.warehouse_polls.series(RUN)) >= 2, "two looks")
        snowflake.set_warehouse(started_clusters=3, shown_running=60, shown_queued=0)
        until(lambda: clusters(store) == 3, "another cluster")
    first, *_, last = load_warehouse_series(store, RUN).points
    assert (first.state, first.min_clusters, first.max_clusters, first.started_clusters) == ("STARTED", 1, 4, 2)
    assert (first.running, first.queued) == (45, 3)
    assert (last.running, last.queued) == (60, 0)
    assert last.elapsed_s > first.elapsed_s >= 0
    assert load_warehouse_series(store, RUN).warehouse == WAREHOUSE
    tags = {statement["query_tag"] for statement in snowflake.statements("SHOW WAREHOUSES")}
    assert tags == {"upperbound:warehouse"}
    assert snowflake.counts()["open"] == 0, "its session is closed"


def test_a_look_that_fails_is_said_once_and_the_warehouse_is_followed_again_over_another_session(
    snowflake: SnowflakeDatabase, store: Store, watch: WarehouseWatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.runs.mark_running(RUN, 0.0)
    fault = snowflake.fault(
        "error", pattern="SHOW WAREHOUSES", code=3001, sqlstate="42501", message="Insufficient", times=3
    )
    with caplog.at_level(logging.INFO, logger="upperbound"), WarehousePoller(store, CLOCK, RUN, watch, poll_s=0.05):
        until(lambda: store.warehouse_polls.newest(RUN) is not None, "the warehouse is seen after all")
        until(lambda: "followed again" in caplog.text, "that is said")
    assert snowflake.strikes(fault) == 3
    said = [record.message for record in caplog.records if "is not followed" in record.message]
    assert len(said) == 1
    assert "Insufficient" in said[0]


def test_nothing_is_looked_at_of_a_run_that_has_ended(
    snowflake: SnowflakeDatabase, store: Store, watch: WarehouseWatch
) -> None:
    store.runs.mark_running(RUN, 0.0)
    store.runs.transition(RUN, expected=RunStatus.RUNNING, to=RunStatus.FAILED, phase=Phase.COMPLETED)
    asked: list[float] = []
    store.observe(CLOCK, asked.append)
    with WarehousePoller(store, CLOCK, RUN, watch, poll_s=0.01):
        until(lambda: len(asked) >= 10, "it has looked at the run again and again")
    assert snowflake.statements("SHOW WAREHOUSES") == []
    assert store.warehouse_polls.series(RUN) == []


def test_a_run_that_is_not_there_has_no_warehouse(store: Store) -> None:
    with pytest.raises(RunNotFound):
        load_warehouse_details(store, "nobody")
