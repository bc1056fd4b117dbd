"""``upperbound catalog``: what a database holds, a page at a time."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from upperbound.cli.options import AsJson
from upperbound.cli.subject import ScenarioOf, Subject, Url, open_subject

if TYPE_CHECKING:
    from upperbound.targets.catalog import Catalog, Page, TableEntry

app = typer.Typer(help="List databases, schemas, tables, views and columns of a target.", rich_markup_mode=None)

Search = Annotated[
    str,
    typer.Option("--search", metavar="TEXT", help="Only names with this in them, in any case.", show_default=False),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="Entries of a page.")]
After = Annotated[
    str | None,
    typer.Option("--after", metavar="NEXT", help="The page after one that ended so.", show_default=False),
]


@app.command()
def databases(
    url: Url = None,
    scenario: ScenarioOf = None,
    search: Search = "",
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List the server's databases."""
    from upperbound.targets.catalog import PageRequest

    with _catalog(url, scenario) as (catalog, _):
        page = catalog.databases(PageRequest(limit, after, search))
    rows = [
        (entry.name, entry.owner, _size(entry.size_bytes), "this one" if entry.current else "") for entry in page.items
    ]
    _show(page, ("database", "owner", "size", ""), rows, as_json=as_json)


@app.command()
def schemas(
    url: Url = None,
    scenario: ScenarioOf = None,
    search: Search = "",
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List the schemas of the database."""
    from upperbound.targets.catalog import PageRequest

    with _catalog(url, scenario) as (catalog, _):
        page = catalog.schemas(PageRequest(limit, after, search))
    rows = [
        (entry.quoted, entry.owner, f"{entry.object_count:,}", "" if entry.usable else "no permission")
        for entry in page.items
    ]
    _show(page, ("schema", "owner", "tables and views", ""), rows, as_json=as_json)


@app.command()
def objects(
    url: Url = None,
    scenario: ScenarioOf = None,
    schema: Annotated[
        str | None, typer.Option("--schema", metavar="NAME", help="Only of this schema.", show_default=False)
    ] = None,
    search: Search = "",
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List tables and views, with row estimates and sizes.

    The search is for a part of SCHEMA.NAME; the schema is written as in SQL.
    """
    from upperbound.targets.any_catalog import schema_name
    from upperbound.targets.catalog import PageRequest

    with _catalog(url, scenario) as (catalog, subject):
        page = catalog.objects(PageRequest(limit, after, search), schema_name(schema, subject.connection))
    rows = [
        (
            entry.quoted,
            f"partition of {entry.partition_of}" if entry.partition_of else entry.kind.value,
            "" if entry.row_estimate is None else f"{entry.row_estimate:,}",
            _size(entry.table_bytes),
            _size(entry.index_bytes),
            "" if entry.readable else "no permission",
        )
        for entry in page.items
    ]
    _show(page, ("name", "kind", "rows (estimate)", "size", "indexes", ""), rows, as_json=as_json)


@app.command()
def columns(
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
    search: Search = "",
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List the columns of a table or view, and its keys and indexes."""
    from upperbound.errors import ConfigurationError
    from upperbound.targets.catalog import PageRequest

    with _catalog(url, scenario) as (catalog, subject):
        wanted = table or subject.table
        if wanted is None:
            raise ConfigurationError("no table was named", hint="give --table schema.table")
        page = catalog.columns(wanted, PageRequest(limit, after, search))
        entry = catalog.table(wanted)
    rows = [
        (
            column.quoted,
            column.type,
            "" if column.nullable else "not null",
            "computed"
            if column.generated
            else f"identity {column.identity}"
            if column.identity
            else column.default or "",
        )
        for column in page.items
    ]
    about = asdict(entry)
    del about["columns"]
    _show(page, ("column", "type", "", "value by itself"), rows, as_json=as_json, table=about)
    if not as_json:
        typer.echo("".join(f"{line}\n" for line in _keys(entry)), nl=False)


@app.command()
def statement(
    sql: Annotated[
        str, typer.Argument(metavar="SQL", help="One statement; $1, $2 … (on Snowflake also ?) are parameters.")
    ],
    url: Url = None,
    scenario: ScenarioOf = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--table",
            metavar="TABLE",
            help="What {table} stands for. Default: that of --scenario.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what the server makes of a statement, without executing it.

    The types of its parameters and result columns, and its plan for parameters of any value. On Snowflake a parameter
    has the type of its value, and a statement with parameters has no plan before it has their values.
    """
    from upperbound.targets.any_catalog import validated

    with open_subject(url, scenario, "catalog") as subject:
        found = validated(subject.connection, sql, table or subject.table)
    if as_json:
        document = asdict(found)
        document["columns"] = [{"name": name, "type": kind} for name, kind in found.columns]
        typer.echo(json.dumps(document, indent=2))
        return
    for number, kind in enumerate(found.parameters, start=1):
        typer.echo(f"${number}: {kind}")
    typer.echo(f"returns: {', '.join(f'{name} {kind}' for name, kind in found.columns) or 'no rows'}")
    typer.echo("".join(f"{line}\n" for line in found.plan), nl=False)


@contextmanager
def _catalog(url: str | None, scenario: str | None) -> "Iterator[tuple[Catalog, Subject]]":
    """Lend the catalog of a database, and the database itself."""
    from upperbound.targets.any_catalog import open_catalog

    with open_subject(url, scenario, "catalog") as subject, open_catalog(subject.connection) as catalog:
        yield catalog, subject


def _show(
    page: "Page[Any]",
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    as_json: bool,
    **more: Any,
) -> None:
    """Print a page, and how to ask for the next."""
    if as_json:
        document = {"items": [asdict(entry) for entry in page.items], "next": page.next, **more}
        typer.echo(json.dumps(document, indent=2))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from upperbound.cli.output import print_result

    if not rows:
        typer.echo("nothing found", err=True)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for head in heads:
        numbers = head in ("size", "indexes", "rows (estimate)", "tables and views")
        table.add_column(head, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    print_result(table)
    if page.next is not None:
        typer.echo(f"there are more: --after {page.next}", err=True)


def _keys(entry: "TableEntry") -> Iterator[str]:
    """Yield a line for each key, index, condition and the partitioning."""
    quoted = {column.name: column.quoted for column in entry.columns}

    def named(names: Sequence[str]) -> str:
        return f"({', '.join(quoted[name] for name in names)})"

    if entry.partitioning:
        yield f"partitioned by {entry.partitioning.definition}"
    for index in entry.indexes:
        what = "primary key" if index.primary else "unique index" if index.unique else "index"
        if index.exclusion:
            what = "exclusion constraint"
        more = [text for text, said in (("partial", index.partial), ("on an expression", index.on_expressions)) if said]
        yield ", ".join([f"{what} {index.name} {named(index.columns)}", *more])
    for key in entry.foreign_keys:
        yield f"foreign key {key.name} {named(key.columns)} references {key.references}"
    for check in entry.checks:
        yield f"check {check.name} {named(check.columns)}"


def _size(count_bytes: int | None) -> str:
    """Return a number of bytes as people read it."""
    if count_bytes is None:
        return ""
    size = float(count_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"
