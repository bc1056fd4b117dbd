"""Checks of an operation's form: one statement or several, and what goes with transactions only."""

from collections.abc import Iterator, Mapping
from typing import Any

from upperbound.errors import Problem
from upperbound.scenario.kinds import OperationKind
from upperbound.scenario.plain import entries, mapping


def check_form(where: str, operation: Mapping[str, Any]) -> Iterator[Problem]:
    """Check that an operation has ``sql`` or ``statements``, and nothing that its form has no use for."""
    has_sql = operation.get("sql") is not None
    listed = operation.get("statements", ())
    several = bool(listed) or ("statements" in operation and not has_sql)
    if not has_sql and not several:
        yield Problem(f"{where}.sql", "is missing", "give sql, one statement, or statements, a list of them")
    elif has_sql and several:
        yield Problem(f"{where}.statements", "has both sql and statements", "give one: sql for a single statement")
    elif isinstance(listed, list | tuple) and several:
        yield from _check_several(where, operation)
    if has_sql and not several:
        yield from _check_single(where, operation)


def _check_several(where: str, operation: Mapping[str, Any]) -> Iterator[Problem]:
    """Check what goes with ``statements``."""
    listed = entries(operation["statements"])
    if not listed:
        yield Problem(f"{where}.statements", "must not be empty", "list the statements in their order")
    kind = next((kind for kind in OperationKind if kind == operation.get("kind")), None)
    if kind not in (None, OperationKind.GENERIC_SQL):
        yield Problem(
            f"{where}.statements",
            f"an operation of kind {kind} is one statement",
            "give sql, or use kind: GENERIC_SQL with an operation_type",
        )
    if operation.get("autocommit") is not True:
        return
    if operation.get("isolation") is not None:
        yield Problem(
            f"{where}.isolation", "autocommit leaves no transaction that could have it", "remove one of the two"
        )
    if len(listed) > 1 and mapping(operation.get("retry")):
        yield Problem(
            f"{where}.retry",
            "with autocommit, another attempt would repeat what has been committed",
            "remove it, or remove autocommit and let the statements be one transaction",
        )


def _check_single(where: str, operation: Mapping[str, Any]) -> Iterator[Problem]:
    """Check that nothing is asked of ``sql`` that needs ``statements``."""
    if operation.get("isolation") is not None:
        yield Problem(
            f"{where}.isolation", "belongs to transactions", "list the statement under statements, or remove it"
        )
    if operation.get("autocommit") is True:
        yield Problem(f"{where}.autocommit", "goes with statements; sql commits by itself", "remove it")
