"""Checks of an operation's statements: that each can be prepared and fits its kind, and every ``$n`` has a source."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from upperbound.errors import Problem
from upperbound.scenario.kinds import TYPE_OF_KIND, OperationKind, OperationType
from upperbound.scenario.plain import entries
from upperbound.scenario.question_marks import has_marks, numbered
from upperbound.scenario.sql_text import (
    PARAMETERS_MAX,
    TABLE,
    Token,
    TokenKind,
    UnterminatedSql,
    first_word,
    is_table,
    parameter_numbers,
    tokenize,
    uses_table,
    without_trailing_semicolon,
)

_TRANSACTIONS = ("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE")
_SESSION = ("PREPARE", "EXECUTE", "DEALLOCATE", "DISCARD")
_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "ALTER", "DROP")
_FIRST_WORDS = {
    OperationKind.INSERT: ("INSERT", "MERGE", "WITH", "CALL"),
    OperationKind.UPDATE: ("UPDATE", "INSERT", "MERGE", "DELETE", "WITH", "CALL"),
}
"""What a statement of these kinds may begin with; an upsert counts as an update as well."""


def check_statements(where: str, operation: Mapping[str, Any], *, has_table: bool | None) -> Iterator[Problem]:
    """Check the text of each statement; ``has_table`` is None when the target is too malformed to say."""
    for at, sql in _statements(where, operation):
        yield from _check_statement(at, sql, operation, has_table=has_table)


def check_parameters(where: str, operation: Mapping[str, Any], *, marks: bool = False) -> Iterator[Problem]:
    """Check that ``$1`` to ``$n`` are all used, each somewhere, and that ``params`` has as many entries.

    With ``marks`` a ``?`` is a parameter as well.
    """
    statements, params = list(_statements(where, operation)), operation.get("params", ())
    if not statements or len(statements) < _count(operation) or not isinstance(params, list | tuple):
        return
    try:
        marked = marks and any(has_marks(sql) for _, sql in statements)
        if marked:
            texts = numbered([sql for _, sql in statements])
            statements = [(at, text) for (at, _), text in zip(statements, texts, strict=True)]
        tokens = {at: list(tokenize(sql)) for at, sql in statements}
    except UnterminatedSql:
        return
    numbers = {at: parameter_numbers(found) for at, found in tokens.items()}
    outside = [at for at, found in numbers.items() if 0 in found or max(found, default=0) > PARAMETERS_MAX]
    for at in outside:
        yield Problem(at, f"parameters run from $1 to ${PARAMETERS_MAX}", "number them from $1")
    if outside:
        return
    used = set[int]().union(*numbers.values())
    highest = max(used, default=0)
    if gaps := [number for number in range(1, highest) if number not in used]:
        at = next(at for at, found in numbers.items() if highest in found)
        yield Problem(at, f"uses ${highest} and not ${gaps[0]}", "number the parameters without gaps")
    elif highest != len(params) and marked:
        yield _miscounted_marks(where, highest, len(params))
    elif highest != len(params):
        names = {0: "no parameter", 1: "$1 only"}.get(highest, f"$1 to ${highest}")
        subject = "sql uses" if operation.get("sql") is not None else "statements use"
        hint = _parameter_hint([token for found in tokens.values() for token in found], highest)
        yield Problem(f"{where}.params", f"has {_entries(len(params))}, and {subject} {names}", hint)


def _miscounted_marks(where: str, marks: int, params: int) -> Problem:
    said = f"has {_entries(params)}, and there are {marks} ? in the statements"
    return Problem(
        f"{where}.params", said if marks > 1 else f"has {_entries(params)}, and there is one ?", "give each ? one"
    )


def _statements(where: str, operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield place and text of each statement; an operation with both forms, which is refused, has those of both."""
    if isinstance(sql := operation.get("sql"), str):
        yield f"{where}.sql", sql
    for place, text in enumerate(entries(operation.get("statements"))):
        if isinstance(text, str):
            yield f"{where}.statements.{place}", text


