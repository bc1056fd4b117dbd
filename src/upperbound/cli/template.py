"""``upperbound template``: stored scenarios, every version of each, and those that are built in."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from upperbound.cli.options import AsJson, Store
from upperbound.cli.template_generate import generate
from upperbound.cli.template_import import import_files
from upperbound.cli.template_prepare import prepare

if TYPE_CHECKING:
    from upperbound.store.engine import Store as OpenStore

app = typer.Typer(help="Keep scenarios in the store, with every version of each.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name or id of a template.", show_default=False)]
AnyName = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Name or id of a template, or a built-in scenario.", show_default=False),
]
Version = Annotated[
    int | None,
    typer.Option("--version", metavar="N", min=1, help="A version. Default: the newest.", show_default=False),
]


@app.command("list")
def list_templates(
    search: Annotated[
        str, typer.Option("--search", metavar="WORDS", help="Only those that hold every word.", show_default=False)
    ] = "",
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="KEY[=VALUE]", help="Only those with this tag. May be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many to list.")] = 50,
    page: Annotated[int, typer.Option("--page", min=1, help="Which page of so many.")] = 1,
    as_json: AsJson = False,
    store: Store = None,
) -> None:
    """List templates and built-in scenarios.

    Words are looked for in names, tags, tables and names of operations.
    """
    from upperbound.cli.output import print_result
    from upperbound.cli.template_import import parse_wanted
    from upperbound.report.templates import template_list
    from upperbound.views.templates import load_template_list

    wanted = parse_wanted(tags or [])
    with _store(store) as opened:
        found = load_template_list(opened, search, wanted, limit=limit, offset=(page - 1) * limit)
    if as_json:
        typer.echo(json.dumps([entry.model_dump(mode="json") for entry in found.templates], indent=2))
    else:
        print_result(template_list(found, searched=bool(search or wanted or page > 1)))


@app.command()
def show(name: AnyName, version: Version = None, as_json: AsJson = False, store: Store = None) -> None:
    """Show a template.

    Who saved it and when, and the complete scenario.
    """
    from upperbound.cli.template_text import pools_of
    from upperbound.report.value_pools import template_pools_lines
    from upperbound.store.library import text_of

    with _store(store) as opened:
        text = text_of(opened.templates, name, version)
        pools = pools_of(opened, text)
    if as_json:
        prepared = pools.model_dump(mode="json") if pools else None
        typer.echo(json.dumps({**text.facts, "value_pools": prepared, "scenario": text.document}, indent=2))
        return
    lines = template_pools_lines(str(text.facts["name"]), pools) if pools else []
    typer.echo("\n".join([text.head, *(f"{'value pools':<14} {line}" for line in lines)]))
    typer.echo(f"\n{text.yaml}", nl=False)


app.command()(generate)
app.command("import")(import_files)
app.command()(prepare)


@app.command("export")
def export_template(
    name: AnyName,
    version: Version = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Write to this file.", show_default=False),
    ] = None,
    store: Store = None,
) -> None:
    """Write a template as YAML.

    To a file, or else to stdout. Importing it again gives the same scenario.
    """
    from upperbound.cli.template_text import write_text
    from upperbound.store.library import text_of

    with _store(store) as opened:
        text = text_of(opened.templates, name, version).yaml
    if output is None:
        typer.echo(text, nl=False)
        return
    write_text(output, text)
    typer.echo(str(output))


@app.command()
def validate(
    name_or_file: Annotated[
        str, typer.Argument(metavar="NAME_OR_FILE", help="A scenario file, a template or a built-in scenario.")
    ],
    store: Store = None,
) -> None:
    """Say whether a scenario is valid.

    Every problem at once, each with its line; exits with 2 when there is any. Of a template it says as well which value
    pools are prepared for it. The target is not connected to.
    """
    from upperbound.cli.scenario_source import find_scenario
    from upperbound.cli.settings import load_settings
    from upperbound.report.value_pools import template_pools_lines
    from upperbound.views.value_pools import load_template_pools

    found = find_scenario(name_or_file, [], load_settings(store=store))
    scenario = found.loaded.scenario
    for warning in found.loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)
    version = f", version {found.template.version}" if found.template else ""
    kinds = ", ".join(operation.label for operation in scenario.workload.operations)
    typer.echo(f"{name_or_file}{version} is valid: {scenario.name}, {scenario.load.mode.value}, {kinds}")
    if found.template is not None:
        with _store(store) as opened:
            pools = load_template_pools(opened, found.template.template_id, scenario)
        for line in template_pools_lines(scenario.name, pools):
            typer.echo(f"value pools: {line}")


@app.command()
def duplicate(
    name: AnyName,
    new: Annotated[str, typer.Argument(metavar="NEW", help="What the copy is called.", show_default=False)],
    version: Version = None,
    store: Store = None,
) -> None:
    """Make a template from another.

    The copy has its own versions and begins with 1.
    """
    from upperbound.cli.users import user_name
    from upperbound.store.library import duplicate_any

    with _store(store) as opened:
        made = duplicate_any(opened.templates, name, new, saved_by=user_name(), version=version)
    typer.echo(f"{made.name}: made from {name}, version 1 ({made.template_id})")


@app.command()
def rename(
    name: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="What it is called from now on.", show_default=False)],
    store: Store = None,
) -> None:
    """Give a template another name.

    Its versions and its id stay; the name is part of the scenario, so this is a new version.
    """
    from upperbound.cli.users import user_name

    with _store(store) as opened:
        before = opened.templates.find(name)
        after = opened.templates.rename(before.template_id, new, saved_by=user_name())
    typer.echo(f"{before.name} is called {after.name}, version {after.latest_version}")


@app.command()
def tag(
    name: Name,
    tags: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE…", help="Tags to set; KEY= removes one.", show_default=False),
    ],
    store: Store = None,
) -> None:
    """Set or remove tags of a template.

    Others stay. Tags are part of the scenario, so this is a new version.
    """
    from upperbound.cli.template_import import parse_tags
    from upperbound.cli.users import user_name
    from upperbound.report.templates import tags_text

    changes = parse_tags(tags)
    with _store(store) as opened:
        before = opened.templates.find(name)
        after = opened.templates.tag(before.template_id, changes, saved_by=user_name())
    if after.latest_version == before.latest_version:
        typer.echo(f"{after.name}: nothing to change, version {after.latest_version}")
        return
    typer.echo(f"{after.name}: {tags_text(after.tags) or 'no tags'}, version {after.latest_version}")


@app.command()
def versions(name: Name, as_json: AsJson = False, store: Store = None) -> None:
    """List the versions of a template, the newest first."""
    from upperbound.cli.output import print_result
    from upperbound.report.templates import version_list
    from upperbound.views.templates import version_entry

    with _store(store) as opened:
        rows = opened.templates.versions(opened.templates.find(name).template_id)
    entries = [version_entry(row) for row in rows]
    if as_json:
        typer.echo(json.dumps([entry.model_dump(mode="json") for entry in entries], indent=2))
    else:
        print_result(version_list(entries))


@app.command()
def diff(
    name: Name,
    first: Annotated[int, typer.Argument(metavar="V1", min=1, help="A version.", show_default=False)],
    second: Annotated[int, typer.Argument(metavar="V2", min=1, help="Another.", show_default=False)],
    store: Store = None,
) -> None:
    """Compare two versions of a template.

    As a unified diff of their YAML.
    """
    from upperbound.cli.template_text import difference

    with _store(store) as opened:
        template_id = opened.templates.find(name).template_id
        one, other = (opened.templates.version(template_id, version) for version in (first, second))
    typer.echo(difference(one, other), nl=False)


@app.command()
def delete(name: Name, store: Store = None) -> None:
    """Delete a template with all its versions and value pools.

    Runs that were made from it keep the scenario they ran.
    """
    with _store(store) as opened:
        template = opened.templates.find(name)
        opened.templates.delete(template.template_id)
        opened.value_pools.sweep()
    count = "its version" if template.latest_version == 1 else f"its {template.latest_version} versions"
    typer.echo(f"{template.name}: deleted with {count}; runs keep the scenario they ran")


def _store(url: str | None) -> "OpenStore":
    from upperbound.cli.settings import load_settings
    from upperbound.store.engine import open_store

    return open_store(load_settings(store=url).store_url)
