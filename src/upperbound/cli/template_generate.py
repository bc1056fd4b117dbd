"""``upperbound template generate``: a scenario for a table, from what the database's catalog says of it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from upperbound.cli.subject import ScenarioOf, Subject, Url, open_subject

if TYPE_CHECKING:
    from upperbound.scenario.kinds import Preset
    from upperbound.targets.catalog import TableEntry
    from upperbound.targets.generate import Answer
    from upperbound.targets.generated import TableFacts


class PresetChoice(StrEnum):
    """A mix of operations."""

    READ_ONLY = "READ_ONLY"
    WRITE_ONLY = "WRITE_ONLY"
    READ_HEAVY = "READ_HEAVY"
    WRITE_HEAVY = "WRITE_HEAVY"
    MIXED = "MIXED"


def generate(
    url: Url = None,
    scenario: ScenarioOf = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--table",
            metavar="TABLE",
            help="The table or view: schema.table, in quotes as in SQL. Default: that of --scenario.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        PresetChoice, typer.Option("--preset", case_sensitive=False, help="The mix of operations.")
    ] = PresetChoice.MIXED,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="COLUMN", help="Read by this column, where the server knows no key.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Write to this file.", show_default=False),
    ] = None,
) -> None:
    """Generate a scenario for a table.

    Point lookups, range scans, inserts and updates, each with its reasons as comments, by keys, indexes and types that
    the catalog tells. What has no honest statement is left out, and why is said. The server has prepared every
    statement; none is executed.
    """
    from upperbound.cli.template_text import write_text
    from upperbound.errors import ConfigurationError
    from upperbound.scenario.kinds import Preset

    with open_subject(url, scenario, "generate") as subject:
        wanted = table or subject.table
        if wanted is None:
            raise ConfigurationError(
                "no table was named", hint="give --table schema.table; `upperbound catalog objects` lists them"
            )
        text, warnings = _generated(subject, wanted, Preset(preset.value), key)
    for warning in warnings:
        typer.echo(warning, err=True)
    if output is None:
        typer.echo(text, nl=False)
        return
    write_text(output, text)
    typer.echo(str(output))


def _generated(subject: Subject, table: str, preset: "Preset", key: str | None) -> tuple[str, list[str]]:
    """Return the scenario's text, and what the user should know besides."""
    from upperbound.targets.generated import Refusal
    from upperbound.targets.generated_scenario import checked, scenario_text
    from upperbound.targets.pg_catalog_reader import PostgresCatalog, catalog_connection
    from upperbound.targets.pg_table_facts import table_facts
    from upperbound.targets.postgres import preflight

    with catalog_connection(subject.connection) as connection:
        entry = PostgresCatalog(connection).table(table)
        answers = _answers(entry, table_facts(connection, entry), key)
    text = scenario_text(subject.target, entry, answers, preset)
    loaded = checked(text)
    # Whether the server has room for the load is asked when it runs: here one connection is enough.
    report = preflight(subject.connection, loaded.scenario, 1)
    refused = [f"no {answer.kind.value}: {answer.reason}" for answer in answers if isinstance(answer, Refusal)]
    return text, [*refused, *(f"warning: {warning}" for warning in report.warnings)]


def _answers(entry: "TableEntry", facts: "TableFacts", key: str | None) -> "tuple[Answer, ...]":
    """Return what becomes of each operation; ``key`` is a column as it is written in SQL."""
    from upperbound.errors import ConfigurationError, TargetMismatch
    from upperbound.scenario.identifiers import IdentifierError, parse_column
    from upperbound.targets.generate import generate as decide

    try:
        return decide(entry, facts, parse_column(key) if key is not None else None)
    except IdentifierError as error:
        raise ConfigurationError(f"--key: {error.message}", hint=error.hint) from None
    except KeyError:
        names = ", ".join(column.quoted for column in entry.columns[:12])
        raise TargetMismatch(f"{entry.object.quoted} has no column {key}", hint=f"it has {names}") from None
