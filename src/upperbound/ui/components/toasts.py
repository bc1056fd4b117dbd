"""Messages that come up over the page and can be sent away."""

from nicegui import ui

from upperbound.errors import ConfigurationError, UpperboundError
from upperbound.ui.components.html import Tag, button
from upperbound.ui.components.panel import GLYPHS, Tone


class Toasts:
    """The corner of one page where messages come up; they stay until somebody sends them away."""

    def __init__(self) -> None:
        self._corner = Tag("div", cls="toasts", role="status", aria_live="polite")

    def show(self, tone: Tone, title: str, text: str = "") -> None:
        """Bring up a message."""
        with self._corner, Tag("div", cls=f"toast {tone}", role="alert" if tone == "bad" else None) as toast:
            Tag("span", GLYPHS[tone], "glyph", aria_hidden="true")
            with Tag("div"):
                Tag("strong", title)
                if text:
                    Tag("span", text, "small")
            button("✕", toast.delete, "ghost small", aria_label="Dismiss")

    def error(self, error: UpperboundError) -> None:
        """Bring up what went wrong."""
        problems = [str(problem) for problem in error.problems] if isinstance(error, ConfigurationError) else []
        self.show("bad", error.message, " · ".join([*([error.hint] if error.hint else []), *problems]))


def go_to(path: str) -> None:
    """Show another page of this server."""
    ui.navigate.to(path)
