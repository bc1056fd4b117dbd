"""The four canonical operations for a table, decided from its catalog entry and what its rows tell. No I/O.

Both PostgreSQL table types take the same statements: Snowflake Postgres is a PostgreSQL server.
"""

from collections.abc import Callable
from typing import Final

from upperbound.domain.expectation import Expect
from upperbound.scenario.kinds import OperationKind
from upperbound.scenario.params import Param, PoolParam
from upperbound.targets.catalog import ColumnEntry, ObjectKind, TableEntry
from upperbound.targets.generate_insert import VALUE_POOL, insert, value_sql
from upperbound.targets.generate_keys import (
    WRITABLE,
    Key,
    key_params,
    listed,
    row_key,
    scan_key,
    scan_width,
    stated_key,
)
from upperbound.targets.generated import CANONICAL, NAME_A_KEY, Generated, NoAnswer, Refusal, TableFacts
from upperbound.targets.pg_types import Family

Answer = Generated | Refusal

_ROWS_WHERE: Final = "SELECT * FROM {table} WHERE"
_CHANGE: Final = "UPDATE {table} SET"


def generate(table: TableEntry, facts: TableFacts, key: str | None = None) -> tuple[Answer, ...]:
    """Return a statement or a refusal for each of the four canonical operations, in their order.

    ``key`` is a column that the user vouches for, by its true name: reads of views and of tables without a key go by
    it; writes do not. Raises KeyError when there is no such column.
    """
    named = stated_key(table, key) if key is not None else None
    makers: dict[OperationKind, Callable[[], Generated]] = {
        OperationKind.POINT_LOOKUP: lambda: _point_lookup(table, facts, named),
        OperationKind.RANGE_SCAN: lambda: _range_scan(table, facts, named),
        OperationKind.INSERT: lambda: _written(table, lambda: insert(table, facts)),
        OperationKind.UPDATE: lambda: _written(table, lambda: _update(table, facts)),
    }
    answers: list[Answer] = []
    for kind in CANONICAL:
        try:
            answers.append(makers[kind]())
        except NoAnswer as reason:
            answers.append(Refusal(kind, str(reason)))
    return tuple(answers)


def _point_lookup(table: TableEntry, facts: TableFacts, named: Key | None) -> Generated:
    key = named or row_key(table)
    if key is None:
        raise NoAnswer(_no_key(table, "one row cannot be told from the others"))
    params, values = key_params(table, facts, key)
    if key.single is not None:
        sql = f"{_ROWS_WHERE} {key.single.quoted} = $1"
        why = f"Key: {key.what}; it finds one row."
        if key.stated:
            why = f"Key: {key.what}; the server does not say that it finds one row alone, or that it has an index."
    else:
        sql = f"{_ROWS_WHERE} {_at_or_after(key)} LIMIT 1"
        why = (
            f"Key: {key.what}. Its columns are drawn apart, and a row with just these values need not be there: "
            "this reads the first one from there on, by the index."
        )
    return Generated(OperationKind.POINT_LOOKUP, sql, tuple(params), (why, values), Expect.ONE if key.unique else None)


def _range_scan(table: TableEntry, facts: TableFacts, named: Key | None) -> Generated:
    key = named or scan_key(table)
    if key is None:
        unique = row_key(table)
        if unique is None:
            raise NoAnswer(_no_key(table, "its rows have no order that an index keeps"))
        raise NoAnswer(
            f"neighbours by {unique.what} have nothing in common, and no other index has an order with a meaning; "
            "add one, on a time for example"
        )
    width, why_width = scan_width(table)
    params, values = key_params(table, facts, key, width)
    name = key.single.quoted if key.single is not None else ""
    where = f"{name} >= $1 ORDER BY {name}" if name else _at_or_after(key)
    why = f"Key: {key.what}; in its order rows are read side by side."
    if key.stated:
        why = f"Key: {key.what}; without an index on it every scan reads and sorts everything."
    sql = f"{_ROWS_WHERE} {where} LIMIT {width}"
    return Generated(OperationKind.RANGE_SCAN, sql, tuple(params), (why, why_width, values))


