"""What the dialects write differently in a statement."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from upperbound.store.snowflake.writes import InsertNew, UpdateOrInsert
from upperbound.store.types import JsonText

Row = TypeVar("Row")


class Write(Protocol):
    """Something that is written, by as many statements as a dialect needs."""

    def run(self, connection: Connection, values: Mapping[str, object] | None = None) -> int:
        """Write, and return the number of rows that were touched."""
        ...


@dataclass(frozen=True)
class OneStatement:
    """A write that is one statement."""

    statement: sa.Insert

    def run(self, connection: Connection, values: Mapping[str, object] | None = None) -> int:
        """Execute it, and return the number of rows that were touched."""
        return connection.execute(self.statement, values).rowcount


def insert_new(dialect: str, table: sa.Table, values: Mapping[str, Any], *, keys: Sequence[str] | None = None) -> Write:
    """Return what inserts a row, or leaves the one alone that has the same ``keys``.

    None stands for any key; on Snowflake, where a table may enforce none, for the primary one.
    """
    if dialect == "snowflake":
        return InsertNew(table, values, keys or [column.name for column in table.primary_key])
    insert = _insert_into(dialect, table).values(values).on_conflict_do_nothing(index_elements=keys)
    # Of an INSERT the count of rows is not kept otherwise.
    return OneStatement(insert.execution_options(preserve_rowcount=True))


def upsert(
    dialect: str,
    table: sa.Table,
    values: Mapping[str, Any],
    *,
    keys: Sequence[str],
    on_insert: Mapping[str, Any] | None = None,
    on_update: Mapping[str, Any] | None = None,
    update_where: sa.ColumnElement[bool] | None = None,
) -> Write:
    """Return what inserts a row, or updates the row that has the same ``keys``.

    ``values`` are written in both cases, ``on_insert`` in the first only; ``on_update`` says what else changes in the
    second, and ``update_where`` for which rows that are there: any other is left as it is.
    """
    if dialect == "snowflake":
        return UpdateOrInsert(
            table, values, keys=keys, on_insert=on_insert or {}, on_update=on_update or {}, update_where=update_where
        )
    insert = _insert_into(dialect, table).values({**values, **(on_insert or {})})
    changed = {name: insert.excluded[name] for name in values if name not in keys}
    return OneStatement(
        insert.on_conflict_do_update(
            index_elements=list(keys), set_={**changed, **(on_update or {})}, where=update_where
        )
    )


def once_each(dialect: str, rows: Iterable[Row], key: Callable[[Row], Hashable]) -> list[Row]:
    """Return rows without those whose key an earlier one has, where the store does not see to that itself.

    A write whose answer was lost may be repeated while the first one still is under way: on Snowflake both may insert.
    """
    if dialect != "snowflake":
        return list(rows)
    first: dict[Hashable, Row] = {}
    for row in rows:
        first.setdefault(key(row), row)
    return list(first.values())


def json_text(dialect: str, document: "sa.Column[Any]", *path: str) -> sa.ColumnElement[str]:
    """Return the text at a place in a document; NULL when there is none."""
    if dialect == "snowflake":
        return sa.cast(_get_path(document, path), sa.Text)
    text: sa.ColumnElement[str] = document[path].as_string()
    return text


def json_number(dialect: str, document: "sa.Column[Any]", *path: str) -> sa.ColumnElement[float]:
    """Return the number at a place in a document; NULL when there is none."""
    if dialect == "snowflake":
        return sa.cast(_get_path(document, path), sa.Double)
    number: sa.ColumnElement[float] = document[path].as_float()
    return number


def json_part(dialect: str, document: "sa.Column[Any]", *path: str) -> sa.ColumnElement[Any]:
    """Return a part of a document as a document; :func:`json_source` is its text."""
    if dialect == "snowflake":
        return sa.type_coerce(sa.func.to_json(_get_path(document, path)), JsonText())
    return document[path]


def json_source(dialect: str, document: "sa.Column[Any]", *path: str) -> sa.ColumnElement[str]:
    """Return a part of a document as it is written in JSON."""
    if dialect == "snowflake":
        return sa.func.to_json(_get_path(document, path), type_=sa.Text())
    text: sa.ColumnElement[str] = document[path].as_string()
    return text


def _get_path(document: "sa.Column[Any]", path: Sequence[str]) -> sa.ColumnElement[Any]:
    # The names are ours and need no quotes; a document is kept as text, in which the order of keys stays.
    place: sa.ColumnClause[str] = sa.literal_column(f"'{'.'.join(path)}'")
    return sa.func.get_path(sa.func.try_parse_json(sa.type_coerce(document, sa.Text)), place)


def _insert_into(dialect: str, table: sa.Table) -> "postgresql.Insert | sqlite.Insert":
    """Return the dialect's INSERT, the one that knows ON CONFLICT."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
