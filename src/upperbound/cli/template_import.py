"""``upperbound template import``: scenario files into templates, and tags as they are typed."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from upperbound.cli.options import Store
from upperbound.errors import ConfigurationError, Problem, ScenarioError

if TYPE_CHECKING:
    from upperbound.scenario.model import Scenario
    from upperbound.store.library import Kept


def import_files(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Scenario files, or built-in scenarios.", show_default=False),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="What the template is called, in place of the scenario's name."),
    ] = None,
    store: Store = None,
) -> None:
    """Keep scenario files as templates.

    All of them are checked first, and none is kept when any is wrong. A template of the same name gets another version,
    and stays as it is when the scenario is the same.
    """
    from upperbound.cli.settings import load_settings
    from upperbound.cli.users import user_name
    from upperbound.store.engine import open_store
    from upperbound.store.library import keep

    settings = load_settings(store=store)
    scenarios = read_all(files, name)
    with open_store(settings.store_url) as opened:
        for file, scenario in scenarios.items():
            kept = keep(opened.templates, scenario, saved_by=user_name(), note=f"imported from {file}")
            typer.echo(say(kept))


def read_all(files: Sequence[str], name: str | None = None) -> "dict[str, Scenario]":
    """Return the scenarios of files by the files' names; ``name`` replaces that of the only one.

    Raises:
        ConfigurationError: any of them is wrong, or two are called alike; it carries every problem of all of them.
    """
    from upperbound.scenario.loader import builtin_names, load_scenario

    if name is not None and len(files) > 1:
        raise ConfigurationError("one name cannot be given to several files", hint="import them one by one")
    problems: list[Problem] = []
    scenarios: dict[str, Scenario] = {}
    # In quotes, so that a name that looks like a number is a name.
    overrides = [] if name is None else [f"name={json.dumps(name, ensure_ascii=False)}"]
    for file in dict.fromkeys(files):
        try:
            loaded = load_scenario(file, overrides)
        except ScenarioError as error:
            if len(files) == 1:
                raise
            problems += _of_file(file, error)
            continue
        scenario = loaded.scenario
        if loaded.password is not None:
            typer.echo(f"warning: {file}: the password in target.url is not kept; set PGPASSWORD", err=True)
        if twin := next((other for other, before in scenarios.items() if before.name == scenario.name), None):
            problems.append(
                Problem(file, f"is called {scenario.name!r}, as is {twin}", "import one of them with --name")
            )
        if scenario.name in builtin_names():
            told = f"{scenario.name!r} is a built-in scenario, which cannot change"
            problems.append(Problem(file, told, "give the template another name with --name"))
        scenarios[file] = scenario
    if problems:
        raise ConfigurationError("nothing was imported", problems=problems)
    return scenarios


def say(kept: "Kept") -> str:
    """Return what was done, on a line."""
    template = kept.template
    what = "unchanged, version" if kept.done == "unchanged" else "version"
    return f"{template.name}: {what} {template.latest_version} ({template.template_id})"


def parse_tags(texts: Sequence[str]) -> dict[str, str | None]:
    """Return tags to set, None for one to remove: ``team=data``, ``team=``.

    Raises:
        ConfigurationError: some are no tags, or set twice; it carries every one of them.
    """
    tags: dict[str, str | None] = {}
    problems = []
    for text in texts:
        key, separator, value = text.partition("=")
        if not key or not separator:
            problems.append(Problem(text, "is not KEY=VALUE", "write team=data to set a tag, team= to remove it"))
        elif key in tags:
            problems.append(Problem(key, "is set twice"))
        else:
            tags[key] = value or None
    if problems:
        raise ConfigurationError("the tags stay as they are", problems=problems)
    return tags


def parse_wanted(texts: Sequence[str]) -> dict[str, str | None]:
    """Return tags to look for, None for any value: ``team=data``, ``team``.

    Raises:
        ConfigurationError: one has no key.
    """
    wanted: dict[str, str | None] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not key:
            raise ConfigurationError(f"--tag {text!r} has no key", hint="write --tag team=data, or --tag team")
        wanted[key] = value if separator else None
    return wanted


def _of_file(file: str, error: ScenarioError) -> list[Problem]:
    """Return what is wrong with one of several files, each problem with the file's name."""
    if not error.problems:
        return [Problem("", error.message, error.hint)]
    return [Problem(file, str(replace(problem, hint="")), problem.hint) for problem in error.problems]
