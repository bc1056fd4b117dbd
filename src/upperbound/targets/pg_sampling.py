"""Values that stand in a column: pools for parameters, and the highest one."""

import math
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from upperbound.errors import Problem, TargetMismatch
from upperbound.scenario.identifiers import parse_column, parse_table
from upperbound.targets.pg_describe import Connection, StatementFault, describe_one
from upperbound.targets.pg_types import Family, pg_type

SAMPLE_ROWS_MIN = 200_000
"""Tables with fewer rows are read as a whole."""
SAMPLE_FACTOR = 20
"""Rows to look at for each value wanted: a page's rows are often alike, and some values repeat."""

_SAMPLEABLE = ("r", "m", "p")
_ROWS_PER_BYTE = 1 / 100
_SEED_MASK = 2**63 - 1
_SAMPLE_SEED_MASK = 2**31 - 1

# Sorting by a seeded hash makes the choice and its order the same for everyone who asks with the same seed.
_SAMPLE: LiteralString = """
    SELECT value FROM (SELECT DISTINCT {column}{cast} AS value FROM {table} {sample} WHERE {column} IS NOT NULL) AS pool
    ORDER BY hashtextextended(value::text, {seed}), value::text LIMIT {limit}
"""
_ESTIMATE: LiteralString = """
    SELECT c.relkind::text,
        coalesce((SELECT sum(greatest(p.reltuples, 0)) FROM pg_class p WHERE p.oid = ANY (parts.oids)), 0)::float8,
        coalesce((SELECT sum(pg_relation_size(oid)) FROM unnest(parts.oids) AS oid), 0)::float8
    FROM pg_class c, LATERAL (
        SELECT CASE WHEN c.relkind = 'p' THEN ARRAY(SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf)::oid[]
                    ELSE ARRAY[c.oid] END AS oids
    ) AS parts
    WHERE c.oid = {table}::regclass
"""


def sample_pool(connection: Connection, table: str, column: str, limit: int, seed: int) -> list[Any]:
    """Return up to ``limit`` distinct values of a column, NULL left out, chosen and ordered by ``seed``.

    Equal calls on unchanged data return equal lists, whoever asks. Of a large table some pages are read only, so that a
    rare value may be missing; views are read as a whole. Values are Python objects where
    :mod:`upperbound.targets.pg_types` has an encoder for them, else the server's own text. An empty list means that the
    column holds no value.

    Raises :class:`TargetMismatch` when the table or the column does not exist or cannot be read.
    """
    kind = pg_type(column_type(connection, table, column))
    share_pct = _share_pct(connection, table, limit)

    def values(sample: sql.Composable) -> list[Any]:
        query = sql.SQL(_SAMPLE).format(
            column=_column(column),
            cast=sql.SQL("::text" if kind.as_text else ""),
            table=_table(table),
            sample=sample,
            seed=seed & _SEED_MASK,
            limit=limit,
        )
        return [row[0] for row in _execute(connection, query, table)]

    if share_pct is not None:
        repeatable = sql.SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE ({})").format(share_pct, seed & _SAMPLE_SEED_MASK)
        if sampled := values(repeatable):
            return sampled
    return values(sql.SQL(""))


def column_type(connection: Connection, table: str, column: str) -> int:
    """Return the type of a column, the base type of a domain.

    Raises :class:`TargetMismatch` when the table or the column does not exist.
    """
    statement = sql.SQL("SELECT {} FROM {}").format(_column(column), _table(table)).as_string(connection)
    found = describe_one(connection, statement)
    if isinstance(found, StatementFault):
        raise TargetMismatch(f"column {column} of table {table} cannot be read", problems=[found.problem("")])
    return found.result_columns[0][1]


def max_value(connection: Connection, table: str, column: str) -> int:
    """Return the highest value of an integer column; 0 when it holds none.

    Raises :class:`TargetMismatch` when there is no such column or it holds no integers.
    """
    kind = pg_type(column_type(connection, table, column))
    if kind.family is not Family.INTEGER:
        raise TargetMismatch(
            f"column {column} of table {table} holds {kind.name}, not whole numbers",
            hint="a sequence can follow a smallint, integer or bigint column only",
        )
    query = sql.SQL("SELECT max({}) FROM {}").format(_column(column), _table(table))
    rows = _execute(connection, query, table)
    return int(rows[0][0] or 0)


def has_values(connection: Connection, table: str, column: str) -> bool:
    """Say whether a column holds any value that is not NULL. Raises :class:`TargetMismatch` when it cannot be read."""
    query = sql.SQL("SELECT EXISTS (SELECT 1 FROM {} WHERE {} IS NOT NULL)").format(_table(table), _column(column))
    return bool(_execute(connection, query, table)[0][0])


def _column(column: str) -> sql.Identifier:
    return sql.Identifier(parse_column(column))


def _table(table: str) -> sql.Identifier:
    name = parse_table(table)
    return sql.Identifier(*(part for part in (name.schema, name.name) if part is not None))


def _share_pct(connection: Connection, table: str, limit: int) -> float | None:
    """Return the share of a large table's pages to look at; None for one to be read as a whole.

    It is a power of two, so that a new estimate of the table's size rarely makes the next worker look at other pages.
    """
    query = sql.SQL(_ESTIMATE).format(table=sql.Literal(parse_table(table).quoted))
    ((kind, rows, size_bytes),) = _execute(connection, query, table)
    estimate = rows or size_bytes * _ROWS_PER_BYTE
    wanted = max(SAMPLE_ROWS_MIN, limit * SAMPLE_FACTOR)
    if kind not in _SAMPLEABLE or estimate < 2 * wanted:
        return None
    return float(100.0 * 0.5 ** math.floor(math.log2(estimate / wanted)))


def _execute(connection: Connection, query: sql.Composed, table: str) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(query).fetchall()
    except psycopg.errors.DatabaseError as error:
        if isinstance(error, psycopg.OperationalError):
            raise
        said = error.diag.message_primary or "the server gives no reason"
        problem = Problem("target.table", f"{table}: {said}", error.diag.message_hint or "")
        raise TargetMismatch(f"the values of {table} cannot be read", problems=[problem]) from error
