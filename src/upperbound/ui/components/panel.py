"""Surfaces that hold one thing each, and what stands where there is nothing to show."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

from upperbound.errors import ConfigurationError, UpperboundError
from upperbound.ui.components.html import Tag, heading

Tone = Literal["info", "ok", "warn", "bad"]
GLYPHS: Final[dict[Tone, str]] = {"info": "i", "ok": "✓", "warn": "▲", "bad": "✕"}


@contextmanager
def panel(title: str, unit: str = "", *, flush: bool = False, cls: str = "") -> Iterator[Tag]:
    """Show a surface with a title, and what its figures are in; yields the header, for what belongs beside them."""
    with Tag("section", cls=f"panel {cls}".strip(), aria_label=title):
        with Tag("header") as header:
            heading(2, title)
            if unit:
                Tag("span", unit, "unit")
        with Tag("div", cls="flush" if flush else "body"):
            yield header


def note(tone: Tone, title: str, lines: Sequence[str] = (), *, role: str | None = None) -> Tag:
    """Show a message that stays."""
    with Tag("div", cls=f"note {tone}", role=role) as made:
        Tag("span", GLYPHS[tone], "glyph", aria_hidden="true")
        with Tag("div"):
            Tag("strong", title)
            for line in lines:
                Tag("span", line)
    return made


def error_note(error: UpperboundError, *, role: str | None = "alert") -> Tag:
    """Show what went wrong, all of it."""
    problems = [str(problem) for problem in error.problems] if isinstance(error, ConfigurationError) else []
    return note("bad", error.message, [*([error.hint] if error.hint else []), *problems], role=role)


def empty(title: str, text: str = "", *, low: bool = False) -> Tag:
    """Show that there is nothing, and why."""
    with Tag("div", cls="empty low" if low else "empty") as made:
        Tag("strong", title)
        if text:
            Tag("span", text)
    return made


def scroll_x(label: str) -> Tag:
    """Return a place whose content may be wider than the screen: it scrolls by itself, also with the keyboard."""
    return Tag("div", cls="scroll-x", role="group", aria_label=label, tabindex="0")