def _update(table: TableEntry, facts: TableFacts) -> Generated:
    key = row_key(table)
    if key is None:
        raise NoAnswer(_no_key(table, "one row cannot be told from the others, and an update could change many"))
    params, values = key_params(table, facts, key)
    column, why_column = column_to_change(table, facts, key)
    place = len(params) + 1
    sources: tuple[Param, ...] = (*params, PoolParam(pool=column.quoted, limit=VALUE_POOL))
    change = f"{_CHANGE} {column.quoted} = {value_sql(column, place)}"
    if key.single is not None:
        sql = f"{change} WHERE {key.single.quoted} = $1"
        why = f"Key: {key.what}; it finds one row."
    else:
        first = _ROWS_WHERE.replace("*", key.list_sql)
        sql = f"{change} WHERE {key.tuple_sql} = ({first} {_at_or_after(key)} LIMIT 1)"
        why = f"Key: {key.what}; the first row at or after the values drawn is changed, as they are drawn apart."
    return Generated(OperationKind.UPDATE, sql, sources, (why, values, why_column), Expect.ONE)


def column_to_change(table: TableEntry, facts: TableFacts, key: Key) -> tuple[ColumnEntry, str]:
    """Return the column that an update changes, and the sentence that says why this one."""
    kept = {
        *(column.name for column in key.columns),
        *(name for index in table.indexes if index.unique or index.exclusion for name in index.columns),
        *(table.partitioning.columns if table.partitioning else ()),
        *(name for reference in table.foreign_keys if len(reference.columns) > 1 for name in reference.columns),
        *(name for check in table.checks if len(check.columns) > 1 for name in check.columns),
        *facts.empty_columns,
    }
    free = [
        column
        for column in table.columns
        if column.name not in kept and not column.generated and column.identity is None
    ]
    if not free:
        raise NoAnswer(
            "no column is free to change: each is part of a key, of the partition key or of a condition with others, "
            "is computed by the server, or holds no value to sample"
        )
    indexed = {name for index in table.indexes for name in index.columns}
    referring = {name for reference in table.foreign_keys for name in reference.columns}
    column = min(
        free,
        key=lambda column: (
            column.name in indexed,
            column.name in referring,
            column.family in (Family.JSON, Family.OTHER),
            column.position,
        ),
    )
    what = "and in an index, which every change has to maintain" if column.name in indexed else "and in no index"
    told = f"Changes {column.quoted}: it is part of no key, not computed, {what}. Values: sampled from the column."
    return column, told


def _at_or_after(key: Key) -> str:
    """Return the condition and order that begin at the first row whose key is not below the values drawn."""
    numbers = ", ".join(f"${number}" for number in range(1, len(key.columns) + 1))
    return f"{key.tuple_sql} >= ({numbers}) ORDER BY {key.list_sql}"


def _written(table: TableEntry, make: Callable[[], Generated]) -> Generated:
    kind = table.object.kind
    if kind not in WRITABLE:
        owner = {
            ObjectKind.VIEW: "a view is for reading here; write to the tables behind it",
            ObjectKind.MATERIALIZED_VIEW: "a materialized view takes no writes; write to the tables behind it",
        }.get(kind, "its rows are in another server, which decides whether it takes writes; measure it there")
        raise NoAnswer(owner)
    return make()


def _no_key(table: TableEntry, consequence: str) -> str:
    """Return why there is no key, for a relation of its kind, and what to do."""
    kind = table.object.kind
    if table.is_inherited:
        return f"other tables inherit from it, for whose rows its keys do not hold; {consequence}"
    if kind in WRITABLE or kind is ObjectKind.MATERIALIZED_VIEW:
        partly = [index.name for index in table.indexes if index.unique]
        why = "there is no key: no primary key, and no unique index"
        if partly:
            why += f" over all rows with columns that are never NULL ({listed(partly)} is none)"
        return f"{why}; {consequence}"
    return f"a {kind} has no key; {consequence}; {NAME_A_KEY}"
