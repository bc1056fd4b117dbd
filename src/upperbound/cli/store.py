"""``upperbound store``: make, check and print the tables of the control and results store."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from upperbound.cli.exit_codes import ExitCode
from upperbound.cli.options import Store

if TYPE_CHECKING:
    from upperbound.cli.settings import Settings

app = typer.Typer(help="Make and check the tables of the store.", rich_markup_mode=None)


class Dialect(StrEnum):
    """A kind of store."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"
    SNOWFLAKE = "snowflake"


@app.command()
def init(store: Store = None) -> None:
    """Make the tables, or bring them to date.

    What they hold is kept.
    """
    from upperbound.scenario.connection_url import split_password
    from upperbound.store.engine import init_store
    from upperbound.store.migrate import HEAD_REVISION

    settings = _settings(store)
    before = init_store(settings.store_url)
    done = {None: "made", HEAD_REVISION: "up to date already"}.get(before, f"brought from revision {before}")
    shown = split_password(settings.store_url).url
    typer.echo(f"{shown}: tables {done}, revision {HEAD_REVISION}")


@app.command()
def check(store: Store = None) -> None:
    """Say whether the tables are as expected.

    Compares every table and column with what this version expects, and exits with 2 when anything differs.
    """
    from upperbound.store.address import parse_store_url
    from upperbound.store.check import check_store, expected_columns

    url = _settings(store).store_url
    findings = check_store(url)
    expected = expected_columns(parse_store_url(url).dialect)
    tables = [*expected, *sorted({finding.table for finding in findings} - expected.keys())]
    for table in tables:
        found = [finding for finding in findings if finding.table == table]
        typer.echo(
            f"{'differs' if found else 'ok':8} {table}" + ("" if found else f" ({len(expected[table])} columns)")
        )
        for finding in found:
            typer.echo(f"         - {finding}")
    if findings:
        typer.echo(f"{len(findings)} differences; `upperbound store init` makes what is missing", err=True)
        raise typer.Exit(ExitCode.USAGE)


@app.command()
def ddl(
    dialect: Annotated[Dialect, typer.Option("--dialect", help="For which kind of store.")] = Dialect.POSTGRESQL,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FOLDER", help="Write one file for each group of tables, in place of printing."
        ),
    ] = None,
) -> None:
    """Print the statements that make the tables.

    For those who run them by hand.
    """
    from upperbound.errors import ConfigurationError
    from upperbound.store.ddl import ddl as statements

    files = statements(dialect.value)
    if folder is None:
        typer.echo("\n".join(files.values()), nl=False)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
            typer.echo(str(folder / name))
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror or error}") from error


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    store: Store = None,
) -> None:
    """Remove files that runs have left on the stage of a Snowflake store.

    Files of runs that are under way are left alone, and so are those of a run whose queries are not all in the store:
    they may be the only ones. `upperbound runs retry-enrichment` loads them first.
    """
    from upperbound.orchestrator.orphans import Orphan, find_orphans
    from upperbound.store.engine import open_store

    with open_store(_settings(store).store_url, migrate=False) as opened:
        found = find_orphans(opened)
        for orphan in found:
            removed = orphan.may_go and not dry_run
            if removed:
                opened.query_log.remove_staged(orphan.run_id)
            done = "removed" if removed else "to be removed" if orphan.may_go else "kept"
            typer.echo(
                f"{done:14} {orphan.files} files, {orphan.size_bytes:,} bytes of run {orphan.run_id}: {orphan.why}"
            )

    def files(chosen: list[Orphan]) -> int:
        return sum(orphan.files for orphan in chosen)

    gone = files([orphan for orphan in found if orphan.may_go])
    typer.echo(f"{gone} files {'would be' if dry_run else 'were'} removed, {files(found) - gone} kept")


def _settings(url: str | None) -> "Settings":
    from upperbound.cli.settings import load_settings

    return load_settings(store=url)
