"""Rows as COPY takes them: arrays of bytes for its binary format, lines for its text format."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.uint8]
"""The values of one column, of shape ``(rows, bytes of a value)``."""

BINARY_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""The signature of COPY's binary format, without flags or an extension."""
BINARY_TRAILER: Final = b"\xff\xff"

_EPOCH: Final = date(2000, 1, 1)
_NULL_LENGTH: Final = -1
_DIGITS: Final = 10_000
"""PostgreSQL's numeric is written in digits to this base."""


def int4(values: NDArray[np.int64]) -> Cells:
    """Return values of type integer, which they must fit."""
    return _big_endian(values, "i4")


def int8(values: NDArray[np.int64]) -> Cells:
    """Return values of type bigint."""
    return _big_endian(values, "i8")


def date_cells(days: NDArray[np.int64], first: date) -> Cells:
    """Return the dates that lie ``days`` after ``first``."""
    return int4(days + (first - _EPOCH).days)


def numeric_cells(cents: NDArray[np.int64]) -> Cells:
    """Return numbers with two decimals, given in hundredths, from 0.00 to 99,999,999.99.

    Zeros in front are sent as well, and dropped by the server: each value takes the same number of bytes.
    """
    whole, rest = np.divmod(cents, 100)
    high, low = np.divmod(whole, _DIGITS)
    zero = np.zeros_like(cents)
    # Number of digits, weight of the first one, sign, decimals shown, and the digits.
    fields = [zero + 3, zero + 1, zero, zero + 2, high, low, rest * 100]
    return np.concatenate([_big_endian(field, "i2") for field in fields], axis=1)


def same_text(text: str, rows: int) -> Cells:
    """Return one text for every row; blanks at the end of a ``char(n)`` need not be sent."""
    return np.tile(np.frombuffer(text.encode(), dtype=np.uint8), (rows, 1))


def digits(numbers: NDArray[np.int64], width: int) -> Cells:
    """Return numbers as text with zeros in front, ``width`` characters each, which they must fit."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (numbers[:, None] // powers[None, :] % 10 + ord("0")).astype(np.uint8)


def binary_rows(rows: int, columns: Sequence[Cells | None]) -> bytes:
    """Return rows in COPY's binary format; None is a column of NULLs."""
    cells = [_constant(len(columns), "i2", rows)]
    for column in columns:
        cells.append(_constant(_NULL_LENGTH if column is None else column.shape[1], "i4", rows))
        if column is not None:
            cells.append(column)
    return np.concatenate(cells, axis=1).tobytes()


def text_lines(rows: Iterable[str]) -> bytes:
    """Return rows, whose values are separated by tabs, in COPY's text format."""
    return "".join([f"{row}\n" for row in rows]).encode()


def timestamps(microseconds: NDArray[np.int64], first: datetime) -> list[str]:
    """Return the times that lie ``microseconds`` after ``first`` as the server reads them."""
    offset = first.astimezone(UTC)
    return [f"{offset + timedelta(microseconds=value):%Y-%m-%d %H:%M:%S.%f+00}" for value in microseconds.tolist()]


def _big_endian(values: NDArray[Any], code: str) -> Cells:
    converted = np.ascontiguousarray(values.astype(np.dtype(code).newbyteorder(">")))
    return converted.view(np.uint8).reshape(len(values), converted.itemsize)


def _constant(value: int, code: str, rows: int) -> Cells:
    one = np.array([value], dtype=np.dtype(code).newbyteorder(">")).view(np.uint8)
    return np.broadcast_to(one, (rows, len(one)))
