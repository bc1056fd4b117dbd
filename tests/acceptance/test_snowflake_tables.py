"""Every type of Snowflake table carries a run from its check to its result, with real workers."""

import pytest
from tests.acceptance.place import MEASURED, Place
from tests.acceptance.query_log import QueryLog
from tests.acceptance.snowflake_files import ROWS, TAG, account_files, write_scenario
from tests.emulators.handle import WAREHOUSE, SnowflakeDatabase

TABLES = {
    "STANDARD": ["CREATE TABLE measured AS SELECT id, status, amount FROM orders"],
    "INTERACTIVE": [
        "CREATE INTERACTIVE TABLE measured CLUSTER BY (id) AS SELECT id, status, amount FROM orders",
        "CREATE INTERACTIVE WAREHOUSE fast WAREHOUSE_SIZE = XSMALL",
        "ALTER WAREHOUSE fast RESUME IF SUSPENDED",
    ],
    "DYNAMIC": [
        (
            f"CREATE DYNAMIC TABLE measured TARGET_LAG = '1 minute' WAREHOUSE = {WAREHOUSE} "
            "AS SELECT id, status, amount FROM orders"
        )
    ],
    "VIEW": ["CREATE VIEW measured AS SELECT id, status, amount FROM orders"],
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_run_reads_a_table_of_each_type(place: Place, snowflake: SnowflakeDatabase, kind: str) -> None:
    files = account_files(place, snowflake)
    for statement in TABLES[kind]:
        snowflake.rows(statement)
    warehouse = "fast" if kind == "INTERACTIVE" else WAREHOUSE
    path = write_scenario(
        place,
        target={
            "kind": "snowflake",
            "connection_name": "bench",
            "warehouse": warehouse,
            "table": "measured",
            "table_type": "STANDARD" if kind == "VIEW" else kind,
        },
        load={"warmup_seconds": 0, "duration_seconds": 2, "think_time_ms": 50},
        scaling={"mode": "FIXED", "min_workers": 1, "min_threads": 2},
        workload={
            "seed": 3,
            "operations": [
                {
                    "kind": "POINT_LOOKUP",
                    "weight_pct": 100,
                    "sql": "SELECT id, amount FROM {table} WHERE id = ?",
                    "params": [{"range": [1, ROWS]}],
                    "expect": "one",
                }
            ],
        },
    )
    ended = place.run("run", path, "--json", "run.json", environment=files, deadline_s=120)
    assert ended.code in MEASURED, ended.text
    summary = place.summary("run.json")
    assert (summary["status"], summary["failed_operations"]) == ("COMPLETED", 0)
    sent = [one for one in snowflake.statements("/* UB_KIND=POINT_LOOKUP") if TAG.fullmatch(one["query_tag"])]
    assert len(sent) == summary["total_operations"] > 0
    assert {one["warehouse_name"] for one in sent} == {warehouse.upper()}
    log = QueryLog(place.home / "runs" / summary["run_id"])
    assert log.count("rows = 1 AND outcome = 'ok'") == len(sent)
    assert summary["enrichment"]["status"] == "COMPLETED", summary["enrichment"]["reason"]
