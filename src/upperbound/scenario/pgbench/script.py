r"""A script file of pgbench as a list of commands: SQL up to a semicolon, and lines that begin with a backslash.

As pgbench's own scanner has it, a backslash outside of quotes begins a command wherever it stands, which ends the SQL
before it, and a command goes on after a backslash at the end of its line.
"""

import re
from dataclasses import dataclass
from typing import Final

from upperbound.scenario.pgbench.fault import Fault
from upperbound.scenario.sql_text import Token, TokenKind, UnterminatedSql, next_token

_META_LINE: Final = re.compile(r"(?:[^\r\n\\]|\\\r?\n|\\(?!\r?\n)|\r(?!\n))*")
_CONTINUATION: Final = re.compile(r"\\\r?\n")
_BLANK: Final = (TokenKind.SPACE, TokenKind.COMMENT)


@dataclass(frozen=True)
class PlacedToken:
    """A token of SQL and the line on which it begins."""

    kind: TokenKind
    text: str
    line: int


@dataclass(frozen=True)
class SqlCommand:
    """One statement, without the semicolon and without white space and comments around it."""

    line: int
    """Of its first word."""
    tokens: tuple[PlacedToken, ...]

    @property
    def words(self) -> list[str]:
        """The key words and names without quotes, in upper case."""
        return [token.text.upper() for token in self.tokens if token.kind is TokenKind.WORD]


@dataclass(frozen=True)
class MetaCommand:
    r"""One backslash command."""

    line: int
    name: str
    """In lower case, without the backslash."""
    rest: str
    """What follows the name, on one line."""


Command = SqlCommand | MetaCommand


@dataclass(frozen=True)
class Script:
    """A script in parts."""

    commands: tuple[Command, ...]
    faults: tuple[Fault, ...]
    """What is wrong with its text."""
    complete: bool
    """Whether all of it was read: what follows a quote without an end was not."""


def split_script(text: str) -> Script:
    """Return the commands of a script in their order, and what is wrong with its text."""
    reader = _Reader(text)
    complete = reader.read()
    return Script(tuple(reader.commands), tuple(reader.faults), complete)


class _Reader:
    """Goes through the text once."""

    def __init__(self, text: str) -> None:
        self.commands: list[Command] = []
        self.faults: list[Fault] = []
        self._text = text
        self._position = 0
        self._line = 1
        self._depth = 0
        self._pending: list[PlacedToken] = []

    def read(self) -> bool:
        """Split the text, and tell whether all of it could be read."""
        while self._position < len(self._text):
            try:
                self._read_next()
            except UnterminatedSql as error:
                self.faults.append(Fault(self._line, f"opens {error} and does not close it", "close it"))
                return False
        self._end_statement()
        return True

    def _read_next(self) -> None:
        """Read one token of SQL, or one backslash command."""
        text, start = self._text, self._position
        if text.startswith("\\", start) and text[start + 1 : start + 2] not in (";", ":"):
            self._end_statement()
            self._read_meta()
            return
        if text.startswith("\\;", start):
            message = r"\; sends several statements at once, which no operation does"
            self.faults.append(Fault(self._line, message, "write BEGIN; before them, ; between them and END; after"))
            self._take(start + 2, TokenKind.OTHER)
            return
        if text.startswith("\\:", start):
            self._take(start + 2, TokenKind.OTHER, ":")
            return
        end, kind = next_token(text, start)
        found = text[start:end]
        if kind is TokenKind.OTHER and found == ";" and not self._depth:
            self._end_statement()
            self._move(end)
            return
        if kind is TokenKind.OTHER:
            self._depth = max(0, self._depth + {"(": 1, ")": -1}.get(found, 0))
        self._take(end, kind)

    def _take(self, end: int, kind: TokenKind, text: str | None = None) -> None:
        """Keep what stands up to ``end`` as one token of the pending statement."""
        self._pending.append(PlacedToken(kind, text or self._text[self._position : end], self._line))
        self._move(end)

    def _move(self, end: int) -> None:
        self._line += self._text.count("\n", self._position, end)
        self._position = end

    def _end_statement(self) -> None:
        """Keep the pending statement if there is one: comments alone are none."""
        solid = [place for place, token in enumerate(self._pending) if token.kind not in _BLANK]
        if solid:
            tokens = tuple(self._pending[solid[0] : solid[-1] + 1])
            self.commands.append(SqlCommand(tokens[0].line, tokens))
        self._pending.clear()
        self._depth = 0

    def _read_meta(self) -> None:
        """Read a backslash command to the end of its line; a backslash alone is none."""
        match = _META_LINE.match(self._text, self._position + 1)
        assert match is not None, "the pattern matches nothing as well"
        name, rest = (*_CONTINUATION.sub(" ", match[0]).split(maxsplit=1), "", "")[:2]
        if name:
            self.commands.append(MetaCommand(self._line, name.lower(), rest.strip()))
        self._move(match.end())


def plain(tokens: tuple[PlacedToken, ...]) -> list[Token]:
    """Return tokens without their lines."""
    return [Token(token.kind, token.text) for token in tokens]
