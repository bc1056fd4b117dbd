"""SQL names: read as PostgreSQL reads them, written so that it reads the same again."""

import re
from dataclasses import dataclass

_PART = re.compile(r'"(?P<quoted>(?:[^"\x00]|"")+)"|(?P<plain>[^\W\d][\w$]*)')
MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names off, silently; here they are refused."""


class IdentifierError(ValueError):
    """A text that is not an SQL name."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class TableName:
    """A table as the server knows it: names without quotes, in their true case."""

    schema: str | None
    """None leaves the choice to the server's ``search_path``."""
    name: str

    @property
    def quoted(self) -> str:
        """The name as it is written into statements."""
        return ".".join(quote_name(part) for part in (self.schema, self.name) if part is not None)


def quote_name(name: str) -> str:
    """Return ``name``, taken literally, as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def parse_table(text: str) -> TableName:
    """Read ``table`` or ``schema.table``; unquoted parts are folded to lower case, quoted ones kept as written.

    Raises:
        IdentifierError: it is something else.
    """
    parts = _split(text, "a table name")
    if len(parts) > 2:
        raise IdentifierError(
            f"{text!r} has {len(parts)} parts", "write table or schema.table; the database is part of the connection"
        )
    return TableName(schema=parts[0] if len(parts) == 2 else None, name=parts[-1])


def parse_column(text: str) -> str:
    """Read the name of one column; folded to lower case unless quoted.

    Raises:
        IdentifierError: it is something else.
    """
    parts = _split(text, "a column name")
    if len(parts) > 1:
        raise IdentifierError(f"{text!r} has {len(parts)} parts", "write the column alone, without its table")
    return parts[0]


def _split(text: str, what: str) -> list[str]:
    """Return the parts of a dotted name in their true case."""
    parts: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        quoted, plain = match["quoted"], match["plain"]
        parts.append(quoted.replace('""', '"') if quoted is not None else _fold(plain))
        position = match.end()
        if position == len(text):
            break
        if text[position] != ".":
            break
        position += 1
    if position != len(text) or not parts or text.endswith("."):
        raise IdentifierError(
            f"{text!r} is not {what}",
            'names with other characters than letters, digits and _ need double quotes: "a-b"',
        )
    for part in parts:
        if len(part.encode()) > MAX_NAME_BYTES:
            raise IdentifierError(f"{part!r} is longer than {MAX_NAME_BYTES} bytes", "PostgreSQL cuts such names off")
    return parts


def _fold(name: str) -> str:
    """Return an unquoted name in lower case, as PostgreSQL folds it in UTF-8 databases: ASCII letters only."""
    return "".join(char.lower() if char.isascii() else char for char in name)
