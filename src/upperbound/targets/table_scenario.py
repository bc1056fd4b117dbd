"""A scenario for a table, from what the database's catalog says of it."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from upperbound.errors import ConfigurationError, TargetMismatch
from upperbound.scenario.identifiers import POSTGRES, SNOWFLAKE, IdentifierError, parse_column, parse_table
from upperbound.scenario.kinds import Preset, TableType
from upperbound.scenario.loader import LoadedScenario
from upperbound.targets.catalog import TableEntry
from upperbound.targets.generate import Answer, generate
from upperbound.targets.generated import Refusal, TableFacts
from upperbound.targets.generated_scenario import checked, scenario_text
from upperbound.targets.pg_catalog_reader import PostgresCatalog, catalog_connection
from upperbound.targets.pg_table_facts import table_facts
from upperbound.targets.postgres import ConnInfo, preflight
from upperbound.targets.sf_catalog import table_entry
from upperbound.targets.sf_generate import generate_for_snowflake, snowflake_facts, target_of
from upperbound.targets.snowflake import SnowflakeInfo, open_session, read_table
from upperbound.targets.snowflake import preflight as snowflake_preflight

NOT_EXECUTED: Final = "No statement was executed; a run tries each before it starts."


@dataclass(frozen=True)
class TableScenario:
    """What was made of a table."""

    text: str
    """The scenario in YAML, with the reasons as comments."""
    loaded: LoadedScenario
    """The same, checked."""
    refusals: tuple[Refusal, ...]
    """Operations that have no honest statement on this table."""
    warnings: tuple[str, ...]
    """What the server says of the statements that does not prevent them."""


@dataclass(frozen=True)
class TableAnswers:
    """What becomes of each canonical operation on a table."""

    entry: TableEntry
    answers: tuple[Answer, ...]
    table_type: TableType | None
    """What ``target.table_type`` has to say; None for PostgreSQL, which knows one kind alone."""


def scenario_for_table(
    connection: ConnInfo | SnowflakeInfo, target: Mapping[str, Any], table: str, preset: Preset, key: str | None = None
) -> TableScenario:
    """Return a scenario on ``table``, written as in ``target.table``, with a mix by ``preset``.

    ``target`` is the plain form of a scenario's target, without its table and without a password; ``key`` is a column
    to read by, as it is written in SQL, where the server knows no key. Nothing is executed.

    Raises:
        ConfigurationError: no statement can be generated, or ``key`` is no name.
        TargetMismatch: there is no such table or column.
        TargetError: the server cannot be reached or asked.
    """
    found = answers_for_table(connection, table, key)
    if isinstance(connection, SnowflakeInfo):
        own = target_of(dict(target), found.table_type)
        text = scenario_text(own, found.entry, found.answers, preset, told=NOT_EXECUTED)
        loaded = checked(text)
        warnings = snowflake_preflight(connection, loaded.scenario).warnings
    else:
        text = scenario_text(target, found.entry, found.answers, preset)
        loaded = checked(text)
        # Whether the server has room for the load is asked when it runs: here one connection is enough.
        warnings = tuple(preflight(connection, loaded.scenario, 1).warnings)
    refusals = tuple(answer for answer in found.answers if isinstance(answer, Refusal))
    return TableScenario(text, loaded, refusals, warnings)


def answers_for_table(connection: ConnInfo | SnowflakeInfo, table: str, key: str | None = None) -> TableAnswers:
    """Return a statement or a refusal for each canonical operation on ``table``, from its catalog entry and its rows.

    Names are written and errors raised as for :func:`scenario_for_table`.
    """
    naming = SNOWFLAKE if isinstance(connection, SnowflakeInfo) else POSTGRES
    try:
        parse_table(table, naming)
    except IdentifierError as error:
        raise TargetMismatch(error.message, hint=error.hint) from None
    try:
        named = parse_column(key, naming) if key is not None else None
    except IdentifierError as error:
        raise ConfigurationError(f"the key {error.message}", hint=error.hint) from None
    table_type = None
    if isinstance(connection, SnowflakeInfo):
        entry, facts, kind = _look_at_snowflake(connection, table)
        table_type = kind or TableType.STANDARD
        make: Callable[[str | None], tuple[Answer, ...]] = partial(generate_for_snowflake, entry, facts, kind)
    else:
        entry, facts = _look_at_postgres(connection, table)
        make = partial(generate, entry, facts)
    try:
        return TableAnswers(entry, make(named), table_type)
    except KeyError:
        raise _no_column(entry, key) from None


def _look_at_postgres(info: ConnInfo, table: str) -> tuple[TableEntry, TableFacts]:
    with catalog_connection(info) as connection:
        entry = PostgresCatalog(connection).table(table)
        return entry, table_facts(connection, entry)


def _look_at_snowflake(info: SnowflakeInfo, table: str) -> tuple[TableEntry, TableFacts, TableType | None]:
    with contextlib.closing(open_session(info)) as session:
        found = read_table(session, table)
        entry = table_entry(session, found)
        return entry, snowflake_facts(session, found, entry), found.kind


def _no_column(entry: TableEntry, key: str | None) -> TargetMismatch:
    names = ", ".join(column.quoted for column in entry.columns[:12])
    return TargetMismatch(f"{entry.object.quoted} has no column {key}", hint=f"it has {names}")
