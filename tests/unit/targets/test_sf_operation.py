"""Operations as Snowflake executes them."""

from decimal import Decimal

import pytest

from upperbound.scenario.kinds import OperationKind, OperationType
from upperbound.scenario.model import Operation
from upperbound.targets.sf_operation import blocking_operation


def operation(*texts: str) -> Operation:
    kind, weight = OperationKind.GENERIC_SQL, Decimal(100)
    if len(texts) == 1:
        return Operation(kind=kind, operation_type=OperationType.WRITE, weight_pct=weight, sql=texts[0])
    return Operation(kind=kind, operation_type=OperationType.WRITE, weight_pct=weight, statements=texts)


@pytest.mark.parametrize(
    ("text", "is_query"),
    [
        ("SELECT * FROM {table}", True),
        ("-- SELECT\n (select 1)", True),
        ("INSERT INTO {table} SELECT * FROM other", False),
        ("UPDATE {table} SET a = (SELECT 1)", False),
        ("WITH a AS (SELECT 1) SELECT * FROM a", False),
        ("SHOW TABLES", False),
    ],
)
def test_what_certainly_answers_with_rows_is_a_query(text: str, is_query: bool) -> None:
    [statement] = blocking_operation(operation(text), '"ORDERS"', ()).statements
    assert statement.is_query is is_query
    assert statement.text.startswith("/* UB_KIND=GENERIC_SQL */ ")


def test_each_statement_of_a_transaction_is_judged_by_itself() -> None:
    made = blocking_operation(operation("SELECT 1", "DELETE FROM {table}"), '"ORDERS"', ())
    assert [(one.is_query, one.counts) for one in made.statements] == [
        (False, False),
        (True, True),
        (False, True),
        (False, False),
    ]
    assert made.rollback is not None
