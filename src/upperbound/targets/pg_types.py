"""Parameter values as PostgreSQL takes them, and which values fit which type.

Encoders turn a chunk of values into bytes with as little Python per value as possible: the measuring loop then only
takes the next element of an iterator. None is SQL's NULL in every encoder.
"""

import struct
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.int64] | Sequence[object]
"""What generators make: an array of integers, or Python values."""

TEXT_FORMAT = 0
BINARY_FORMAT = 1


class ValueKind(StrEnum):
    """What a generator makes."""

    INT = "whole numbers"
    FLOAT = "numbers"
    BOOL = "true or false"
    TEXT = "text"
    NULL = "NULL"


class Family(StrEnum):
    """Types whose values may stand for each other."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    BOOL = "boolean"
    UUID = "uuid"
    JSON = "json"
    OTHER = "other"


_KINDS = MappingProxyType(
    {
        Family.INTEGER: {ValueKind.INT},
        Family.NUMBER: {ValueKind.INT, ValueKind.FLOAT},
        Family.TEXT: {ValueKind.TEXT},
        Family.TIME: {ValueKind.TEXT},
        Family.BOOL: {ValueKind.BOOL},
        Family.UUID: {ValueKind.TEXT},
        Family.JSON: {ValueKind.TEXT, ValueKind.INT, ValueKind.FLOAT, ValueKind.BOOL},
        Family.OTHER: {ValueKind.TEXT},
    }
)


@dataclass(frozen=True)
class PgType:
    """A type a parameter can have."""

    oid: int
    name: str
    family: Family
    format: int
    """Format code of the encoder's bytes: 1 binary, 0 text."""
    encode: Callable[[Values], Iterator[bytes | None]]
    """Encodes values.

    Raises OverflowError for a number beyond the type's range and ValueError or TypeError for a value of another kind.
    """
    bounds: tuple[int, int] | None = None
    """Lowest and highest value of an integer type."""
    encode_array: "Callable[[NDArray[np.int64]], NDArray[np.generic]] | None" = None
    """Encodes an array as a whole, where each value has as many bytes as the next; raises as ``encode`` does."""

    @property
    def as_text(self) -> bool:
        """Say whether values are read from and sent to the server as text, in its own spelling."""
        return self.family in (Family.TIME, Family.JSON, Family.OTHER)


def pg_type(oid: int, name: str = "") -> PgType:
    """Return the type of ``oid``; one that is in no table is sent as text, which the server reads itself."""
    known = _TYPES.get(oid)
    return known or PgType(oid, name or f"type {oid}", Family.OTHER, TEXT_FORMAT, _encode_plain)


def encode_many(oid: int, values: Values) -> tuple[Iterator[bytes | None], int]:
    """Return the encoded values and their format code; raises as :attr:`PgType.encode` does."""
    target = pg_type(oid)
    return target.encode(values), target.format


def kind_of(value: object) -> ValueKind:
    """Return the kind of a value as it is written in a scenario."""
    if value is None:
        return ValueKind.NULL
    if isinstance(value, bool):
        return ValueKind.BOOL
    if isinstance(value, int):
        return ValueKind.INT
    return ValueKind.FLOAT if isinstance(value, float | Decimal) else ValueKind.TEXT


def accepts(oid: int, kind: ValueKind) -> bool:
    """Say whether a parameter of this type takes values of this kind."""
    return kind is ValueKind.NULL or kind in _KINDS[pg_type(oid).family]


def accepts_column(oid: int, column_oid: int) -> bool:
    """Say whether a parameter of type ``oid`` takes every value of a column of type ``column_oid``."""
    parameter, column = pg_type(oid), pg_type(column_oid)
    if oid == column_oid:
        return True
    if parameter.family is Family.OTHER or column.family is Family.OTHER:
        return False
    if parameter.bounds and column.bounds:
        return parameter.bounds[0] <= column.bounds[0] and column.bounds[1] <= parameter.bounds[1]
    numbers = (Family.INTEGER, Family.NUMBER)
    return parameter.family is column.family or (parameter.family is Family.NUMBER and column.family in numbers)


