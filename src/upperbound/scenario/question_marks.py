"""Parameters that are written ``?``, as Snowflake writes them: each takes the next of ``params``."""

from collections.abc import Sequence

from upperbound.scenario.sql_text import Token, TokenKind, tokenize

MARK = Token(TokenKind.OTHER, "?")


def has_marks(sql: str) -> bool:
    """Tell whether a statement has a ``?`` outside of literals, quoted names and comments.

    Raises:
        UnterminatedSql: it does not tokenize.
    """
    return MARK in tokenize(sql)


def numbered(texts: Sequence[str]) -> list[str]:
    """Return the statements of an operation with ``$1``, ``$2`` … in place of each ``?``, counted over all of them.

    Raises:
        UnterminatedSql: a statement does not tokenize.
    """
    count = 0
    made: list[str] = []
    for text in texts:
        parts: list[str] = []
        for token in tokenize(text):
            count += token == MARK
            parts.append(f"${count}" if token == MARK else token.text)
        made.append("".join(parts))
    return made
