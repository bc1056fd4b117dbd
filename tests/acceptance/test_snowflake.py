"""A run on Snowflake as its user meets it, against an emulated account."""

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.acceptance.place import MEASURED, Place
from tests.acceptance.query_log import QueryLog
from tests.acceptance.snowflake_files import ROWS, TAG, account_files, write_scenario
from tests.emulators.handle import PASSWORD, WAREHOUSE, SnowflakeDatabase


@pytest.fixture
def files(place: Place, snowflake: SnowflakeDatabase) -> dict[str, str | None]:
    """The environment of a user whose connections.toml leads to the account, whose table holds some rows."""
    return account_files(place, snowflake)


def test_two_workers_measure_a_hybrid_table_and_every_statement_says_of_which_phase_it_is(
    place: Place, snowflake: SnowflakeDatabase, files: dict[str, str | None]
) -> None:
    snowflake.rows(f"ALTER WAREHOUSE {WAREHOUSE} SUSPEND")
    ended = place.run("run", write_scenario(place), "--json", "run.json", environment=files, deadline_s=120)
    assert ended.code in MEASURED, ended.text
    summary = place.summary("run.json")
    run_id = summary["run_id"]
    assert (summary["status"], summary["failed_operations"], summary["worker_count"]) == ("COMPLETED", 0, 2)
    assert summary["environment"]["target_version"].startswith("Snowflake")
    assert [worker["operations"] > 0 for worker in summary["workers"]] == [True, True]

    sent = Counter[tuple[str, str]]()
    for statement in snowflake.statements("/* UB_KIND="):
        tag = TAG.fullmatch(statement["query_tag"])
        if tag is None:
            assert statement["query_tag"] == "upperbound:preflight", "tried before the run"
            continue
        assert tag["run"] == run_id
        sent[tag["worker"], tag["phase"]] += 1
    assert {worker for worker, _ in sent} == {"worker-0", "worker-1"}
    measured = sum(count for (_, phase), count in sent.items() if phase == "RUNNING")
    assert measured == summary["total_operations"], "what is measured carries the tag of the measurement, and only that"
    log = QueryLog(place.home / "runs" / run_id)
    assert log.count("phase = 'WARMUP'") == sum(sent.values()) - measured > 0
    inserted = summary["by_kind"]["INSERT"]["operations"] + log.count("phase = 'WARMUP' AND operation = 'INSERT'")
    assert snowflake.rows("SELECT COUNT(*), COUNT(DISTINCT id) FROM orders") == [(ROWS + inserted,) * 2]
    assert snowflake.counts()["open"] == 0, "no session is left behind"

    polled = {statement["query_tag"] for statement in snowflake.statements("SHOW WAREHOUSES")}
    assert "upperbound:warehouse" in polled, "the warehouse is looked at over a session of its own"
    with sqlite3.connect(place.home / "upperbound.db") as store:
        looks = store.execute("SELECT warehouse, state FROM warehouse_poll_snapshots WHERE run_id = ?", (run_id,))
        assert set(looks) == {(WAREHOUSE, "STARTED")}

    logs = place.run("runs", "logs", run_id, environment=files)
    assert f"warehouse {WAREHOUSE} was suspended, and is resumed before the clock starts" in logs.text
    assert _files_with(PASSWORD, place.home) == []
    assert PASSWORD not in ended.text + logs.text


def test_a_store_in_the_same_account_keeps_the_run_and_its_warehouse_is_measured_only_where_that_is_allowed(
    place: Place, snowflake: SnowflakeDatabase, files: dict[str, str | None]
) -> None:
    snowflake.rows("CREATE SCHEMA bookkeeping")
    where = {"connection_name": "bench", "database": snowflake.name, "schema": "BOOKKEEPING", "warehouse": WAREHOUSE}
    store = f"snowflake://?{urlencode(where)}"
    environment = {**files, "UPPERBOUND_STORE": store}
    made = place.run("store", "init", environment=environment, deadline_s=120)
    assert made.code == 0, made.text
    refused = place.run("run", write_scenario(place), environment=environment, deadline_s=120)
    assert refused.code == 2, refused.text
    assert f"{WAREHOUSE} is the warehouse of the store" in " ".join(refused.text.split())

    allow = ("--set", "target.allow_store_warehouse=true")
    path = write_scenario(place)
    ended = place.run("run", path, *allow, "--json", "run.json", environment=environment, deadline_s=240)
    assert ended.code in MEASURED, ended.text
    summary = place.summary("run.json")
    assert (summary["status"], summary["failed_operations"], summary["worker_count"]) == ("COMPLETED", 0, 2)
    assert summary["total_operations"] > 0
    rows = snowflake.rows(
        "SELECT worker_id, operations FROM bookkeeping.test_results WHERE run_id = ? ORDER BY worker_id NULLS FIRST",
        summary["run_id"],
    )
    total, *of_workers = [operations for _, operations in rows]
    assert total == sum(of_workers) == summary["total_operations"]
    tags = {statement["query_tag"] for statement in snowflake.statements("worker_heartbeats")}
    sent = [statement["query_tag"] for statement in snowflake.statements("/* UB_KIND=")]
    assert tags == {"upperbound:store"}, "what the store does says so"
    assert not tags & set(sent), "and is not taken for the workload"
    check_the_log(snowflake, summary, [tag for tag in sent if TAG.fullmatch(tag)])
    check_the_servers_view(snowflake, summary)
    assert not list(place.home.rglob("query_log/*.parquet")), "what is loaded is no more in files"
    assert PASSWORD not in ended.text + refused.text
    assert _files_with(PASSWORD, place.home) == []


