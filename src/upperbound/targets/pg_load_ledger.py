"""What loads of data sets write down beside their tables, so that one that was killed goes on where it stopped.

Two tables in the data sets' own schema. ``upperbound_data`` has one line for each data set, from the beginning of its
load until the data set is dropped: what it is. ``upperbound_data_parts`` has one line for each step that is done,
written in the transaction that did it; a load that has ended well removes its lines, and the last one the table.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg

from upperbound.errors import ConfigurationError
from upperbound.targets.datasets.dataset import DataSet, Part, Recipe
from upperbound.targets.pg_describe import Connection

DATA_TABLE: Final = "upperbound_data"
PARTS_TABLE: Final = "upperbound_data_parts"
FINISH: Final = "(finish)"
"""Stands for a table's name in the lines of the statements that follow the rows."""

_CREATE: Final[tuple[LiteralString, ...]] = (
    """
    CREATE TABLE IF NOT EXISTS upperbound_data (
        data_set text PRIMARY KEY,
        scale integer NOT NULL,
        seed bigint NOT NULL,
        begun_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS upperbound_data_parts (
        data_set text,
        step text,
        number integer,
        rows bigint NOT NULL,
        PRIMARY KEY (data_set, step, number)
    )
    """,
)
_RELATIONS: Final[LiteralString] = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = ANY(%s) ORDER BY 1
"""
_LOCK_CLASS: Final = 0x55426461
_LOCK_WAIT: Final = "2s"
"""As long as a server may take to see that a process that was killed has gone."""


@dataclass(frozen=True)
class DataLine:
    """What is written down about one data set."""

    recipe: Recipe
    finished: bool


class Ledger:
    """Reads and writes the two tables over one connection, whose ``search_path`` is the schema.

    No method commits by itself: in autocommit mode each statement counts at once, in a transaction with the rest.
    """

    def __init__(self, connection: Connection, schema: str, data_set: DataSet) -> None:
        self._connection, self._schema, self._data_set = connection, schema, data_set

    def lock(self) -> None:
        """Keep other loads out of the schema for the life of the connection.

        Raises:
            ConfigurationError: another load is at work there.
        """
        key = zlib.crc32(self._schema.encode()) - 2**31
        try:
            with self._connection.transaction():
                self._connection.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_WAIT])
                self._connection.execute("SELECT pg_advisory_lock(%s, %s)", [_LOCK_CLASS, key])
        except psycopg.errors.LockNotAvailable:
            raise ConfigurationError(
                f"another load is at work in schema {self._schema}",
                hint="wait for its end or stop it; of one that was killed the server may not know yet",
            ) from None

    def existing(self) -> list[str]:
        """Return the names of the data set's tables, views and sequences that are in the schema."""
        return self._relations(self._data_set.relations)

    def line(self) -> DataLine | None:
        """Return what is written down about the data set; None when nothing is."""
        if not self._relations((DATA_TABLE,)):
            return None
        row = self._connection.execute(
            "SELECT scale, seed, finished_at IS NOT NULL FROM upperbound_data WHERE data_set = %s",
            [self._data_set.name],
        ).fetchone()
        return None if row is None else DataLine(Recipe(row[0], row[1]), row[2])

    def begin(self, recipe: Recipe) -> None:
        """Write down that a load begins."""
        for statement in _CREATE:
            self._connection.execute(statement)
        self._connection.execute(
            "INSERT INTO upperbound_data (data_set, scale, seed) VALUES (%s, %s, %s)",
            [self._data_set.name, recipe.scale, recipe.seed],
        )

    def done(self) -> Mapping[tuple[str, int], int]:
        """Return the rows of each step that is done, by its table and number."""
        found = self._connection.execute(
            "SELECT step, number, rows FROM upperbound_data_parts WHERE data_set = %s", [self._data_set.name]
        )
        return {(step, number): rows for step, number, rows in found}

    def claim(self, step: str, number: int, rows: int) -> bool:
        """Write down, in the transaction that does it, that a step is done; False when it is done already.

        Waits for a transaction that has claimed the same step, and which a killed load may have left.
        """
        found = self._connection.execute(
            "INSERT INTO upperbound_data_parts (data_set, step, number, rows) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING RETURNING 1",
            [self._data_set.name, step, number, rows],
        ).fetchone()
        return found is not None

    def claim_part(self, part: Part) -> bool:
        """Claim a part of a table."""
        return self.claim(*part.key, len(part.rows))

    def finish(self) -> None:
        """Write down that the data set is whole, and remove the lines of its steps."""
        self._connection.execute(
            "UPDATE upperbound_data SET finished_at = now() WHERE data_set = %s", [self._data_set.name]
        )
        self._remove_steps()

    def forget(self) -> None:
        """Remove everything that is written down about the data set."""
        if self._relations((DATA_TABLE,)):
            self._connection.execute("DELETE FROM upperbound_data WHERE data_set = %s", [self._data_set.name])
        self._remove_steps()
        if self._relations((DATA_TABLE,)) and self._is_empty("SELECT 1 FROM upperbound_data LIMIT 1"):
            self._connection.execute("DROP TABLE upperbound_data")

    def _remove_steps(self) -> None:
        if not self._relations((PARTS_TABLE,)):
            return
        self._connection.execute("DELETE FROM upperbound_data_parts WHERE data_set = %s", [self._data_set.name])
        if self._is_empty("SELECT 1 FROM upperbound_data_parts LIMIT 1"):
            self._connection.execute("DROP TABLE upperbound_data_parts")

    def _relations(self, names: tuple[str, ...]) -> list[str]:
        return [row[0] for row in self._connection.execute(_RELATIONS, [self._schema, list(names)])]

    def _is_empty(self, query: LiteralString) -> bool:
        return self._connection.execute(query).fetchone() is None
