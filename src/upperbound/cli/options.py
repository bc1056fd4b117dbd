"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Control and results store: sqlite:///FILE, postgresql://USER@HOST/DATABASE or "
        "snowflake://?connection_name=NAME. "
        "Default: an SQLite file in the data directory.",
        show_default=False,
    ),
]
JsonPath = Annotated[
    Path | None,
    typer.Option("--json", metavar="PATH", help="Write the summary of the run to this file.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only the result.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or the beginning of one.", show_default=False)]
