"""Reads statements that the parser does not know, word by word, and cuts parts out of them.

It works on the tokens of the SQL text, so that keywords in strings and comments are left alone.
"""

from dataclasses import dataclass, field

from sqlglot import Token, TokenType, tokenize

_OPEN, _CLOSE = TokenType.L_PAREN, TokenType.R_PAREN


@dataclass
class Words:
    """A position in the tokens of a statement."""

    sql: str
    tokens: list[Token] = field(init=False)
    at: int = 0
    cuts: list[tuple[int, int]] = field(default_factory=list)
    """Half-open ranges of characters to leave out of :meth:`text_after_cuts`."""

    def __post_init__(self) -> None:
        self.tokens = [token for token in tokenize(self.sql, read="snowflake") if token.text != ";"]

    @property
    def ended(self) -> bool:
        """Whether all tokens were read."""
        return self.at >= len(self.tokens)

    def peek(self, ahead: int = 0) -> Token | None:
        """Return a token without reading it."""
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else None

    def next(self) -> Token:
        """Read a token; raises IndexError at the end."""
        token = self.tokens[self.at]
        self.at += 1
        return token

    def accept(self, *words: str) -> bool:
        """Read the words if they come next, in any case and unquoted."""
        for offset, word in enumerate(words):
            token = self.peek(offset)
            if token is None or token.token_type in _QUOTED or token.text.upper() != word:
                return False
        self.at += len(words)
        return True

    def accept_any(self, *words: str) -> str | None:
        """Read one of the words if it comes next, and return it."""
        return next((word for word in words if self.accept(word)), None)

    def name(self) -> tuple[str, ...]:
        """Read a name of up to three parts; unquoted parts are folded to upper case, as Snowflake does."""
        parts = [self._part()]
        while self.accept("."):
            parts.append(self._part())
        return tuple(parts)

    def names(self) -> tuple[str, ...]:
        """Read names of one part in parentheses."""
        if not self.accept("("):
            return ()
        found = [self._part()]
        while self.accept(","):
            found.append(self._part())
        self.accept(")")
        return tuple(found)

    def value(self) -> str:
        """Read a value: a word, a number or a string without its quotes."""
        return self.next().text

    def skip_parentheses(self) -> None:
        """Read a balanced pair of parentheses and all that is in it, if one comes next."""
        token = self.peek()
        if token is None or token.token_type is not _OPEN:
            return
        depth = 0
        while not self.ended:
            kind = self.next().token_type
            depth += (kind is _OPEN) - (kind is _CLOSE)
            if depth == 0:
                return

    def options(self) -> dict[str, str]:
        """Read ``NAME = value`` pairs, with or without commas and WITH, up to what is none; names in upper case."""
        found: dict[str, str] = {}
        while not self.ended:
            while self.accept_any("WITH", ",", "SET"):
                pass
            following = self.peek(1)
            if following is None or following.text != "=":
                break
            name = self.next().text.upper()
            self.next()
            found[name] = self.value()
        return found

    def cut(self, first: int, after: int) -> None:
        """Leave the tokens ``first`` to ``after`` (exclusive) out of the text."""
        end = self.tokens[after].start if after < len(self.tokens) else len(self.sql)
        self.cuts.append((self.tokens[first].start, end))

    def text_after_cuts(self) -> str:
        """Return the SQL without what was cut."""
        kept, position = [], 0
        for start, end in sorted(self.cuts):
            if start >= position:
                kept.append(self.sql[position:start])
                position = end
        kept.append(self.sql[position:])
        return "".join(kept).strip().rstrip(";")

    def _part(self) -> str:
        token = self.next()
        return token.text if token.token_type in _QUOTED else token.text.upper()


_QUOTED = (TokenType.IDENTIFIER, TokenType.STRING)
