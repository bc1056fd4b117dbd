"""``upperbound doctor --snowflake`` as its user meets it, against an emulated account."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.place import Outcome, Place
from tests.emulators.handle import PASSWORD, WAREHOUSE, SnowflakeDatabase

SCENARIO = """
name: Hybrid reads
target: {{kind: snowflake, connection_name: bench, warehouse: {warehouse}, table: orders, table_type: HYBRID}}
load: {{threads: 2, duration_seconds: 1}}
workload:
  operations:
    - {{kind: POINT_LOOKUP, weight_pct: 100, sql: "SELECT * FROM {{table}} WHERE id = ?", params: [{{pool: id}}]}}
"""


@pytest.fixture
def connections(place: Place, snowflake: SnowflakeDatabase) -> Path:
    """The user's connections.toml, whose entry ``bench`` leads to an account with a table."""
    folder = place.work / "snowflake"
    folder.mkdir()
    file = folder / "connections.toml"
    file.write_text(snowflake.connections_toml("bench"))
    file.chmod(0o600)
    snowflake.rows("CREATE HYBRID TABLE orders (id NUMBER(38,0) PRIMARY KEY, status VARCHAR(20))")
    snowflake.rows("INSERT INTO orders VALUES (1, 'new'), (2, 'new')")
    return file


def diagnose(
    place: Place, connections: Path, *arguments: str, **variables: str
) -> tuple[Outcome, dict[str, dict[str, Any]]]:
    """Run the doctor and return its outcome, and its checks by area and name."""
    environment = {"SNOWFLAKE_HOME": str(connections.parent), **variables}
    outcome = place.run("doctor", *arguments, "--snowflake", "--json", environment=environment)
    document = json.loads(outcome.out)
    assert document["exit_code"] == outcome.code
    assert PASSWORD not in outcome.text
    return outcome, {f"{check['area']}: {check['name']}": check for check in document["checks"]}


def test_an_entry_is_looked_at_by_its_name(place: Place, connections: Path) -> None:
    outcome, checks = diagnose(place, connections, "bench")
    assert outcome.code == 0, outcome.text
    assert "entry bench of" in checks["account: reachable"]["found"]
    assert checks["account: query history"]["status"] == "ok"
    assert checks["account: table"]["status"] == "skipped"
    assert checks["target: reachable"]["status"] == "skipped"


def test_the_account_and_the_table_of_a_scenario_are_looked_at(place: Place, connections: Path) -> None:
    place.write("scenario.yaml", SCENARIO.format(warehouse=WAREHOUSE))
    outcome, checks = diagnose(place, connections, "scenario.yaml")
    assert outcome.code == 0, outcome.text
    assert checks["target: scenario fits"]["status"] == "ok"
    assert "is hybrid" in checks["account: table"]["found"]


def test_without_a_name_it_is_the_default_entry(place: Place, connections: Path) -> None:
    outcome, checks = diagnose(place, connections, SNOWFLAKE_DEFAULT_CONNECTION_NAME="bench")
    assert outcome.code == 0, outcome.text
    assert "entry bench of" in checks["account: reachable"]["found"]


def test_a_name_that_is_neither_an_entry_nor_a_scenario_is_told_with_the_entries_there_are(
    place: Place, connections: Path
) -> None:
    outcome, checks = diagnose(place, connections, "bank")
    assert outcome.code == 2
    assert checks["scenario: valid"]["status"] == "failed"
    assert "has no entry 'bank'" in checks["account: reachable"]["found"]
    assert "entries there are: bench" in checks["account: reachable"]["advice"]
    outcome, checks = diagnose(place, connections)
    assert outcome.code == 2
    assert "entries there are: bench" in checks["account: reachable"]["advice"]


def test_a_scenario_that_cannot_be_read_leads_to_no_account(place: Place, connections: Path) -> None:
    place.write("scenario.yaml", "name: [")
    outcome, checks = diagnose(place, connections, "scenario.yaml")
    assert outcome.code == 2
    assert checks["account: reachable"]["status"] == "skipped"


def test_a_refused_login_is_no_way_in(place: Place, connections: Path, snowflake: SnowflakeDatabase) -> None:
    connections.write_text(snowflake.connections_toml("bench", password="wrong-and-secret"))
    outcome, checks = diagnose(place, connections, "bench")
    assert outcome.code == 3
    assert "refuses the login" in checks["account: reachable"]["found"]
    assert "wrong-and-secret" not in outcome.text


def test_an_account_that_no_run_could_start_in_is_to_be_mended(
    place: Place, connections: Path, snowflake: SnowflakeDatabase
) -> None:
    snowflake.fault("error", pattern="SHOW WAREHOUSES", code=3001, sqlstate="42501", message="Insufficient privileges")
    outcome, checks = diagnose(place, connections, "bench")
    assert outcome.code == 2
    assert checks["account: warehouses"]["status"] == "failed"


def test_the_account_stands_in_the_table_and_nothing_is_looked_at_unasked(
    place: Place, connections: Path, snowflake: SnowflakeDatabase
) -> None:
    environment = {"SNOWFLAKE_HOME": str(connections.parent)}
    shown = place.run("doctor", "bench", "--snowflake", environment=environment)
    assert shown.code == 0, shown.text
    assert "hybrid tables: region" in shown.out
    before = len(snowflake.logins())
    assert "account" not in place.run("doctor", environment=environment).out
    assert len(snowflake.logins()) == before


def test_options_of_a_scenario_need_one(place: Place, connections: Path) -> None:
    environment = {"SNOWFLAKE_HOME": str(connections.parent)}
    outcome = place.run("doctor", "bench", "--snowflake", "--execute", environment=environment)
    assert outcome.code == 2
    assert "none was named" in outcome.text
