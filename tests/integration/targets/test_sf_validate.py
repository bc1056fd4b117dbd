"""What Snowflake makes of statements that are not executed."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.emulators.handle import SnowflakeDatabase

from upperbound.errors import ConfigurationError, TargetMismatch
from upperbound.targets.sf_validate import TYPE_OF_ITS_VALUE, validate_on_snowflake


@pytest.fixture
def session(snowflake: SnowflakeDatabase) -> Iterator[Any]:
    with snowflake.connect() as connection:
        connection.cursor().execute(
            "CREATE TABLE items (id NUMBER(38,0), price NUMBER(12,2), made DATE, done BOOLEAN, share FLOAT)"
        )
        connection.cursor().execute("INSERT INTO items VALUES (1, 1.5, '2026-01-01', TRUE, 0.5)")
        yield connection


def test_the_columns_of_a_query_are_told_and_each_parameter_once(session: Any) -> None:
    found = validate_on_snowflake(session, "SELECT * FROM {table} WHERE id = $1 OR id = $1 + $2", "items")
    assert found.columns == (
        ("ID", "NUMBER(38,0)"),
        ("PRICE", "NUMBER(12,2)"),
        ("MADE", "DATE"),
        ("DONE", "BOOLEAN"),
        ("SHARE", "FLOAT"),
    )
    assert found.parameters == (TYPE_OF_ITS_VALUE, TYPE_OF_ITS_VALUE)
    assert found.plan == (), "Snowflake plans with the values of parameters"


def test_a_statement_without_parameters_has_a_plan(session: Any) -> None:
    found = validate_on_snowflake(session, "SELECT id, price FROM items")
    assert found.parameters == ()
    assert any("items" in line.lower() for line in found.plan)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE {table} SET price = ? WHERE id = ?", "INSERT INTO items (id) VALUES (?)", "DELETE FROM {table}"],
)
def test_a_change_is_looked_at_and_not_made(snowflake: SnowflakeDatabase, session: Any, statement: str) -> None:
    before = snowflake.rows("SELECT * FROM items")
    found = validate_on_snowflake(session, statement, "items")
    assert found.columns == ()
    assert len(found.parameters) == statement.count("?")
    assert bool(found.plan) == ("?" not in statement)
    assert snowflake.rows("SELECT * FROM items") == before
    assert [one["query_type"] for one in snowflake.statements("UB_KIND")] in ([], ["EXPLAIN"])


@pytest.mark.parametrize(
    "statement",
    ["SELECT nope FROM items", "UPDATE items SET nope = ? WHERE id = ?", "DELETE FROM gone WHERE id = ?", "SELEC 1"],
)
def test_a_statement_that_snowflake_refuses_is_told_with_its_reason(session: Any, statement: str) -> None:
    with pytest.raises(TargetMismatch, match="the statement cannot be executed: Snowflake refuses"):
        validate_on_snowflake(session, statement)


@pytest.mark.parametrize(
    ("statement", "table", "said"),
    [
        ("SELECT 1; SELECT 2", None, "not a statement that can be executed"),
        ("SELECT 1 FROM {table}", None, "not a statement that can be executed"),
        ("SELECT 1 FROM {table}", "a b", "'a b' is not a table name"),
    ],
)
def test_what_is_no_single_statement_is_not_sent(
    snowflake: SnowflakeDatabase, session: Any, statement: str, table: str | None, said: str
) -> None:
    before = len(snowflake.statements())
    with pytest.raises(ConfigurationError, match=said):
        validate_on_snowflake(session, statement, table)
    assert len(snowflake.statements()) == before
