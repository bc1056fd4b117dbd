"""What is sent to the server for an operation."""

from dataclasses import dataclass

from upperbound.scenario.identifiers import SNOWFLAKE, parse_table
from upperbound.scenario.model import Operation
from upperbound.scenario.question_marks import numbered
from upperbound.scenario.sql_text import (
    TABLE,
    Token,
    TokenKind,
    is_table,
    parameter_number,
    tokenize,
    uses_table,
    without_trailing_semicolon,
)


@dataclass(frozen=True)
class Rendered:
    """One statement as it is sent."""

    text: str
    """Led by the operation's kind in a comment, with the table in place and its parameters numbered ``$1``, ``$2`` …
    without gaps."""
    parameters: tuple[int, ...]
    """Where the value of ``$1``, ``$2`` … stands in the operation's ``params``, counted from 0; ascending."""


def render_all(operation: Operation, table: str | None) -> tuple[Rendered, ...]:
    """Return every statement of ``operation``, in order; BEGIN and COMMIT of a transaction are not among them.

    The texts hold nothing that varies, so that prepared statements and ``pg_stat_statements`` stay aggregated.
    ``table`` is a name as users write it; it is put in quotes in its true case. ``{table}`` within strings and comments
    is left alone: ``'{table}'`` is an array.

    Raises:
        ValueError: a statement asks for a table and there is none.
        UnterminatedSql: a statement does not tokenize; a validated scenario holds none such.
        IdentifierError: ``table`` is not a table name.
    """
    return tuple(_render(operation, text, table) for text in operation.texts)


def render(operation: Operation, table: str | None) -> str:
    """Return the only statement of ``operation`` as :func:`render_all` does.

    Raises:
        ValueError: it has several, or asks for a table and there is none.
        UnterminatedSql, IdentifierError: as :func:`render_all` does.
    """
    if operation.sql is None:
        raise ValueError(f"operation {operation.label} has no single statement")
    return _render(operation, operation.sql, table).text


def render_marks(operation: Operation, table: str | None) -> tuple[Rendered, ...]:
    """Return every statement of ``operation`` as Snowflake takes it: with a ``?`` for each use of a parameter.

    :attr:`Rendered.parameters` then has one entry for each ``?``, in their order, and not ascending. Raises as
    :func:`render_all` does.
    """
    return tuple(_render_marks(operation, text, table) for text in numbered(operation.texts))


def _render_marks(operation: Operation, sql: str, table: str | None) -> Rendered:
    tokens = without_trailing_semicolon(list(tokenize(sql)))
    if table is None and uses_table(tokens):
        raise ValueError(f"operation {operation.label} uses {TABLE}, and the scenario has no target table")
    quoted = parse_table(table, SNOWFLAKE).quoted if table is not None else ""
    texts = {TABLE: quoted} | {token.text: "?" for token in tokens if token.kind is TokenKind.PARAMETER}
    replaced = (TokenKind.PLACEHOLDER, TokenKind.PARAMETER)
    body = "".join(texts.get(token.text, token.text) if token.kind in replaced else token.text for token in tokens)
    used = [parameter_number(token) - 1 for token in tokens if token.kind is TokenKind.PARAMETER]
    return Rendered(lead(operation, body.strip()), tuple(used))


def _render(operation: Operation, sql: str, table: str | None) -> Rendered:
    """Return one statement of an operation; see :func:`render_all`."""
    tokens = without_trailing_semicolon(list(tokenize(sql)))
    if table is None and uses_table(tokens):
        raise ValueError(f"operation {operation.label} uses {TABLE}, and the scenario has no target table")
    quoted = parse_table(table).quoted if table is not None else ""
    used = sorted({parameter_number(token) for token in tokens if token.kind is TokenKind.PARAMETER})
    dense = {number: place for place, number in enumerate(used, start=1)}

    def sent(token: Token) -> str:
        if is_table(token):
            return quoted
        if token.kind is TokenKind.PARAMETER and dense[parameter_number(token)] != parameter_number(token):
            return f"${dense[parameter_number(token)]}"
        return token.text

    body = "".join(map(sent, tokens))
    return Rendered(lead(operation, body.strip()), tuple(number - 1 for number in used))


def lead(operation: Operation, text: str) -> str:
    """Return what is sent for ``operation``, led by its kind in a comment."""
    return f"/* UB_KIND={operation.kind.value} */ {text}"
