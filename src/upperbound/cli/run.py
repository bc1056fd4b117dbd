"""``upperbound run``: a benchmark of whatever a scenario describes."""

from typing import Annotated

import typer

from upperbound.cli.options import JsonPath, Quiet, Store


def run(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO", help="A YAML or JSON file, a template's name or id, or a built-in scenario."
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace a value, such as load.threads=50. May be repeated."),
    ] = None,
    store: Store = None,
    json_path: JsonPath = None,
    quiet: Quiet = False,
) -> None:
    """Run the benchmark that a scenario describes.

    The password of the target comes from PGPASSWORD, ~/.pgpass or a service file. Ctrl-C stops the run and lets queries
    in flight end; a second Ctrl-C ends it at once.
    """
    from upperbound.cli.running import RunOrder, carry_out
    from upperbound.cli.scenario_source import find_scenario
    from upperbound.cli.settings import load_settings

    settings = load_settings(store=store)
    found = find_scenario(scenario, overrides or [], settings)
    order = RunOrder(found.loaded, json_path, quiet=quiet, template=found.template)
    raise typer.Exit(carry_out(order, settings))
