"""Stopping statements on the emulator, with the real connector."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import Error
from tests.emulators.handle import SnowflakeDatabase

LONG_MS = 60_000
DEADLINE_S = 30
ENDLESS = "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 1000000)) a, TABLE(GENERATOR(ROWCOUNT => 1000000)) b"


def fails_with(connection: SnowflakeConnection, sql: str) -> int | None:
    with pytest.raises(Error) as failed:
        connection.cursor().execute(sql)
    return failed.value.errno


def fetch(cursor: SnowflakeCursor, query_id: str) -> list[Any]:
    cursor.get_results_from_sfqid(query_id)
    return list(cursor.fetchall())


def wait_until_running(database: SnowflakeDatabase, statement: Future[Any]) -> None:
    while database.counts()["running"] == 0:
        assert not statement.done(), "the statement ended before it could be stopped"


def test_all_statements_of_a_session_are_stopped_from_another_one(snowflake: SnowflakeDatabase) -> None:
    snowflake.fault("latency", pattern="SELECT 'slow'", delay_ms=LONG_MS)
    with snowflake.connect() as connection, ThreadPoolExecutor(1) as pool:
        failing = pool.submit(fails_with, connection, "SELECT 'slow'")
        wait_until_running(snowflake, failing)
        snowflake.rows(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({connection.session_id})")
        assert failing.result(DEADLINE_S) == 604
        assert connection.cursor().execute("SELECT 1").fetchone() == (1,)


def test_a_statement_that_computes_is_stopped_as_well(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect() as connection, ThreadPoolExecutor(1) as pool:
        failing = pool.submit(fails_with, connection, ENDLESS)
        wait_until_running(snowflake, failing)
        snowflake.rows(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({connection.session_id})")
        assert failing.result(DEADLINE_S) == 604


def test_a_statement_is_stopped_by_its_id(snowflake: SnowflakeDatabase) -> None:
    snowflake.fault("latency", pattern="SELECT 'slow'", delay_ms=LONG_MS)
    with snowflake.connect() as connection:
        cursor = connection.cursor()
        started: Any = cursor.execute_async("SELECT 'slow'")
        query_id = str(started["queryId"])
        assert connection.is_still_running(connection.get_query_status(query_id))
        assert snowflake.rows(f"SELECT SYSTEM$CANCEL_QUERY('{query_id}')") == [(f"query [{query_id}] terminated.",)]
        with pytest.raises(Error) as failed:
            fetch(cursor, query_id)
        assert failed.value.errno == 604


def test_the_connector_stops_a_statement_of_its_own(snowflake: SnowflakeDatabase) -> None:
    snowflake.fault("latency", pattern="SELECT 'slow'", delay_ms=LONG_MS)
    with snowflake.connect() as connection:
        started: Any = connection.cursor().execute_async("SELECT 'slow'")
        assert connection.cursor().abort_query(str(started["queryId"]))
        while not (seen := snowflake.statements("slow")):
            assert snowflake.counts()["running"] == 1
        assert [statement["error_code"] for statement in seen] == [604]


def test_a_statement_that_was_sent_without_waiting_has_its_result_fetched(snowflake: SnowflakeDatabase) -> None:
    snowflake.fault("latency", pattern="SELECT 'later'", delay_ms=200)
    with snowflake.connect() as connection:
        cursor = connection.cursor()
        started: Any = cursor.execute_async("SELECT 'later'")
        assert fetch(cursor, str(started["queryId"])) == [("later",)]


def test_a_statement_ends_at_the_time_limit_of_its_session(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect(session_parameters={"STATEMENT_TIMEOUT_IN_SECONDS": 1}) as connection:
        assert fails_with(connection, ENDLESS) == 630
        assert connection.cursor().execute("SELECT 1").fetchone() == (1,)


def test_a_statement_that_waits_for_a_row_is_stopped(snowflake: SnowflakeDatabase) -> None:
    snowflake.rows("CREATE HYBRID TABLE t (id INT PRIMARY KEY, n INT)")
    snowflake.rows("INSERT INTO t VALUES (1, 0)")
    with snowflake.connect() as holder, snowflake.connect() as waiter, ThreadPoolExecutor(1) as pool:
        holder.cursor().execute("BEGIN")
        holder.cursor().execute("UPDATE t SET n = 1")
        failing = pool.submit(fails_with, waiter, "UPDATE t SET n = 2")
        wait_until_running(snowflake, failing)
        snowflake.rows(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({waiter.session_id})")
        assert failing.result(DEADLINE_S) == 604
        holder.cursor().execute("COMMIT")
    assert snowflake.rows("SELECT n FROM t") == [(1,)]
