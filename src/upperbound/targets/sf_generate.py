"""The four canonical operations for a table of Snowflake's, decided from its catalog entry and its rows."""

from collections.abc import Callable
from typing import Any, Final

from upperbound.domain.expectation import Expect
from upperbound.scenario.identifiers import quote_name
from upperbound.scenario.kinds import OperationKind, TableType
from upperbound.scenario.params import Param, PoolParam, SequenceParam, SequenceSource, UuidParam, UuidRepeat
from upperbound.targets.catalog import ColumnEntry, TableEntry
from upperbound.targets.generate import Answer, column_to_change
from upperbound.targets.generate_insert import VALUE_POOL
from upperbound.targets.generate_keys import Key, key_params, listed, row_key, scan_key, scan_width, stated_key
from upperbound.targets.generated import CANONICAL, NAME_A_KEY, Generated, NoAnswer, Refusal, TableFacts
from upperbound.targets.pg_types import Family
from upperbound.targets.sf_connection import query
from upperbound.targets.sf_session_type import Session
from upperbound.targets.sf_tables import SnowflakeTable

ROWS_LOOKED_AT: Final = 10_000
"""A column without a value in so many rows counts as empty."""
_ROWS_WHERE: Final = "SELECT * FROM {table} WHERE"
_CHANGE: Final = "UPDATE {table} SET"
_ADD: Final = "INSERT INTO {table}"
_UUID_LENGTH: Final = 36
_NO_PARAMETER: Final = (Family.JSON, Family.OTHER)
_NOT_WRITTEN: Final = {
    None: "a view is for reading here; write to the tables behind it",
    TableType.DYNAMIC: "a dynamic table is for reading: Snowflake alone changes it",
    TableType.INTERACTIVE: "an interactive table takes no single rows: it is filled as a whole",
}


def snowflake_facts(session: Session, table: SnowflakeTable, entry: TableEntry) -> TableFacts:
    """Look at the first rows of a table, and at both ends of a key of whole numbers.

    Columns whose values cannot be parameters count as empty. Raises :class:`TargetMismatch` when this role may not read
    the table.
    """
    counts = ", ".join(f"COUNT({quote_name(column.name)}) AS c{place}" for place, column in enumerate(entry.columns))
    # Every name is quoted; a parameter cannot stand for one.
    looked = f"SELECT COUNT(*) AS n, {counts} FROM (SELECT * FROM {table.name.quoted} LIMIT {ROWS_LOOKED_AT}) AS t"  # noqa: S608
    row = query(session, looked)[0]
    empty = {
        column.name
        for place, column in enumerate(entry.columns)
        if not row[f"c{place}"] or column.family in _NO_PARAMETER
    }
    key, bounds = row_key(entry), dict[str, tuple[int, int]]()
    if key is not None and key.single is not None and key.single.family is Family.INTEGER and row["n"]:
        name = quote_name(key.single.name)
        ends = query(session, f"SELECT MIN({name}) AS low, MAX({name}) AS high FROM {table.name.quoted}")[0]  # noqa: S608
        bounds[key.single.name] = (int(ends["low"]), int(ends["high"]))
    return TableFacts(bool(row["n"]), frozenset(empty), bounds)


def generate_for_snowflake(
    table: TableEntry, facts: TableFacts, kind: TableType | None, key: str | None = None
) -> tuple[Answer, ...]:
    """Return a statement or a refusal for each of the four canonical operations, in their order.

    ``kind`` is the kind of table, None for a view; ``key`` is a column that the user vouches for, by its true name.
    Raises KeyError when there is no such column.
    """
    named = stated_key(table, key) if key is not None else None
    makers: dict[OperationKind, Callable[[], Generated]] = {
        OperationKind.POINT_LOOKUP: lambda: _point_lookup(table, facts, kind, named),
        OperationKind.RANGE_SCAN: lambda: _range_scan(table, facts, kind, named),
        OperationKind.INSERT: lambda: _written(kind, lambda: _insert(table, facts)),
        OperationKind.UPDATE: lambda: _written(kind, lambda: _update(table, facts, kind)),
    }
    answers: list[Answer] = []
    for operation in CANONICAL:
        try:
            answers.append(makers[operation]())
        except NoAnswer as reason:
            answers.append(Refusal(operation, str(reason)))
    return tuple(answers)


def _single(key: Key | None) -> tuple[Key, ColumnEntry]:
    """Return a key of one column, and the column."""
    if key is None:
        raise NoAnswer(f"there is no primary key, and one row cannot be told from the others; {NAME_A_KEY}")
    if key.single is None:
        raise NoAnswer(
            f"{key.what} has several columns: values that are drawn apart need not be there together; {NAME_A_KEY}"
        )
    return key, key.single


