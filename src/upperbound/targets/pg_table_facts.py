"""What only the rows of a table tell, at a cost that does not grow with the table."""

from typing import Any, Final

import psycopg
from psycopg import sql

from upperbound.errors import TargetMismatch
from upperbound.targets.catalog import TableEntry
from upperbound.targets.generate_keys import row_key
from upperbound.targets.generated import TableFacts
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_types import Family

ROWS_LOOKED_AT: Final = 10_000
"""A column without a value in so many rows counts as empty."""


def table_facts(connection: Connection, table: TableEntry) -> TableFacts:
    """Look at the first rows of a table, and at both ends of a key of whole numbers.

    Raises :class:`TargetMismatch` when this user may not read the table, and ``psycopg.OperationalError`` when the
    server gives up.
    """
    name = sql.Identifier(table.object.schema, table.object.name)
    columns = [column for column in table.columns if not column.generated]
    counts = sql.SQL(", ").join(
        [sql.SQL("count(*)"), *(sql.SQL("count({})").format(sql.Identifier(column.name)) for column in columns)]
    )
    query = sql.SQL("SELECT {} FROM (SELECT * FROM {} LIMIT {}) AS looked_at").format(counts, name, ROWS_LOOKED_AT)
    rows, *filled = _row(connection, query, table)
    key = row_key(table)
    bounds: dict[str, tuple[int, int]] = {}
    if key is not None and key.single is not None and key.single.family is Family.INTEGER and rows:
        column = sql.Identifier(key.single.name)
        query = sql.SQL("SELECT min({0}), max({0}) FROM {1}").format(column, name)
        low, high = _row(connection, query, table)
        if low is not None:
            bounds[key.single.name] = (int(low), int(high))
    empty = frozenset(column.name for column, count in zip(columns, filled, strict=True) if not count)
    return TableFacts(bool(rows), empty, bounds)


def _row(connection: Connection, query: sql.Composed, table: TableEntry) -> tuple[Any, ...]:
    try:
        row = connection.execute(query).fetchone()
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError as error:
        said = error.diag.message_primary or "the server gives no reason"
        raise TargetMismatch(
            f"the rows of {table.object.quoted} cannot be read: {said}",
            hint="statements are generated for tables whose values this user may sample: grant SELECT",
        ) from error
    assert row is not None, "an aggregate has one row"
    return row
