"""The history of statements on the emulator, asked with the real connector."""

import datetime as dt
import json

import pytest
from snowflake.connector.errors import Error
from tests.emulators.handle import SnowflakeDatabase


def test_the_history_is_found_by_tag_with_its_figures(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect(session_parameters={"QUERY_TAG": "run=1"}) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE t (a INT)")
        cursor.execute("INSERT INTO t VALUES (1), (2)")
        cursor.execute("SELECT a FROM t")
        query_id = cursor.sfqid
        session = connection.session_id
    told = snowflake.rows(
        "SELECT QUERY_ID, SESSION_ID, WAREHOUSE_NAME, WAREHOUSE_SIZE, DATABASE_NAME, EXECUTION_STATUS, ROWS_PRODUCED, "
        "TOTAL_ELAPSED_TIME >= EXECUTION_TIME FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 10000)) "
        "WHERE QUERY_TAG = ? AND QUERY_TYPE = 'SELECT'",
        "run=1",
    )
    assert told == [(query_id, session, "COMPUTE_WH", "X-Small", snowflake.name, "SUCCESS", 2, True)]


def test_at_most_as_many_records_come_as_asked_for_the_newest_first(snowflake: SnowflakeDatabase) -> None:
    for number in range(4):
        snowflake.rows(f"SELECT 'number {number}'")
    newest = (
        "SELECT QUERY_TEXT FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => ?)) ORDER BY START_TIME DESC"
    )
    assert snowflake.rows(newest, 2) == [("SELECT 'number 3'",), ("SELECT 'number 2'",)]
    with pytest.raises(Error, match="RESULT_LIMIT"):
        snowflake.rows("SELECT * FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 10001))")


def test_records_are_paged_by_the_time_at_which_they_ended(snowflake: SnowflakeDatabase) -> None:
    for number in range(3):
        snowflake.rows(f"SELECT 'page {number}'")
    page = (
        "SELECT QUERY_TEXT, END_TIME FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(END_TIME_RANGE_START => ?, "
        "END_TIME_RANGE_END => ?, RESULT_LIMIT => 100)) WHERE QUERY_TEXT LIKE 'SELECT ''page%' ORDER BY END_TIME"
    )
    now = dt.datetime.now(dt.UTC)  # noqa: TID251  # the emulator's records have the machine's time
    before, after = now - dt.timedelta(minutes=10), now + dt.timedelta(minutes=1)
    texts = [row[0] for row in snowflake.rows(page, before, after)]
    assert texts == ["SELECT 'page 0'", "SELECT 'page 1'", "SELECT 'page 2'"]
    second_end = snowflake.rows(page, before, after)[1][1]
    assert [row[0] for row in snowflake.rows(page, before, second_end)] == texts[:1]
    assert [row[0] for row in snowflake.rows(page, second_end, after)] == texts[1:]


def test_records_of_one_session_are_those_of_the_one_that_asks(snowflake: SnowflakeDatabase) -> None:
    snowflake.rows("SELECT 'elsewhere'")
    with snowflake.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 'here'")
        records = "TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION())"
        asked = f"SELECT QUERY_TEXT FROM {records} WHERE QUERY_TYPE = 'SELECT'"
        assert cursor.execute(asked).fetchall() == [("SELECT 'here'",)]


def test_short_statements_on_hybrid_tables_are_missing_from_the_history_and_in_the_aggregate(
    snowflake: SnowflakeDatabase,
) -> None:
    snowflake.settings(omit_hybrid_below_ms=60_000)
    with snowflake.connect(session_parameters={"QUERY_TAG": "measured"}) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE HYBRID TABLE h (id INT PRIMARY KEY)")
        cursor.execute("CREATE TABLE plain (id INT)")
        for number in range(3):
            cursor.execute("SELECT id FROM h WHERE id = ?", (number,))
        cursor.execute("SELECT id FROM plain")
    records = snowflake.rows(
        "SELECT QUERY_TEXT FROM SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY "
        "WHERE QUERY_TAG = 'measured' AND QUERY_TYPE = 'SELECT'"
    )
    assert records == [("SELECT id FROM plain",)]
    ((calls, times),) = snowflake.rows(
        "SELECT SUM(CALLS), ANY_VALUE(TOTAL_ELAPSED_TIME) FROM SNOWFLAKE.ACCOUNT_USAGE.AGGREGATE_QUERY_HISTORY "
        "WHERE QUERY_TAG = 'measured' AND QUERY_TEXT LIKE '%FROM h%'"
    )
    assert calls == 3
    assert {"sum", "avg", "median", "p90", "p99", "p99.9", "max"} <= set(json.loads(times))


def test_account_usage_lags_behind(snowflake: SnowflakeDatabase) -> None:
    snowflake.settings(usage_delay_s=3600)
    snowflake.rows("SELECT 'recent'")
    count = "SELECT COUNT(*) FROM SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY"
    assert snowflake.rows(count) == [(0,)]
    snowflake.settings(usage_delay_s=0)
    assert snowflake.rows(count)[0][0] >= 2


def test_the_metering_is_what_a_test_sets(snowflake: SnowflakeDatabase) -> None:
    hour = {"start_time": "2026-03-01T12:00:00+00:00", "end_time": "2026-03-01T13:00:00+00:00"}
    snowflake.settings(metering=[hour | {"warehouse_name": "W", "credits_used_compute": 2.5}])
    view = "SNOWFLAKE.ACCOUNT_USAGE.WAREHOUSE_METERING_HISTORY"
    assert snowflake.rows(f"SELECT WAREHOUSE_NAME, CREDITS_USED FROM {view}") == [("W", 2.5)]
