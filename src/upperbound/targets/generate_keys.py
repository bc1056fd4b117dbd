"""Which key a statement finds its rows by, and where the key's values come from. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from upperbound.scenario.params import POOL_LIMIT, Param, PoolParam, RangeParam
from upperbound.targets.catalog import ColumnEntry, IndexEntry, ObjectKind, TableEntry
from upperbound.targets.generated import NoAnswer, TableFacts
from upperbound.targets.pg_types import Family

KEY_POOL: Final = 100_000
"""Keys sampled from a table with more rows than the default pool holds."""
DENSE_RATIO: Final = 0.95
"""Rows to whole numbers between the lowest and the highest key, from which on any of these numbers will do."""
WRITABLE: Final = (ObjectKind.TABLE, ObjectKind.PARTITIONED_TABLE)


@dataclass(frozen=True)
class Key:
    """Columns that rows are found by."""

    columns: tuple[ColumnEntry, ...]
    what: str
    """What it is, for explanations: ``the primary key (id)``."""
    unique: bool
    """No two rows share its values."""
    stated: bool = False
    """The user named it; the server does not vouch for it."""

    @property
    def single(self) -> ColumnEntry | None:
        """Its column, when there is one alone."""
        return self.columns[0] if len(self.columns) == 1 else None

    @property
    def tuple_sql(self) -> str:
        """Its columns, as a row in brackets."""
        return f"({self.list_sql})"

    @property
    def list_sql(self) -> str:
        """Its columns, separated by commas."""
        return ", ".join(column.quoted for column in self.columns)


def row_key(table: TableEntry) -> Key | None:
    """Return the key that tells one row from all others: as few columns as possible, the primary key first."""
    candidates = [index for index in table.indexes if _tells_rows_apart(table, index)]
    if not candidates or table.is_inherited:
        return None
    index = min(candidates, key=lambda index: (len(index.columns), not index.primary, index.name))
    columns = tuple(table.column(name) for name in index.columns)
    what = "the primary key" if index.primary else f"the unique index {index.name}"
    return Key(columns, f"{what} ({', '.join(column.quoted for column in columns)})", unique=True)


def stated_key(table: TableEntry, name: str) -> Key:
    """Return the key that the user named; raises KeyError when the table has no such column."""
    column = table.column(name)
    return Key((column,), f"the column {column.quoted}, which you named as key", unique=False, stated=True)


def scan_key(table: TableEntry) -> Key | None:
    """Return the key whose order brings rows that belong together side by side; None when there is none.

    Random identifiers have an order, but neighbours in it have nothing in common.
    """
    key = row_key(table)
    if key is not None and _has_sense(key.columns[0]):
        return key
    usable = [index for index in table.indexes if _is_plain(index) and _has_sense(table.column(index.columns[0]))]
    if not usable or table.is_inherited:
        return None
    times = [index for index in usable if table.column(index.columns[0]).family is Family.TIME]
    index = min(times or usable, key=lambda index: (len(index.columns), index.name))
    column = table.column(index.columns[0])
    return Key((column,), f"the index {index.name}, which begins with {column.quoted}", unique=False)


def key_params(table: TableEntry, facts: TableFacts, key: Key, width: int = 1) -> tuple[list[Param], str]:
    """Return a source for each column of the key, and the sentence that says what the values are.

    ``width`` is how many rows a statement reads from there on. Raises :class:`NoAnswer` when there are no values.
    """
    if not facts.has_rows:
        raise NoAnswer("the table is empty: there is no key to look for; fill it and generate again")
    empty = [column.quoted for column in key.columns if column.name in facts.empty_columns]
    if empty:
        raise NoAnswer(f"the key's column {empty[0]} holds no value in the rows that were looked at")
    rows = table.object.row_estimate
    bounds = facts.key_bounds.get(key.columns[0].name) if key.single and key.unique else None
    if bounds is not None and rows is not None and rows >= DENSE_RATIO * (bounds[1] - bounds[0] + 1):
        low, high = bounds[0], max(bounds[0], bounds[1] - width + 1)
        told = f"Values: whole numbers from {low} to {high}, each equally likely; nearly all of them are there."
        return [RangeParam(range=(low, high))], told
    limit = POOL_LIMIT if rows is not None and rows <= POOL_LIMIT else KEY_POOL
    told = f"Values: up to {limit:,} sampled from the column before the run"
    if len(key.columns) > 1:
        told += ", for each column of the key by itself"
    if rows is None or rows > limit:
        told += "; rows beyond the sample are not asked for"
    if table.partitioning and len(key.columns) > 1:
        told += ". Every partition is looked into, as the next row may be in any"
    return [PoolParam(pool=column.quoted, limit=limit) for column in key.columns], told + "."


def scan_width(table: TableEntry) -> tuple[int, str]:
    """Return how many rows a range scan reads, and the sentence that says why."""
    rows = table.object.row_estimate
    if rows is not None and rows < 1_000:
        width = max(1, rows // 10)
        return width, f"Width: {_rows(width)}, a tenth of the table's {rows}; a longer scan would read it as a whole."
    return 100, "Width: 100 rows, about a screen or a page of a list; the limit keeps it the same where keys have gaps."


def listed(columns: Sequence[str]) -> str:
    """Return names as part of a sentence; of many only the first."""
    shown = ", ".join(columns[:8])
    return f"{shown} and {len(columns) - 8} more" if len(columns) > 8 else shown


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _tells_rows_apart(table: TableEntry, index: IndexEntry) -> bool:
    """Say whether an index finds any row by its columns; several NULLs may stand in a unique column."""
    if not (index.unique and _is_plain(index)):
        return False
    return all(not table.column(name).nullable for name in index.columns)


def _is_plain(index: IndexEntry) -> bool:
    return index.valid and index.ordered and bool(index.columns) and not (index.partial or index.on_expressions)


def _has_sense(column: ColumnEntry) -> bool:
    """Say whether neighbours in the order of a column have something to do with each other."""
    return column.family in (Family.INTEGER, Family.NUMBER, Family.TEXT, Family.TIME)
