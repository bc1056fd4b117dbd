"""Snowflake's types: how the values of a parameter are written, and what the driver binds.

The measuring threads draw values as bytes in text form, the same as PostgreSQL's text format, and each is turned into
what the driver takes when it is sent: ``?`` has no type of its own on Snowflake, it has that of the value.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from upperbound.domain.value_blocks import ValueEncoding
from upperbound.targets.blocking import Bind
from upperbound.targets.pg_types import TEXT_FORMAT, Family, PgType, ValueKind, kind_of, pg_type

_NAME: Final = re.compile(r"\s*([A-Za-z][A-Za-z_ ]*?)\s*(?:\((\d+)(?:\s*,\s*(\d+))?\))?\s*$")


@dataclass(frozen=True)
class SnowflakeType:
    """A type that a parameter can have."""

    encoder: PgType
    """Writes values as text."""
    bind: Bind
    """Reads such a text as the driver takes it."""

    @property
    def family(self) -> Family:
        """Types whose values may stand for each other."""
        return self.encoder.family


def _text_type(number: int, name: str, family: Family) -> PgType:
    """Return a type whose values are written in text; the numbers only tell the types of this module apart."""
    encode = pg_type(25).encode if family is Family.TEXT else pg_type(-number).encode
    return replace(pg_type(-number, name), family=family, format=TEXT_FORMAT, encode=encode)


INTEGER: Final = SnowflakeType(_text_type(1, "whole number", Family.INTEGER), int)
NUMBER: Final = SnowflakeType(_text_type(2, "number", Family.NUMBER), lambda text: Decimal(text.decode()))
FLOAT: Final = SnowflakeType(_text_type(3, "float", Family.NUMBER), float)
TEXT: Final = SnowflakeType(_text_type(4, "text", Family.TEXT), bytes.decode)
TIME: Final = SnowflakeType(_text_type(5, "time", Family.TIME), bytes.decode)
BOOLEAN: Final = SnowflakeType(_text_type(6, "boolean", Family.BOOL), lambda text: text == b"true")
JSON: Final = SnowflakeType(_text_type(7, "semi-structured", Family.JSON), bytes.decode)
OTHER: Final = SnowflakeType(_text_type(8, "other", Family.OTHER), bytes.decode)

_BY_NAME: Final[Mapping[str, SnowflakeType]] = MappingProxyType(
    {
        **dict.fromkeys(("INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "BYTEINT"), INTEGER),
        **dict.fromkeys(("FLOAT", "FLOAT4", "FLOAT8", "DOUBLE", "DOUBLE PRECISION", "REAL"), FLOAT),
        **dict.fromkeys(("VARCHAR", "CHAR", "CHARACTER", "STRING", "TEXT", "NVARCHAR", "NCHAR"), TEXT),
        **dict.fromkeys(("DATE", "TIME", "DATETIME", "TIMESTAMP"), TIME),
        **dict.fromkeys(("TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ"), TIME),
        **dict.fromkeys(("VARIANT", "OBJECT", "ARRAY"), JSON),
        "BOOLEAN": BOOLEAN,
    }
)
_OF_KIND: Final[Mapping[ValueKind, SnowflakeType]] = MappingProxyType(
    {ValueKind.INT: INTEGER, ValueKind.FLOAT: FLOAT, ValueKind.TEXT: TEXT, ValueKind.BOOL: BOOLEAN}
)


def column_kind(written: str) -> SnowflakeType:
    """Return the type of a column as Snowflake writes it, such as ``NUMBER(12,2)``; OTHER for one of no use here."""
    match = _NAME.match(written)
    if match is None:
        return OTHER
    name = match[1].upper()
    if name in ("NUMBER", "DECIMAL", "NUMERIC"):
        return INTEGER if int(match[3] or 0) == 0 else NUMBER
    return _BY_NAME.get(name, OTHER)


def max_length(written: str) -> int | None:
    """Return how many characters fit into a column; None for no text, and for the most there is."""
    match = _NAME.match(written)
    if match is None or match[2] is None or column_kind(written) is not TEXT:
        return None
    return int(match[2])


def encoding_of(kind: SnowflakeType) -> ValueEncoding:
    """Return how values of a column are written in a pool."""
    return ValueEncoding.INTEGER if kind is INTEGER else ValueEncoding.TEXT


def values_kind(values: Sequence[object]) -> SnowflakeType | None:
    """Return the type of listed values; None when they have none in common. Without any but NULL it is text."""
    kinds = {kind_of(value) for value in values} - {ValueKind.NULL}
    if kinds == {ValueKind.INT, ValueKind.FLOAT}:
        return FLOAT
    if len(kinds) > 1:
        return None
    return _OF_KIND[kinds.pop()] if kinds else TEXT
