"""Values that a client binds to a statement, as it sends them: texts with the name of a type."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

Value = None | bool | int | float | Decimal | str | bytes | date | time | datetime
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows_of(bindings: Mapping[str, Mapping[str, Any]] | None) -> tuple[list[list[Value]], bool]:
    """Return the rows of values that ``bindings`` (by position from "1") hold, and whether they are an array.

    Without bindings there is one row without values. Raises ValueError for named bindings, which Snowflake's drivers
    do not send.
    """
    if not bindings:
        return [[]], False
    if not all(key.isdigit() for key in bindings):
        raise ValueError(f"bindings are by position, not by name: {sorted(bindings)}")
    columns = [bindings[str(position)] for position in range(1, len(bindings) + 1)]
    if not any(isinstance(column["value"], list) for column in columns):
        return [[_value(column["type"], column["value"]) for column in columns]], False
    values = [[_value(column["type"], value) for value in column["value"]] for column in columns]
    return [list(row) for row in zip(*values, strict=True)], True


def _value(kind: str, text: str | None) -> Value:
    if text is None:
        return None
    converted = _CONVERSIONS.get(kind.upper())
    return converted(text) if converted else text


def _number(text: str) -> int | Decimal:
    return int(text) if text.lstrip("+-").isdigit() else Decimal(text)


def _timestamp(text: str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(Decimal(text)) // 1000)


def _timestamp_ntz(text: str) -> datetime:
    return _timestamp(text).replace(tzinfo=None)


def _timestamp_tz(text: str) -> datetime:
    """Read nanoseconds since the epoch and, behind a space, the offset in minutes plus 1440."""
    nanoseconds, _, offset = text.partition(" ")
    moment = _timestamp(nanoseconds)
    return moment.astimezone(timezone(timedelta(minutes=int(offset) - 1440))) if offset else moment


def _date(text: str) -> date:
    return (_EPOCH + timedelta(milliseconds=int(text))).date()


def _time(text: str) -> time:
    return _timestamp(text).time()


_CONVERSIONS: dict[str, Any] = {
    "FIXED": _number,
    "REAL": float,
    "BOOLEAN": lambda text: text.lower() in ("true", "1"),
    "BINARY": bytes.fromhex,
    "DATE": _date,
    "TIME": _time,
    "TIMESTAMP_NTZ": _timestamp_ntz,
    "TIMESTAMP_LTZ": _timestamp,
    "TIMESTAMP_TZ": _timestamp_tz,
}
