"""A Snowflake account as a run's controller checks it, gets it ready and samples it."""

import logging
from pathlib import Path
from typing import Any

import pytest
from tests.emulators.handle import WAREHOUSE, SnowflakeDatabase

from upperbound.clock import SystemClock
from upperbound.errors import ConfigurationError, TargetMismatch
from upperbound.orchestrator.pool_sources import open_pool_source
from upperbound.orchestrator.sites import SnowflakeSite, open_site
from upperbound.planning.pool_values import RunPools
from upperbound.scenario.loader import check_scenario
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.sf_target import snowflake_info

READ = {
    "kind": "POINT_LOOKUP",
    "weight_pct": 100,
    "sql": "SELECT * FROM {table} WHERE id = ?",
    "params": [{"pool": "id"}],
}
WRITE = {
    "kind": "UPDATE",
    "weight_pct": 100,
    "sql": "UPDATE {table} SET status = ? WHERE id = ?",
    "params": [{"choice": ["sent"]}, {"range": [1, 20]}],
}
TARGET = {"kind": "snowflake", "connection_name": "bench", "table": "orders", "table_type": "HYBRID"}
CLOCK = SystemClock()


@pytest.fixture(autouse=True)
def entry(snowflake: SnowflakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the entry ``bench`` be the emulated account, whose database holds a table of each kind."""
    (tmp_path / "connections.toml").write_text(snowflake.connections_toml("bench"))
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))
    rows = ", ".join(f"({number}, 'new')" for number in range(1, 21))
    with snowflake.connect() as connection:
        cursor = connection.cursor()
        for statement in (
            "CREATE HYBRID TABLE orders (id NUMBER(38,0) NOT NULL PRIMARY KEY, status VARCHAR(20))",
            f"INSERT INTO orders VALUES {rows}",
            "CREATE TABLE plain (id NUMBER(38,0), status VARCHAR(20), detail VARIANT)",
            "CREATE VIEW seen AS SELECT * FROM orders",
            f"CREATE DYNAMIC TABLE fresh TARGET_LAG = '1 minute' WAREHOUSE = {WAREHOUSE} AS SELECT * FROM plain",
        ):
            cursor.execute(statement)


def scenario(*operations: dict[str, Any], **target: Any) -> Scenario:
    return check_scenario(
        {
            "name": "On Snowflake",
            "target": TARGET | target,
            "load": {"threads": 2, "duration_seconds": 1},
            "workload": {"seed": 1, "operations": list(operations) or [READ]},
        }
    ).scenario


def site(made: Scenario) -> SnowflakeSite:
    found = open_site(made, None, None, "upperbound:test")
    assert isinstance(found, SnowflakeSite)
    return found


def problems(made: Scenario) -> dict[str, str]:
    with pytest.raises(TargetMismatch) as caught:
        site(made).check(made, 2, CLOCK)
    return {problem.where: str(problem) for problem in caught.value.problems}


def config(made: Scenario, **more: Any) -> RunConfig:
    return RunConfig(
        scenario=made, threads=(2,), seed=1, target_url=None, table=made.target.table, upperbound_version="test", **more
    )


def test_an_account_that_fits_is_told_with_its_version() -> None:
    made = scenario()
    checked = site(made).check(made, 2, CLOCK)
    assert checked.version.startswith("Snowflake ")
    assert checked.driver.startswith("snowflake-connector-python 5.")
    assert checked.warnings == ()


@pytest.mark.parametrize(
    ("target", "where", "said"),
    [
        ({"table": "orderz"}, "target.table", "has FRESH, ORDERS, PLAIN"),
        ({"table_type": "STANDARD"}, "target.table_type", "is of type HYBRID, and the scenario says STANDARD"),
        ({"warehouse": "NO_WH"}, "target.warehouse", "there is no warehouse NO_WH"),
    ],
)
def test_what_does_not_fit_is_told_at_its_place(target: dict[str, Any], where: str, said: str) -> None:
    assert said in problems(scenario(**target))[where]


def test_columns_that_are_not_there_or_of_no_use_are_told() -> None:
    def pool(column: str) -> dict[str, Any]:
        return READ | {"params": [{"pool": column}]}

    told = problems(scenario(pool("nothing"), table="plain", table_type="STANDARD"))
    assert "has no column NOTHING" in told["workload.operations.0.params.0"]
    told = problems(scenario(pool("detail"), table="plain", table_type="STANDARD"))
    assert "of type VARIANT, cannot be parameters" in told["workload.operations.0.params.0"]


def test_views_are_for_reading() -> None:
    reading = scenario(table="seen", table_type="STANDARD")
    site(reading).check(reading, 2, CLOCK)
    told = problems(scenario(WRITE, table="seen", table_type="STANDARD"))
    assert "which is a view" in told["workload.operations.0.sql"]


def test_of_a_dynamic_table_it_is_told_how_current_it_is() -> None:
    made = scenario(READ | {"params": [{"range": [1, 5]}]}, table="fresh", table_type="DYNAMIC")
    (warning,) = site(made).check(made, 2, CLOCK).warnings
    assert "as current as its last refresh: target lag 1 minute" in warning


def test_the_warehouse_of_the_store_is_measured_only_where_that_is_allowed() -> None:
    def of_the_store(made: Scenario) -> SnowflakeSite:
        target = made.target
        assert target.kind == "snowflake"
        return SnowflakeSite(snowflake_info(target, purpose="upperbound:test"), target, store_warehouse=WAREHOUSE)

    made = scenario(warehouse=WAREHOUSE)
    with pytest.raises(TargetMismatch, match="is the warehouse of the store"):
        of_the_store(made).check(made, 2, CLOCK)
    allowed = scenario(warehouse=WAREHOUSE, allow_store_warehouse=True)
    of_the_store(allowed).check(allowed, 2, CLOCK)


def test_a_suspended_warehouse_is_resumed_and_the_log_says_so(
    snowflake: SnowflakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    made = scenario(warehouse=WAREHOUSE)
    snowflake.rows(f"ALTER WAREHOUSE {WAREHOUSE} SUSPEND")
    with caplog.at_level(logging.INFO, logger="upperbound"):
        site(made).make_ready(CLOCK)
    assert f"warehouse {WAREHOUSE} is suspended and is resumed before the clock starts" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="upperbound"):
        site(made).make_ready(CLOCK)
    assert "resumed" not in caplog.text


def test_operations_are_tried_and_leave_nothing(snowflake: SnowflakeDatabase) -> None:
    made = scenario(WRITE | {"expect": "one"})
    tested = site(made)
    tested.check(made, 2, CLOCK)
    assert tested.try_operations(config(made), CLOCK, RunPools({})) == ()
    assert snowflake.rows("SELECT COUNT(*) FROM orders WHERE status = 'sent'") == [(0,)]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE {table} SET status = ? WHERE id = 1000 + ?", "affected no row; expected at least one"),
        ("UPDATE {table} SET statuz = ? WHERE id = ?", "failed: SQL compilation error"),
    ],
)
def test_operations_that_do_not_what_they_declare_keep_a_run_from_starting(sql: str, said: str) -> None:
    made = scenario(WRITE | {"sql": sql})
    tested = site(made)
    tested.check(made, 2, CLOCK)
    with pytest.raises(TargetMismatch, match="do not work on the target") as caught:
        tested.try_operations(config(made), CLOCK, RunPools({}))
    assert said in caught.value.problems[0].message


def test_sequences_begin_after_the_highest_value() -> None:
    insert = {
        "kind": "INSERT",
        "weight_pct": 100,
        "sql": "INSERT INTO {table} VALUES (?, 'made')",
        "params": [{"sequence": {"after": "id"}}],
    }
    made = scenario(insert)
    assert site(made).sequence_starts(made) == {"id": 21}


def test_equal_seeds_sample_equal_values(snowflake: SnowflakeDatabase) -> None:
    def sample(column: str, limit: int, seed: int) -> bytes:
        with open_pool_source(site(scenario()).pool_target) as source:
            return b"".join(block.memory for block in source.blocks("orders", column, limit, seed))

    first, again, other = sample("ID", 10, 1), sample("ID", 10, 1), sample("ID", 10, 2)
    assert len(first) == 10 * 8
    assert first == again != other
    assert sample("STATUS", 10, 1) == b"new\0"


def test_a_pool_knows_its_database_and_the_type_of_its_column(snowflake: SnowflakeDatabase) -> None:
    with open_pool_source(site(scenario()).pool_target) as source:
        assert source.identity().key == f"snowflake emulator/{snowflake.name}"
        assert source.column("orders", "ID")[0] == "NUMBER(38,0)"
        with pytest.raises(TargetMismatch, match="has no column id"):
            source.column("orders", "id")


def test_a_scenario_that_nothing_says_how_to_log_in_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path / "empty"))
    with pytest.raises(ConfigurationError, match="has no entry 'bench'"):
        site(scenario())
