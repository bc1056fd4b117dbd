"""Values that stand in a column: pools for parameters, and the highest one."""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Final, LiteralString

from psycopg import sql
from psycopg.rows import scalar_row

from upperbound.domain.value_blocks import ValueBlock, ValueEncoding, integer_block, text_block, uuid_block
from upperbound.errors import TargetMismatch
from upperbound.scenario.identifiers import parse_column, parse_table
from upperbound.targets.pg_describe import Connection, StatementFault, describe_one
from upperbound.targets.pg_table_state import reading, table_state
from upperbound.targets.pg_types import Family, PgType, pg_type

SAMPLE_ROWS_MIN = 200_000
"""Tables with fewer rows are read as a whole."""
SAMPLE_FACTOR = 20
"""Rows to look at for each value wanted: a page's rows are often alike, and some values repeat."""
BLOCK_VALUES: Final = 10_000
BLOCK_BYTES: Final = 4 * 2**20
"""A block holds so many values, or about so many bytes of them if that is less."""
_FIRST_FETCH: Final = 100
"""Values that tell how large the others may be."""

_SEED_MASK = 2**63 - 1
_SAMPLE_SEED_MASK = 2**31 - 1

# Sorting by a seeded hash makes the choice and its order the same for everyone who asks with the same seed.
_SAMPLE: LiteralString = """
    SELECT {out} FROM (SELECT DISTINCT {column}{cast} AS value FROM {table} {sample} WHERE {column} IS NOT NULL) AS pool
    ORDER BY hashtextextended(value::text, {seed}), value::text LIMIT {limit}
"""
_MAKE: Final[dict[ValueEncoding, Callable[[Sequence[Any]], ValueBlock]]] = {
    ValueEncoding.INTEGER: integer_block,
    ValueEncoding.UUID: uuid_block,
    ValueEncoding.TEXT: text_block,
}
_OUT: Final[dict[ValueEncoding, LiteralString]] = {
    ValueEncoding.INTEGER: "value",
    ValueEncoding.UUID: "uuid_send(value)",
    ValueEncoding.TEXT: "value::text",
}


def encoding_of(kind: PgType) -> ValueEncoding:
    """Return how values of a type are written in a block."""
    encodings = {Family.INTEGER: ValueEncoding.INTEGER, Family.UUID: ValueEncoding.UUID}
    return encodings.get(kind.family, ValueEncoding.TEXT)


def sample_blocks(
    connection: Connection, table: str, column: str, limit: int, seed: int
) -> Generator[ValueBlock, None, None]:
    """Yield up to ``limit`` distinct values of a column in blocks, NULL left out, chosen and ordered by ``seed``.

    Equal calls on unchanged data yield equal values, whoever asks. Of a large table some pages are read only, so that a
    rare value may be missing; views are read as a whole. The server chooses and sorts before it sends the first value;
    then it sends them block by block, so that no more than one is in memory here. Nothing is yielded for a column that
    holds no value. The connection is in a transaction in between and must not be used for anything else.

    Raises :class:`TargetMismatch` when the table or the column does not exist or cannot be read.
    """
    kind = pg_type(column_type(connection, table, column))
    encoding = encoding_of(kind)

    def query(sample: sql.Composable) -> sql.Composed:
        return sql.SQL(_SAMPLE).format(
            out=sql.SQL(_OUT[encoding]),
            column=_column(column),
            cast=sql.SQL("::text" if kind.as_text else ""),
            table=_table(table),
            sample=sample,
            seed=seed & _SEED_MASK,
            limit=limit,
        )

    some = False
    share_pct = _share_pct(connection, table, limit)
    if share_pct is not None:
        repeatable = sql.SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE ({})").format(share_pct, seed & _SAMPLE_SEED_MASK)
        for block in _stream(connection, query(repeatable), table, encoding):
            some = True
            yield block
    if not some:
        yield from _stream(connection, query(sql.SQL("")), table, encoding)


def _stream(connection: Connection, query: sql.Composed, table: str, encoding: ValueEncoding) -> Iterator[ValueBlock]:
    """Yield the values of a query as a cursor of the server's gives them."""
    make, wanted = _MAKE[encoding], _FIRST_FETCH
    with (
        reading(table),
        connection.transaction(),
        connection.cursor("upperbound_pool", binary=True, row_factory=scalar_row) as cursor,
    ):
        cursor.execute(query)
        while values := cursor.fetchmany(wanted):
            block = make(values)
            yield block
            wanted = max(1, min(BLOCK_VALUES, BLOCK_BYTES * block.count // len(block.memory)))


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

    It is a power of two, so that a new estimate of the table's size rarely makes the next sample another one.
    """
    rows = table_state(connection, table).rows
    wanted = max(SAMPLE_ROWS_MIN, limit * SAMPLE_FACTOR)
    if rows is None or rows < 2 * wanted:
        return None
    return float(100.0 * 0.5 ** math.floor(math.log2(rows / wanted)))


def _execute(connection: Connection, query: sql.Composed, table: str) -> list[tuple[Any, ...]]:
    with reading(table):
        return connection.execute(query).fetchall()
