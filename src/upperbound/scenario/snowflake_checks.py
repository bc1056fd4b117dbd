"""Checks of what does not go with a Snowflake target; they read the plain form, as :mod:`checks` says."""

from collections.abc import Iterator, Mapping
from typing import Any

from upperbound.errors import Problem
from upperbound.scenario.kinds import TableType
from upperbound.scenario.plain import entries, mapping
from upperbound.scenario.question_marks import has_marks
from upperbound.scenario.sql_text import UnterminatedSql, parameter_numbers, tokenize
from upperbound.scenario.written_table import writes_table


def is_snowflake(target: Any) -> bool:
    """Tell whether a target, malformed or not, is meant to be Snowflake's."""
    return isinstance(target, Mapping) and target.get("kind") == "snowflake"


def check_for_snowflake(where: str, operation: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Problem]:
    """Check one operation for what Snowflake, or the kind of table, does not do."""
    if operation.get("isolation") is not None:
        yield Problem(f"{where}.isolation", "Snowflake's transactions are all read committed", "remove it")
    for place, param in enumerate(entries(operation.get("params"))):
        if "list" in mapping(param):
            yield Problem(
                f"{where}.params.{place}",
                "Snowflake takes no list as a parameter",
                "write a parameter for each value, as in IN (?, ?, ?)",
            )
    yield from _check_texts(where, operation, dynamic=target.get("table_type") == TableType.DYNAMIC)


def _check_texts(where: str, operation: Mapping[str, Any], *, dynamic: bool) -> Iterator[Problem]:
    texts = {f"{where}.statements.{place}": text for place, text in enumerate(entries(operation.get("statements")))}
    if operation.get("sql") is not None:
        texts = {f"{where}.sql": operation["sql"]}
    marked = counted = False
    for at, text in texts.items():
        if not isinstance(text, str):
            continue
        try:
            tokens = list(tokenize(text))
        except UnterminatedSql:
            return
        marked, counted = marked or has_marks(text), counted or bool(parameter_numbers(tokens))
        if marked and counted:
            yield Problem(at, "has parameters as ? and as $1", "write all of an operation's parameters in one way")
            return
        if dynamic and writes_table(tokens):
            yield Problem(at, "writes to a dynamic table, which only Snowflake itself changes", "read from it only")
