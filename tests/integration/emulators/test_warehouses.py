"""Warehouses of the emulator, seen through the real connector."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from snowflake.connector import DictCursor, SnowflakeConnection
from snowflake.connector.errors import Error
from tests.emulators.handle import SnowflakeDatabase

DEADLINE_S = 60


def shown(database: SnowflakeDatabase, name: str = "COMPUTE_WH") -> dict[str, Any]:
    with database.connect() as connection:
        (row,) = connection.cursor(DictCursor).execute(f"SHOW WAREHOUSES LIKE '{name}'").fetchall()
        return dict(row)


def fails_with(connection: SnowflakeConnection, sql: str) -> int | None:
    with pytest.raises(Error) as failed:
        connection.cursor().execute(sql)
    return failed.value.errno


def test_a_warehouse_is_created_altered_and_dropped(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect() as connection:
        cursor = connection.cursor()
        cursor.execute(
            "CREATE WAREHOUSE bench WAREHOUSE_SIZE = 'MEDIUM' MAX_CLUSTER_COUNT = 3 SCALING_POLICY = 'ECONOMY'"
        )
        assert cursor.execute("SELECT CURRENT_WAREHOUSE()").fetchone() == ("BENCH",)
        cursor.execute("ALTER WAREHOUSE bench SET WAREHOUSE_SIZE = LARGE, MIN_CLUSTER_COUNT = 2")
        told = shown(snowflake, "BENCH")
        cursor.execute("DROP WAREHOUSE bench")
        assert cursor.execute("SELECT CURRENT_WAREHOUSE()").fetchone() == (None,)
        assert cursor.execute("SHOW WAREHOUSES LIKE 'BENCH'").fetchall() == []
    names = ("state", "size", "min_cluster_count", "max_cluster_count", "started_clusters", "scaling_policy")
    assert [told[name] for name in names] == ["STARTED", "Large", 2, 3, 2, "ECONOMY"]


def test_a_suspended_warehouse_is_resumed_by_the_first_statement_that_needs_it(snowflake: SnowflakeDatabase) -> None:
    snowflake.rows("CREATE TABLE t (a INT)")
    snowflake.rows("ALTER WAREHOUSE compute_wh SUSPEND")
    snowflake.rows("SELECT 1")
    assert shown(snowflake)["state"] == "SUSPENDED"
    snowflake.rows("SELECT * FROM t")
    assert shown(snowflake)["state"] == "STARTED"
    with pytest.raises(Error, match="cannot be resumed"):
        snowflake.rows("ALTER WAREHOUSE compute_wh RESUME")
    snowflake.rows("ALTER WAREHOUSE compute_wh RESUME IF SUSPENDED")


def test_figures_are_those_that_a_test_sets(snowflake: SnowflakeDatabase) -> None:
    snowflake.set_warehouse(max_clusters=4, started_clusters=3, shown_running=17, shown_queued=5)
    told = shown(snowflake)
    assert [told[name] for name in ("started_clusters", "running", "queued")] == [3, 17, 5]


def test_a_full_warehouse_queues_statements_and_the_history_tells_how_long(snowflake: SnowflakeDatabase) -> None:
    snowflake.rows("CREATE TABLE t (a INT)")
    snowflake.set_warehouse(slots_per_cluster=1, max_clusters=2)
    snowflake.fault("latency", pattern="^SELECT a FROM t$", delay_ms=600_000, times=1)
    with snowflake.connect() as first, snowflake.connect() as second, ThreadPoolExecutor(2) as pool:
        running = pool.submit(fails_with, first, "SELECT a FROM t")
        while shown(snowflake)["running"] != 1:
            assert not running.done()
        waiting = pool.submit(lambda: second.cursor().execute("SELECT a FROM t").fetchall())
        while shown(snowflake)["queued"] != 1:
            assert not waiting.done()
        snowflake.set_warehouse(started_clusters=2)
        assert waiting.result(DEADLINE_S) == []
        snowflake.rows(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({first.session_id})")
        assert running.result(DEADLINE_S) == 604
        sessions = (first.session_id, second.session_id)
    history = "TABLE(INFORMATION_SCHEMA.QUERY_HISTORY())"
    told = dict(
        snowflake.rows(
            f"SELECT SESSION_ID, QUEUED_OVERLOAD_TIME FROM {history} WHERE QUERY_TEXT = ?", "SELECT a FROM t"
        )
    )
    assert told[sessions[0]] < told[sessions[1]]


def test_an_interactive_warehouse_has_its_tables(snowflake: SnowflakeDatabase) -> None:
    snowflake.rows("CREATE INTERACTIVE WAREHOUSE i WAREHOUSE_SIZE = XSMALL")
    snowflake.rows("ALTER WAREHOUSE i ADD TABLES (t)")
    assert shown(snowflake, "I")["type"] == "INTERACTIVE"
    with pytest.raises(Error, match="not interactive"):
        snowflake.rows("ALTER WAREHOUSE compute_wh ADD TABLES (t)")
