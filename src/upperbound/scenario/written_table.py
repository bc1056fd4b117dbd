"""Whether a statement writes to the target table itself."""

from collections.abc import Sequence
from typing import Final

from upperbound.scenario.sql_text import Token, TokenKind, is_table

_NAMING: Final = (["INSERT", "INTO"], ["MERGE", "INTO"], ["DELETE", "FROM"])
"""What stands before the table that is written to, beside UPDATE."""


def writes_table(tokens: Sequence[Token]) -> bool:
    """Tell whether a statement, or one of its WITH queries, has ``{table}`` as the table that it writes to."""
    empty = (TokenKind.SPACE, TokenKind.COMMENT)
    told = [token for token in tokens if token.kind not in empty and token.text.upper() != "ONLY"]
    words = [token.text.upper() for token in told]
    places = [place for place, token in enumerate(told) if is_table(token)]
    return any(
        words[place - 1 : place] == ["UPDATE"] or words[max(place - 2, 0) : place] in _NAMING for place in places
    )
