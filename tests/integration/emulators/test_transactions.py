"""Transactions on the emulator: rows are waited for, as hybrid tables do."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import Error
from tests.emulators.handle import SnowflakeDatabase

DEADLINE_S = 60


@pytest.fixture
def counters(snowflake: SnowflakeDatabase) -> SnowflakeDatabase:
    """A hybrid table of two counters that stand at 0."""
    snowflake.rows("CREATE HYBRID TABLE counters (id INT PRIMARY KEY, n INT)")
    snowflake.rows("INSERT INTO counters VALUES (1, 0), (2, 0)")
    return snowflake


def run(connection: SnowflakeConnection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.cursor().execute(sql, values or None).fetchall()]


def increment(connection: SnowflakeConnection, row: int) -> None:
    run(connection, "UPDATE counters SET n = n + 1 WHERE id = ?", row)


def wait_until_waiting(database: SnowflakeDatabase, future: Future[Any]) -> None:
    """Wait until the statement of another thread is being run and has not ended."""
    while database.counts()["running"] == 0:
        assert not future.done()


def test_updates_of_one_row_from_many_sessions_all_count(counters: SnowflakeDatabase) -> None:
    def work(_number: int) -> None:
        with counters.connect() as connection:
            for _ in range(5):
                increment(connection, 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert counters.rows("SELECT n FROM counters WHERE id = 1") == [(20,)]


def test_sequence_numbers_from_concurrent_transactions_have_no_gaps_and_no_duplicates(
    counters: SnowflakeDatabase,
) -> None:
    counters.rows("CREATE HYBRID TABLE events (number INT PRIMARY KEY, worker INT)")

    def work(worker: int) -> None:
        with counters.connect() as connection:
            for _ in range(4):
                run(connection, "BEGIN")
                increment(connection, 1)
                ((number,),) = run(connection, "SELECT n FROM counters WHERE id = 1")
                run(connection, "INSERT INTO events VALUES (?, ?)", number, worker)
                run(connection, "COMMIT")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert counters.rows("SELECT number FROM events ORDER BY number") == [(number,) for number in range(1, 13)]


def test_an_update_waits_for_the_transaction_that_holds_the_row_and_sees_what_it_wrote(
    counters: SnowflakeDatabase,
) -> None:
    with counters.connect() as holder, counters.connect() as waiter, ThreadPoolExecutor(1) as pool:
        run(holder, "BEGIN")
        increment(holder, 1)
        waiting = pool.submit(increment, waiter, 1)
        wait_until_waiting(counters, waiting)
        increment(holder, 1)
        run(holder, "COMMIT")
        waiting.result(DEADLINE_S)
    assert counters.rows("SELECT n FROM counters WHERE id = 1") == [(3,)]
    blocked = [seen["blocked_ms"] for seen in counters.statements("UPDATE counters") if seen["blocked_ms"]]
    assert len(blocked) == 1


def test_another_column_of_a_row_that_is_held_is_waited_for(counters: SnowflakeDatabase) -> None:
    counters.rows("CREATE HYBRID TABLE pairs (id INT PRIMARY KEY, a INT, b INT)")
    counters.rows("INSERT INTO pairs VALUES (1, 0, 0)")
    with counters.connect() as holder, counters.connect() as waiter, ThreadPoolExecutor(1) as pool:
        run(holder, "BEGIN")
        run(holder, "UPDATE pairs SET a = a + 1")
        waiting = pool.submit(run, waiter, "UPDATE pairs AS p SET b = p.a + 10 WHERE p.id = 1")
        wait_until_waiting(counters, waiting)
        run(holder, "UPDATE pairs SET a = a + 1")
        run(holder, "COMMIT")
        assert waiting.result(DEADLINE_S) == [(1, 0)]
    assert counters.rows("SELECT a, b FROM pairs") == [(2, 12)]


def test_another_row_is_not_waited_for(counters: SnowflakeDatabase) -> None:
    with counters.connect() as holder, counters.connect() as other:
        run(holder, "BEGIN")
        increment(holder, 1)
        increment(other, 2)
        run(holder, "ROLLBACK")
    assert counters.rows("SELECT n FROM counters ORDER BY id") == [(0,), (1,)]


def test_a_row_that_is_held_too_long_fails_the_statement_and_not_its_transaction(counters: SnowflakeDatabase) -> None:
    with counters.connect() as holder, counters.connect() as waiter:
        run(holder, "BEGIN")
        increment(holder, 1)
        run(waiter, "ALTER SESSION SET LOCK_TIMEOUT = 1")
        run(waiter, "BEGIN")
        increment(waiter, 2)
        with pytest.raises(Error) as failed:
            increment(waiter, 1)
        assert failed.value.errno == 625
        run(waiter, "COMMIT")
        run(holder, "ROLLBACK")
    assert counters.rows("SELECT n FROM counters ORDER BY id") == [(0,), (1,)]


def test_a_statement_that_fails_leaves_the_transaction_as_it_was(counters: SnowflakeDatabase) -> None:
    with counters.connect() as connection:
        run(connection, "BEGIN")
        increment(connection, 1)
        with pytest.raises(Error, match="200001"):
            run(connection, "INSERT INTO counters VALUES (1, 5)")
        increment(connection, 1)
        run(connection, "COMMIT")
    assert counters.rows("SELECT n FROM counters WHERE id = 1") == [(2,)]


def test_a_transaction_sees_what_others_commit_until_it_writes(counters: SnowflakeDatabase) -> None:
    with counters.connect() as reader, counters.connect() as writer:
        run(reader, "BEGIN")
        assert run(reader, "SELECT n FROM counters WHERE id = 1") == [(0,)]
        increment(writer, 1)
        assert run(reader, "SELECT n FROM counters WHERE id = 1") == [(1,)]
        increment(reader, 1)
        assert run(writer, "SELECT n FROM counters WHERE id = 1") == [(1,)]
        run(reader, "COMMIT")
        assert run(writer, "SELECT n FROM counters WHERE id = 1") == [(2,)]


def test_without_autocommit_a_write_waits_for_commit_and_a_definition_commits(counters: SnowflakeDatabase) -> None:
    with counters.connect(autocommit=False) as connection:
        increment(connection, 1)
        connection.rollback()
        increment(connection, 1)
        connection.commit()
        increment(connection, 1)
        assert counters.rows("SELECT n FROM counters WHERE id = 1") == [(1,)]
        run(connection, "CREATE TABLE other (a INT)")
        assert counters.rows("SELECT n FROM counters WHERE id = 1") == [(2,)]


def test_a_session_that_ends_rolls_back_what_it_left_open(counters: SnowflakeDatabase) -> None:
    with counters.connect() as connection:
        run(connection, "BEGIN")
        increment(connection, 1)
    increment_again = counters.rows("UPDATE counters SET n = n + 10 WHERE id = 1")
    assert increment_again == [(1, 0)]
    assert counters.rows("SELECT n FROM counters WHERE id = 1") == [(10,)]


def test_a_transaction_that_nobody_goes_on_with_is_rolled_back_when_it_is_in_the_way(
    counters: SnowflakeDatabase,
) -> None:
    counters.settings(idle_abort_s=0.5)
    with counters.connect() as gone, counters.connect() as other:
        run(gone, "BEGIN")
        increment(gone, 1)
        increment(other, 1)
        run(gone, "COMMIT")
    assert counters.rows("SELECT n FROM counters WHERE id = 1") == [(1,)]
