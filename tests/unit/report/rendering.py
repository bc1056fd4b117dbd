"""Rendering for tests: a console of a fixed width."""

import io

from rich.console import Console, RenderableType


def plain(renderable: RenderableType, width: int = 120) -> str:
    """Return what goes into a pipe."""
    text = io.StringIO()
    Console(file=text, width=width, highlight=False).print(renderable)
    return text.getvalue()


def words(renderable: RenderableType, width: int = 120) -> str:
    """Return the same on one line with single spaces, for assertions that do not care about columns."""
    return " ".join(plain(renderable, width).split())
