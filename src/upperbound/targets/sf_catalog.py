"""What a Snowflake account holds, read from INFORMATION_SCHEMA and SHOW; keeps to :class:`targets.catalog.Catalog`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, TypeVar

from upperbound.errors import TargetMismatch
from upperbound.scenario.identifiers import SNOWFLAKE, IdentifierError, parse_table, quote_name
from upperbound.scenario.kinds import TableType
from upperbound.targets.catalog import (
    ColumnEntry,
    DatabaseEntry,
    Identity,
    IndexEntry,
    ObjectEntry,
    ObjectKind,
    Page,
    PageRequest,
    SchemaEntry,
    TableEntry,
    end_of_page,
)
from upperbound.targets.sf_connection import SnowflakeInfo, open_session, query
from upperbound.targets.sf_session_type import Session
from upperbound.targets.sf_tables import SnowflakeColumn, SnowflakeTable, current_place, read_table
from upperbound.targets.sf_types import max_length

_PLAIN: Final = re.compile(r"[A-Z_][A-Z0-9_$]*")
_RESERVED: Final = frozenset(
    [
        "ALL",
        "ALTER",
        "AND",
        "ANY",
        "AS",
        "BETWEEN",
        "BY",
        "CASE",
        "CAST",
        "CHECK",
        "COLUMN",
        "CONNECT",
        "CONSTRAINT",
        "CREATE",
        "CROSS",
        "CURRENT",
        "DATE",
        "DELETE",
        "DISTINCT",
        "DROP",
        "ELSE",
        "EXISTS",
        "FALSE",
        "FOLLOWING",
        "FOR",
        "FROM",
        "FULL",
        "GRANT",
        "GROUP",
        "HAVING",
        "ILIKE",
        "IN",
        "INCREMENT",
        "INNER",
        "INSERT",
        "INTERSECT",
        "INTO",
        "IS",
        "JOIN",
        "LATERAL",
        "LEFT",
        "LIKE",
        "LOCALTIME",
        "MINUS",
        "NATURAL",
        "NOT",
        "NULL",
        "OF",
        "ON",
        "OR",
        "ORDER",
        "QUALIFY",
        "REGEXP",
        "REVOKE",
        "RIGHT",
        "RLIKE",
        "ROW",
        "ROWS",
        "SAMPLE",
        "SELECT",
        "SET",
        "SOME",
        "START",
        "TABLE",
        "TABLESAMPLE",
        "THEN",
        "TO",
        "TRIGGER",
        "TRUE",
        "TRY_CAST",
        "UNION",
        "UNIQUE",
        "UPDATE",
        "USING",
        "VALUES",
        "VIEW",
        "WHEN",
        "WHENEVER",
        "WHERE",
        "WITH",
        "ACCOUNT",
        "DATABASE",
        "SCHEMA",
    ]
)
"""Words that are no names without quotes."""
_KINDS: Final = (
    ("MATERIALIZED VIEW", ObjectKind.MATERIALIZED_VIEW),
    ("VIEW", ObjectKind.VIEW),
    ("EXTERNAL TABLE", ObjectKind.FOREIGN_TABLE),
)
Item = TypeVar("Item")


def written(name: str) -> str:
    """Return a name as it is written in statements: in quotes where it needs them."""
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED else quote_name(name)


@contextmanager
def snowflake_catalog(info: SnowflakeInfo) -> Iterator["SnowflakeCatalog"]:
    """Lend the catalog of an account. Raises :class:`TargetError` when there is no way in."""
    with closing(open_session(info)) as session:
        yield SnowflakeCatalog(session)


class SnowflakeCatalog:
    """The catalog of one account, over one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def databases(self, page: PageRequest) -> Page[DatabaseEntry]:
        """List the databases that this role may see by name."""
        current, _ = current_place(self._session)
        found = [
            DatabaseEntry(str(row["name"]), str(row.get("owner") or ""), row["name"] == current, None)
            for row in query(self._session, "SHOW DATABASES")
        ]
        return _paged(found, page, lambda entry: (entry.name,))

    def schemas(self, page: PageRequest) -> Page[SchemaEntry]:
        """List the current database's schemas by name."""
        objects = self._objects()
        found = [
            SchemaEntry(
                name=str(row["name"]),
                quoted=written(str(row["name"])),
                owner=str(row.get("owner") or ""),
                object_count=sum(entry.schema == row["name"] for entry in objects),
                usable=True,
            )
            for row in query(self._session, f"SHOW SCHEMAS IN DATABASE {quote_name(self._database())}")
            if row["name"] != "INFORMATION_SCHEMA"
        ]
        return _paged(found, page, lambda entry: (entry.name,))

    def objects(self, page: PageRequest, schema: str | None = None) -> Page[ObjectEntry]:
        """List tables and views by schema and name, of one schema when its true name is given."""
        found = [entry for entry in self._objects() if schema in (None, entry.schema)]
        return _paged(found, page, lambda entry: (entry.schema, entry.name))

    def columns(self, table: str, page: PageRequest) -> Page[ColumnEntry]:
        """List a table's or view's columns in their order; raises :class:`TargetMismatch` when there is none."""
        columns = self.table(table).columns
        after = page.after_key(1)
        rest = [
            column
            for column in columns
            if (after is None or column.position > int(after[0])) and page.search.lower() in column.name.lower()
        ]
        some = tuple(rest[: page.size])
        return Page(some, end_of_page([str(some[-1].position)]) if len(rest) > page.size else None)

    def table(self, table: str) -> TableEntry:
        """Return everything about one table or view; raises :class:`TargetMismatch` when there is none."""
        try:
            parse_table(table, SNOWFLAKE)
        except IdentifierError as error:
            raise TargetMismatch(error.message, hint=error.hint) from None
        return table_entry(self._session, read_table(self._session, table))

    def _database(self) -> str:
        database, _ = current_place(self._session)
        if database is None:
            raise TargetMismatch("the session has no database", hint="set target.database")
        return database

    def _objects(self) -> list[ObjectEntry]:
        rows = query(self._session, f"SHOW OBJECTS IN DATABASE {quote_name(self._database())}")
        return [_object(row) for row in rows if row["schema_name"] != "INFORMATION_SCHEMA"]


