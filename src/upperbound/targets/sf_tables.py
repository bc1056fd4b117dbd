"""What Snowflake tells of one table: its kind, its columns and keys, at the cost of some metadata queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from upperbound.domain.value_pools import TableState
from upperbound.errors import Problem, TargetMismatch
from upperbound.scenario.identifiers import SNOWFLAKE, TableName, parse_table, quote_name
from upperbound.scenario.kinds import TableType
from upperbound.targets.sf_connection import query, value_of
from upperbound.targets.sf_session_type import Session
from upperbound.targets.sf_types import SnowflakeType, column_kind

_YES: Final = ("Y", "YES", "TRUE", True)
_OF_KIND: Final = (
    ("HYBRID TABLES", TableType.HYBRID),
    ("DYNAMIC TABLES", TableType.DYNAMIC),
    ("INTERACTIVE TABLES", TableType.INTERACTIVE),
)
"""What lists tables of one kind alone."""


@dataclass(frozen=True)
class SnowflakeColumn:
    """A column of a table or view."""

    name: str
    type: str
    """As Snowflake writes it, such as ``NUMBER(38,0)``."""
    nullable: bool
    default: str | None
    in_primary_key: bool

    @property
    def kind(self) -> SnowflakeType:
        """What its values are to a parameter."""
        return column_kind(self.type)

    @property
    def computed(self) -> bool:
        """Whether Snowflake gives its values: a default that counts, or a column that is computed."""
        return self.default is not None and "IDENTITY" in self.default.upper()


@dataclass(frozen=True)
class SnowflakeTable:
    """A table or view that is there."""

    name: TableName
    """With database and schema."""
    kind: TableType | None
    """None for a view."""
    columns: tuple[SnowflakeColumn, ...]
    rows: int | None
    """What Snowflake counts; None for a view."""
    created_on: str
    """When it was made, as Snowflake writes it."""
    refresh: str = ""
    """Of a dynamic table: how far behind it may be, in words; empty for any other."""

    def column(self, name: str) -> SnowflakeColumn | None:
        """Return the column of this name, in its true case; None when there is none."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def primary_key(self) -> tuple[SnowflakeColumn, ...]:
        """The columns of the primary key, in the order of the table."""
        return tuple(column for column in self.columns if column.in_primary_key)

    @property
    def state(self) -> TableState:
        """What is compared with what it is later."""
        return TableState(f"{self.name.quoted} {self.created_on}", None, self.rows)


def current_place(connection: Session) -> tuple[str | None, str | None]:
    """Return database and schema of a session."""
    rows = query(connection, "SELECT CURRENT_DATABASE() AS database_name, CURRENT_SCHEMA() AS schema_name")
    return rows[0]["database_name"], rows[0]["schema_name"]


def full_name(connection: Session, table: str) -> TableName:
    """Return the whole name of a table that is written as in ``target.table``.

    Raises :class:`TargetMismatch` when neither it nor the session says where it is.
    """
    name = parse_table(table, SNOWFLAKE)
    if name.database is not None:
        return name
    database, schema = current_place(connection)
    schema = name.schema or schema
    if database is None or schema is None:
        missing = "database" if database is None else "schema"
        problem = Problem("target.table", f"{table}: the session has no {missing}", f"set target.{missing}")
        raise TargetMismatch("the table cannot be found", problems=[problem])
    return TableName(schema, name.name, database)


def read_table(connection: Session, table: str) -> SnowflakeTable:
    """Return a table or view, written as in ``target.table``.

    Raises :class:`TargetMismatch` when there is none that this role may see, with names that may be meant.
    """
    name = full_name(connection, table)
    try:
        described = query(connection, f"DESCRIBE TABLE {name.quoted}")
    except TargetMismatch as error:
        hint = _similar(connection, name)
        raise TargetMismatch(error.message, problems=[Problem("target.table", f"{table} is not there", hint)]) from None
    columns = tuple(_column(row) for row in described)
    shown = _shown(connection, "TABLES", name)
    kind = _kind(connection, name, shown)
    rows = value_of(shown, "rows") if shown else None
    return SnowflakeTable(
        name,
        kind,
        columns,
        int(rows) if rows is not None and kind is not None else None,
        str(value_of(shown or {}, "created_on") or ""),
        _refresh(connection, name) if kind is TableType.DYNAMIC else "",
    )


def _column(row: Mapping[str, Any]) -> SnowflakeColumn:
    return SnowflakeColumn(
        name=str(row["name"]),
        type=str(row["type"]),
        nullable=value_of(row, "null?", "null") in _YES,
        default=row.get("default"),
        in_primary_key=value_of(row, "primary key", "primary_key") in _YES,
    )


def _kind(connection: Session, name: TableName, shown: Mapping[str, Any] | None) -> TableType | None:
    """Return the kind of a table; None for a view."""
    flags = (
        ("is_hybrid", TableType.HYBRID),
        ("is_dynamic", TableType.DYNAMIC),
        ("is_interactive", TableType.INTERACTIVE),
    )
    for flag, kind in flags:
        if shown and shown.get(flag) in _YES:
            return kind
    for what, kind in _OF_KIND:
        # Only where the list of all tables does not tell: an account may not know a kind.
        if not shown or _flag_of(kind) not in shown:
            try:
                if _shown(connection, what, name):
                    return kind
            except TargetMismatch:
                continue
    if shown and "VIEW" not in str(shown.get("kind", "")).upper():
        return TableType.STANDARD
    return None if _shown(connection, "VIEWS", name) or shown is None else TableType.STANDARD


def _flag_of(kind: TableType) -> str:
    return f"is_{kind.value.lower()}"


def _shown(connection: Session, what: str, name: TableName) -> dict[str, Any] | None:
    """Return what a SHOW tells of one object; None when it is not among them."""
    assert name.database is not None, "the name is whole"
    assert name.schema is not None, "the name is whole"
    place = f"{quote_name(name.database)}.{quote_name(name.schema)}"
    pattern = name.name.replace("\\", "\\\\").replace("'", "''")
    rows = query(connection, f"SHOW {what} LIKE '{pattern}' IN SCHEMA {place}")
    # LIKE looks at no case, and takes _ for any character.
    return next((row for row in rows if row.get("name") == name.name), None)


def _refresh(connection: Session, name: TableName) -> str:
    """Return how current a dynamic table is, in words."""
    shown = _shown(connection, "DYNAMIC TABLES", name) or {}
    lag, latest = value_of(shown, "target_lag"), value_of(shown, "data_timestamp")
    said = f"target lag {lag}" if lag else "target lag unknown"
    return f"{said}, data of {latest}" if latest else said


def _similar(connection: Session, name: TableName) -> str:
    """Return names of tables of the schema, as a hint; empty when they cannot be read."""
    assert name.database is not None, "the name is whole"
    place = f"{quote_name(name.database)}.{quote_name(name.schema or '')}"
    try:
        rows = query(connection, f"SHOW TABLES IN SCHEMA {place}")
    except TargetMismatch:
        return f"check database and schema, and that the role may use them: {place}"
    names = sorted(str(row.get("name")) for row in rows)[:8]
    return f"{place} has {', '.join(names)}" if names else f"{place} has no table that this role may see"
