"""The frame of every page: the bar with where one is, and where one can go."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nicegui import ui
from nicegui.page import page

from upperbound.ui.components.html import Tag, link
from upperbound.ui.components.toasts import Toasts

SECTIONS: Final = (("Templates", "/"), ("Runs", "/history"), ("Settings", "/settings"))
_MARK: Final = "/_upperbound/mark.svg"
BUILD_TIMEOUT_S: Final = 30.0
"""How long a page may take: its store may be away for a moment, and its machine busy with a load."""


def page_at(path: str) -> page:
    """Return what makes a function the builder of the page at ``path``."""
    return page(path, response_timeout=BUILD_TIMEOUT_S)


@contextmanager
def frame(title: str, section: str) -> Iterator[Toasts]:
    """Lay a page out, and yield where its messages come up; what is made inside is its content."""
    ui.page_title(f"{title} · Upperbound")
    layout = ui.context.client.layout
    with layout:
        _bar(section).move(layout, 0)
        link("Skip to the content", "#content", "skip").move(layout, 0)
        toasts = Toasts()
    with Tag("div", cls="page", id="content", tabindex="-1"):
        yield toasts
    ui.run_javascript("upperboundTheme.apply()")


def _bar(section: str) -> Tag:
    with Tag("header", cls="bar") as bar:
        with Tag("a", cls="brand", href="/", aria_label="Upperbound, templates"):
            Tag("img", src=_MARK, alt="", width="22", height="22")
            Tag("span", "Upperbound")
        with Tag("nav", aria_label="Main"):
            for name, path in SECTIONS:
                link(name, path, aria_current="page" if name == section else None)
        with Tag("div", cls="end"):
            link("API", "/api/docs", "api")
            Tag("button", "◐", "btn ghost small", type="button", data_toggle_theme=True, aria_label="Light or dark")
    return bar
