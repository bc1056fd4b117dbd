"""What is sent to the server for an operation, and what its text says about itself."""

from upperbound.scenario.identifiers import parse_table
from upperbound.scenario.model import Operation
from upperbound.scenario.sql_text import Token, TokenKind, tokenize

TABLE = "{table}"
_EMPTY = (TokenKind.SPACE, TokenKind.COMMENT)


def render(operation: Operation, table: str | None) -> str:
    """Return the statement of ``operation``: led by its kind in a comment, and with ``{table}`` replaced.

    The text holds nothing that varies, so that prepared statements and ``pg_stat_statements`` stay aggregated. ``table``
    is a name as users write it; it is put in quotes in its true case. ``{table}`` within strings and comments is left
    alone: ``'{table}'`` is an array.

    Raises:
        ValueError: the statement asks for a table and there is none.
        UnterminatedSql: the statement does not tokenize; a validated scenario holds none such.
        IdentifierError: ``table`` is not a table name.
    """
    tokens = without_trailing_semicolon(list(tokenize(operation.sql)))
    if table is None and uses_table(tokens):
        raise ValueError(f"operation {operation.label} uses {TABLE}, and the scenario has no target table")
    quoted = parse_table(table).quoted if table is not None else ""
    body = "".join(quoted if token == Token(TokenKind.PLACEHOLDER, TABLE) else token.text for token in tokens)
    return f"/* UB_KIND={operation.kind.value} */ {body.strip()}"


def uses_table(tokens: list[Token]) -> bool:
    """Tell whether ``{table}`` stands in a statement where it is replaced."""
    return Token(TokenKind.PLACEHOLDER, TABLE) in tokens


def parameter_numbers(tokens: list[Token]) -> set[int]:
    """Return the n of every ``$n`` outside of literals, quoted names and comments."""
    return {int(token.text[1:]) for token in tokens if token.kind is TokenKind.PARAMETER}


def without_trailing_semicolon(tokens: list[Token]) -> list[Token]:
    """Return the tokens without semicolons at the end; comments after them stay."""
    kept = len(tokens)
    while kept and (tokens[kept - 1].kind in _EMPTY or tokens[kept - 1].text == ";"):
        kept -= 1
    return tokens[:kept] + [token for token in tokens[kept:] if token.text != ";"]


def first_word(tokens: list[Token]) -> str:
    """Return the first key word, in upper case; empty when there is none."""
    return next((token.text.upper() for token in tokens if token.kind is TokenKind.WORD), "")
