"""A statement is judged by the server without being executed."""

from collections.abc import Iterator

import pytest

from upperbound.errors import ConfigurationError, TargetMismatch
from upperbound.targets.embedded.dataset import create_orders
from upperbound.targets.pg_catalog_reader import catalog_connection
from upperbound.targets.pg_connection import ConnInfo
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_validate import validate_statement


@pytest.fixture
def orders(fresh_database: str) -> Iterator[Connection]:
    with catalog_connection(ConnInfo(fresh_database)) as connection:
        create_orders(connection, rows=500, seed=1)
        yield connection


def test_types_of_parameters_and_columns_are_inferred_and_the_plan_uses_the_key(orders: Connection) -> None:
    found = validate_statement(orders, "SELECT id, note FROM {table} WHERE id = $1 AND status = $2", "orders")
    assert found.parameters == ("bigint", "text")
    assert found.columns == (("id", "bigint"), ("note", "text"))
    assert any("orders_pkey" in line for line in found.plan)


def test_a_statement_that_writes_is_planned_and_not_executed(orders: Connection) -> None:
    found = validate_statement(orders, "DELETE FROM {table} WHERE id >= $1", "orders")
    assert (found.parameters, found.columns) == (("bigint",), ())
    assert "Delete on orders" in found.plan[0]
    row = orders.execute("SELECT count(*), (SELECT count(*) FROM pg_prepared_statements) FROM orders").fetchone()
    assert row == (500, 0)


def test_a_statement_without_a_plan_is_still_prepared(orders: Connection) -> None:
    orders.execute("CREATE PROCEDURE nothing(n int) LANGUAGE sql AS 'DELETE FROM orders'")
    found = validate_statement(orders, "CALL nothing($1)")
    assert (found.parameters, found.plan) == (("integer",), ())
    assert orders.execute("SELECT count(*) FROM orders").fetchone() == (500,)


@pytest.mark.parametrize(
    ("statement", "message", "hint"),
    [
        ("SELECT * FROM oders", 'relation "oders" does not exist', "did you mean public.orders?"),
        ("SELECT satus FROM {table}", 'column "satus" does not exist', "status"),
        ("SELECT id FROM {table} WHERE", "syntax error at end of input", ""),
        ("SELECT $1 IS NULL", "could not determine data type of parameter $1", "$1::integer"),
    ],
)
def test_what_the_server_refuses_is_told_with_what_to_do(
    orders: Connection, statement: str, message: str, hint: str
) -> None:
    with pytest.raises(TargetMismatch) as caught:
        validate_statement(orders, statement, "public.orders")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_statement_that_the_user_may_not_execute_is_refused(orders: Connection) -> None:
    orders.execute("CREATE ROLE validate_nobody; GRANT SELECT ON orders TO validate_nobody")
    try:
        orders.execute("SET ROLE validate_nobody")
        assert validate_statement(orders, "SELECT 1 FROM orders").plan
        with pytest.raises(TargetMismatch, match="permission denied for table orders"):
            validate_statement(orders, "UPDATE orders SET note = $1")
    finally:
        orders.execute("RESET ROLE; DROP OWNED BY validate_nobody; DROP ROLE validate_nobody")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT 1; DROP TABLE orders", "more than one statement"),
        ("", "holds no statement"),
        ("SELECT 'open", "opens a string and does not close it"),
        ("SELECT * FROM {table}", "there is no table"),
        ("BEGIN", "steers a transaction"),
    ],
)
def test_what_is_not_one_statement_is_refused_before_it_is_sent(
    orders: Connection, statement: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validate_statement(orders, statement)
    assert message in str(caught.value)
