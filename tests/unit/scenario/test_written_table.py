"""A statement writes to the target table when that is what it names to be written to, not when it reads it."""

import pytest

from upperbound.scenario.sql_text import tokenize
from upperbound.scenario.written_table import writes_table


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO {table} VALUES (1)",
        "update {table} set a = 1",
        "UPDATE ONLY {table} AS t SET a = 1",
        "DELETE /* all */ FROM\n{table}",
        "DELETE FROM ONLY {table}",
        "MERGE INTO {table} USING other ON true WHEN MATCHED THEN DELETE",
        "WITH gone AS (DELETE FROM {table} RETURNING id) SELECT * FROM gone",
        "WITH a AS (SELECT 1) INSERT INTO {table} SELECT * FROM a",
    ],
)
def test_statements_that_write_to_it(sql: str) -> None:
    assert writes_table(list(tokenize(sql)))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM {table}",
        "INSERT INTO other SELECT * FROM {table}",
        "UPDATE other SET a = t.a FROM {table} t",
        "DELETE FROM other USING {table}",
        "MERGE INTO other USING {table} ON true WHEN MATCHED THEN DELETE",
        "SELECT 1 FROM {table} FOR UPDATE OF {table}",
        "INSERT INTO other VALUES ('INSERT INTO {table}')",
        "{table}",
        "SELECT 1",
    ],
)
def test_statements_that_do_not(sql: str) -> None:
    assert not writes_table(list(tokenize(sql)))
