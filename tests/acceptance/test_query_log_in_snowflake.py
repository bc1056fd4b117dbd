"""The queries of a run in a store on Snowflake, when loading them goes well, badly, or is cut off in the middle."""

import os
import signal
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import MEASURED, Place, Running, until
from tests.acceptance.scenarios import items_scenario
from tests.emulators.handle import HOST, PASSWORD, USER, WAREHOUSE, SnowflakeDatabase

from upperbound.store.engine import open_store

COPY = "^COPY INTO query_executions"
SHORT = {
    "load.duration_seconds": 4,
    "load.warmup_seconds": 1,
    "load.think_time_ms": 5,
}


@pytest.fixture
def environment(place: Place, database: Database, snowflake: SnowflakeDatabase) -> dict[str, str | None]:
    """The environment of a user whose store is on Snowflake and has its tables."""
    where = {"host": HOST, "port": snowflake.emulator.port, "protocol": "http", "warehouse": WAREHOUSE}
    url = f"snowflake://{USER}@emulator/{snowflake.name}/PUBLIC?{urlencode(where)}"
    store = {"UPPERBOUND_STORE": url, "UPPERBOUND_STORE_PASSWORD": PASSWORD}
    made: dict[str, str | None] = {**database.environment, **store}
    done = place.run("store", "init", environment=made, deadline_s=120)
    assert done.code == 0, done.text
    return made


def start(place: Place, database: Database, environment: dict[str, str | None]) -> Running:
    place.write("scenario.yaml", items_scenario(database.url, SHORT))
    return place.start("run", "scenario.yaml", "--json", "run.json", environment=environment)


def counts(snowflake: SnowflakeDatabase, run_id: str) -> dict[str, int]:
    """Return how many queries of a run the store has, by worker."""
    rows = snowflake.rows("SELECT worker_id, COUNT(*) FROM query_executions WHERE run_id = ? GROUP BY 1", run_id)
    return dict(rows)


def check_that_all_are_loaded(place: Place, snowflake: SnowflakeDatabase, summary: dict[str, Any]) -> None:
    """Check that the store has what was recorded, each query once, and that nothing of it is left elsewhere."""
    kept = summary["query_log"]
    recorded = summary["total_operations"] + summary["failed_operations"] + summary["warmup_operations"]
    assert (kept["rows"], kept["loaded_rows"], kept["files"], kept["problem"]) == (recorded, recorded, 0, None)
    run_id = summary["run_id"]
    assert sum(counts(snowflake, run_id).values()) == recorded > 0
    distinct = "SELECT COUNT(DISTINCT execution_id) FROM query_executions WHERE run_id = ?"
    assert snowflake.rows(distinct, run_id) == [(recorded,)]
    ((ok, failed),) = snowflake.rows(
        "SELECT COUNT_IF(outcome = 'ok'), COUNT_IF(outcome <> 'ok') FROM query_executions "
        "WHERE run_id = ? AND phase = 'MEASUREMENT'",
        run_id,
    )
    assert (ok, failed) == (summary["total_operations"], summary["failed_operations"])
    check_that_nothing_waits(place, snowflake)


def check_that_nothing_waits(place: Place, snowflake: SnowflakeDatabase) -> None:
    assert snowflake.stage_files() == []
    assert list(place.home.rglob("*.parquet")) == []
    assert not [file for file in place.home.rglob("staging/*") if file.is_file()]


def test_a_copy_that_fails_once_is_tried_again_and_every_query_is_there_once(
    place: Place, database: Database, snowflake: SnowflakeDatabase, environment: dict[str, str | None]
) -> None:
    fault = snowflake.fault("error", pattern=COPY, code=100132, sqlstate="P0000", message="No luck today.", times=1)
    ended = start(place, database, environment).wait(180)
    assert ended.code in MEASURED, ended.text
    assert snowflake.strikes(fault) == 1
    summary = place.summary("run.json")
    assert (summary["status"], summary["enrichment"]["status"]) == ("COMPLETED", "SKIPPED")
    assert counts(snowflake, summary["run_id"]).keys() == {"worker-0", "worker-1"}
    check_that_all_are_loaded(place, snowflake, summary)
    said = place.run("runs", "logs", summary["run_id"], environment=environment).text
    assert "could not be loaded" in said
    assert "No luck today." in said
    found = place.run("runs", "show", summary["run_id"], "--json", environment=environment)
    assert found.out.strip() == (place.work / "run.json").read_text().strip()


