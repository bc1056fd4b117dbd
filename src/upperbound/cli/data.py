"""``upperbound data``: the tables that scenarios run on, made and filled on a server of the user's own."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from upperbound.cli.exit_codes import ExitCode
from upperbound.cli.options import AsJson

if TYPE_CHECKING:
    from upperbound.targets.pg_connection import ConnInfo
    from upperbound.targets.pg_load import LoadResult

app = typer.Typer(help="Make, fill and drop the tables that scenarios run on.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A data set; `upperbound data list` shows them.")]
Url = Annotated[
    str, typer.Option("--url", metavar="URL", help="Where: postgresql://USER@HOST/DATABASE.", show_default=False)
]
Schema = Annotated[str, typer.Option("--schema", help="The schema of the tables.")]
Silent = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only the result.")]


@app.command("list")
def list_data_sets(as_json: AsJson = False) -> None:
    """List the data sets, and the built-in scenarios that run on each."""
    import json

    from upperbound.scenario.builtins import builtin_scenarios
    from upperbound.targets.datasets.catalogue import DATA_SETS

    scenarios = builtin_scenarios()
    rows: list[dict[str, Any]] = [
        {
            "name": data_set.name,
            "about": data_set.about,
            "size": data_set.size,
            "tables": [table.name for table in data_set.tables],
            "scenarios": [scenario.name for scenario in scenarios if scenario.data_set == data_set.name],
        }
        for data_set in DATA_SETS
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['name']}: {row['about']}")
        typer.echo(f"  scale 1    {row['size']}")
        typer.echo(f"  tables     {', '.join(row['tables'])}")
        typer.echo(f"  scenarios  {', '.join(row['scenarios']) or 'none built in'}")


@app.command()
def load(
    name: Name,
    url: Url,
    scale: Annotated[
        int | None, typer.Option("--scale", min=1, help="How large. Default: 1, or that of a load that was begun.")
    ] = None,
    schema: Schema = "public",
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=64, help="Connections that load at the same time.")] = 4,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="The same seed gives the same rows. Default: 1, or that of the load begun."),
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Replace tables that are there: their rows are lost.")] = False,
    as_json: AsJson = False,
    quiet: Silent = False,
) -> None:
    """Make the tables of a data set and fill them.

    The password comes from PGPASSWORD, ~/.pgpass or a service file. Tables that are there already are left alone, and
    refused. A load that was stopped, by Ctrl-C or in any other way, goes on where it stopped when the same command is
    given again.
    """
    from upperbound.cli.data_progress import make_load_progress
    from upperbound.cli.stop_signals import StopSignals
    from upperbound.clock import SystemClock
    from upperbound.targets.datasets.catalogue import find_data_set
    from upperbound.targets.pg_load import LoadOrder, load_data_set

    data_set = find_data_set(name)
    order = LoadOrder(data_set, _schema(schema), scale, seed, jobs, drop)
    clock = SystemClock()
    begun_ns = clock.monotonic_ns()
    progress = make_load_progress(data_set.name, quiet=quiet, clock=clock)
    with StopSignals() as signals:
        try:
            with progress:
                result = load_data_set(target_of(url), order, progress)
        except KeyboardInterrupt:
            typer.echo(f"{signals.first or 'Ctrl-C'}: the load has stopped. {progress.so_far()}", err=True)
            raise typer.Exit(ExitCode.CANCELLED) from None
    seconds = (clock.monotonic_ns() - begun_ns) / 1e9
    _print_result(data_set.name, order.schema, result, seconds, as_json=as_json)


@app.command()
def drop(name: Name, url: Url, schema: Schema = "public") -> None:
    """Drop the tables of a data set that was loaded.

    Tables that were made in another way are left alone, and refused.
    """
    from upperbound.targets.datasets.catalogue import find_data_set
    from upperbound.targets.pg_load import drop_data_set

    data_set = find_data_set(name)
    dropped = drop_data_set(target_of(url), data_set, _schema(schema))
    typer.echo(f"{data_set.name}: dropped {', '.join(dropped) or 'nothing, as no table was left'}")


def target_of(url: str, program: str = "upperbound:data") -> "ConnInfo":
    """Return where to go; ``program`` is shown by the server.

    Raises:
        ConfigurationError: ``url`` is no URL of a PostgreSQL database.
    """
    from pydantic import SecretStr

    from upperbound.errors import ConfigurationError
    from upperbound.scenario.connection_url import check_url, split_password
    from upperbound.targets.pg_connection import ConnInfo

    given = split_password(url)
    if fault := check_url(given.url):
        raise ConfigurationError(f"--url {fault.message}", hint=fault.hint)
    if given.password:
        typer.echo(
            "warning: --url holds a password, which lists of processes show; PGPASSWORD keeps it safer", err=True
        )
    return ConnInfo(given.url, SecretStr(given.password) if given.password else None, program)


def _schema(text: str) -> str:
    """Return the name of a schema in its true case.

    Raises:
        ConfigurationError: it is no name.
    """
    from upperbound.errors import ConfigurationError
    from upperbound.scenario.identifiers import IdentifierError, parse_table

    try:
        name = parse_table(text)
    except IdentifierError as error:
        raise ConfigurationError(f"--schema {error.message}", hint=error.hint) from None
    if name.schema is not None:
        raise ConfigurationError(f"--schema {text!r} is not a name by itself", hint="write the schema alone")
    return name.name


def _print_result(name: str, schema: str, result: "LoadResult", seconds: float, *, as_json: bool) -> None:
    import json

    rows_per_s = result.loaded_rows / seconds if seconds > 0 else 0.0
    if as_json:
        document = {
            "data_set": name,
            "schema": schema,
            "scale": result.recipe.scale,
            "seed": result.recipe.seed,
            "tables": result.tables,
            "resumed": result.resumed,
            "loaded_rows": result.loaded_rows,
            "duration_seconds": round(seconds, 3),
            "rows_per_s": round(rows_per_s, 1),
        }
        typer.echo(json.dumps(document, indent=2))
        return
    how = "loaded the rest of it" if result.resumed else "loaded"
    typer.echo(
        f"{name}: {how} into schema {schema} at scale {result.recipe.scale} with seed {result.recipe.seed}: "
        f"{result.loaded_rows:,} rows in {seconds:.1f} s"
    )
    for table, rows in result.tables.items():
        typer.echo(f"  {table}: {rows:,} rows, as planned")
