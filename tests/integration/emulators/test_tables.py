"""Tables of every type, seen through the real connector."""

from collections.abc import Iterator
from typing import Any

import pytest
from snowflake.connector import DictCursor, SnowflakeConnection
from snowflake.connector.errors import Error
from tests.emulators.handle import SnowflakeDatabase


@pytest.fixture
def connection(snowflake: SnowflakeDatabase) -> Iterator[SnowflakeConnection]:
    with snowflake.connect() as opened:
        yield opened


def run(connection: SnowflakeConnection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.cursor().execute(sql, values or None).fetchall()]


def code(connection: SnowflakeConnection, sql: str, *values: Any) -> int | None:
    """Return the vendor code with which a statement fails."""
    with pytest.raises(Error) as failed:
        run(connection, sql, *values)
    return failed.value.errno


def dicts(connection: SnowflakeConnection, sql: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.cursor(DictCursor).execute(sql).fetchall()]


def test_a_hybrid_table_enforces_its_keys(connection: SnowflakeConnection) -> None:
    run(connection, "CREATE HYBRID TABLE o (id INT PRIMARY KEY)")
    run(
        connection,
        "CREATE HYBRID TABLE t (id INT PRIMARY KEY, n VARCHAR(10) NOT NULL, u INT UNIQUE, "
        "o INT REFERENCES o (id), INDEX ix (n) INCLUDE (u))",
    )
    run(connection, "INSERT INTO o VALUES (1)")
    run(connection, "INSERT INTO t VALUES (1, 'a', 1, 1)")
    assert code(connection, "INSERT INTO t VALUES (1, 'b', 2, 1)") == 200001
    assert code(connection, "INSERT INTO t VALUES (2, 'b', 1, 1)") == 200001
    assert code(connection, "INSERT INTO t VALUES (2, NULL, 2, 1)") == 100072
    assert code(connection, "INSERT INTO t VALUES (2, 'b', 2, 9)") == 200009
    assert run(connection, "SELECT * FROM t") == [(1, "a", 1, 1)]


def test_a_hybrid_table_that_is_made_from_a_query_enforces_its_key(connection: SnowflakeConnection) -> None:
    run(connection, "CREATE TABLE source AS SELECT SEQ8() AS id FROM TABLE(GENERATOR(ROWCOUNT => 3))")
    run(connection, "CREATE HYBRID TABLE t (id INT PRIMARY KEY) AS SELECT id FROM source")
    assert run(connection, "SELECT COUNT(*) FROM t") == [(3,)]
    assert code(connection, "INSERT INTO t VALUES (1)") == 200001


def test_what_the_engine_cannot_do_is_an_error_of_the_statement_at_once(
    snowflake: SnowflakeDatabase, connection: SnowflakeConnection
) -> None:
    for statement in ("EXPLAIN SELECT 1", "SELECT GET_DDL('TABLE', 't')", "SELECT UNIFORM(1, 10, RANDOM(42))"):
        assert code(connection, statement) in (2, 603, 1003, 2003)
        assert len(snowflake.statements(statement)) == 1


def test_the_emulators_own_database_is_not_shown(connection: SnowflakeConnection) -> None:
    names = [row["name"] for row in dicts(connection, "SHOW DATABASES")]
    assert "EMULATOR" not in names
    assert len(names) >= 1


def test_a_standard_table_has_keys_but_does_not_enforce_them(connection: SnowflakeConnection) -> None:
    run(connection, "CREATE TABLE t (id INT PRIMARY KEY, u INT UNIQUE, n INT NOT NULL)")
    run(connection, "INSERT INTO t VALUES (1, 1, 1)")
    run(connection, "INSERT INTO t VALUES (1, 1, 1)")
    assert code(connection, "INSERT INTO t VALUES (2, 2, NULL)") == 100072
    assert code(connection, "INSERT INTO t VALUES (NULL, 2, 1)") == 100072
    assert run(connection, "SELECT COUNT(*) FROM t") == [(2,)]
    assert [row[4] for row in run(connection, "SHOW PRIMARY KEYS IN TABLE t")] == ["ID"]
    assert [row[4] for row in run(connection, "SHOW UNIQUE KEYS IN TABLE t")] == ["U"]


