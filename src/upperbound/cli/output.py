"""Results on stdout: with colours on a terminal, as plain lines elsewhere."""

import io
import os
import sys
from typing import Final

from rich.console import Console, RenderableType

PIPE_WIDTH: Final = 120
"""Characters in a line that goes into a pipe or a file, unless COLUMNS says otherwise."""


def print_result(renderable: RenderableType) -> None:
    """Print to stdout; elsewhere than on a terminal without colours, wide enough for every table, and with no padding.

    Raises:
        OSError: nobody reads any more, or the disk is full.
    """
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(renderable)
        return
    width = None if "COLUMNS" in os.environ else PIPE_WIDTH
    text = io.StringIO()
    Console(file=text, highlight=False, width=width, no_color=True).print(renderable)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))
