"""Faults of the emulator, as the real connector meets them."""

import pytest
from snowflake.connector.errors import DatabaseError, Error
from tests.emulators.handle import SnowflakeDatabase

from upperbound.clock import SystemClock


@pytest.fixture
def table(snowflake: SnowflakeDatabase) -> SnowflakeDatabase:
    snowflake.rows("CREATE HYBRID TABLE t (id INT PRIMARY KEY)")
    return snowflake


def test_statements_that_match_fail_with_the_code_as_often_as_it_says(table: SnowflakeDatabase) -> None:
    fault = table.fault("error", pattern="FROM t", code=200003, sqlstate="57014", message="busy", times=2)
    with table.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        for _ in range(2):
            with pytest.raises(Error, match="busy") as failed:
                cursor.execute("SELECT * FROM t")
            assert (failed.value.errno, failed.value.sqlstate) == (200003, "57014")
        assert cursor.execute("SELECT * FROM t").fetchall() == []
    assert table.strikes(fault) == 2
    assert [seen["error_code"] for seen in table.statements("FROM t")] == [200003, 200003, None]


def test_a_slow_statement_takes_as_much_longer(table: SnowflakeDatabase) -> None:
    table.fault("latency", pattern="FROM t", delay_ms=400)
    with table.connect() as connection:
        start_ns = SystemClock().monotonic_ns()
        connection.cursor().execute("SELECT * FROM t")
        assert SystemClock().monotonic_ns() - start_ns >= 400_000_000
    (seen,) = table.statements("FROM t")
    assert seen["elapsed_ms"] >= 400


def test_a_connection_that_breaks_before_the_statement_is_repeated_by_the_client(table: SnowflakeDatabase) -> None:
    fault = table.fault("drop", pattern="INSERT", times=1)
    table.rows("INSERT INTO t VALUES (1)")
    assert table.rows("SELECT id FROM t") == [(1,)]
    assert table.strikes(fault) == 1
    assert len(table.statements("INSERT")) == 1


def test_a_statement_whose_answer_is_lost_is_not_run_twice(table: SnowflakeDatabase) -> None:
    fault = table.fault("drop_after", pattern="INSERT", times=1)
    table.rows("INSERT INTO t VALUES (1)")
    assert table.rows("SELECT id FROM t") == [(1,)]
    assert table.strikes(fault) == 1
    assert len(table.statements("INSERT")) == 1


def test_a_server_that_is_away_for_a_moment_is_asked_again(table: SnowflakeDatabase) -> None:
    fault = table.fault("http_error", pattern="INSERT", status=503, times=2)
    table.rows("INSERT INTO t VALUES (1)")
    assert table.strikes(fault) == 2
    assert len(table.statements("INSERT")) == 1


def test_a_share_of_the_statements_fails(table: SnowflakeDatabase) -> None:
    fault = table.fault("error", pattern="FROM t", share=0.3, seed=7, code=603)
    failed = 0
    with table.connect() as connection:
        cursor = connection.cursor()
        for _ in range(20):
            try:
                cursor.execute("SELECT * FROM t")
            except DatabaseError:
                failed += 1
    assert failed == table.strikes(fault)
    assert 1 <= failed <= 14


def test_some_logins_fail_and_others_do_not(snowflake: SnowflakeDatabase) -> None:
    snowflake.fault("error", place="login", code=390189, message="no more of them", skip=1, times=1)
    assert snowflake.rows("SELECT 1") == [(1,)]
    with pytest.raises(DatabaseError, match="no more of them") as failed:
        snowflake.rows("SELECT 1")
    assert failed.value.errno == 390189
    assert snowflake.rows("SELECT 1") == [(1,)]
    assert [login["refused"] for login in snowflake.logins()] == [None, 390189, None]