def table_entry(session: Session, table: SnowflakeTable) -> TableEntry:
    """Return a table as every catalog tells it."""
    name = table.name
    assert name.schema is not None, "a table that was read has a whole name"
    columns = tuple(_column(column, place) for place, column in enumerate(table.columns, start=1))
    indexes = _indexes(session, table)
    kind = ObjectKind.VIEW if table.kind is None else ObjectKind.TABLE
    entry = ObjectEntry(
        schema=name.schema,
        name=name.name,
        quoted=f"{written(name.schema)}.{written(name.name)}",
        kind=kind,
        # None where Snowflake counts nothing: whether there are rows is asked of the table itself.
        row_estimate=table.rows or None,
        table_bytes=None,
        index_bytes=None,
        partition_of=None,
        readable=True,
    )
    return TableEntry(entry, columns, indexes, (), (), None)


def _object(row: Mapping[str, Any]) -> ObjectEntry:
    schema, name, kind = str(row["schema_name"]), str(row["name"]), str(row["kind"]).upper()
    rows, size = row.get("rows"), row.get("bytes")
    return ObjectEntry(
        schema=schema,
        name=name,
        quoted=f"{written(schema)}.{written(name)}",
        kind=next((found for word, found in _KINDS if word in kind), ObjectKind.TABLE),
        row_estimate=None if rows is None else int(rows),
        table_bytes=None if size is None else int(size),
        index_bytes=None,
        partition_of=None,
        readable=True,
    )


def _column(column: SnowflakeColumn, position: int) -> ColumnEntry:
    return ColumnEntry(
        name=column.name,
        quoted=written(column.name),
        position=position,
        type=column.type,
        base_type=column.type.partition("(")[0],
        family=column.kind.family,
        domain=False,
        max_length=max_length(column.type),
        nullable=column.nullable,
        default=None if column.computed else column.default,
        identity=Identity.BY_DEFAULT if column.computed else None,
        generated=False,
    )


def _indexes(session: Session, table: SnowflakeTable) -> tuple[IndexEntry, ...]:
    """Return the primary key, which other tables than hybrid ones do not enforce, and a hybrid table's indexes."""
    found: list[IndexEntry] = []
    if table.primary_key:
        found.append(_index("PRIMARY KEY", [column.name for column in table.primary_key], unique=True, primary=True))
    if table.kind is not TableType.HYBRID:
        return tuple(found)
    for row in query(session, f"SHOW INDEXES IN TABLE {table.name.quoted}"):
        names = _listed(str(row.get("columns", "")))
        unique = str(row.get("is_unique", "N")).upper() == "Y"
        if names and not (unique and found and tuple(names) == found[0].columns):
            found.append(_index(str(row["name"]), names, unique=unique, primary=False))
    return (*found[:1], *sorted(found[1:], key=lambda index: index.name))


def _index(name: str, columns: Sequence[str], *, unique: bool, primary: bool) -> IndexEntry:
    return IndexEntry(
        name=name,
        columns=tuple(columns),
        unique=unique,
        primary=primary,
        exclusion=False,
        ordered=True,
        partial=False,
        on_expressions=False,
        valid=True,
    )


def _listed(text: str) -> list[str]:
    """Return the columns of an index as Snowflake lists them: ``[A, B]``."""
    return [part.strip().strip('"') for part in text.strip("[]() ").split(",") if part.strip()]


def _paged(items: Sequence[Item], page: PageRequest, key: Callable[[Item], tuple[str, ...]]) -> Page[Item]:
    """Return a page of items, in the order of their keys; the search is for a part of the key with dots."""
    ordered = sorted(items, key=key)
    matching = [item for item in ordered if page.search.lower() in ".".join(key(item)).lower()]
    parts = len(key(matching[0])) if matching else 1
    after = page.after_key(parts) if matching else None
    rest = [item for item in matching if after is None or key(item) > after]
    some = tuple(rest[: page.size])
    return Page(some, end_of_page(list(key(some[-1]))) if len(rest) > page.size else None)
