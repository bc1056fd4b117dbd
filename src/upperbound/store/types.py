"""Column types and clock expressions that mean the same on every store.

A timestamp is UTC and comes from the store's clock; a duration is computed by the store from two of its own timestamps.
The host's clock and the session's time zone never enter. Each construct is compiled once per dialect, here.
"""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine

_SQLITE_FORMAT: Final = "%Y-%m-%d %H:%M:%f"
"""SQLite's text form of a timestamp: sorts as it should, three decimals, UTC by convention."""


class UtcTimestamp(sa.TypeDecorator[datetime]):
    """A moment; an aware UTC ``datetime`` in Python, whatever the session's time zone.

    SQLite keeps it as text with milliseconds, PostgreSQL as ``timestamptz`` with microseconds, Snowflake as
    ``TIMESTAMP_NTZ``, which no index of a hybrid table refuses.
    """

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of one dialect."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        if dialect.name == "snowflake":
            from snowflake.sqlalchemy.custom_types import TIMESTAMP_NTZ

            return dialect.type_descriptor(TIMESTAMP_NTZ())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Turn an aware ``datetime`` into the driver's value; a naive one raises :class:`ValueError`."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a timestamp needs a time zone: {value.isoformat()}")
        moment = value.astimezone(UTC)
        if dialect.name == "sqlite":
            return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
        return moment.replace(tzinfo=None) if dialect.name == "snowflake" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Turn the driver's value into an aware UTC ``datetime``."""
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        assert isinstance(value, datetime)
        return value.replace(tzinfo=UTC) if dialect.name == "snowflake" else value.astimezone(UTC)


class Message(sa.TypeDecorator[str]):
    """Text that others wrote, such as a driver's error: what a store cannot hold is replaced, never refused.

    PostgreSQL takes no NUL in text, and neither store takes half a surrogate pair.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - inherited
        """Return the text with NUL and lone surrogates replaced."""
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


class EnumText(sa.TypeDecorator[StrEnum]):
    """A member of one ``StrEnum``, stored as its value."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, enum: type[StrEnum]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - inherited
        """Return the value; one that is no member raises :class:`ValueError`."""
        return None if value is None else self.enum(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002 - inherited
        """Return the member."""
        return None if value is None else self.enum(value)


class JsonText(sa.TypeDecorator[Any]):
    """A document as JSON text; None is NULL."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - inherited
        """Return the text; what JSON has no word for raises :class:`ValueError`."""
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - inherited
        """Return the document."""
        return None if value is None else json.loads(value)


def to_json(document: object) -> str:
    """Return a document as JSON text; NaN, which is no JSON, raises :class:`ValueError`."""
    # PostgreSQL would refuse NaN and SQLite keep it, so it is refused here.
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


JsonDocument: Final = sa.JSON(none_as_null=True).with_variant(JsonText(), "snowflake")
"""A document that is stored as it was written.

On PostgreSQL this is ``json``, not ``jsonb``: nothing queries inside the documents, ``json`` keeps the order of keys,
takes escaped NULs in recorded error texts, and costs the server less to take in. On Snowflake it is text for the same
reasons: VARIANT sorts the keys of an object.
"""


class store_now(GenericFunction[datetime]):  # noqa: N801 - used as an SQL function
    """The store's clock; one value throughout a statement, taken when the statement arrives."""

    type = UtcTimestamp()
    inherit_cache = True
    name = "upperbound_store_now"


class seconds_between(GenericFunction[float]):  # noqa: N801 - used as an SQL function
    """``seconds_between(later, earlier)``: the seconds from one timestamp to another, as a float."""

    type = sa.Double()
    inherit_cache = True
    name = "upperbound_seconds_between"


class plus_seconds(GenericFunction[datetime]):  # noqa: N801 - used as an SQL function
    """``plus_seconds(moment, seconds)``: the moment that lies so many seconds later."""

    type = UtcTimestamp()
    inherit_cache = True
    name = "upperbound_plus_seconds"


def _arguments(function: GenericFunction[Any], compiler: SQLCompiler, **options: Any) -> list[str]:
    return [compiler.process(argument, **options) for argument in function.clauses]


@compiles(store_now, "sqlite")
def _now_sqlite(_function: store_now, _compiler: SQLCompiler, **_options: Any) -> str:
    return f"strftime('{_SQLITE_FORMAT}', 'now')"


@compiles(store_now, "postgresql")
def _now_postgresql(_function: store_now, _compiler: SQLCompiler, **_options: Any) -> str:
    # Not now(), which stands still in a transaction; not clock_timestamp(), which differs within one statement. A
    # statement that has waited for a lock sees a slightly early time, which errs on the safe side for leases.
    return "statement_timestamp()"


@compiles(store_now, "snowflake")
def _now_snowflake(_function: store_now, _compiler: SQLCompiler, **_options: Any) -> str:
    # One value throughout a statement, which SYSDATE() is not; converted, as a session may have another time zone.
    return "CONVERT_TIMEZONE('UTC', CURRENT_TIMESTAMP())::TIMESTAMP_NTZ"


@compiles(seconds_between, "sqlite")
def _between_sqlite(function: seconds_between, compiler: SQLCompiler, **options: Any) -> str:
    later, earlier = _arguments(function, compiler, **options)
    # A Julian day is a double with a resolution of 40 us; the timestamps themselves have whole milliseconds.
    return f"round((julianday({later}) - julianday({earlier})) * 86400.0, 3)"


@compiles(seconds_between, "postgresql")
def _between_postgresql(function: seconds_between, compiler: SQLCompiler, **options: Any) -> str:
    later, earlier = _arguments(function, compiler, **options)
    return f"CAST(EXTRACT(EPOCH FROM ({later}) - ({earlier})) AS DOUBLE PRECISION)"


@compiles(seconds_between, "snowflake")
def _between_snowflake(function: seconds_between, compiler: SQLCompiler, **options: Any) -> str:
    later, earlier = _arguments(function, compiler, **options)
    # A bound moment arrives as text, which is read as the type it is compared with: here it must be said.
    span = f"'microsecond', ({earlier})::TIMESTAMP_NTZ, ({later})::TIMESTAMP_NTZ"
    return f"(TIMESTAMPDIFF({span}) / 1000000::DOUBLE)"


@compiles(plus_seconds, "sqlite")
def _plus_sqlite(function: plus_seconds, compiler: SQLCompiler, **options: Any) -> str:
    moment, seconds = _arguments(function, compiler, **options)
    return f"strftime('{_SQLITE_FORMAT}', {moment}, ({seconds}) || ' seconds')"


@compiles(plus_seconds, "postgresql")
def _plus_postgresql(function: plus_seconds, compiler: SQLCompiler, **options: Any) -> str:
    moment, seconds = _arguments(function, compiler, **options)
    # Seconds only: an interval in days would follow the session's daylight saving time.
    return f"(({moment}) + make_interval(secs => CAST({seconds} AS DOUBLE PRECISION)))"


@compiles(plus_seconds, "snowflake")
def _plus_snowflake(function: plus_seconds, compiler: SQLCompiler, **options: Any) -> str:
    moment, seconds = _arguments(function, compiler, **options)
    # Whole microseconds: it takes no fraction of its unit.
    return f"TIMESTAMPADD('microsecond', ROUND(({seconds})::DOUBLE * 1000000)::BIGINT, ({moment})::TIMESTAMP_NTZ)"
