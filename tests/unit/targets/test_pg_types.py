"""Encoders and the table of what fits what, without a server."""

import struct
import uuid
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.targets.pg_types import (
    BINARY_FORMAT,
    TEXT_FORMAT,
    ValueKind,
    accepts,
    accepts_column,
    encode_many,
    kind_of,
    pg_type,
)

BOOL, INT2, INT4, INT8, OID, FLOAT4, FLOAT8 = 16, 21, 23, 20, 26, 700, 701
TEXT, VARCHAR, BPCHAR, NAME, NUMERIC, UUID = 25, 1043, 1042, 19, 1700, 2950
DATE, TIMESTAMP, TIMESTAMPTZ, JSON, JSONB, ENUM = 1082, 1114, 1184, 114, 3802, 99_999


def encoded(oid: int, values: object) -> list[bytes | None]:
    return list(encode_many(oid, values)[0])  # type: ignore[arg-type]  # some tests hand in what is not allowed


@pytest.mark.parametrize(("oid", "code"), [(INT2, "h"), (INT4, "i"), (INT8, "q"), (OID, "I")])
def test_integers_at_their_bounds_are_big_endian(oid: int, code: str) -> None:
    low, high = pg_type(oid).bounds or (0, 0)
    expected = [struct.pack(f">{code}", value) for value in (low, 0, 1, high)]
    assert encoded(oid, np.array([low, 0, 1, high], dtype=np.int64)) == expected
    assert encoded(oid, [low, None, high]) == [expected[0], None, expected[3]]
    assert pg_type(oid).format == BINARY_FORMAT


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_arrays_and_lists_of_integers_encode_alike(values: list[int]) -> None:
    array = np.array(values, dtype=np.int64)
    for oid in (INT8, FLOAT8, NUMERIC):
        assert encoded(oid, array) == encoded(oid, values)


@pytest.mark.parametrize("oid", [INT2, INT4, OID])
def test_an_integer_out_of_range_is_an_error_and_never_wraps(oid: int) -> None:
    low, high = pg_type(oid).bounds or (0, 0)
    for value in (low - 1, high + 1):
        with pytest.raises(OverflowError, match=str(value)):
            encoded(oid, np.array([0, value], dtype=np.int64))
        with pytest.raises(OverflowError, match=str(value)):
            encoded(oid, [value])


def test_an_empty_chunk_encodes_to_nothing() -> None:
    for oid in (INT4, FLOAT8, NUMERIC):
        assert encoded(oid, np.array([], dtype=np.int64)) == []
    for oid in (INT4, FLOAT8, NUMERIC, TEXT, UUID, BOOL, ENUM):
        assert encoded(oid, []) == []


@given(st.lists(st.text() | st.none()))
def test_text_is_utf8(values: list[str | None]) -> None:
    try:
        expected = [None if value is None else value.encode() for value in values]
    except UnicodeEncodeError:
        return
    assert encoded(TEXT, values) == expected


@given(st.lists(st.uuids() | st.none()))
def test_uuids_encode_from_objects_and_from_text(values: list[uuid.UUID | None]) -> None:
    expected = [None if value is None else value.bytes for value in values]
    assert encoded(UUID, values) == expected
    assert encoded(UUID, [None if value is None else str(value) for value in values]) == expected


def test_booleans_numbers_and_json_in_their_formats() -> None:
    assert encoded(BOOL, [True, False, None]) == [b"\x01", b"\x00", None]
    assert encoded(FLOAT8, [1.5, 2, Decimal("0.5"), None]) == [
        struct.pack(">d", 1.5),
        struct.pack(">d", 2),
        struct.pack(">d", 0.5),
        None,
    ]
    assert encoded(NUMERIC, [Decimal("1.10"), 2, 0.25, None]) == [b"1.10", b"2", b"0.25", None]
    assert encoded(JSONB, [True, 3, '{"a": 1}']) == [b"true", b"3", b'{"a": 1}']
    assert pg_type(NUMERIC).format == pg_type(JSONB).format == TEXT_FORMAT


@pytest.mark.parametrize(
    ("oid", "value"),
    [(INT8, "1"), (INT8, True), (INT8, 1.0), (FLOAT8, "1"), (FLOAT8, True), (TEXT, 1), (BOOL, 1), (UUID, 7)],
)
def test_a_value_of_another_kind_is_an_error(oid: int, value: object) -> None:
    with pytest.raises(TypeError):
        encoded(oid, [value])


def test_a_text_that_is_no_uuid_and_a_zero_byte_are_errors() -> None:
    with pytest.raises(ValueError, match="badly formed"):
        encoded(UUID, ["no uuid"])
    with pytest.raises(ValueError, match="zero byte"):
        encoded(ENUM, ["a\0b"])


def test_a_float_beyond_real_is_an_error() -> None:
    with pytest.raises(OverflowError):
        encoded(FLOAT4, [1e300])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, ValueKind.INT),
        (True, ValueKind.BOOL),
        (1.5, ValueKind.FLOAT),
        (Decimal(1), ValueKind.FLOAT),
        ("a", ValueKind.TEXT),
        (None, ValueKind.NULL),
    ],
)
def test_values_have_the_kind_they_are_written_as(value: object, kind: ValueKind) -> None:
    assert kind_of(value) is kind


@pytest.mark.parametrize("oid", [INT2, INT4, INT8, OID, FLOAT4, FLOAT8, NUMERIC, JSON])
def test_whole_numbers_fit_numbers(oid: int) -> None:
    assert accepts(oid, ValueKind.INT)


@pytest.mark.parametrize("oid", [TEXT, VARCHAR, BPCHAR, NAME, UUID, DATE, TIMESTAMP, TIMESTAMPTZ, BOOL, ENUM])
def test_whole_numbers_fit_nothing_else(oid: int) -> None:
    assert not accepts(oid, ValueKind.INT)
    assert accepts(oid, ValueKind.NULL)


@pytest.mark.parametrize(
    ("parameter", "column", "fits"),
    [
        (INT8, INT4, True),
        (INT4, INT4, True),
        (INT4, INT8, False),
        (INT4, OID, False),
        (INT8, OID, True),
        (FLOAT8, INT4, True),
        (NUMERIC, FLOAT8, True),
        (INT4, NUMERIC, False),
        (TEXT, VARCHAR, True),
        (TEXT, INT4, False),
        (TEXT, UUID, False),
        (UUID, UUID, True),
        (TIMESTAMPTZ, DATE, True),
        (DATE, TEXT, False),
        (ENUM, ENUM, True),
        (ENUM, ENUM + 1, False),
        (ENUM, TEXT, False),
        (BOOL, BOOL, True),
    ],
)
def test_a_column_fits_when_each_of_its_values_does(parameter: int, column: int, fits: bool) -> None:
    assert accepts_column(parameter, column) is fits
