"""The command line described by itself.

``python -m upperbound.cli.reference > docs/reference/cli.md`` writes the page.
"""

import sys
from typing import Final

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from upperbound.cli.app import app

_INTRODUCTION: Final = """\
# Command line

`ub` is the same as `upperbound`. This page is generated from the commands (`python -m upperbound.cli.reference`).
[Exit codes](exit-codes.md) and [scenario files](scenario.md) have pages of their own.

Settings come from flags, then `UPPERBOUND_*` environment variables, then `upperbound.toml` in the working directory,
then defaults: `upperbound config` prints them. Results go to stdout and everything else to stderr.

"""


def reference_page() -> str:
    """Return the reference page in Markdown."""
    command = get_command(app)
    context = typer.Context(command, info_name="upperbound")
    page = get_docs_for_click(obj=command, ctx=context, name="upperbound", indent=1)
    lines = [line.rstrip() for line in page.splitlines()]
    return _INTRODUCTION + "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference_page())
