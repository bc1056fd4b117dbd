"""The words of an SQL text, told apart as PostgreSQL's lexer does: code, literals, quoted names, comments."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

TABLE = "{table}"
"""What stands for the target table."""
PARAMETERS_MAX = 65_535
"""Parameters that PostgreSQL's protocol can carry."""


class TokenKind(StrEnum):
    """What a stretch of SQL is."""

    WORD = "word"
    """A key word or a name without quotes."""
    PARAMETER = "parameter"
    """``$1``."""
    LITERAL = "literal"
    """A string, plain, with escapes, or in dollar quotes."""
    QUOTED_NAME = "quoted name"
    """A name in double quotes."""
    COMMENT = "comment"
    """To the end of the line, or between ``/*`` and ``*/``, nested ones included."""
    PLACEHOLDER = "placeholder"
    """``{table}``, or another word in braces."""
    SPACE = "space"
    """White space."""
    OTHER = "other"
    """A number or a single character: operators, brackets, the semicolon."""


@dataclass(frozen=True)
class Token:
    """One stretch of SQL; the texts of all tokens, put together, are the whole."""

    kind: TokenKind
    text: str


class UnterminatedSql(ValueError):
    """A quote or comment that is opened and never closed; its only argument says which."""


_LETTER = r"[A-Za-z_\x80-\U0010ffff]"
_DOLLAR_TAG = re.compile(rf"\$(?:{_LETTER}[A-Za-z0-9_\x80-\U0010ffff]*)?\$")
_TOKEN = re.compile(
    rf"""
      (?P<space>\s+)
    | (?P<comment>--[^\r\n]*)
    | (?P<literal>[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*')
    | (?P<quoted_name>"(?:[^"]|"")*")
    | (?P<parameter>\$[0-9]+)
    | (?P<word>{_LETTER}[A-Za-z0-9_$\x80-\U0010ffff]*)
    | (?P<placeholder>\{{[A-Za-z_][A-Za-z0-9_]*\}})
    | (?P<number>[0-9][A-Za-z0-9_.]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_EMPTY = (TokenKind.SPACE, TokenKind.COMMENT)
_OPENERS = {"'": "a string", '"': "a quoted name"}


def tokenize(sql: str) -> Iterator[Token]:
    """Split ``sql`` into tokens.

    Raises:
        UnterminatedSql: a quote or comment has no end.
    """
    position = 0
    while position < len(sql):
        end, kind = next_token(sql, position)
        yield Token(kind, sql[position:end])
        position = end


def next_token(sql: str, start: int) -> tuple[int, TokenKind]:
    """Return where the token that begins at ``start`` ends, and what it is.

    Raises:
        UnterminatedSql: it is a quote or comment without an end.
    """
    if sql.startswith("/*", start):
        return _end_of_comment(sql, start), TokenKind.COMMENT
    if tag := _DOLLAR_TAG.match(sql, start):
        close = sql.find(tag[0], tag.end())
        if close < 0:
            raise UnterminatedSql(f"a string in dollar quotes ({tag[0]})")
        return close + len(tag[0]), TokenKind.LITERAL
    match = _TOKEN.match(sql, start)
    if match is None:
        if sql[start] in _OPENERS:
            raise UnterminatedSql(_OPENERS[sql[start]])
        return start + 1, TokenKind.OTHER
    if match.lastgroup == "word" and match[0] in ("e", "E") and sql.startswith("'", match.end()):
        raise UnterminatedSql(_OPENERS["'"])
    kind = TokenKind.OTHER if match.lastgroup == "number" else TokenKind[str(match.lastgroup).upper()]
    return match.end(), kind


def _end_of_comment(sql: str, start: int) -> int:
    """Return the end of the block comment that begins at ``start``; such comments nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise UnterminatedSql("a comment (/*)")


def is_table(token: Token) -> bool:
    """Tell whether a token is ``{table}``, to be replaced by the target table."""
    return token == Token(TokenKind.PLACEHOLDER, TABLE)


def uses_table(tokens: list[Token]) -> bool:
    """Tell whether ``{table}`` stands in a statement where it is replaced."""
    return any(is_table(token) for token in tokens)


def parameter_numbers(tokens: list[Token]) -> set[int]:
    """Return the n of every ``$n`` outside of literals, quoted names and comments; at most one above the limit."""
    return {parameter_number(token) for token in tokens if token.kind is TokenKind.PARAMETER}


def parameter_number(token: Token) -> int:
    """Return the n of a ``$n``; one above the limit for all that are above it."""
    return min(int((token.text[1:].lstrip("0") or "0")[:6]), PARAMETERS_MAX + 1)


def without_trailing_semicolon(tokens: list[Token]) -> list[Token]:
    """Return the tokens without semicolons at the end; comments after them stay."""
    kept = len(tokens)
    while kept and (tokens[kept - 1].kind in _EMPTY or tokens[kept - 1].text == ";"):
        kept -= 1
    return tokens[:kept] + [token for token in tokens[kept:] if token.text != ";"]


def first_word(tokens: list[Token]) -> str:
    """Return the first key word, in upper case; empty when there is none."""
    return next((token.text.upper() for token in tokens if token.kind is TokenKind.WORD), "")
