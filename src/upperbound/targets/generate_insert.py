"""The INSERT for a table: which columns it gives, and where values come from that no row has yet."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from upperbound.scenario.kinds import OperationKind
from upperbound.scenario.params import Param, PoolParam, SequenceParam, SequenceSource
from upperbound.targets.catalog import ColumnEntry, Identity, IndexEntry, PartitionStrategy, TableEntry
from upperbound.targets.generate_keys import listed
from upperbound.targets.generated import Generated, NoAnswer, TableFacts
from upperbound.targets.pg_types import Family

VALUE_POOL: Final = 1_000
"""Values sampled for a column that is no key."""
_NEW_UUID: Final = "gen_random_uuid()"
_UUID_LENGTH: Final = 36
_FRESH_DEFAULT: Final = re.compile(r"\b(nextval|gen_random_uuid|uuid_generate_v\w+|uuidv[47])\(")
_TIMESTAMPS: Final = ("timestamp without time zone", "timestamp with time zone")


@dataclass
class _Plan:
    """The columns of the statement as they are decided."""

    table: TableEntry
    facts: TableFacts
    fresh: dict[str, str | Param] = field(default_factory=dict)
    """Columns whose value no row has yet: an expression, or a parameter."""


def value_sql(column: ColumnEntry, number: int) -> str:
    """Return parameter ``number`` as the value of a column.

    The server takes a parameter for a domain as the domain, and values are sampled as its base type.
    """
    return f"${number}::{column.base_type}" if column.domain else f"${number}"


def insert(table: TableEntry, facts: TableFacts) -> Generated:
    """Return the INSERT for a table that takes writes; raises :class:`NoAnswer` when no row can be made up."""
    plan = _Plan(table, facts)
    for index in table.indexes:
        if index.unique or index.exclusion:
            _keep_apart(plan, index)
    names, values, params = [], [], []
    sampled, empty = [], []
    for column in table.columns:
        if column.generated or column.identity is not None:
            continue
        source = plan.fresh.get(column.name)
        if source is None:
            if column.default is not None:
                continue
            if not facts.has_rows or column.name in facts.empty_columns:
                empty.append(_left_out(column, facts))
                continue
            source = PoolParam(pool=column.quoted, limit=VALUE_POOL)
            sampled.append(column.quoted)
        names.append(column.quoted)
        if isinstance(source, str):
            values.append(source)
        else:
            params.append(source)
            values.append(value_sql(column, len(params)))
    _check_references(table, sampled)
    row = f"({', '.join(names)}) VALUES ({', '.join(values)})" if names else "DEFAULT VALUES"
    reasons = _reasons(plan, sampled, empty)
    return Generated(OperationKind.INSERT, f"INSERT INTO {{table}} {row}", tuple(params), tuple(reasons))


def _left_out(column: ColumnEntry, facts: TableFacts) -> str:
    """Return the name of a column that stays NULL because there are no values to sample."""
    if not column.nullable:
        why = "the table is empty" if not facts.has_rows else "the rows that were looked at hold none"
        raise NoAnswer(f"column {column.quoted} needs a value, and {why}: there is nothing to sample from")
    return column.quoted


def _keep_apart(plan: _Plan, index: IndexEntry) -> None:
    """See to it that no two rows collide in an index: one column of it gets values that no row has."""
    if index.exclusion and not index.unique:
        raise NoAnswer(f"the exclusion constraint {index.name} keeps rows apart: no values can be made up that fit in")
    if index.on_expressions:
        raise NoAnswer(
            f"the unique index {index.name} is on an expression: no values can be made up that are new in it"
        )
    columns = [plan.table.column(name) for name in index.columns]
    if any(column.name in plan.fresh or _fills_itself(column) for column in columns):
        return
    candidates = [
        (rank, -place, column, source)
        for place, column in enumerate(columns)
        if (found := _fresh_source(plan.table, column, alone=len(columns) == 1))
        for rank, source in (found,)
    ]
    if not candidates:
        names = listed([column.quoted for column in columns])
        raise NoAnswer(f"{index.name} keeps ({names}) unique, and there is no way to make up new values for it")
    _, _, column, source = min(candidates, key=lambda item: item[:2])
    plan.fresh[column.name] = source


def _fills_itself(column: ColumnEntry) -> bool:
    """Say whether the server gives each row another value."""
    return column.identity is not None or bool(column.default and _FRESH_DEFAULT.search(column.default))


def _fresh_source(table: TableEntry, column: ColumnEntry, *, alone: bool) -> tuple[int, str | Param] | None:
    """Return where new values of a column come from, with a rank (lower is better); None when there is no way."""
    if column.generated or any(column.name in key.columns for key in table.foreign_keys):
        return None
    parts = table.partitioning
    if (
        parts
        and column.name in parts.columns
        and parts.strategy is not PartitionStrategy.HASH
        and not parts.has_default
    ):
        return None
    checked = any(column.name in check.columns for check in table.checks) or column.domain
    if column.family is Family.UUID:
        return 0, _NEW_UUID
    if column.family is Family.INTEGER:
        small = column.base_type == "smallint"
        return 1 + small + 2 * checked, SequenceParam(sequence=SequenceSource(after=column.quoted))
    if column.family is Family.TEXT and not checked and column.base_type in ("text", "character varying"):
        if column.max_length is None or column.max_length >= _UUID_LENGTH:
            return 5, f"{_NEW_UUID}::text"
        return None
    if column.base_type in _TIMESTAMPS and not alone and not checked:
        return 6, "clock_timestamp()"
    return None


def _check_references(table: TableEntry, sampled: Sequence[str]) -> None:
    """Refuse values that are drawn each for itself where another table has to hold them together."""
    for key in table.foreign_keys:
        columns = [table.column(name).quoted for name in key.columns]
        if len(columns) > 1 and all(column in sampled for column in columns):
            raise NoAnswer(
                f"columns {listed(columns)} refer to {key.references} together ({key.name}), and values that are "
                "sampled column by column need not be there as a pair"
            )


def _reasons(plan: _Plan, sampled: Sequence[str], empty: Sequence[str]) -> list[str]:
    """Return the sentences that say where each value comes from."""
    table, reasons = plan.table, []
    for name, source in plan.fresh.items():
        quoted = table.column(name).quoted
        if isinstance(source, str):
            reasons.append(f"Key: {quoted} is unique; {source} makes values on the server that no row has.")
        else:
            reasons.append(f"Key: {quoted} is unique; a sequence gives each value once, from above the highest one.")
    own = [column for column in table.columns if not column.generated and column.name not in plan.fresh]
    for what, columns in (
        ("identity columns, which the server numbers", [column for column in own if column.identity]),
        ("generated columns, which the server computes", [column for column in table.columns if column.generated]),
        ("columns with a default", [column for column in own if column.default is not None and not column.identity]),
    ):
        if columns:
            reasons.append(f"Left to the server: {listed([column.quoted for column in columns])} ({what}).")
    if sampled:
        reasons.append(f"Values of {listed(sampled)}: sampled from the column, its NULLs left out.")
    if empty:
        reasons.append(f"Left NULL: {listed(empty)} (no value to sample was found).")
    given = {*plan.fresh, *(column.name for column in table.columns if column.quoted in sampled)}
    for check in table.checks:
        if len(given.intersection(check.columns)) > 1:
            names = listed([table.column(name).quoted for name in check.columns])
            reasons.append(f"Mind: {check.name} is about {names} together, which are drawn apart: some rows may fail.")
    reasons += [
        f"Mind: {check.name} has to allow new values of {listed(check.columns)}."
        for check in table.checks
        if plan.fresh.keys() & set(check.columns)
    ]
    parts = table.partitioning
    if parts and any(column.name in parts.columns and column.identity is Identity.ALWAYS for column in own):
        reasons.append("Mind: the server's numbers decide the partition; there has to be one for those to come.")
    return reasons