def test_a_copy_that_always_fails_keeps_the_files_and_can_be_done_again_later(
    place: Place, database: Database, snowflake: SnowflakeDatabase, environment: dict[str, str | None]
) -> None:
    snowflake.fault("error", pattern=COPY, code=100132, sqlstate="P0000", message="No luck today.")
    ended = start(place, database, environment).wait(180)
    assert ended.code in MEASURED, ended.text
    assert "The query log is incomplete" in ended.text
    summary = place.summary("run.json")
    recorded = summary["total_operations"] + summary["failed_operations"] + summary["warmup_operations"]
    assert (summary["status"], summary["enrichment"]["status"]) == ("COMPLETED", "PARTIAL")
    assert "No luck today." in summary["enrichment"]["reason"]
    kept = summary["query_log"]
    assert (kept["rows"], kept["loaded_rows"], kept["files"]) == (recorded, 0, 2)
    assert "queries recorded and 0 in the store" in kept["problem"]
    assert counts(snowflake, summary["run_id"]) == {}

    left = place.run("store", "gc", environment=environment)
    assert "kept 2 files" in left.text, left.text
    assert f"0 of {recorded:,} of its queries are in the store" in left.text
    failing = place.run("runs", "retry-enrichment", summary["run_id"], environment=environment, deadline_s=120)
    assert failing.code == 4, failing.text
    assert "No luck today." in failing.text

    snowflake.clear_faults()
    for _ in range(2):
        again = place.run("runs", "retry-enrichment", summary["run_id"], environment=environment, deadline_s=120)
        assert again.code == 0, again.text
        assert f"{recorded:,} of {recorded:,} in the store" in again.text
    shown = place.run("runs", "show", summary["run_id"], "--json", environment=environment)
    (place.work / "later.json").write_text(shown.out)
    later = place.summary("later.json")
    assert later["enrichment"]["status"] == "SKIPPED"
    check_that_all_are_loaded(place, snowflake, later)


def test_rows_that_copy_leaves_out_are_noticed_and_none_is_kept(
    place: Place, database: Database, snowflake: SnowflakeDatabase, environment: dict[str, str | None]
) -> None:
    fault = snowflake.fault("lose_rows", pattern=COPY, rows=3, times=1)
    ended = start(place, database, environment).wait(180)
    assert ended.code in MEASURED, ended.text
    assert snowflake.strikes(fault) == 1
    summary = place.summary("run.json")
    check_that_all_are_loaded(place, snowflake, summary)
    said = place.run("runs", "logs", summary["run_id"], environment=environment).text
    assert "arrived in query_executions, and none was kept" in said


@pytest.mark.parametrize("delayed", ["PUT", "COPY"])
def test_a_worker_killed_while_it_loads_fails_the_run_and_its_queries_are_loaded_all_the_same(
    place: Place, database: Database, snowflake: SnowflakeDatabase, environment: dict[str, str | None], delayed: str
) -> None:
    snowflake.settings(idle_abort_s=2)
    pattern = "^PUT .*worker-1-" if delayed == "PUT" else f"{COPY}.*worker-1-"
    fault = snowflake.fault("latency", pattern=pattern, delay_ms=15_000, times=1)
    command = start(place, database, environment)

    def reached() -> bool:
        assert command.process.poll() is None, command.so_far()
        return snowflake.strikes(fault) == 1

    assert until(reached, 120.0), command.so_far()
    staged = [file["path"] for file in snowflake.stage_files() if "worker-1" in file["path"]]
    assert bool(staged) == (delayed == "COPY"), "killed before it was put, or between PUT and COPY"
    os.kill(place.workers()["worker-1"], signal.SIGKILL)
    ended = command.wait(240)
    assert ended.code == 4, ended.text
    summary = place.summary("run.json")
    assert summary["status"] == "FAILED"
    assert "worker-1 was killed by signal SIGKILL" in summary["completion_reason"]
    assert counts(snowflake, summary["run_id"]).keys() == {"worker-0", "worker-1"}
    check_that_all_are_loaded(place, snowflake, summary)


def test_a_controller_killed_while_logs_are_loaded_is_followed_by_one_that_loads_them(
    place: Place, database: Database, snowflake: SnowflakeDatabase, environment: dict[str, str | None]
) -> None:
    snowflake.settings(idle_abort_s=2)
    # Every COPY of the workers fails, so that the controller has it all to do, and is killed in the middle of it.
    snowflake.fault("error", pattern=COPY, code=100132, sqlstate="P0000", times=6)
    fault = snowflake.fault("latency", pattern=COPY, delay_ms=20_000)
    command = start(place, database, environment)
    assert until(lambda: snowflake.strikes(fault) >= 7, 120.0), command.so_far()
    snowflake.clear_faults()
    (folder,) = place.run_folders()
    command.kill()
    command.wait()
    taken = place.run("runs", "adopt", folder.name, "--json", "run.json", environment=environment, deadline_s=240)
    assert taken.code in MEASURED, taken.text
    summary = place.summary("run.json")
    assert summary["status"] == "COMPLETED"
    check_that_all_are_loaded(place, snowflake, summary)


def test_files_of_a_run_that_is_no_more_are_removed_by_gc(
    place: Place, database: Database, snowflake: SnowflakeDatabase, environment: dict[str, str | None]
) -> None:
    snowflake.fault("error", pattern=COPY, code=100132, sqlstate="P0000")
    ended = start(place, database, environment).wait(180)
    assert ended.code in MEASURED, ended.text
    assert len(snowflake.stage_files()) == 2, ended.text
    run_id = place.summary("run.json")["run_id"]
    with open_store(f"{environment['UPPERBOUND_STORE']}".replace(f"{USER}@", f"{USER}:{PASSWORD}@")) as store:
        store.history.delete(run_id)
    looked = place.run("store", "gc", "--dry-run", environment=environment)
    assert "2 files would be removed, 0 kept" in looked.text
    removed = place.run("store", "gc", environment=environment)
    assert removed.code == 0, removed.text
    assert "there is no such run in the store" in removed.text
    assert "2 files were removed, 0 kept" in removed.text
    assert snowflake.stage_files() == []
    assert "0 files were removed, 0 kept" in place.run("store", "gc", environment=environment).text
