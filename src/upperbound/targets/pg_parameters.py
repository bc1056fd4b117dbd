"""Whether what a generator makes fits the parameter it feeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from upperbound.errors import Problem, TargetMismatch
from upperbound.scenario.param_checks import value_bounds
from upperbound.scenario.params import (
    ChoiceParam,
    ListParam,
    NowParam,
    OffsetParam,
    Param,
    PoolParam,
    RangeParam,
    SequenceParam,
    TextParam,
    UuidParam,
    WeightedParam,
    spread_of,
)
from upperbound.targets.pg_arrays import element_type
from upperbound.targets.pg_catalog import similar_columns, type_name
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_sampling import column_type, has_values, max_value
from upperbound.targets.pg_types import (
    TEXT_FORMAT,
    Family,
    PgType,
    ValueKind,
    accepts,
    accepts_column,
    kind_of,
    pg_type,
)


@dataclass(frozen=True)
class _Column:
    oid: int
    filled: bool
    """Holds at least one value that is not NULL."""


class ParameterCheck:
    """Checks parameters over one connection; answers about columns are kept."""

    def __init__(self, connection: Connection, table: str | None, executions: int) -> None:
        """Check against ``table``; sequences should last for ``executions`` of their operation."""
        self._connection = connection
        self._table = table
        self._executions = executions
        self._columns: dict[str, _Column | Problem] = {}
        self.warnings: list[str] = []

    def problems(
        self, where: str, subject: str, oid: int, source: Param, *, column_check: bool, values_each: int = 1
    ) -> Iterator[Problem]:
        """Yield what keeps ``source`` from feeding a parameter of type ``oid``.

        ``subject`` names the parameter in messages. Columns are looked at only with ``column_check``: without a table
        they cannot be there. Each execution takes up to ``values_each`` values.
        """
        target = self._type(oid)
        spread = spread_of(source)
        pool = source.pool if isinstance(source, PoolParam) else spread.pool if spread else None
        bounds = source.range if isinstance(source, RangeParam) else spread.range if spread else None
        if bounds is not None:
            yield from self._check_numbers(where, subject, target, *bounds)
        if pool is not None and column_check:
            yield from self._check_pool(where, subject, target, pool)
        match source:
            case ChoiceParam(choice=values):
                yield from self._check_choice(where, subject, target, values)
            case WeightedParam(weighted=items):
                yield from self._check_choice(where, subject, target, [item.value for item in items])
            case SequenceParam():
                yield from self._check_sequence(where, subject, target, source, column_check, values_each)
            case ListParam():
                yield from self._check_list(where, subject, target, source, column_check)
            case NowParam():
                yield from _check_family(where, subject, target, (Family.TIME,), "a time")
            case UuidParam():
                yield from _check_family(where, subject, target, (Family.UUID, Family.TEXT), "a UUID")
            case TextParam():
                yield from self._check_text(where, subject, target, source)

    def offset_problems(
        self, where: str, subject: str, oid: int, params: Sequence[Param], number: int
    ) -> Iterator[Problem]:
        """Yield what keeps ``offset_from``, if that is the source of parameter ``number`` from 0, from feeding it."""
        source = root = params[number]
        while isinstance(root, OffsetParam):
            root = params[root.offset_from.parameter - 1]
        if source is root:
            return
        if isinstance(root, NowParam):
            yield from _check_family(where, subject, self._type(oid), (Family.TIME,), "a time")
            return
        bounds = value_bounds([param.model_dump() for param in params], number)
        yield from self._check_numbers(where, subject, self._type(oid), *(bounds or (0, 0)))
        spread = spread_of(root)
        pool = root.pool if isinstance(root, PoolParam) else spread.pool if spread else None
        found = self._column(where, pool) if pool is not None and self._table is not None else None
        if isinstance(found, _Column) and pg_type(found.oid).family is not Family.INTEGER:
            name = type_name(self._connection, found.oid)
            yield Problem(
                where,
                f"{subject} adds to values of column {pool}, which is {name}, and only whole numbers can be added to",
                "let the statement add to the other parameter itself, as in $1 + 10",
            )

    def _type(self, oid: int) -> PgType:
        target = pg_type(oid)
        return pg_type(oid, type_name(self._connection, oid)) if target.family is Family.OTHER else target

    def _check_list(
        self, where: str, subject: str, target: PgType, source: ListParam, column_check: bool
    ) -> Iterator[Problem]:
        element = element_type(self._connection, target.oid)
        if element is None:
            yield Problem(
                where,
                f"{subject} is of type {target.name} and cannot take a list",
                f"a list is an array: write = ANY($1) in place of IN ($1), or the type, as in $1::{target.name}[]",
            )
            return
        label, _, number = subject.rpartition(": ")
        yield from self.problems(
            f"{where}.list",
            f"{label}: a value of {number}",
            element,
            source.list,
            column_check=column_check,
            values_each=source.size[1],
        )

    def _check_text(self, where: str, subject: str, target: PgType, source: TextParam) -> Iterator[Problem]:
        if target.family is not Family.OTHER:
            yield from _check_family(where, subject, target, (Family.TEXT,), "random text")
            return
        # The type may be one of an extension that takes any text, such as citext.
        sample = (source.characters * source.text[0])[: source.text[0]]
        if refusal := self._refused_text(target, [sample.encode()]):
            yield Problem(where, f"{subject} is of type {target.name}: {refusal}", _other_source(target))

    def _check_numbers(self, where: str, subject: str, target: PgType, low: int, high: int) -> Iterator[Problem]:
        if not accepts(target.oid, ValueKind.INT):
            yield Problem(
                where, f"{subject} is of type {target.name} and cannot take whole numbers", _other_source(target)
            )
        elif target.bounds and not target.bounds[0] <= low <= high <= target.bounds[1]:
            yield Problem(
                where,
                f"{subject} is of type {target.name}, which holds {target.bounds[0]} to {target.bounds[1]}, "
                f"not {low} to {high}",
                "narrow the values, or use a wider type, as in $1::bigint",
            )

    def _check_pool(self, where: str, subject: str, target: PgType, column: str) -> Iterator[Problem]:
        found = self._column(where, column)
        if isinstance(found, Problem):
            yield found
            return
        if not accepts_column(target.oid, found.oid):
            name = type_name(self._connection, found.oid)
            yield Problem(
                where,
                f"{subject} is of type {target.name} and cannot take every value of column {column}, which is {name}",
                f"choose another column, or write the type into the statement, as in $1::{name}",
            )
        if not found.filled:
            yield Problem(
                where, f"column {column} of table {self._table} holds no value to choose from", "fill the table first"
            )

    def _check_choice(self, where: str, subject: str, target: PgType, values: Sequence[Any]) -> Iterator[Problem]:
        misfits = [value for value in values if not self._may_take(target, value)]
        if misfits:
            shown = ", ".join(repr(value) for value in misfits[:3]) + (", …" if len(misfits) > 3 else "")
            yield Problem(where, f"{subject} is of type {target.name} and cannot take {shown}", _quotes_hint(target))
            return
        try:
            encoded = [value for value in target.encode(values) if value is not None]
        except (OverflowError, ValueError, TypeError) as error:
            yield Problem(where, f"{subject} is of type {target.name}: {error}")
            return
        if target.format == TEXT_FORMAT and (refusal := self._refused_text(target, encoded)):
            yield Problem(where, f"{subject} is of type {target.name}: {refusal}")

    def _may_take(self, target: PgType, value: object) -> bool:
        kind = kind_of(value)
        return accepts(target.oid, kind) or (
            target.family is Family.NUMBER and target.format == TEXT_FORMAT and kind is ValueKind.TEXT
        )

    def _refused_text(self, target: PgType, encoded: list[bytes]) -> str:
        """Let the server read values in text format; return why it refuses one, empty when it takes them all."""
        name = type_name(self._connection, target.oid)
        query = sql.SQL("SELECT count(value::{}) FROM unnest(%s::text[]) AS value").format(sql.SQL(name))
        try:
            self._connection.execute(query, [[value.decode() for value in encoded]])
        except psycopg.OperationalError:
            raise
        except psycopg.DatabaseError as error:
            return error.diag.message_primary or "the server refuses a value"
        return ""

    def _check_sequence(
        self,
        where: str,
        subject: str,
        target: PgType,
        source: SequenceParam,
        column_check: bool,
        values_each: int,
    ) -> Iterator[Problem]:
        start = source.sequence.start
        column = source.sequence.after
        if column is not None and column_check:
            found = self._column(where, column)
            if isinstance(found, Problem):
                yield found
                return
            if pg_type(found.oid).family is not Family.INTEGER:
                name = type_name(self._connection, found.oid)
                yield Problem(
                    where,
                    f"column {column} holds {name}, and a sequence needs whole numbers",
                    "name a smallint, integer or bigint column, or use {sequence: {start: 1}}",
                )
                return
            start = max_value(self._connection, self._table or "", column) + 1
        problems = list(self._check_numbers(where, subject, target, start or 0, start or 0))
        yield from problems
        if (
            not problems
            and target.bounds
            and start is not None
            and target.bounds[1] - start < self._executions * values_each
        ):
            self.warnings.append(
                f"{subject} is of type {target.name}: its sequence reaches the end of the type after "
                f"{target.bounds[1] - start + 1:,} values, and operations fail from then on"
            )

    def _column(self, where: str, column: str) -> _Column | Problem:
        """Return what is known of a column, or the problem that it cannot be read; told once for each column."""
        if self._table is None:
            return Problem("target.table", "is missing", "name the table whose columns the parameters take values from")
        if column not in self._columns:
            try:
                oid = column_type(self._connection, self._table, column)
                self._columns[column] = _Column(oid, has_values(self._connection, self._table, column))
            except TargetMismatch as error:
                said = error.problems[0].message if error.problems else error.message
                hint = similar_columns(self._connection, self._table, column)
                self._columns[column] = Problem(where, f"column {column} of {self._table} cannot be used: {said}", hint)
        return self._columns[column]


def _check_family(where: str, subject: str, target: PgType, families: Sequence[Family], what: str) -> Iterator[Problem]:
    if target.family not in families:
        yield Problem(where, f"{subject} is of type {target.name} and cannot take {what}", _other_source(target))


def _other_source(target: PgType) -> str:
    hints = {
        Family.INTEGER: "take whole numbers, as in {range: [1, 100]}",
        Family.NUMBER: "take whole numbers, as in {range: [1, 100]}, or list numbers, as in {choice: [0.5, 1]}",
        Family.BOOL: "list the values, as in {choice: [true, false]}",
        Family.TIME: "take the present, as in {now: {}}, or values from a column, as in {pool: column}",
        Family.UUID: "make new ones, as in {uuid: random}, or take values from a column, as in {pool: column}",
        Family.TEXT: "make text, as in {text: 20}, list it, as in {choice: [...]}, or take it from a column, as in "
        "{pool: column}",
        Family.OTHER: "take values from a column, as in {pool: column}, or list them, as in {choice: [...]}",
    }
    return hints.get(target.family, "")


def _quotes_hint(target: PgType) -> str:
    if target.family in (Family.INTEGER, Family.NUMBER):
        return "write numbers without quotes"
    if target.family is Family.BOOL:
        return "write true or false, without quotes"
    return "write text in quotes"
