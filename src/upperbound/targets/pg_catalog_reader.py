"""The catalog of a PostgreSQL database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row

from upperbound.errors import ConfigurationError, TargetMismatch, TargetUnreachable
from upperbound.scenario.identifiers import IdentifierError, TableName, parse_table
from upperbound.scenario.sql_text import TokenKind, tokenize
from upperbound.targets import pg_catalog_queries as queries
from upperbound.targets.catalog import (
    CheckEntry,
    ColumnEntry,
    DatabaseEntry,
    Entry,
    ForeignKeyEntry,
    Identity,
    IndexEntry,
    ObjectEntry,
    ObjectKind,
    Page,
    PageRequest,
    Partitioning,
    PartitionStrategy,
    SchemaEntry,
    TableEntry,
    end_of_page,
)
from upperbound.targets.pg_catalog import table_problem
from upperbound.targets.pg_connection import ConnInfo, open_connection
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_types import pg_type
from upperbound.targets.pg_words import said

LOCK_TIMEOUT_S: Final = 10
STATEMENT_TIMEOUT_S: Final = 60
COLUMNS_MAX: Final = 1_600
"""A table of PostgreSQL has no more."""

_KINDS: Final = MappingProxyType(
    {
        "r": ObjectKind.TABLE,
        "p": ObjectKind.PARTITIONED_TABLE,
        "v": ObjectKind.VIEW,
        "m": ObjectKind.MATERIALIZED_VIEW,
        "f": ObjectKind.FOREIGN_TABLE,
    }
)
_IDENTITIES: Final = MappingProxyType({"a": Identity.ALWAYS, "d": Identity.BY_DEFAULT})
_STRATEGIES: Final = MappingProxyType(
    {"r": PartitionStrategy.RANGE, "l": PartitionStrategy.LIST, "h": PartitionStrategy.HASH}
)


@contextmanager
def catalog_connection(target: ConnInfo) -> Iterator[Connection]:
    """Lend a connection that gives up on locks and on slow queries, and close it.

    Raises :class:`TargetUnreachable` and :class:`TargetAuthFailed` when there is no way in, or when the server
    gives up.
    """
    connection = open_connection(target)
    try:
        connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
        connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        yield connection
    except psycopg.OperationalError as error:
        raise TargetUnreachable(
            f"PostgreSQL at {target.address} gave up while its catalog was read: {said(error)}",
            hint="see the server's log; a table that is locked has to be free",
        ) from None
    finally:
        connection.close()


class PostgresCatalog:
    """A :class:`~upperbound.targets.catalog.Catalog` over one connection, for the database that it is to."""

    def __init__(self, connection: Connection) -> None:
        """Read through ``connection``, which must be in autocommit mode; see :func:`catalog_connection`."""
        self._connection = connection

    def databases(self, page: PageRequest) -> Page[DatabaseEntry]:
        """List the server's databases by name."""
        rows = self._rows(queries.DATABASES, _by_name(page))
        return _cut([DatabaseEntry(**row) for row in rows], page, lambda entry: (entry.name,))

    def schemas(self, page: PageRequest) -> Page[SchemaEntry]:
        """List the database's schemas by name."""
        rows = self._rows(queries.SCHEMAS, _by_name(page))
        return _cut([SchemaEntry(**row) for row in rows], page, lambda entry: (entry.name,))

    def objects(self, page: PageRequest, schema: str | None = None) -> Page[ObjectEntry]:
        """List tables and views by schema and name."""
        after = page.after_key(2) or (None, None)
        found = self._objects(schema=schema, after=after, search=page.search, rows=page.size + 1)
        return _cut(found, page, lambda entry: (entry.schema, entry.name))

    def columns(self, table: str, page: PageRequest) -> Page[ColumnEntry]:
        """List the columns of a table or view in their order."""
        (after,) = page.after_key(1) or ("0",)
        if not after.isdecimal():
            raise ConfigurationError(f"{page.after!r} is not where a page of columns ended")
        found = self._columns(self._oid(table), after=int(after), search=page.search, rows=page.size + 1)
        return _cut(found, page, lambda entry: (str(entry.position),))

    def table(self, table: str) -> TableEntry:
        """Return everything about one table or view."""
        oid = self._oid(table)
        found = self._objects(oid=oid)
        if not found:
            raise TargetMismatch(f"{table} belongs to the server's own catalog", hint="name a table of yours")
        constraints = self._rows(queries.CONSTRAINTS, {"oid": oid})
        indexes = self._rows(queries.INDEXES, {"oid": oid})
        columns = self._columns(oid, after=0, search="", rows=COLUMNS_MAX)
        return TableEntry(
            object=found[0],
            columns=tuple(columns),
            indexes=tuple(IndexEntry(**{**row, "columns": tuple(row["columns"])}) for row in indexes),
            foreign_keys=tuple(
                ForeignKeyEntry(row["name"], tuple(row["columns"]), row["references"])
                for row in constraints
                if row["kind"] == "f"
            ),
            checks=tuple(CheckEntry(row["name"], tuple(row["columns"])) for row in constraints if row["kind"] == "c"),
            partitioning=self._partitioning(oid, columns),
            is_inherited=bool(self._rows(queries.INHERITED, {"oid": oid})[0]["inherited"]),
        )

    def _objects(
        self,
        *,
        oid: int | None = None,
        schema: str | None = None,
        after: Sequence[str | None] = (None, None),
        search: str = "",
        rows: int = 1,
    ) -> list[ObjectEntry]:
        values = {"oid": oid, "schema": schema, "search": search, "rows": rows}
        found = self._rows(queries.OBJECTS, values | {"after_schema": after[0], "after_name": after[1]})
        return [ObjectEntry(**{**row, "kind": _KINDS[row["kind"]]}) for row in found]

    def _columns(self, oid: int, *, after: int, search: str, rows: int) -> list[ColumnEntry]:
        found = self._rows(queries.COLUMNS, {"oid": oid, "after": after, "search": search, "rows": rows})
        for row in found:
            row["family"] = pg_type(row.pop("base_oid")).family
            row["identity"] = _IDENTITIES.get(row["identity"])
        return [ColumnEntry(**row) for row in found]

    def _partitioning(self, oid: int, columns: list[ColumnEntry]) -> Partitioning | None:
        rows = self._rows(queries.PARTITIONING, {"oid": oid})
        if not rows:
            return None
        definition: str = rows[0]["definition"]
        # An expression may use any column: one that is named in it counts, whatever else the word may mean there.
        words = {token.text for token in tokenize(definition) if token.kind in (TokenKind.WORD, TokenKind.QUOTED_NAME)}
        return Partitioning(
            _STRATEGIES[rows[0]["strategy"]],
            tuple(column.name for column in columns if column.quoted in words),
            definition,
            rows[0]["has_default"],
        )

    def _oid(self, table: str) -> int:
        """Return the number the server knows a table by.

        Raises :class:`TargetMismatch` when there is none.
        """
        try:
            name: TableName = parse_table(table)
        except IdentifierError as error:
            raise ConfigurationError(error.message, hint=error.hint) from None
        if problem := table_problem(self._connection, table):
            raise TargetMismatch(problem.message, hint=problem.hint)
        row = self._connection.execute("SELECT to_regclass(%s)::oid", [name.quoted]).fetchone()
        if row is None or row[0] is None:
            raise TargetMismatch(f"there is no table {table} any more")
        return int(row[0])

    def _rows(self, query: LiteralString, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, values).fetchall()


def _by_name(page: PageRequest) -> dict[str, Any]:
    (after,) = page.after_key(1) or (None,)
    return {"after": after, "search": page.search, "rows": page.size + 1}


def _cut(found: list[Entry], page: PageRequest, key: Callable[[Entry], Sequence[str]]) -> Page[Entry]:
    """Return the page of entries that were asked for with one more, which says whether another page follows."""
    items = tuple(found[: page.size])
    return Page(items, end_of_page(key(items[-1])) if len(found) > page.size else None)