def check_the_log(snowflake: SnowflakeDatabase, summary: dict[str, Any], sent: list[str]) -> None:
    """Check that each statement of the load is in QUERY_EXECUTIONS, by phase, and nothing is left on the stage."""
    kept = summary["query_log"]
    assert (kept["loaded_rows"], kept["problem"]) == (kept["rows"], None)
    phases = snowflake.rows(
        "SELECT phase, COUNT(*), COUNT(DISTINCT execution_id), COUNT(server_query_id) "
        "FROM bookkeeping.query_executions WHERE run_id = ? GROUP BY phase ORDER BY phase",
        summary["run_id"],
    )
    warmup = sum(tag.endswith(":phase=WARMUP") for tag in sent)
    measured = len(sent) - warmup
    assert measured == summary["total_operations"]
    # A machine that is busy may get to nothing in a second of warmup.
    expected = [("MEASUREMENT", *(measured,) * 3), ("WARMUP", *(warmup,) * 3)]
    assert phases == [row for row in expected if row[1]]
    assert kept["rows"] == len(sent)
    assert snowflake.stage_files() == []


def check_the_servers_view(snowflake: SnowflakeDatabase, summary: dict[str, Any]) -> None:
    """Check that the account's history was found to tell of every call."""
    assert (summary["enrichment"]["status"], summary["enrichment"]["reason"]) == ("COMPLETED", None)
    ((view,),) = snowflake.rows("SELECT server_view FROM bookkeeping.test_results WHERE test_id = ?", summary["run_id"])
    covered = json.loads(view)["coverage"]
    assert covered["measurement"] == {
        "reached": summary["total_operations"],
        "matched": summary["total_operations"],
        "pct": 100.0,
    }
    assert snowflake.rows(
        "SELECT COUNT(*) FROM bookkeeping.query_executions q JOIN bookkeeping.server_executions s "
        "ON q.run_id = s.run_id AND q.server_query_id = s.server_query_id WHERE q.run_id = ?",
        summary["run_id"],
    ) == [(summary["query_log"]["rows"],)]


def test_a_rate_is_offered_to_snowflake(
    place: Place, snowflake: SnowflakeDatabase, files: dict[str, str | None]
) -> None:
    load = {"mode": "QPS", "target_qps": 20, "warmup_seconds": 1, "duration_seconds": 3}
    ended = place.run("run", write_scenario(place, load=load), "--json", "run.json", environment=files, deadline_s=120)
    assert ended.code in MEASURED, ended.text
    summary = place.summary("run.json")
    assert summary["arrivals"]["offered"] == 60
    assert summary["total_operations"] + summary["arrivals"]["dropped"] == 60, summary["errors"]


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"target": {"kind": "snowflake", "connection_name": "nope"}}, 2, "has no entry 'nope'"),
        (
            {"target": {"kind": "snowflake", "connection_name": "bench", "table": "orders"}},
            2,
            "is of type HYBRID, and the scenario says STANDARD",
        ),
    ],
)
def test_a_scenario_that_does_not_fit_is_refused_before_anything_is_started(
    place: Place, files: dict[str, str | None], changes: dict[str, Any], code: int, said: str
) -> None:
    operations = [{"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1"}]
    path = write_scenario(place, workload={"operations": operations}, **changes)
    ended = place.run("run", path, environment=files)
    assert ended.code == code, ended.text
    assert said in ended.text


def test_a_password_that_is_refused_is_an_unreachable_target_and_is_not_shown(
    place: Place, snowflake: SnowflakeDatabase, files: dict[str, str | None]
) -> None:
    folder = Path(str(files["SNOWFLAKE_HOME"]))
    (folder / "connections.toml").write_text(snowflake.connections_toml("bench", password="wrong-and-secret"))
    ended = place.run("run", write_scenario(place), environment=files)
    assert ended.code == 3, ended.text
    assert "refuses the login" in ended.text
    assert "wrong-and-secret" not in ended.text


def test_the_doctor_looks_at_the_account_of_a_scenario(place: Place, files: dict[str, str | None]) -> None:
    well = place.run("doctor", write_scenario(place), environment=files)
    assert "snowflake-connector-python" in well.text
    assert "warehouse, table and parameters fit" in well.text
    operations = [{"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1"}]
    target = {"kind": "snowflake", "connection_name": "bench", "table": "orderz"}
    ill = place.run(
        "doctor", write_scenario(place, target=target, workload={"operations": operations}), environment=files
    )
    assert "orderz is not there" in ill.text


def test_a_scenario_is_generated_for_a_table_of_the_account(place: Place, files: dict[str, str | None]) -> None:
    path = write_scenario(place)
    listed = place.run("catalog", "objects", "--scenario", path, "--schema", "public", environment=files)
    assert "PUBLIC.ORDERS" in listed.text, listed.text
    made = place.run("template", "generate", "--scenario", path, "-o", "made.yaml", environment=files)
    assert made.code == 0, made.text
    text = (place.work / "made.yaml").read_text()
    assert "table_type: HYBRID" in text
    assert "SELECT * FROM {table} WHERE ID = ?" in text


def _files_with(text: str, folder: Path) -> list[str]:
    """Return the files below a folder that hold a text."""
    return [str(file) for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]
