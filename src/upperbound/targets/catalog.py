"""What a database holds, as every target's catalog tells it: databases, schemas, tables, views, columns, keys, indexes.

The values are the same for every kind of database, so that what reads them (the command line, the generator of
statements) need not know which one they came from.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, Protocol, TypeVar

from upperbound.errors import ConfigurationError
from upperbound.targets.pg_types import Family

PAGE_SIZE: Final = 100
"""Entries of a page, unless asked otherwise."""
PAGE_SIZE_MAX: Final = 1_000

Entry = TypeVar("Entry")


class ObjectKind(StrEnum):
    """What a relation is."""

    TABLE = "table"
    """Rows of its own; a partition is one as well."""
    PARTITIONED_TABLE = "partitioned table"
    """Its rows are in its partitions."""
    VIEW = "view"
    """A query with a name."""
    MATERIALIZED_VIEW = "materialized view"
    """The result of a query, kept until it is refreshed."""
    FOREIGN_TABLE = "foreign table"
    """Its rows are in another server."""


class Identity(StrEnum):
    """Who gives the values of an identity column."""

    ALWAYS = "ALWAYS"
    """The server alone."""
    BY_DEFAULT = "BY DEFAULT"
    """The server, where a statement gives none."""


class PartitionStrategy(StrEnum):
    """How rows are divided among partitions."""

    RANGE = "RANGE"
    """By bounds: a value beyond them has no partition."""
    LIST = "LIST"
    """By listed values: another one has no partition."""
    HASH = "HASH"
    """By a hash: every value has a partition."""


@dataclass(frozen=True)
class DatabaseEntry:
    """A database of the server."""

    name: str
    owner: str
    current: bool
    """The one this connection is to; the others' schemas cannot be seen from here."""
    size_bytes: int | None
    """On disk; None where this user may not connect."""


@dataclass(frozen=True)
class SchemaEntry:
    """A schema of the current database."""

    name: str
    quoted: str
    """As it is written in statements: in quotes where it needs them."""
    owner: str
    object_count: int
    """Tables and views in it."""
    usable: bool
    """This user may name what is in it."""


@dataclass(frozen=True)
class ObjectEntry:
    """A table or view."""

    schema: str
    name: str
    quoted: str
    """``schema.name`` as it is written in statements and in ``target.table``."""
    kind: ObjectKind
    row_estimate: int | None
    """What the server last counted or estimated, those of partitions together; None when it has no idea."""
    table_bytes: int | None
    """Rows on disk, without indexes; None where nothing is kept."""
    index_bytes: int | None
    partition_of: str | None
    """The table it is a partition of, as written in statements."""
    readable: bool
    """This user may read at least one of its columns."""


@dataclass(frozen=True)
class ColumnEntry:
    """A column of a table or view."""

    name: str
    quoted: str
    """As it is written in statements: in quotes where it needs them."""
    position: int
    """Rises with the order of columns; dropped ones leave gaps."""
    type: str
    """As the server writes it, with its length."""
    base_type: str
    """The type under a domain, without its length; else the type itself."""
    family: Family
    """Of the base type."""
    domain: bool
    max_length: int | None
    """Characters that fit; None for no limit, or no text."""
    nullable: bool
    default: str | None
    """The default's expression; None for none, and for generated columns."""
    identity: Identity | None
    generated: bool
    """Computed from other columns: no statement can give it a value."""


@dataclass(frozen=True)
class IndexEntry:
    """An index of a table."""

    name: str
    columns: tuple[str, ...]
    """Names of the columns it orders by, without expressions and without columns that are only carried along."""
    unique: bool
    primary: bool
    exclusion: bool
    """Keeps rows apart by other operators than equality."""
    ordered: bool
    """Can return rows in the order of its columns, all ascending."""
    partial: bool
    """Holds rows of a condition only."""
    on_expressions: bool
    """Orders by at least one expression."""
    valid: bool
    """Queries may use it."""


@dataclass(frozen=True)
class ForeignKeyEntry:
    """Columns whose values have to be in another table."""

    name: str
    columns: tuple[str, ...]
    references: str
    """The other table, as written in statements."""


@dataclass(frozen=True)
class CheckEntry:
    """A condition that every row fulfils."""

    name: str
    columns: tuple[str, ...]
    """Those it is about."""


