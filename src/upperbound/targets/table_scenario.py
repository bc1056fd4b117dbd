"""A scenario for a table, from what the database's catalog says of it."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from upperbound.errors import ConfigurationError, TargetMismatch
from upperbound.scenario.identifiers import SNOWFLAKE, IdentifierError, parse_column
from upperbound.scenario.kinds import Preset
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
    if isinstance(connection, SnowflakeInfo):
        return _for_snowflake(connection, target, table, preset, key)
    with catalog_connection(connection) as open_one:
        entry = PostgresCatalog(open_one).table(table)
        answers = _answers(entry, table_facts(open_one, entry), key)
    text = scenario_text(target, entry, answers, preset)
    loaded = checked(text)
    # Whether the server has room for the load is asked when it runs: here one connection is enough.
    report = preflight(connection, loaded.scenario, 1)
    refusals = tuple(answer for answer in answers if isinstance(answer, Refusal))
    return TableScenario(text, loaded, refusals, tuple(report.warnings))


def _for_snowflake(
    info: SnowflakeInfo, target: Mapping[str, Any], table: str, preset: Preset, key: str | None
) -> TableScenario:
    """Return a scenario on a table of Snowflake's; see :func:`scenario_for_table`."""
    with contextlib.closing(open_session(info)) as session:
        found = read_table(session, table)
        entry = table_entry(session, found)
        facts = snowflake_facts(session, found, entry)
    try:
        named = parse_column(key, SNOWFLAKE) if key is not None else None
        answers = generate_for_snowflake(entry, facts, found.kind, named)
    except IdentifierError as error:
        raise ConfigurationError(f"the key {error.message}", hint=error.hint) from None
    except KeyError:
        raise _no_column(entry, key) from None
    text = scenario_text(target_of(dict(target), found.kind), entry, answers, preset, told=NOT_EXECUTED)
    loaded = checked(text)
    report = snowflake_preflight(info, loaded.scenario)
    refusals = tuple(answer for answer in answers if isinstance(answer, Refusal))
    return TableScenario(text, loaded, refusals, report.warnings)


def _answers(entry: TableEntry, facts: TableFacts, key: str | None) -> tuple[Answer, ...]:
    """Return what becomes of each operation; ``key`` is a column as it is written in SQL."""
    try:
        return generate(entry, facts, parse_column(key) if key is not None else None)
    except IdentifierError as error:
        raise ConfigurationError(f"the key {error.message}", hint=error.hint) from None
    except KeyError:
        raise _no_column(entry, key) from None


def _no_column(entry: TableEntry, key: str | None) -> TargetMismatch:
    names = ", ".join(column.quoted for column in entry.columns[:12])
    return TargetMismatch(f"{entry.object.quoted} has no column {key}", hint=f"it has {names}")
