"""Loading a data set into PostgreSQL: refused, begun, gone on with, and checked in the end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import psycopg
from psycopg import sql

from upperbound.domain.outcomes import Outcome
from upperbound.errors import ConfigurationError, DataLoadFailed, TargetMismatch, TargetUnreachable, UpperboundError
from upperbound.targets.datasets.dataset import DataSet, Part, Recipe, plan_parts
from upperbound.targets.pg_connection import ConnInfo
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_load_ledger import FINISH, DataLine, Ledger
from upperbound.targets.pg_load_parts import LoadPlace, PartLoaders, RowsLoaded, load_connection
from upperbound.targets.pg_words import said
from upperbound.targets.sqlstate import classify

DEFAULT_SCALE: Final = 1
DEFAULT_SEED: Final = 1


@dataclass(frozen=True)
class LoadOrder:
    """What a user asked for."""

    data_set: DataSet
    schema: str = "public"
    """In its true case, without quotes; made when it is not there."""
    scale: int | None = None
    """None is that of the load that was begun, or 1."""
    seed: int | None = None
    """None is that of the load that was begun, or 1."""
    jobs: int = 4
    drop: bool = False
    """Replace tables that are there."""


@dataclass(frozen=True)
class LoadResult:
    """What is in the schema now."""

    recipe: Recipe
    tables: dict[str, int]
    """Rows of each table, as they were counted."""
    resumed: bool
    """Whether the load was begun by another command."""
    loaded_rows: int
    """Rows that this load added."""


class LoadWatcher(RowsLoaded, Protocol):
    """Is told how a load goes on, always in the thread that asked for the load."""

    def planned(self, recipe: Recipe, total_rows: int, loaded_rows: int) -> None:
        """Learn what will be loaded, and how much of it an earlier load has."""
        ...

    def step(self, text: str) -> None:
        """Learn what is done after the rows."""
        ...


def load_data_set(target: ConnInfo, order: LoadOrder, watcher: LoadWatcher) -> LoadResult:
    """Load a data set, or the rest of one whose load has stopped; parts that are there are not loaded again.

    Interrupting it with :class:`KeyboardInterrupt` leaves a load that the same call goes on with.

    Raises:
        ConfigurationError: tables are there that this load did not begin, another load is at work in the schema, or
            the one that was begun is of another scale or seed. Nothing has been changed.
        TargetMismatch: the user may not create tables there.
        TargetError: there is no way in, or the connection broke.
        DataLoadFailed: the server cannot do it, or the rows that it has are not those that were planned.
    """
    _check(order)
    place = LoadPlace(target, order.schema, order.data_set)
    with _told(place), load_connection(place) as connection:
        ledger = Ledger(connection, order.schema, order.data_set)
        ledger.lock()
        line = ledger.line()
        recipe, resumed = _recipe(order, line, ledger.existing()), line is not None and not order.drop
        if not resumed:
            _begin(connection, ledger, order, recipe)
        parts = plan_parts(order.data_set.tables, recipe.scale)
        done = ledger.done()
        left = [part for part in parts if part.key not in done]
        _check_done(order.data_set, parts, done)
        total, missing = (sum(len(part.rows) for part in some) for some in (parts, left))
        watcher.planned(recipe, total, total - missing)
        PartLoaders(place, recipe, left, order.jobs).run(watcher)
        counted = _finish(connection, ledger, order.data_set, recipe, watcher)
    return LoadResult(recipe, counted, resumed, missing)


def drop_data_set(target: ConnInfo, data_set: DataSet, schema: str) -> list[str]:
    """Drop the tables of a data set that was loaded, whole or not, and return the names of what was dropped.

    Raises:
        ConfigurationError: no load of it is written down in the schema, a load is at work there, or other objects
            depend on its tables.
        TargetError: there is no way in, or the connection broke.
    """
    place = LoadPlace(target, schema, data_set)
    with _told(place), load_connection(place) as connection:
        ledger = Ledger(connection, schema, data_set)
        ledger.lock()
        if ledger.line() is None:
            there = ", ".join(ledger.existing())
            raise ConfigurationError(
                f"no data set {data_set.name} was loaded into schema {schema}"
                + (f": {there} came there in another way" if there else ""),
                hint="drop tables of other origin with SQL" if there else "--schema names the schema it is in",
            )
        names = ledger.existing()
        with connection.transaction():
            _drop(connection, data_set)
            ledger.forget()
    return names


def _check(order: LoadOrder) -> None:
    if order.scale is not None and not 1 <= order.scale <= order.data_set.max_scale:
        raise ConfigurationError(
            f"data set {order.data_set.name} cannot have scale {order.scale}",
            hint=f"the scale is 1 to {order.data_set.max_scale:,}",
        )
    if order.seed is not None and not 0 <= order.seed < 2**63:
        raise ConfigurationError(f"{order.seed} is no seed", hint="a seed is 0 to 9,223,372,036,854,775,807")


def _recipe(order: LoadOrder, line: DataLine | None, there: list[str]) -> Recipe:
    """Return what to load, or refuse to."""
    name, schema = order.data_set.name, order.schema
    if order.drop:
        return Recipe(order.scale or DEFAULT_SCALE, DEFAULT_SEED if order.seed is None else order.seed)
    if line is None:
        if there:
            raise ConfigurationError(
                f"schema {schema} has {', '.join(there)} already, which no load of data set {name} has made",
                hint="--schema names another place; --drop replaces what is there, and all its rows are lost",
            )
        return Recipe(order.scale or DEFAULT_SCALE, DEFAULT_SEED if order.seed is None else order.seed)
    begun = line.recipe
    if line.finished:
        raise ConfigurationError(
            f"data set {name} is in schema {schema} already, at scale {begun.scale} with seed {begun.seed}",
            hint="--drop loads it anew, as a run may have changed it",
        )
    missing = [table.name for table in order.data_set.tables if table.name not in there]
    if missing:
        raise ConfigurationError(
            f"a load of {name} into schema {schema} was begun, and since then {', '.join(missing)} went away",
            hint="--drop begins anew",
        )
    if order.scale not in (None, begun.scale) or order.seed not in (None, begun.seed):
        raise ConfigurationError(
            f"a load of {name} into schema {schema} was begun at scale {begun.scale} with seed {begun.seed}",
            hint="leave out --scale and --seed to go on with it; --drop begins anew",
        )
    return begun


def _begin(connection: Connection, ledger: Ledger, order: LoadOrder, recipe: Recipe) -> None:
    """Create the tables, empty, and write down that the load has begun; all or nothing."""
    with connection.transaction():
        if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [order.schema]).fetchone() is None:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(order.schema)))
        if order.drop:
            _drop(connection, order.data_set)
            ledger.forget()
        ledger.begin(recipe)
        for table in order.data_set.tables:
            connection.execute(table.create(recipe.scale).encode())


def _drop(connection: Connection, data_set: DataSet) -> None:
    kinds = {
        "VIEW": data_set.views,
        "TABLE": tuple(table.name for table in data_set.tables),
        "SEQUENCE": data_set.sequences,
    }
    for kind, names in kinds.items():
        if names:
            listed = sql.SQL(", ").join(map(sql.Identifier, names))
            connection.execute(sql.SQL("DROP " + kind + " IF EXISTS {}").format(listed))


def _finish(
    connection: Connection, ledger: Ledger, data_set: DataSet, recipe: Recipe, watcher: LoadWatcher
) -> dict[str, int]:
    """Do what follows the rows, count them, and write down that the data set is whole."""
    watcher.step("making keys and indexes")
    for number, statement in enumerate(data_set.finish):
        with connection.transaction():
            if ledger.claim(FINISH, number, 0):
                connection.execute(statement.encode())
    for table in data_set.tables:
        watcher.step(f"vacuuming {table.name}")
        connection.execute(sql.SQL("VACUUM (FREEZE, ANALYZE) {}").format(sql.Identifier(table.name)))
    watcher.step("counting rows")
    planned = data_set.rows(recipe.scale)
    counted = {name: _count(connection, name) for name in planned}
    wrong = [
        f"{name} holds {counted[name]:,} rows and not {rows:,}"
        for name, rows in planned.items()
        if counted[name] != rows
    ]
    if wrong:
        raise DataLoadFailed(
            f"the rows of data set {data_set.name} are not those that were planned: {'; '.join(wrong)}",
            hint="has somebody else written to the tables? --drop loads them anew",
        )
    with connection.transaction():
        ledger.finish()
    return counted


def _count(connection: Connection, table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])


def _check_done(data_set: DataSet, parts: list[Part], done: Mapping[tuple[str, int], int]) -> None:
    """Refuse to go on where another version of this program has cut the tables into other parts."""
    planned = {part.key: len(part.rows) for part in parts}
    if any(planned.get(key) != rows for key, rows in done.items() if key[0] != FINISH):
        raise ConfigurationError(
            f"the load of {data_set.name} was begun by another version, in other parts", hint="--drop begins anew"
        )


@contextmanager
def _told(place: LoadPlace) -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        failure = _explain(error, place)
    else:
        return
    # The driver's error may hold the connection's parameters: it does not go with ours.
    raise failure


def _explain(error: psycopg.Error, place: LoadPlace) -> UpperboundError:
    why = said(error)
    name, schema = place.data_set.name, place.schema
    if classify(error.sqlstate) is Outcome.CONNECTION_LOST:
        return TargetUnreachable(
            f"the connection to PostgreSQL at {place.target.address} broke: {why}",
            hint="the same command goes on with what is loaded",
        )
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return TargetMismatch(
            f"data set {name} cannot be put into schema {schema}: {why}",
            hint="grant the user CREATE on the schema and ownership of the tables, or choose another --schema",
        )
    if isinstance(error, psycopg.errors.DependentObjectsStillExist | psycopg.errors.WrongObjectType):
        detail = f" ({error.diag.message_detail.splitlines()[0]})" if error.diag.message_detail else ""
        return ConfigurationError(
            f"data set {name} in schema {schema} cannot be dropped: {why}{detail}",
            hint="drop with SQL what is in the way",
        )
    return DataLoadFailed(
        f"data set {name} cannot be loaded into schema {schema}: {why}",
        hint=error.diag.message_hint or "mend the cause; the same command goes on with what is loaded",
    )