def test_the_types_of_tables_are_shown(connection: SnowflakeConnection) -> None:
    run(connection, "CREATE TABLE plain (id INT)")
    run(connection, "CREATE HYBRID TABLE h (id INT PRIMARY KEY, k INT, INDEX ix (k))")
    run(connection, "CREATE DYNAMIC TABLE d TARGET_LAG = '1 minute' WAREHOUSE = compute_wh AS SELECT id FROM plain")
    run(connection, "CREATE INTERACTIVE TABLE i CLUSTER BY (id) AS SELECT id FROM plain")
    listed = {row["name"]: (row["is_hybrid"], row["is_dynamic"]) for row in dicts(connection, "SHOW TABLES")}
    assert listed == {"PLAIN": ("N", "N"), "H": ("Y", "N"), "D": ("N", "Y"), "I": ("N", "N")}
    assert [row["name"] for row in dicts(connection, "SHOW HYBRID TABLES")] == ["H"]
    assert [row["name"] for row in dicts(connection, "SHOW INTERACTIVE TABLES")] == ["I"]
    assert [(row["name"], row["target_lag"]) for row in dicts(connection, "SHOW DYNAMIC TABLES")] == [("D", "1 minute")]
    told = "SELECT TABLE_NAME, IS_HYBRID, IS_DYNAMIC FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME < ? ORDER BY 1"
    assert run(connection, told, "I") == [("D", "NO", "YES"), ("H", "YES", "NO")]


def test_indexes_are_shown_created_and_dropped(connection: SnowflakeConnection) -> None:
    run(connection, "CREATE HYBRID TABLE h (id INT PRIMARY KEY, k INT, n INT, INDEX ix (k) INCLUDE (n))")
    run(connection, "CREATE INDEX later ON h (n)")
    shown = [
        (row["name"], row["columns"], row["included_columns"]) for row in dicts(connection, "SHOW INDEXES IN TABLE h")
    ]
    assert shown == [("SYS_INDEX_H_PRIMARY", "[ID]", "[]"), ("IX", "[K]", "[N]"), ("LATER", "[N]", "[]")]
    run(connection, "DROP INDEX h.ix")
    assert [row["name"] for row in dicts(connection, "SHOW INDEXES IN TABLE h")] == ["SYS_INDEX_H_PRIMARY", "LATER"]
    run(connection, "CREATE TABLE plain (id INT)")
    assert code(connection, "CREATE INDEX i ON plain (id)") == 2


def test_a_dynamic_table_is_read_only_and_follows_when_it_is_refreshed(connection: SnowflakeConnection) -> None:
    run(connection, "CREATE TABLE source (id INT)")
    run(connection, "CREATE DYNAMIC TABLE d TARGET_LAG = '1 minute' WAREHOUSE = compute_wh AS SELECT id FROM source")
    run(connection, "INSERT INTO source VALUES (1), (2)")
    for statement in ("INSERT INTO d VALUES (1)", "UPDATE d SET id = 1", "DELETE FROM d"):
        assert code(connection, statement) == 2
    assert run(connection, "SELECT COUNT(*) FROM d") == [(0,)]
    run(connection, "ALTER DYNAMIC TABLE d REFRESH")
    assert run(connection, "SELECT COUNT(*) FROM d") == [(2,)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM nowhere", 2003),
        ("INSERT INTO nowhere VALUES (1)", 2003),
        ("SELECT nothing FROM t", 904),
        ("SELEC 1", 1003),
        ("CREATE TABLE t (a INT)", 2002),
        ("CREATE HYBRID TABLE h (a INT)", 2),
        ("SELECT 'x'::INT", 100038),
        ("USE WAREHOUSE nowhere", 2043),
        ("DROP TABLE nowhere", 2003),
    ],
)
def test_a_statement_that_fails_has_snowflakes_code_at_once(
    snowflake: SnowflakeDatabase, connection: SnowflakeConnection, sql: str, expected: int
) -> None:
    run(connection, "CREATE TABLE t (a INT)")
    assert code(connection, sql) == expected
    assert snowflake.statements(sql)[-1]["error_code"] == expected


