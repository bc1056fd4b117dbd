"""What the emulator makes of queries of Snowflake's own views and functions."""

import pytest
import sqlglot
from tests.emulators.snowflake.catalog import Table, TableKind
from tests.emulators.snowflake.errors import SqlError
from tests.emulators.snowflake.rewrite import (
    AGGREGATE_TABLE,
    HISTORY_TABLE,
    METERING_TABLE,
    USAGE_TABLE,
    Context,
    rewrite,
)

CONTEXT = Context(user="ANNA", role="R", warehouse=None, session_id=12)


def rewritten(sql: str, context: Context = CONTEXT) -> tuple[str, frozenset[str]]:
    expression, tables = rewrite(sqlglot.parse_one(sql, read="snowflake"), context)
    return expression.sql(dialect="snowflake"), tables


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT CURRENT_USER() AS u", "SELECT 'ANNA' AS u"),
        ("SELECT CURRENT_SESSION() AS s", "SELECT '12' AS s"),
        ("SELECT CURRENT_WAREHOUSE() AS w", "SELECT CAST(NULL AS VARCHAR) AS w"),
        ("SELECT current_role()", "SELECT 'R' AS \"CURRENT_ROLE()\""),
        ("SELECT COUNT(*), a, t.b, 1 FROM t", 'SELECT COUNT(*) AS "COUNT(*)", a, t.b, 1 AS "1" FROM t'),
        ("SELECT t.at FROM t", 'SELECT t."AT" FROM t'),
        ('UPDATE t SET at = 1, "offset" = 2', 'UPDATE t SET "AT" = 1, "offset" = 2'),
        ("SELECT * FROM t", "SELECT * FROM t"),
    ],
)
def test_a_query_is_rewritten(sql: str, expected: str) -> None:
    assert rewritten(sql) == (expected, frozenset())


@pytest.mark.parametrize(
    ("source", "table"),
    [
        ("TABLE(INFORMATION_SCHEMA.QUERY_HISTORY())", HISTORY_TABLE),
        ("TABLE(d.INFORMATION_SCHEMA.QUERY_HISTORY_BY_WAREHOUSE('w'))", HISTORY_TABLE),
        ("SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY", USAGE_TABLE),
        ("snowflake.account_usage.aggregate_query_history AS h", AGGREGATE_TABLE),
        ("SNOWFLAKE.ACCOUNT_USAGE.WAREHOUSE_METERING_HISTORY", METERING_TABLE),
    ],
)
def test_a_view_of_the_history_is_read_from_the_emulators_own_table(source: str, table: str) -> None:
    sql, tables = rewritten(f"SELECT * FROM {source}")
    assert tables == {table}
    assert table in sql


def test_bound_values_keep_their_places_in_the_arguments_of_the_history() -> None:
    sql, _ = rewritten(
        "SELECT ? AS a FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => ?, END_TIME_RANGE_START => ?)) "
        "WHERE b = ?"
    )
    assert sql.count("?") == 4
    assert "(SELECT ? AS RESULT_LIMIT, ? AS END_TIME_RANGE_START)" in sql


def test_the_history_of_a_session_is_that_of_the_one_that_asks_unless_another_is_named() -> None:
    own, _ = rewritten("SELECT * FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION())")
    other, _ = rewritten("SELECT * FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION(77))")
    named, _ = rewritten(
        "SELECT * FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION(SESSION_ID => CURRENT_SESSION()))"
    )
    assert "h.SESSION_ID = 12" in own
    assert "(SELECT 77 AS SESSION_ID)" in other
    assert "(SELECT '12' AS SESSION_ID)" in named


@pytest.mark.parametrize("arguments", ["RESULT_LIMIT => 0", "RESULT_LIMIT => 10001", "LIMIT_ => 5"])
def test_arguments_that_snowflake_refuses_are_refused(arguments: str) -> None:
    with pytest.raises(SqlError) as refused:
        rewritten(f"SELECT * FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY({arguments}))")
    assert refused.value.code == 1015


def test_the_list_of_tables_tells_which_are_hybrid_and_dynamic() -> None:
    tables = [Table(("D", "S", "H"), TableKind.HYBRID), Table(("D", "S", "Y"), TableKind.DYNAMIC)]
    context = Context(user="U", role="R", warehouse=None, session_id=1, tables=tables)
    sql, _ = rewritten("SELECT * FROM d.INFORMATION_SCHEMA.TABLES AS t WHERE t.TABLE_NAME = 'H'", context)
    assert "TABLE_NAME = 'H') THEN 'YES' ELSE 'NO' END AS IS_HYBRID" in sql
    assert "TABLE_NAME = 'Y') THEN 'YES' ELSE 'NO' END AS IS_DYNAMIC" in sql
    assert sql.endswith("FROM d.INFORMATION_SCHEMA.TABLES) AS t WHERE t.TABLE_NAME = 'H'")
