"""What real workers have recorded is found in the account's history, statement by statement, as far as that tells."""

import json
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.acceptance.place import MEASURED, Place, until
from tests.acceptance.snowflake_files import TAG, account_files, write_scenario
from tests.emulators.handle import SnowflakeDatabase

from upperbound.clock import SystemClock
from upperbound.domain.enrichment_status import EnrichmentStatus
from upperbound.domain.phases import Phase
from upperbound.orchestrator.follow_up import Enriched
from upperbound.orchestrator.sites import EnrichmentOrder, open_site
from upperbound.querylog.calls import read_calls
from upperbound.querylog.server_log import server_files
from upperbound.scenario.loader import load_scenario

TIMES = {"warmup_seconds": 1, "duration_seconds": 3, "think_time_ms": 50}
BOTH = {
    "kind": "GENERIC_SQL",
    "name": "both",
    "operation_type": "WRITE",
    "weight_pct": 20,
    "statements": ["SELECT * FROM {table} WHERE id = $1", "UPDATE {table} SET amount = 2.5 WHERE id = $1"],
    "params": [{"pool": "id"}],
}
LOOKUP = {
    "kind": "POINT_LOOKUP",
    "weight_pct": 80,
    "sql": "SELECT * FROM {table} WHERE id = ?",
    "params": [{"pool": "id"}],
    "expect": "one",
}


def ask(scenario: str, folder: Path) -> Enriched:
    """Ask the account about a run that has just ended, without waiting for what does not come."""
    now = SystemClock().utc_now()
    loaded = load_scenario(scenario).scenario
    order = EnrichmentOrder(folder.name, folder, loaded, now - timedelta(minutes=5), None, lambda: read_calls(folder))
    enrichment = open_site(loaded, None, None, "upperbound:test").enrichment(order, SystemClock())
    assert enrichment is not None
    return enrichment.run(threading.Event())


def sent(snowflake: SnowflakeDatabase) -> Counter[str]:
    """Count the statements of the workload between BEGIN and COMMIT that the account has seen, by phase."""
    found = Counter[str]()
    for one in snowflake.statements("/* UB_KIND="):
        tag = TAG.fullmatch(one["query_tag"])
        if tag is not None and one["query_type"] in ("SELECT", "UPDATE"):
            found[tag["phase"]] += 1
    return found


def test_every_call_of_a_run_is_found_and_none_is_made_up(
    place: Place, snowflake: SnowflakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = account_files(place, snowflake)
    scenario = write_scenario(place, load=TIMES, workload={"seed": 3, "operations": [LOOKUP, BOTH]})
    ended = place.run("run", scenario, "--json", "run.json", environment=files, deadline_s=120)
    assert ended.code in MEASURED, ended.text
    summary: dict[str, Any] = place.summary("run.json")
    folder = place.home / "runs" / summary["run_id"]
    monkeypatch.setenv("SNOWFLAKE_HOME", str(files["SNOWFLAKE_HOME"]))
    statements = sent(snowflake)

    enriched = ask(scenario, folder)
    assert (enriched.status, enriched.view is None) == (EnrichmentStatus.COMPLETED, False), enriched.reason
    view = enriched.view or {}
    calls = summary["total_operations"]
    assert view["coverage"]["measurement"] == {"reached": calls, "matched": calls, "pct": 100.0}
    assert view["coverage"]["warmup"]["pct"] == 100.0
    transactions = read_calls(folder).column("operation").to_pylist().count("both")
    assert transactions > 0
    assert view["unmatched_statements"] == transactions, "the first statement of each"
    assert view["statements"] == sum(statements.values())
    assert view["by_kind"]["GENERIC_SQL"]["server"]["count"] == 0
    overhead = view["by_kind"]["POINT_LOOKUP"]["overhead"]
    assert overhead["count"] == summary["by_kind"]["POINT_LOOKUP"]["operations"]
    assert overhead["min_ms"] > -1, "a client waits at least as long as the server takes, but for its rounding"
    rows = [row for file in server_files(folder) for row in pq.read_table(file).to_pylist()]
    assert Counter(row["phase"] for row in rows) == Counter(
        {"WARMUP": statements["WARMUP"], "MEASUREMENT": statements["RUNNING"]}
    )


def test_ctrl_c_while_the_account_is_asked_completes_the_run_and_the_rest_can_be_asked_for_later(
    place: Place, snowflake: SnowflakeDatabase
) -> None:
    files = account_files(place, snowflake)
    scenario = write_scenario(place, load=TIMES, workload={"seed": 3, "operations": [LOOKUP | {"weight_pct": 100}]})
    snowflake.settings(history_delay_s=3_600)
    command = place.start("run", scenario, "--json", "run.json", environment=files)
    assert until(lambda: any(run.phase is Phase.PROCESSING for run in place.runs()), 120.0), command.so_far()
    command.interrupt()
    ended = command.wait(60)
    assert ended.code in MEASURED, ended.text
    assert "What follows the load was cut short: stopped by" in " ".join(ended.out.split())
    summary = place.summary("run.json")
    assert (summary["status"], summary["enrichment"]["status"]) == ("COMPLETED", "PARTIAL")
    assert "interrupted" in summary["enrichment"]["reason"]

    snowflake.settings(history_delay_s=0)
    again = place.run("runs", "retry-enrichment", summary["run_id"], "--json", environment=files)
    assert again.code == 0, again.text
    asked_later = json.loads(again.out)["enrichment"]
    assert (asked_later["status"], asked_later["reason"]) == ("COMPLETED", None)
    assert asked_later["server"] is not None


def test_coverage_is_what_the_history_tells_and_the_rest_is_in_the_one_by_the_minute(
    place: Place, snowflake: SnowflakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = account_files(place, snowflake)
    scenario = write_scenario(place, load=TIMES, workload={"seed": 3, "operations": [LOOKUP | {"weight_pct": 100}]})
    snowflake.settings(omit_hybrid_below_ms=60_000, hybrid_sampled_share=0.25)
    ended = place.run("run", scenario, "--json", "run.json", environment=files, deadline_s=120)
    assert ended.code in MEASURED, ended.text
    folder = place.home / "runs" / str(place.summary("run.json")["run_id"])
    monkeypatch.setenv("SNOWFLAKE_HOME", str(files["SNOWFLAKE_HOME"]))
    statements = sum(sent(snowflake).values())

    enriched = ask(scenario, folder)
    assert enriched.status is EnrichmentStatus.COMPLETED, enriched.reason
    assert "leave no record" in str(enriched.reason)
    view = enriched.view or {}
    covered = view["coverage"]["all"]
    assert covered["reached"] == statements
    assert covered["pct"] == pytest.approx(25, abs=100 / statements + 1)
    assert view["measurement"]["server"]["p50_ms"] is None
    assert view["minutes"]["calls"] == statements