def test_values_of_every_type_that_is_bound_come_back(connection: SnowflakeConnection) -> None:
    import datetime as dt
    from decimal import Decimal

    run(
        connection,
        "CREATE TABLE t (i INT, d NUMBER(10, 2), f FLOAT, s VARCHAR, b BOOLEAN, x BINARY, day DATE, ntz TIMESTAMP_NTZ, "
        "v VARIANT)",
    )
    moment = dt.datetime(2026, 3, 1, 12, 30, 15, 250000)  # noqa: DTZ001  # the column has no zone
    values = (7, Decimal("1.25"), 0.5, "it's", True, b"\x00\xff", dt.date(2026, 3, 1), moment)
    run(connection, "INSERT INTO t SELECT ?, ?, ?, ?, ?, ?, ?, ?, PARSE_JSON(?)", *values, '{"a": [1, 2]}')
    (row,) = run(connection, "SELECT i, d, f, s, b, x, day, ntz, v:a[1]::INT FROM t")
    assert row == (*values, 2)
    run(connection, "INSERT INTO t (i, s) VALUES (?, ?)", None, None)
    assert run(connection, "SELECT i, s FROM t WHERE i IS NULL") == [(None, None)]


def test_an_array_of_values_is_one_statement(snowflake: SnowflakeDatabase, connection: SnowflakeConnection) -> None:
    run(connection, "CREATE HYBRID TABLE t (id INT PRIMARY KEY, n VARCHAR)")
    cursor = connection.cursor()
    cursor.executemany("INSERT INTO t (id, n) VALUES (?, ?)", [(number, str(number)) for number in range(500)])
    assert cursor.rowcount == 500
    assert run(connection, "SELECT COUNT(*), MAX(id) FROM t") == [(500, 499)]
    with pytest.raises(Error):
        cursor.executemany("INSERT INTO t (id, n) VALUES (?, ?)", [(1000, "new"), (1, "old")])
    assert run(connection, "SELECT COUNT(*) FROM t") == [(500,)]
    assert len(snowflake.statements("INSERT INTO t")) == 2


def test_a_merge_tells_what_it_did(connection: SnowflakeConnection) -> None:
    run(connection, "CREATE HYBRID TABLE t (id INT PRIMARY KEY, n VARCHAR)")
    run(connection, "INSERT INTO t VALUES (1, 'a')")
    cursor = connection.cursor()
    cursor.execute(
        "MERGE INTO t USING (SELECT 1 AS id, 'b' AS n UNION ALL SELECT 2, 'c') s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT (id, n) VALUES (s.id, s.n)"
    )
    assert cursor.rowcount == 2
    assert run(connection, "SELECT * FROM t ORDER BY id") == [(1, "b"), (2, "c")]


def test_a_column_may_be_named_as_a_word_of_the_engine(connection: SnowflakeConnection) -> None:
    run(connection, "CREATE TABLE t (at INT, offset INT)")
    run(connection, "INSERT INTO t (at, offset) VALUES (1, 2)")
    assert dicts(connection, "SELECT at, offset FROM t WHERE at = 1 ORDER BY offset") == [{"AT": 1, "OFFSET": 2}]


def test_computed_columns_are_named_by_their_text(connection: SnowflakeConnection) -> None:
    (row,) = dicts(connection, "SELECT count(*), max(1), 5 AS given")
    assert set(row) == {"COUNT(*)", "MAX(1)", "GIVEN"}