def _integer_type(oid: int, name: str, code: str, low: int, high: int) -> PgType:
    """Return a type that is sent as big-endian integers of the numpy type ``code``."""
    big_endian = np.dtype(code).newbyteorder(">")
    split = struct.Struct(f"{big_endian.itemsize}s").iter_unpack

    def check(lowest: int, highest: int) -> None:
        if lowest < low or highest > high:
            raise OverflowError(f"{lowest if lowest < low else highest} is not in {low} to {high}")

    def encode_array(values: NDArray[np.int64]) -> NDArray[np.generic]:
        if values.size:
            check(int(values.min()), int(values.max()))
        return values.astype(big_endian)

    def one(value: object) -> bytes | None:
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{value!r} is not a whole number")
        check(value, value)
        return value.to_bytes(big_endian.itemsize, "big", signed=low < 0)

    def encode(values: Values) -> Iterator[bytes | None]:
        if not isinstance(values, np.ndarray):
            return map(one, values)
        return chain.from_iterable(split(encode_array(values).tobytes()))

    return PgType(oid, name, Family.INTEGER, BINARY_FORMAT, encode, (low, high), encode_array)


def _floats(code: str) -> Callable[[Values], Iterator[bytes | None]]:
    """Return an encoder for big-endian floats of the numpy type ``code``."""
    big_endian = np.dtype(code).newbyteorder(">")
    split = struct.Struct(f"{big_endian.itemsize}s").iter_unpack
    pack = struct.Struct(f">{big_endian.char}").pack

    def encode(values: Values) -> Iterator[bytes | None]:
        if isinstance(values, np.ndarray):
            return chain.from_iterable(split(values.astype(big_endian).tobytes()))
        return (None if value is None else pack(_number(value)) for value in values)

    return encode


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _encode_text(values: Values) -> Iterator[bytes | None]:
    """Encode text in UTF-8, which the session's client_encoding is set to."""
    if isinstance(values, np.ndarray):
        raise TypeError("whole numbers are no text")
    try:
        # Without NULLs, and for text alone, the loop stays in C.
        return iter(list(map(str.encode, values)))  # type: ignore[arg-type]  # other values raise the TypeError below
    except TypeError:
        return (None if value is None else _text(value).encode() for value in values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _encode_plain(values: Values) -> Iterator[bytes | None]:
    """Encode values as the server reads them in text format."""
    if isinstance(values, np.ndarray):
        return map(str.encode, map(str, values.tolist()))
    return (None if value is None else plain_text(value).encode() for value in values)


def plain_text(value: object) -> str:
    """Return a value as the server reads it in text format; raises ValueError for text with a zero byte."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if "\0" in text:
        raise ValueError("text with a zero byte is no value of this type")
    return text


def _encode_bool(values: Values) -> Iterator[bytes | None]:
    encoded = {None: None, False: b"\0", True: b"\1"}
    if any(value is not None and not isinstance(value, bool) for value in values):
        raise TypeError("not every value is true or false")
    return iter([encoded[value] for value in values])  # type: ignore[index]  # checked above


def _encode_uuid(values: Values) -> Iterator[bytes | None]:
    return (None if value is None else _uuid(value).bytes for value in values)


def _uuid(value: object) -> uuid.UUID:
    if isinstance(value, bytes):
        return uuid.UUID(bytes=value)
    return value if isinstance(value, uuid.UUID) else uuid.UUID(_text(value))


def _make_types() -> dict[int, PgType]:
    """Return the types with known encoders; the numbers are those of pg_type.dat, fixed for all servers."""
    types = []
    for oid, name, code, low, high in (
        (21, "smallint", "i2", -(2**15), 2**15 - 1),
        (23, "integer", "i4", -(2**31), 2**31 - 1),
        (20, "bigint", "i8", -(2**63), 2**63 - 1),
        (26, "oid", "u4", 0, 2**32 - 1),
    ):
        types.append(_integer_type(oid, name, code, low, high))
    for oid, name, code in ((700, "real", "f4"), (701, "double precision", "f8")):
        types.append(PgType(oid, name, Family.NUMBER, BINARY_FORMAT, _floats(code)))
    types.append(PgType(1700, "numeric", Family.NUMBER, TEXT_FORMAT, _encode_plain))
    types.append(PgType(16, "boolean", Family.BOOL, BINARY_FORMAT, _encode_bool))
    types.append(PgType(2950, "uuid", Family.UUID, BINARY_FORMAT, _encode_uuid))
    for oid, name in ((25, "text"), (1043, "character varying"), (1042, "character"), (19, "name")):
        types.append(PgType(oid, name, Family.TEXT, BINARY_FORMAT, _encode_text))
    for oid, name in ((1082, "date"), (1114, "timestamp"), (1184, "timestamp with time zone")):
        types.append(PgType(oid, name, Family.TIME, TEXT_FORMAT, _encode_plain))
    for oid, name in ((114, "json"), (3802, "jsonb")):
        types.append(PgType(oid, name, Family.JSON, TEXT_FORMAT, _encode_plain))
    return {item.oid: item for item in types}


_TYPES = MappingProxyType(_make_types())
