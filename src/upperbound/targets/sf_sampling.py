"""Values that stand in a column of a Snowflake table: pools for parameters, and the highest one."""

import math
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from upperbound.domain.value_blocks import ValueBlock, ValueEncoding, integer_block, text_block
from upperbound.errors import TargetMismatch
from upperbound.scenario.identifiers import SNOWFLAKE, parse_column, quote_name
from upperbound.targets.pg_types import Family
from upperbound.targets.sf_connection import outcome_of, query
from upperbound.targets.sf_session_type import Session
from upperbound.targets.sf_tables import SnowflakeTable
from upperbound.targets.sf_types import INTEGER, SnowflakeType, encoding_of

SAMPLE_ROWS_MIN: Final = 200_000
"""Tables with fewer rows are read as a whole."""
SAMPLE_FACTOR: Final = 20
"""Rows to look at for each value wanted, as some values repeat."""
BLOCK_VALUES: Final = 10_000
_MAKE: Final[dict[ValueEncoding, Callable[[Sequence[Any]], ValueBlock]]] = {
    ValueEncoding.INTEGER: integer_block,
    ValueEncoding.TEXT: text_block,
}
# Sorting by a seeded hash makes the choice and its order the same for everyone who asks with the same seed.
_SAMPLE: Final = """
    SELECT value FROM (SELECT DISTINCT {out} AS value FROM {table} {sample} WHERE {column} IS NOT NULL) AS pool
    ORDER BY MD5(CONCAT(CAST(value AS VARCHAR), '{seed}')), value LIMIT {limit}
"""


def sample_blocks(
    connection: Session, table: SnowflakeTable, column: str, limit: int, seed: int
) -> Generator[ValueBlock, None, None]:
    """Yield up to ``limit`` distinct values of a column in blocks, NULL left out, chosen and ordered by ``seed``.

    Equal calls on unchanged data yield equal values. Of a large table some rows are read only, so that a rare value may
    be missing. Nothing is yielded for a column that holds no value. ``column`` is in its true case.

    Raises :class:`TargetMismatch` when the column is not there, cannot be read, or holds what cannot be a parameter.
    """
    kind = sampled_kind(table, column)
    name = quote_name(column)
    make = _MAKE[encoding_of(kind)]
    out = name if kind is INTEGER else f"CAST({name} AS VARCHAR)"
    texts = [
        _SAMPLE.format(out=out, column=name, table=table.name.quoted, sample=sample, seed=int(seed), limit=int(limit))
        for sample in _samples(table, limit, seed)
    ]
    for text in texts:
        some = False
        for values in _fetch(connection, text):
            some = True
            yield _block(make, kind, column, values)
        if some:
            return


def sampled_kind(table: SnowflakeTable, column: str) -> SnowflakeType:
    """Return the type of a column. Raises :class:`TargetMismatch` when it is not there or no parameter takes it."""
    found = table.column(column)
    if found is None:
        names = ", ".join(one.name for one in table.columns[:12])
        raise TargetMismatch(f"{table.name.quoted} has no column {column}", hint=f"it has {names}")
    if found.kind.family in (Family.OTHER, Family.JSON):
        raise TargetMismatch(f"values of column {column}, of type {found.type}, cannot be parameters")
    return found.kind


def max_value(connection: Session, table: SnowflakeTable, column: str) -> int:
    """Return the highest value of a column of whole numbers, written as in SQL; 0 when it holds none.

    Raises :class:`TargetMismatch` when there is no such column or it holds no whole numbers.
    """
    name = parse_column(column, SNOWFLAKE)
    if sampled_kind(table, name) is not INTEGER:
        raise TargetMismatch(
            f"column {column} of {table.name.quoted} holds no whole numbers",
            hint="a sequence can follow a column of whole numbers only",
        )
    # Both names are quoted; a parameter cannot stand for either.
    text = f"SELECT MAX({quote_name(name)}) AS highest FROM {table.name.quoted}"  # noqa: S608
    rows = query(connection, text)
    return int(rows[0]["highest"] or 0)


def _samples(table: SnowflakeTable, limit: int, seed: int) -> list[str]:
    """Return what to read of a table: some of its rows, and all of them should there be none among those."""
    wanted = max(SAMPLE_ROWS_MIN, limit * SAMPLE_FACTOR)
    if table.rows is None or table.kind is None or table.rows < 2 * wanted:
        return [""]
    # A power of two, so that another count of the rows rarely makes another sample.
    share_pct = 100.0 * 0.5 ** math.floor(math.log2(table.rows / wanted))
    return [f"SAMPLE ROW ({share_pct:.10g}) SEED ({seed % 2**31})", ""]


def _fetch(connection: Session, text: str) -> Generator[list[Any], None, None]:
    import snowflake.connector

    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            while rows := cursor.fetchmany(BLOCK_VALUES):
                yield [row[0] for row in rows]
    except snowflake.connector.errors.Error as error:
        failure = TargetMismatch(f"values cannot be sampled: {outcome_of(error)[2]}")
    else:
        return
    raise failure


def _block(
    make: Callable[[Sequence[Any]], ValueBlock], kind: SnowflakeType, column: str, values: list[Any]
) -> ValueBlock:
    try:
        return make([int(value) for value in values] if kind is INTEGER else [_text(value) for value in values])
    except (OverflowError, ValueError) as error:
        raise TargetMismatch(f"values of column {column} cannot be parameters: {error}") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