def _count(operation: Mapping[str, Any]) -> int:
    """Return how many statements there are, malformed ones included."""
    return int(operation.get("sql") is not None) + len(entries(operation.get("statements")))


def _check_statement(at: str, sql: str, operation: Mapping[str, Any], *, has_table: bool | None) -> Iterator[Problem]:
    """Check the text of one statement."""
    if "\x00" in sql:
        yield Problem(at, "holds a zero character", "remove it")
    try:
        tokens = without_trailing_semicolon(list(tokenize(sql)))
    except UnterminatedSql as error:
        yield Problem(at, f"opens {error} and does not close it", "close it, or double a quote that is meant as itself")
        return
    if all(token.kind in (TokenKind.SPACE, TokenKind.COMMENT) for token in tokens):
        yield Problem(at, "holds no statement", "write one statement, such as SELECT * FROM {table} WHERE id = $1")
        return
    if any(token == Token(TokenKind.OTHER, ";") for token in tokens):
        hint = "list them under statements, with kind: GENERIC_SQL, or make each an operation of its own"
        yield Problem(at, "holds more than one statement", hint)
    yield from _check_placeholders(at, tokens, has_table=has_table)
    yield from _check_first_word(at, operation, first_word(tokens))


def _entries(count: int) -> str:
    """Return the count with its noun."""
    return "1 entry" if count == 1 else f"{count} entries"


def _parameter_hint(tokens: list[Token], highest: int) -> str:
    """Return what to do about a wrong number of parameters."""
    code = "".join(token.text for token in tokens if token.kind is TokenKind.OTHER)
    if not highest and any(mark in code for mark in ("?", "%", ":")):
        return "parameters are written $1, $2, ..."
    hints = {0: "leave params out, or use $1 in sql", 1: "give params one entry, for $1"}
    return hints.get(highest, f"give params one entry for each of $1 to ${highest}")


def _check_placeholders(at: str, tokens: list[Token], *, has_table: bool | None) -> Iterator[Problem]:
    """Check what stands in braces."""
    if uses_table(tokens) and has_table is False:
        yield Problem(at, f"uses {TABLE}, and there is no table", "set target.table")
    for token in tokens:
        if token.kind is TokenKind.QUOTED_NAME and TABLE in token.text:
            yield Problem(at, f"has {TABLE} in quotes, where it is not replaced", f"write {TABLE} without quotes")
        if token.kind is TokenKind.PLACEHOLDER and not is_table(token):
            near = difflib.get_close_matches(token.text.lower(), [TABLE], cutoff=0.5)
            mean = f"; did you mean {TABLE}?" if near else ""
            yield Problem(at, f"unknown placeholder {token.text}{mean}", f"{TABLE} is the only one")


def _check_first_word(at: str, operation: Mapping[str, Any], word: str) -> Iterator[Problem]:
    """Check that a statement can run by itself, again and again, and does what its kind says."""
    if word in _TRANSACTIONS:
        hint = (
            "list the statements of a transaction under statements; BEGIN and COMMIT are sent around them"
            if operation.get("sql") is not None
            else "remove it: BEGIN and COMMIT are sent around statements by themselves"
        )
        yield Problem(at, f"{word} steers a transaction", hint)
        return
    if word == "COPY" or word in _SESSION:
        yield Problem(at, f"{word} cannot be an operation", "write the statement itself")
        return
    kind = next((kind for kind in OperationKind if kind == operation.get("kind")), None)
    if kind is None:
        return
    allowed = _FIRST_WORDS.get(kind)
    if allowed is not None and word not in allowed:
        yield Problem(
            at,
            f"a statement of kind {kind} does not begin with {word}",
            "use kind: GENERIC_SQL with operation_type: WRITE for other statements that write",
        )
    reads = TYPE_OF_KIND.get(kind, operation.get("operation_type")) == OperationType.READ
    if reads and word in _WRITES:
        yield Problem(at, f"{word} writes, and the operation is a READ", "use kind: INSERT, UPDATE or GENERIC_SQL")
