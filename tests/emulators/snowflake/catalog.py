"""What the emulator remembers of tables beyond what its engine knows: their type, keys and indexes."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

Name = tuple[str, str, str]
"""Database, schema and object, as stored."""


class TableKind(Enum):
    """The types of tables that a benchmark tells apart."""

    STANDARD = "STANDARD"
    HYBRID = "HYBRID"
    INTERACTIVE = "INTERACTIVE"
    DYNAMIC = "DYNAMIC"


@dataclass(frozen=True)
class Key:
    """A unique key, or the primary one."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class ForeignKey:
    """Columns that refer to those of another table; ``parent`` may lack database and schema."""

    name: str
    columns: tuple[str, ...]
    parent: tuple[str, ...]
    parent_columns: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """A secondary index of a hybrid table."""

    name: str
    columns: tuple[str, ...]
    include: tuple[str, ...] = ()
    unique: bool = False


@dataclass
class Table:
    """A table that was created through the emulator."""

    name: Name
    kind: TableKind = TableKind.STANDARD
    primary_key: Key | None = None
    unique_keys: tuple[Key, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: list[Index] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    query: str | None = None
    """What a dynamic table is made from."""
    refreshed: datetime = field(default_factory=lambda: datetime.now(UTC))


class Catalog:
    """The tables of all databases; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[Name, Table] = {}

    def add(self, table: Table) -> None:
        """Remember a table in place of one of the same name."""
        with self._lock:
            self._tables[table.name] = table

    def find(self, name: Name) -> Table | None:
        """Return a table, or None for what is none or was created before the emulator looked."""
        with self._lock:
            return self._tables.get(name)

    def kind(self, name: Name) -> TableKind:
        """Return the type of a table; what is not known is a standard one."""
        table = self.find(name)
        return table.kind if table else TableKind.STANDARD

    def inside(self, *prefix: str) -> list[Table]:
        """Return the tables whose name begins with the parts, in the order of their names."""
        with self._lock:
            found = [table for name, table in self._tables.items() if name[: len(prefix)] == prefix]
        return sorted(found, key=lambda table: table.name)

    def forget(self, *prefix: str) -> None:
        """Forget a table, or all of a schema or database."""
        with self._lock:
            for name in [name for name in self._tables if name[: len(prefix)] == prefix]:
                del self._tables[name]

    def rename(self, old: Name, new: Name) -> None:
        """Remember a table by another name."""
        with self._lock:
            if table := self._tables.pop(old, None):
                table.name = new
                self._tables[new] = table


def qualified(parts: tuple[str, ...], database: str | None, schema: str | None) -> Name:
    """Complete a name by the session's database and schema."""
    given = (database or "", schema or "")
    return (*given[: 3 - len(parts)], *parts)  # type: ignore[return-value]
