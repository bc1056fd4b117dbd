"""Values that clients bind."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from tests.emulators.snowflake.binds import rows_of


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("FIXED", "-12", -12),
        ("FIXED", "1.50", Decimal("1.50")),
        ("REAL", "1.5", 1.5),
        ("TEXT", "it's", "it's"),
        ("BOOLEAN", "true", True),
        ("BINARY", "00ff", b"\x00\xff"),
        ("DATE", "86400000", date(1970, 1, 2)),
        ("TIME", "3661000000000", time(1, 1, 1)),
        ("TIMESTAMP_NTZ", "1000000000", datetime(1970, 1, 1, 0, 0, 1)),  # noqa: DTZ001  # it has no zone
        ("TIMESTAMP_LTZ", "1000001000", datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)),
        ("TIMESTAMP_TZ", "0 1500", datetime(1970, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=1)))),
        ("FIXED", None, None),
        ("TIMESTAMP_NTZ", None, None),
    ],
)
def test_a_bound_value_becomes_what_it_stands_for(kind: str, text: str | None, value: Any) -> None:
    rows, is_array = rows_of({"1": {"type": kind, "value": text}})
    assert rows == [[value]]
    assert not is_array


def test_values_stand_in_the_order_of_their_numbers() -> None:
    numbers = (10, 2, 1, 3, 4, 5, 6, 7, 8, 9)
    bindings = {str(number): {"type": "FIXED", "value": str(number)} for number in numbers}
    assert rows_of(bindings)[0] == [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]


def test_arrays_become_rows() -> None:
    bindings: dict[str, dict[str, Any]] = {
        "1": {"type": "FIXED", "value": ["1", "2"]},
        "2": {"type": "TEXT", "value": ["a", None]},
    }
    assert rows_of(bindings) == ([[1, "a"], [2, None]], True)


def test_without_bindings_there_is_one_row_without_values() -> None:
    assert rows_of(None) == ([[]], False)


def test_bindings_by_name_are_refused() -> None:
    with pytest.raises(ValueError, match="by position"):
        rows_of({"name": {"type": "FIXED", "value": "1"}})
