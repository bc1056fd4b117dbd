"""What a data set is: tables with rows that any part of can be made again alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

ROWS_PER_PART: Final = 100_000
"""Rows that are loaded in one transaction: what a load that was killed has to do again, at most, for each job."""
ROWS_PER_CHUNK: Final = 5_000
"""Rows that are made and sent at once."""


@dataclass(frozen=True)
class Recipe:
    """What decides every value of a data set."""

    scale: int
    """How large it is; 1 is the size that the data set's description states."""
    seed: int
    """The same seed gives the same rows, whatever parts they are made in."""


@dataclass(frozen=True)
class DataTable:
    """One table of a data set. Its rows are numbered from 1."""

    name: str
    """Without the schema."""
    create: Callable[[int], str]
    """Returns the statement that creates the table for a scale, without keys and indexes."""
    rows: Callable[[int], int]
    """Returns how many rows it holds at a scale."""
    make: Callable[[Recipe, range], bytes]
    """Returns the rows of these numbers as COPY takes them; no row depends on which others are asked for."""
    binary: bool = True
    """Whether :attr:`make` gives COPY's binary format, without its header and trailer, or lines of its text format."""
    rows_per_part: int = ROWS_PER_PART
    """Fewer where rows are wide."""


@dataclass(frozen=True)
class DataSet:
    """Tables that belong together, in the order in which they are created."""

    name: str
    about: str
    """What it is and who needs it, in one sentence."""
    size: str
    """What scale 1 is."""
    tables: tuple[DataTable, ...]
    finish: tuple[str, ...]
    """Statements that follow when every row is there: keys, indexes, sequences, views."""
    views: tuple[str, ...] = ()
    """Names of views that :attr:`finish` creates."""
    sequences: tuple[str, ...] = ()
    """Names of sequences that :attr:`finish` creates; they go with their tables."""
    max_scale: int = 10_000
    """The largest scale whose numbers fit the columns."""

    @property
    def relations(self) -> tuple[str, ...]:
        """The names of everything that it puts into a schema beside indexes."""
        return (*self.views, *(table.name for table in self.tables), *self.sequences)

    def rows(self, scale: int) -> dict[str, int]:
        """Return the number of rows of each table."""
        return {table.name: table.rows(scale) for table in self.tables}


@dataclass(frozen=True)
class Part:
    """Neighbouring rows of one table that are loaded in one transaction."""

    table: DataTable
    number: int
    """Counted from 0 within the table."""
    rows: range

    @property
    def key(self) -> tuple[str, int]:
        """What the part is called where loads are written down."""
        return self.table.name, self.number

    def chunks(self) -> Iterator[range]:
        """Return the rows in the pieces that are sent."""
        for first in range(self.rows.start, self.rows.stop, ROWS_PER_CHUNK):
            yield range(first, min(first + ROWS_PER_CHUNK, self.rows.stop))


def plan_parts(tables: Sequence[DataTable], scale: int) -> list[Part]:
    """Return the parts of all tables; each row is in exactly one, and a table without rows has none."""
    return [
        Part(table, number, range(first, min(first + table.rows_per_part, total + 1)))
        for table in tables
        for total in (table.rows(scale),)
        for number, first in enumerate(range(1, total + 1, table.rows_per_part))
    ]
