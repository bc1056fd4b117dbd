"""Sessions of the emulator, seen through the real connector."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from snowflake.connector.errors import DatabaseError, ProgrammingError
from tests.emulators.handle import SnowflakeDatabase


def test_a_session_is_told_who_and_where_it_is(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect() as first, snowflake.connect() as second:
        told = "SELECT CURRENT_USER(), CURRENT_DATABASE(), CURRENT_SCHEMA(), CURRENT_WAREHOUSE(), CURRENT_SESSION()"
        row = first.cursor().execute(told).fetchone()
        assert row == ("TESTER", snowflake.name, "PUBLIC", "COMPUTE_WH", str(first.session_id))
        assert first.session_id != second.session_id


def test_a_session_whose_login_leads_to_no_database_is_in_none_until_it_uses_one(snowflake: SnowflakeDatabase) -> None:
    told = "SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()"
    for database in (None, "NOT_THERE"):
        with snowflake.connect(database=database, schema=None) as connection:
            assert connection.cursor().execute(told).fetchone() == (None, None)
            connection.cursor().execute(f"USE DATABASE {snowflake.name}")
            assert connection.cursor().execute(told).fetchone() == (snowflake.name, "PUBLIC")


def test_parameters_of_a_session_are_those_of_its_login_and_of_its_alter_session(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect(
        session_parameters={"QUERY_TAG": "from the login", "USE_CACHED_RESULT": False}
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("ALTER SESSION SET READ_LATEST_WRITES = TRUE")
        cursor.execute("SHOW PARAMETERS IN SESSION")
        shown = {row[0]: (row[1], row[3]) for row in cursor.fetchall()}
    assert shown["QUERY_TAG"] == ("from the login", "SESSION")
    assert shown["USE_CACHED_RESULT"] == ("false", "SESSION")
    assert shown["READ_LATEST_WRITES"] == ("true", "SESSION")
    assert shown["LOCK_TIMEOUT"] == ("43200", "")


def test_each_statement_carries_the_tag_that_its_session_had(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect(session_parameters={"QUERY_TAG": "phase=WARMUP"}) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 'first'")
        cursor.execute("ALTER SESSION SET QUERY_TAG = 'phase=RUNNING'")
        cursor.execute("SELECT 'second'")
        cursor.execute("SELECT 'third'", _statement_params={"QUERY_TAG": "its own"})
        cursor.execute("ALTER SESSION UNSET QUERY_TAG")
        cursor.execute("SELECT 'fourth'")
        tags = {
            seen["query_text"]: (seen["query_tag"], seen["session_id"]) for seen in snowflake.statements("SELECT '")
        }
        session = connection.session_id
    assert tags == {
        "SELECT 'first'": ("phase=WARMUP", session),
        "SELECT 'second'": ("phase=RUNNING", session),
        "SELECT 'third'": ("its own", session),
        "SELECT 'fourth'": ("", session),
    }


def test_a_table_of_an_earlier_test_is_not_there_and_another_session_sees_what_one_commits(
    snowflake: SnowflakeDatabase,
) -> None:
    with snowflake.connect() as first, snowflake.connect() as second:
        assert first.cursor().execute("SHOW TABLES").fetchall() == []
        first.cursor().execute("CREATE TABLE t (a INT)")
        first.cursor().execute("INSERT INTO t VALUES (?)", (5,))
        assert second.cursor().execute("SELECT a FROM t").fetchall() == [(5,)]


def test_an_expired_token_is_renewed_without_the_user_noticing(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect() as connection:
        session = connection.session_id
        assert snowflake.expire_tokens() == 1
        assert connection.cursor().execute("SELECT CURRENT_SESSION()").fetchone() == (str(session),)


def test_a_token_that_expires_in_the_middle_of_work_is_renewed_as_well(snowflake: SnowflakeDatabase) -> None:
    fault = snowflake.fault("expire", pattern="SELECT 2", times=1)
    with snowflake.connect() as connection:
        got = [connection.cursor().execute(f"SELECT {number}").fetchone() for number in (1, 2, 3)]
    assert got == [(1,), (2,), (3,)]
    assert snowflake.strikes(fault) == 1


def test_a_renewal_that_is_refused_fails_the_statement(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect() as connection:
        snowflake.fault("error", place="renew", code=390114)
        snowflake.expire_tokens()
        with pytest.raises(DatabaseError) as refused:
            connection.cursor().execute("SELECT 1")
    assert refused.value.errno == 390114


def test_a_session_whose_master_token_expired_asks_for_a_new_login(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect() as connection:
        snowflake.expire_tokens(master=True)
        with pytest.raises(DatabaseError) as refused:
            connection.cursor().execute("SELECT 1")
    assert refused.value.errno == 390114


def test_the_most_logins_at_once_are_counted(snowflake: SnowflakeDatabase) -> None:
    snowflake.fault("latency", place="login", delay_ms=300)

    def log_in(_number: int) -> int:
        with snowflake.connect() as connection:
            return int(connection.session_id)

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(log_in, range(6)))) == 6
    counts = snowflake.counts()
    assert counts["most_logging_in"] == 3
    assert counts["open"] == 0
    assert len(snowflake.logins()) == 6


def test_a_session_without_warehouse_cannot_compute(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect(warehouse=None) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE t (a INT)")
        with pytest.raises(ProgrammingError) as refused:
            cursor.execute("SELECT * FROM t")
        assert refused.value.errno == 606
        cursor.execute("USE WAREHOUSE compute_wh")
        assert cursor.execute("SELECT * FROM t").fetchall() == []
