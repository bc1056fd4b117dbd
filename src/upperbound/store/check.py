"""Whether a store's tables are what the code expects."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Inspector

from upperbound.errors import StoreNotMigrated
from upperbound.store.address import DialectName, parse_store_url
from upperbound.store.database import Database
from upperbound.store.migrate import HEAD_REVISION, current_revision
from upperbound.store.snowflake.check import differences
from upperbound.store.snowflake.hybrid import store_locks
from upperbound.store.tables import VERSION_TABLE, metadata


@dataclass(frozen=True)
class Finding:
    """One difference between a store and what the code expects."""

    table: str
    column: str | None
    """None when it concerns the table as a whole."""
    message: str

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        return f"{place}: {self.message}"


def check_store(url: str) -> list[Finding]:
    """Compare every table, column, key and index with what the code expects; an empty list means all is well.

    Columns and indexes beyond the expected ones are allowed, unless the code could not insert because of them. Nothing
    is changed. Raises what opening a store raises when it cannot be reached; an SQLite file that does not exist is
    reported as missing its tables.
    """
    address = parse_store_url(url)
    if address.path is not None and not address.path.exists():
        # Connecting would make an empty file.
        return [Finding(table.name, None, "the table is missing: the file does not exist") for table in _tables()]
    database = Database(address)
    try:
        with database.connection() as connection:
            found = [*_revision_findings(connection), *_table_findings(connection)]
    finally:
        database.close()
    return found


def expected_columns(dialect: DialectName = "sqlite") -> dict[str, list[str]]:
    """Return what is checked: the columns of every table."""
    own = [store_locks] if dialect == "snowflake" else []
    return {table.name: [column.name for column in table.columns] for table in (*_tables(), *own)}


def _tables() -> list[sa.Table]:
    return list(metadata.sorted_tables)


def _revision_findings(connection: sa.Connection) -> Iterator[Finding]:
    try:
        revision = current_revision(connection)
    except StoreNotMigrated as error:
        yield Finding(VERSION_TABLE, None, str(error))
        return
    if revision is None:
        yield Finding(VERSION_TABLE, None, "the table is missing or empty")
    elif revision != HEAD_REVISION:
        yield Finding(VERSION_TABLE, "version_num", f"is {revision}, expected {HEAD_REVISION}")


def _table_findings(connection: sa.Connection) -> Iterator[Finding]:
    if connection.dialect.name == "snowflake":
        yield from (Finding(*difference) for difference in differences(connection))
        return
    inspector = sa.inspect(connection)
    present = set(inspector.get_table_names())
    for table in _tables():
        if table.name not in present:
            yield Finding(table.name, None, "the table is missing")
            continue
        yield from _column_findings(inspector, table)
        yield from _key_findings(inspector, table)


def _column_findings(inspector: Inspector, table: sa.Table) -> Iterator[Finding]:
    found = {column["name"]: column for column in inspector.get_columns(table.name)}
    dialect = inspector.dialect
    for column in table.columns:
        if column.name not in found:
            yield Finding(table.name, column.name, "the column is missing")
            continue
        actual = found[column.name]
        expected_type, actual_type = column.type.compile(dialect), actual["type"].compile(dialect)
        if expected_type != actual_type:
            yield Finding(table.name, column.name, f"has type {actual_type}, expected {expected_type}")
        if bool(column.nullable) != actual["nullable"]:
            wanted = "NULL" if column.nullable else "NOT NULL"
            yield Finding(table.name, column.name, f"must be {wanted}")
        if column.server_default is not None and actual.get("default") is None:
            yield Finding(table.name, column.name, "has no default value")
    for name in sorted(found.keys() - {column.name for column in table.columns}):
        extra = found[name]
        if not extra["nullable"] and extra.get("default") is None:
            yield Finding(table.name, name, "is unknown, NOT NULL and without a default: no row can be inserted")


def _key_findings(inspector: Inspector, table: sa.Table) -> Iterator[Finding]:
    expected = [column.name for column in table.primary_key.columns]
    actual = inspector.get_pk_constraint(table.name)["constrained_columns"]
    if actual != expected:
        yield Finding(table.name, None, f"has primary key ({', '.join(actual)}), expected ({', '.join(expected)})")
    uniques = {tuple(unique["column_names"]) for unique in inspector.get_unique_constraints(table.name)}
    indexes: list[Any] = list(inspector.get_indexes(table.name))
    uniques |= {tuple(index["column_names"]) for index in indexes if index["unique"]}
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            columns = tuple(column.name for column in constraint.columns)
            if columns not in uniques:
                yield Finding(table.name, None, f"has no unique constraint on ({', '.join(columns)})")
    present = {tuple(index["column_names"]) for index in indexes}
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        columns = tuple(column.name for column in index.columns)
        if columns not in present:
            yield Finding(table.name, None, f"has no index on ({', '.join(columns)})")
    references = {
        (tuple(key["constrained_columns"]), key["referred_table"]) for key in inspector.get_foreign_keys(table.name)
    }
    for foreign in table.foreign_key_constraints:
        columns, other = tuple(foreign.column_keys), foreign.referred_table.name
        if (columns, other) not in references:
            yield Finding(table.name, None, f"has no foreign key from ({', '.join(columns)}) to {other}")
