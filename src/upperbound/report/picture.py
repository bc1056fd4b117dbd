"""The result of a run as an SVG picture: ``python -m upperbound.report.picture SUMMARY.json OUT.svg``."""

import argparse
import io
import re
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from rich.console import Console

from upperbound.errors import ScenarioError
from upperbound.report.terminal import result
from upperbound.scenario.loader import load_scenario
from upperbound.views.run_summary import RunSummary, mix_of

_REMOTE_FONT: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)

WIDTH: Final = 100
"""Characters in a line of the picture."""


def picture(summary: RunSummary, mix: Mapping[str, Decimal] | None = None, *, title: str = "upperbound") -> str:
    """Return the result as it looks on a terminal, as SVG text; the same summary gives the same picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(result(summary, mix))
    # Its own id keeps the picture from changing with every run of this program.
    svg = console.export_svg(title=title, unique_id="upperbound")
    # A picture in a README fetches no fonts from elsewhere: the reader's own monospaced one does.
    return _REMOTE_FONT.sub("", svg)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read a summary written by ``--json`` and write the picture; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m upperbound.report.picture", description=__doc__)
    parser.add_argument("summary", type=Path, metavar="SUMMARY.json", help="what `upperbound demo --json` wrote")
    parser.add_argument("picture", type=Path, metavar="OUT.svg")
    parser.add_argument("--scenario", default="demo", help="scenario of the run, for the planned mix (default: demo)")
    parser.add_argument("--title", default="upperbound demo")
    given = parser.parse_args(arguments)
    try:
        summary = RunSummary.model_validate_json(given.summary.read_bytes())
        mix = mix_of(load_scenario(given.scenario).scenario)
        given.picture.write_text(picture(summary, mix, title=given.title), encoding="utf-8")
    except (OSError, ValidationError, ScenarioError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
