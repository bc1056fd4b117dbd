"""Errors as Snowflake reports them: a vendor code of six digits, an SQLSTATE and a message.

What the engine behind the emulator raises is put into these terms here, because a client decides by the code what a
failure means, and because an answer that is no SQL error (HTTP 500) makes it repeat the statement six times.
"""

import re
from dataclasses import dataclass


@dataclass
class SqlError(Exception):
    """A statement that failed."""

    code: int
    sqlstate: str
    message: str

    def __str__(self) -> str:
        return f"{self.code:06d} ({self.sqlstate}): {self.message}"


class Conflict(Exception):
    """Two transactions wrote the same row; the engine refuses where Snowflake waits for the other one to end."""


SYNTAX = (1003, "42000")
INVALID_IDENTIFIER = (904, "42000")
OBJECT_EXISTS = (2002, "42710")
OBJECT_MISSING = (2003, "02000")
TABLE_MISSING = (2003, "42S02")
UNSUPPORTED = (2, "0A000")
INTERNAL = (603, "XX000")
CANCELED = (604, "57014")
NO_WAREHOUSE = (606, "57P03")
LOCK_TIMEOUT = (625, "57014")
STATEMENT_TIMEOUT = (630, "57014")
NOT_NULL = (100072, "22000")
UNIQUE = (200001, "22000")
FOREIGN_KEY = (200009, "22000")
NUMBER_NOT_RECOGNIZED = (100038, "22018")
NUMBER_OUT_OF_RANGE = (100039, "22003")
DIVISION_BY_ZERO = (100051, "22012")
TIMESTAMP_NOT_RECOGNIZED = (100035, "22007")

# The first pattern found in "class name: message" decides.
_PATTERNS: tuple[tuple[str, tuple[int, str], str], ...] = (
    (r"Interrupt", CANCELED, "SQL execution canceled"),
    (r"NOT NULL constraint failed", NOT_NULL, "NULL result in a non-nullable column"),
    (r"[Ff]oreign key constraint", FOREIGN_KEY, "Foreign key constraint was violated."),
    (r"PRIMARY KEY or UNIQUE constraint|[Dd]uplicate key", UNIQUE, "A primary key already exists."),
    (r"Division by zero|divide by zero", DIVISION_BY_ZERO, "Division by zero"),
    (r"timestamp field value|date field value|Could not parse string .*timestamp", TIMESTAMP_NOT_RECOGNIZED, ""),
    (r"Could not convert string|Conversion Error", NUMBER_NOT_RECOGNIZED, ""),
    (r"out of range|OutOfRange", NUMBER_OUT_OF_RANGE, ""),
    (r"(Table|View) with name .* does not exist", TABLE_MISSING, ""),
    (r"Could not drop the table", UNSUPPORTED, "SQL compilation error: Cannot drop the table because of dependencies"),
    (r"already exists", OBJECT_EXISTS, ""),
    (r"does not exist", OBJECT_MISSING, ""),
    (r"Parser|syntax error", SYNTAX, ""),
    (r"Binder", INVALID_IDENTIFIER, ""),
)
_CONFLICT = re.compile(r"Conflict on|[Ww]rite-write conflict|write conflict|Failed to commit.*conflict", re.DOTALL)


def from_engine(kind: str, message: str) -> SqlError | Conflict:
    """Put an exception of the engine, its class name and its message, into Snowflake's terms."""
    text = f"{kind}: {message}"
    if _CONFLICT.search(text):
        return Conflict(message)
    first_line = message.strip().partition("\n")[0]
    for pattern, (code, sqlstate), said in _PATTERNS:
        if re.search(pattern, text):
            return SqlError(code, sqlstate, said or _compilation(code, first_line))
    return SqlError(*INTERNAL, f"SQL execution internal error: {kind}: {first_line}")


def _compilation(code: int, message: str) -> str:
    return f"SQL compilation error: {message}" if code < 100000 else message
