"""``upperbound template generate``: a scenario for a table, from what the database's catalog says of it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from upperbound.cli.subject import ScenarioOf, Url, open_subject


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
    from upperbound.targets.table_scenario import scenario_for_table

    with open_subject(url, scenario, "generate") as subject:
        wanted = table or subject.table
        if wanted is None:
            raise ConfigurationError(
                "no table was named", hint="give --table schema.table; `upperbound catalog objects` lists them"
            )
        made = scenario_for_table(subject.connection, subject.target, wanted, Preset(preset.value), key)
    for refusal in made.refusals:
        typer.echo(f"no {refusal.kind.value}: {refusal.reason}", err=True)
    for warning in made.warnings:
        typer.echo(f"warning: {warning}", err=True)
    text = made.text
    if output is None:
        typer.echo(text, nl=False)
        return
    write_text(output, text)
    typer.echo(str(output))