def _how(kind: TableType | None, key: Key) -> str:
    """Return how Snowflake finds rows by a key, in a sentence."""
    if key.stated:
        return f"Key: {key.what}; Snowflake does not say that it finds one row alone."
    if kind is TableType.HYBRID:
        return f"Key: {key.what}; a hybrid table finds the row by its index."
    return f"Key: {key.what}; it is not enforced, and rows are found by what micro-partitions say of their values."


def _point_lookup(table: TableEntry, facts: TableFacts, kind: TableType | None, named: Key | None) -> Generated:
    key, column = _single(named or row_key(table))
    params, values = key_params(table, facts, key)
    sql = f"{_ROWS_WHERE} {column.quoted} = ?"
    one = Expect.ONE if key.unique and kind is TableType.HYBRID else None
    return Generated(OperationKind.POINT_LOOKUP, sql, tuple(params), (_how(kind, key), values), one)


def _range_scan(table: TableEntry, facts: TableFacts, kind: TableType | None, named: Key | None) -> Generated:
    key, column = _single(named or scan_key(table))
    width, why_width = scan_width(table)
    params, values = key_params(table, facts, key, width)
    sql = f"{_ROWS_WHERE} {column.quoted} >= ? ORDER BY {column.quoted} LIMIT {width}"
    return Generated(OperationKind.RANGE_SCAN, sql, tuple(params), (_how(kind, key), why_width, values))


def _update(table: TableEntry, facts: TableFacts, kind: TableType | None) -> Generated:
    key, by = _single(row_key(table))
    params, values = key_params(table, facts, key)
    column, why = column_to_change(table, facts, key)
    sql = f"{_CHANGE} {column.quoted} = ? WHERE {by.quoted} = ?"
    sources: tuple[Param, ...] = (PoolParam(pool=column.quoted, limit=VALUE_POOL), *params)
    one = Expect.ONE if kind is TableType.HYBRID else None
    return Generated(OperationKind.UPDATE, sql, sources, (_how(kind, key), values, why), one)


def _insert(table: TableEntry, facts: TableFacts) -> Generated:
    """Return the INSERT: ids are made by the application, other values are sampled, the rest is left to Snowflake."""
    fresh = _fresh_columns(table)
    names: list[str] = []
    params: list[Param] = []
    sampled: list[str] = []
    left: list[str] = []
    for column in table.columns:
        if column.identity is not None or (column.default is not None and column.name not in fresh):
            continue
        source: Param | None = fresh.get(column.name)
        if source is None:
            if not facts.has_rows or column.name in facts.empty_columns:
                if not column.nullable:
                    raise NoAnswer(f"column {column.quoted} needs a value, and there is nothing to sample one from")
                left.append(column.quoted)
                continue
            source = PoolParam(pool=column.quoted, limit=VALUE_POOL)
            sampled.append(column.quoted)
        names.append(column.quoted)
        params.append(source)
    if not names:
        raise NoAnswer("no column is left that a statement could give a value")
    sql = f"{_ADD} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    reasons = [f"Key: {name} gets a value of its own from the application." for name in fresh]
    if sampled:
        reasons.append(f"Values of {listed(sampled)}: sampled from the column, its NULLs left out.")
    if left:
        reasons.append(f"Left NULL: {listed(left)} (no value to sample was found, or it cannot be a parameter).")
    return Generated(OperationKind.INSERT, sql, tuple(params), tuple(reasons))


def _fresh_columns(table: TableEntry) -> dict[str, Param]:
    """Return where values come from that no row has yet: one column for each unique key."""
    fresh: dict[str, Param] = {}
    for index in table.indexes:
        columns = [table.column(name) for name in index.columns]
        if not index.unique or any(column.name in fresh or column.identity is not None for column in columns):
            continue
        found = [(column, source) for column in columns if (source := _fresh(column)) is not None]
        if not found:
            raise NoAnswer(
                f"{index.name} keeps {listed(index.columns)} unique, and no new values can be made up for it"
            )
        column, source = next((pair for pair in found if isinstance(pair[1], SequenceParam)), found[0])
        fresh[column.name] = source
    return fresh


def _fresh(column: ColumnEntry) -> Param | None:
    if column.family is Family.INTEGER:
        return SequenceParam(sequence=SequenceSource(after=column.quoted))
    if column.family is Family.TEXT and (column.max_length is None or column.max_length >= _UUID_LENGTH):
        return UuidParam(uuid=UuidRepeat.RANDOM)
    return None


def _written(kind: TableType | None, make: Callable[[], Generated]) -> Generated:
    if kind in _NOT_WRITTEN:
        raise NoAnswer(_NOT_WRITTEN[kind])
    return make()


def target_of(target: dict[str, Any], kind: TableType | None) -> dict[str, Any]:
    """Return the plain form of a scenario's target with the kind of its table."""
    return {**target, "table_type": (kind or TableType.STANDARD).value}