@dataclass(frozen=True)
class Partitioning:
    """How a partitioned table divides its rows."""

    strategy: PartitionStrategy
    columns: tuple[str, ...]
    """Those that decide a row's partition, also as part of an expression."""
    definition: str
    """As the server writes it, such as ``RANGE (created_at)``."""
    has_default: bool
    """Rows that fit no other partition have one."""


@dataclass(frozen=True)
class TableEntry:
    """Everything the catalog tells of one table or view."""

    object: ObjectEntry
    columns: tuple[ColumnEntry, ...]
    indexes: tuple[IndexEntry, ...]
    """The primary key first, then by name."""
    foreign_keys: tuple[ForeignKeyEntry, ...]
    checks: tuple[CheckEntry, ...]
    partitioning: Partitioning | None
    is_inherited: bool = False
    """Other tables inherit from it: their rows are read with its own, and its keys do not hold for them."""

    def column(self, name: str) -> ColumnEntry:
        """Return the column of this name; raises KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def primary_key(self) -> IndexEntry | None:
        """The index of the primary key."""
        return next((index for index in self.indexes if index.primary), None)


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is wanted."""

    size: int = PAGE_SIZE
    """Entries at most, 1 to :data:`PAGE_SIZE_MAX`."""
    after: str | None = None
    """Where the page before ended: its ``next``; None for the first page."""
    search: str = ""
    """A part of the name, in any case; every character stands for itself."""

    def __post_init__(self) -> None:
        if not 1 <= self.size <= PAGE_SIZE_MAX:
            raise ConfigurationError(
                f"a page cannot have {self.size} entries", hint=f"ask for 1 to {PAGE_SIZE_MAX}, and for the next page"
            )

    def after_key(self, parts: int) -> tuple[str, ...] | None:
        """Return the key that the page begins after, of ``parts`` parts.

        Raises :class:`ConfigurationError` when ``after`` is not the ``next`` of a page of this list.
        """
        if self.after is None:
            return None
        try:
            key = json.loads(base64.b64decode(self.after.encode(), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError):
            key = None
        if not isinstance(key, list) or len(key) != parts or not all(isinstance(part, str) for part in key):
            raise ConfigurationError(
                f"{self.after!r} is not where a page of this list ended", hint="pass the `next` of the page before it"
            )
        return tuple(key)


@dataclass(frozen=True)
class Page(Generic[Entry]):
    """A part of a list."""

    items: tuple[Entry, ...]
    next: str | None
    """Asks for the page after this one; None on the last page."""


def end_of_page(key: Sequence[str]) -> str:
    """Return the ``next`` of a page whose last entry has this key."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


class Catalog(Protocol):
    """What the lists and entries of any database's catalog must keep to.

    Nothing is changed in the database. The system's own schemas are left out. Each list has a stable order by key, and
    a page begins after a key and not at a number: an entry that is there all the time comes exactly once, whatever is
    created or dropped between two pages. No page has more entries than were asked for, and every page but the last has
    a ``next``. Calls may be repeated.

    Every method raises :class:`~upperbound.errors.ConfigurationError` for a request that cannot be met, and
    :class:`~upperbound.errors.TargetUnreachable` when the connection breaks or the server takes too long.
    """

    def databases(self, page: PageRequest) -> Page[DatabaseEntry]:
        """List the server's databases by name, those that only serve as templates left out."""

    def schemas(self, page: PageRequest) -> Page[SchemaEntry]:
        """List the current database's schemas by name."""

    def objects(self, page: PageRequest, schema: str | None = None) -> Page[ObjectEntry]:
        """List tables and views by schema and name, of one schema when its true name is given.

        The search is for a part of ``schema.name``. The cost of a page grows with the page; that of finding where it
        begins is at most one pass over the names.
        """

    def columns(self, table: str, page: PageRequest) -> Page[ColumnEntry]:
        """List a table's or view's columns in their order; ``table`` is written as in ``target.table``.

        Raises :class:`~upperbound.errors.TargetMismatch` when there is no such table.
        """

    def table(self, table: str) -> TableEntry:
        """Return everything about one table or view; ``table`` is written as in ``target.table``.

        Raises :class:`~upperbound.errors.TargetMismatch` when there is none, with names that may be meant.
        """
