"""Whether a Snowflake store's tables are what the code expects: their columns, and whether they are hybrid."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from upperbound.store.snowflake.hybrid import HYBRID_NAMES, HYBRID_TABLES
from upperbound.store.snowflake.migrate import lowered, table_names
from upperbound.store.tables import QUERY_LOG_STAGE, RESULTS_TABLES
from upperbound.store.types import UtcTimestamp

Difference = tuple[str, str | None, str]
"""A table, a column of it if only that is concerned, and what is the matter."""

EXPECTED_TABLES: Final = (*HYBRID_TABLES, *RESULTS_TABLES)

_COLUMNS: Final = sa.text(
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
    "WHERE table_schema = CURRENT_SCHEMA()"
)


def differences(connection: Connection) -> Iterator[Difference]:
    """Yield what is not as expected; columns beyond the expected ones are allowed if rows can be inserted without."""
    present = table_names(connection)
    hybrid = {lowered(row["name"]) for row in _show(connection, "SHOW HYBRID TABLES")}
    keys, indexes = _primary_keys(connection), _indexes(connection)
    columns = _columns(connection)
    stages = {lowered(row["name"]) for row in _show(connection, "SHOW STAGES")}
    if QUERY_LOG_STAGE not in stages:
        yield QUERY_LOG_STAGE, None, "the stage is missing, or this role may not see it: no query log can be loaded"
    for table in EXPECTED_TABLES:
        if table.name not in present:
            yield table.name, None, "the table is missing"
            continue
        yield from _column_differences(table, columns.get(table.name, {}))
        if table.name not in HYBRID_NAMES:
            continue
        if table.name not in hybrid:
            yield table.name, None, "is a standard table and must be a hybrid one: its keys and locks decide"
            continue
        expected = [column.name for column in table.primary_key.columns]
        if (actual := keys.get(table.name, [])) != expected:
            yield table.name, None, f"has primary key ({', '.join(actual)}), expected ({', '.join(expected)})"
        for index in table.indexes:
            names = tuple(column.name for column in index.columns)
            if names not in indexes.get(table.name, ()):
                yield table.name, None, f"has no index on ({', '.join(names)})"


def _column_differences(table: sa.Table, found: Mapping[str, RowMapping]) -> Iterator[Difference]:
    for column in table.columns:
        actual = found.get(column.name)
        if actual is None:
            yield table.name, column.name, "the column is missing"
            continue
        expected = _data_type(column.type)
        if actual["data_type"] != expected:
            yield table.name, column.name, f"has type {actual['data_type']}, expected {expected}"
        if bool(column.nullable) != (actual["is_nullable"] == "YES"):
            yield table.name, column.name, f"must be {'NULL' if column.nullable else 'NOT NULL'}"
        if column.server_default is not None and actual["column_default"] is None:
            yield table.name, column.name, "has no default value"
    for name in sorted(found.keys() - {column.name for column in table.columns}):
        if found[name]["is_nullable"] != "YES" and found[name]["column_default"] is None:
            yield table.name, name, "is unknown, NOT NULL and without a default: no row can be inserted"


def _data_type(column_type: sa.types.TypeEngine[Any]) -> str:
    """Return what the information schema calls a type."""
    if isinstance(column_type, UtcTimestamp):
        return "TIMESTAMP_NTZ"
    if isinstance(column_type, sa.Boolean):
        return "BOOLEAN"
    if isinstance(column_type, sa.Integer):
        return "NUMBER"
    if isinstance(column_type, sa.Double):
        return "FLOAT"
    return "BINARY" if isinstance(column_type, sa.LargeBinary) else "TEXT"


def _columns(connection: Connection) -> dict[str, dict[str, RowMapping]]:
    found: dict[str, dict[str, RowMapping]] = {}
    for row in connection.execute(_COLUMNS).mappings():
        found.setdefault(lowered(row["table_name"]), {})[lowered(row["column_name"])] = row
    return found


def _primary_keys(connection: Connection) -> dict[str, list[str]]:
    """Return the columns of each table's primary key in their order."""
    found: dict[str, list[str]] = {}
    for row in sorted(_show(connection, "SHOW PRIMARY KEYS"), key=lambda row: int(row["key_sequence"])):
        found.setdefault(lowered(row["table_name"]), []).append(lowered(row["column_name"]))
    return found


def _indexes(connection: Connection) -> dict[str, set[tuple[str, ...]]]:
    """Return the columns of each table's indexes."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for row in _show(connection, "SHOW INDEXES"):
        columns = tuple(lowered(name.strip(' "')) for name in str(row["columns"]).strip("[]").split(","))
        found.setdefault(lowered(row["table"]), set()).add(columns)
    return found


def _show(connection: Connection, statement: str) -> Sequence[dict[str, Any]]:
    """Return the rows of a SHOW statement that concern the session's schema, by names in lower case."""
    schema = connection.exec_driver_sql("SELECT CURRENT_SCHEMA()").scalar()
    rows = connection.exec_driver_sql(statement).mappings().all()
    named = [{str(name).lower(): value for name, value in row.items()} for row in rows]
    return [row for row in named if row.get("schema_name", schema) == schema]
