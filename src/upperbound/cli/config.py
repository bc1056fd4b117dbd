"""``upperbound config``: the settings in effect, and where each came from."""

import json

import typer

from upperbound.cli.options import AsJson, Store


def config(as_json: AsJson = False, store: Store = None) -> None:
    """Print the settings in effect.

    Each with where it came from, and with secrets masked. A flag goes over an environment variable, that over
    upperbound.toml in the working directory, and that over the default.
    """
    from upperbound.cli.settings import load_settings

    origins = load_settings(store=store).origins
    if as_json:
        shown = {one.kind.name: {"value": one.shown, "source": one.source} for one in origins}
        typer.echo(json.dumps(shown, indent=2))
        return
    rows = [(one.kind.name, "not set" if one.shown is None else one.shown, one.source) for one in origins]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, source in rows:
        typer.echo(f"{name:{widths[0]}}  {value:{widths[1]}}  ({source})")
