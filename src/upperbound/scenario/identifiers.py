"""SQL names: read as the database reads them, written so that it reads the same again."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

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
    """None leaves the choice to the session: PostgreSQL's ``search_path``, Snowflake's current schema."""
    name: str
    database: str | None = None
    """None for that of the connection."""

    @property
    def quoted(self) -> str:
        """The name as it is written into statements."""
        return ".".join(quote_name(part) for part in (self.database, self.schema, self.name) if part is not None)


@dataclass(frozen=True)
class Naming:
    """How a database reads names that are written without quotes, and how long they may be."""

    fold: Callable[[str], str]
    most: int
    """Bytes of a name in UTF-8."""
    too_long: str
    """What the database does with a longer one."""
    table_parts: int
    """Parts that the name of a table may have."""
    table_hint: str
    """How the name of a table is written."""


def _fold_ascii(change: Callable[[str], str]) -> Callable[[str], str]:
    """Return what changes the ASCII letters of a name and leaves all others."""
    return lambda name: "".join(change(char) if char.isascii() else char for char in name)


POSTGRES: Final = Naming(
    # As PostgreSQL folds names in UTF-8 databases.
    fold=_fold_ascii(str.lower),
    most=MAX_NAME_BYTES,
    too_long="PostgreSQL cuts such names off",
    table_parts=2,
    table_hint="write table or schema.table; the database is part of the connection",
)
SNOWFLAKE: Final = Naming(
    fold=_fold_ascii(str.upper),
    most=255,
    too_long="Snowflake refuses such names",
    table_parts=3,
    table_hint="write table, schema.table or database.schema.table",
)


def quote_name(name: str) -> str:
    """Return ``name``, taken literally, as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def parse_table(text: str, naming: Naming = POSTGRES) -> TableName:
    """Read ``table`` or ``schema.table``; unquoted parts are folded as the database does, quoted ones kept as written.

    Raises:
        IdentifierError: it is something else.
    """
    parts = _split(text, "a table name", naming)
    if len(parts) > naming.table_parts:
        raise IdentifierError(f"{text!r} has {len(parts)} parts", naming.table_hint)
    database, schema, name = (None, None, *parts)[-3:]
    return TableName(schema, str(name), database)


def parse_column(text: str, naming: Naming = POSTGRES) -> str:
    """Read the name of one column; folded as the database does unless quoted.

    Raises:
        IdentifierError: it is something else.
    """
    return parse_name(text, "a column name", "write the column alone, without its table", naming)


def parse_name(text: str, what: str, hint: str, naming: Naming) -> str:
    """Read one name, of what messages call ``what``.

    Raises:
        IdentifierError: it is something else; ``hint`` is for one that has several parts.
    """
    parts = _split(text, what, naming)
    if len(parts) > 1:
        raise IdentifierError(f"{text!r} has {len(parts)} parts", hint)
    return parts[0]


def _split(text: str, what: str, naming: Naming) -> list[str]:
    """Return the parts of a dotted name in their true case."""
    parts: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        quoted, plain = match["quoted"], match["plain"]
        parts.append(quoted.replace('""', '"') if quoted is not None else naming.fold(plain))
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
        if len(part.encode()) > naming.most:
            raise IdentifierError(f"{part!r} is longer than {naming.most} bytes", naming.too_long)
    return parts
