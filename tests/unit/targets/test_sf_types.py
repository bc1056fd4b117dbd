"""Values of parameters on their way to Snowflake's driver."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from upperbound.domain.value_blocks import ValueEncoding
from upperbound.targets.sf_types import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    JSON,
    NUMBER,
    OTHER,
    TEXT,
    TIME,
    SnowflakeType,
    column_kind,
    encoding_of,
    max_length,
    values_kind,
)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("NUMBER(38,0)", INTEGER),
        ("NUMBER(12,2)", NUMBER),
        ("DECIMAL(5)", INTEGER),
        ("BIGINT", INTEGER),
        ("FLOAT", FLOAT),
        ("DOUBLE PRECISION", FLOAT),
        ("VARCHAR(16777216)", TEXT),
        ("TEXT", TEXT),
        ("BOOLEAN", BOOLEAN),
        ("DATE", TIME),
        ("TIMESTAMP_NTZ(9)", TIME),
        ("TIMESTAMP_TZ", TIME),
        ("VARIANT", JSON),
        ("GEOGRAPHY", OTHER),
        ("VECTOR(FLOAT, 3)", OTHER),
    ],
)
def test_columns_have_the_types_that_snowflake_writes(written: str, kind: SnowflakeType) -> None:
    assert column_kind(written) is kind


@pytest.mark.parametrize(
    ("kind", "values", "bound"),
    [
        (INTEGER, np.array([1, -2], dtype=np.int64), [1, -2]),
        (INTEGER, [7, None], [7, None]),
        (NUMBER, ["12.50", 3], [Decimal("12.50"), Decimal(3)]),
        (FLOAT, [1.5, 2], [1.5, 2.0]),
        (TEXT, ["grün", None], ["grün", None]),
        (BOOLEAN, [True, False], [True, False]),
        (TIME, [datetime(2026, 3, 4, 5, 6, 7, 8, UTC)], ["2026-03-04 05:06:07.000008+00:00"]),
    ],
)
def test_what_is_drawn_is_what_is_bound(kind: SnowflakeType, values: list[object], bound: list[object]) -> None:
    encoded = list(kind.encoder.encode(values))
    assert [None if text is None else kind.bind(text) for text in encoded] == bound


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], INTEGER),
        ([1, 2.5], FLOAT),
        (["a", None], TEXT),
        ([True], BOOLEAN),
        ([None], TEXT),
        ([1, "a"], None),
    ],
)
def test_listed_values_have_one_type_or_none(values: list[object], kind: SnowflakeType | None) -> None:
    assert values_kind(values) is kind


def test_pools_of_whole_numbers_are_kept_as_numbers_and_all_others_as_text() -> None:
    assert encoding_of(INTEGER) is ValueEncoding.INTEGER
    assert {encoding_of(kind) for kind in (NUMBER, FLOAT, TEXT, TIME, BOOLEAN)} == {ValueEncoding.TEXT}


def test_only_text_has_a_length() -> None:
    assert (max_length("VARCHAR(20)"), max_length("VARCHAR"), max_length("NUMBER(38,0)")) == (20, None, None)
