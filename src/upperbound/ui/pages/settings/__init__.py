"""``/settings``: how this controller is set, and how the pages look."""

import upperbound
from upperbound.ui.components.html import Tag, heading
from upperbound.ui.components.panel import panel, scroll_x
from upperbound.ui.layout import frame, page_at
from upperbound.ui.services import UiServices


def install(services: UiServices) -> None:
    """Put the page on the server."""

    @page_at("/settings")
    def show() -> None:
        with frame("Settings", "Settings"):
            with Tag("div", cls="head"), Tag("div", cls="grow"):
                heading(1, "Settings")
                Tag("p", f"Upperbound {upperbound.__version__}, with its store in {services.store.dialect}.", "muted")
            _appearance()
            _in_effect(services)


def _appearance() -> None:
    with panel("Appearance"), Tag("div", cls="stack tight"):
        Tag("p", "Kept in this browser.", "muted small")
        with Tag("div", cls="segmented", role="group", aria_label="Theme"):
            for theme, word in (("auto", "As the system"), ("light", "Light"), ("dark", "Dark")):
                Tag("button", word, type="button", data_set_theme=theme, aria_pressed="false")


def _in_effect(services: UiServices) -> None:
    with panel("In effect", flush=True):
        Tag(
            "p",
            "What this server was started with. Flags go over environment variables, these over upperbound.toml, and "
            "that over defaults; secrets are masked.",
            "chart-note",
        )
        with scroll_x("Settings in effect"), Tag("table", cls="table"):
            with Tag("thead"), Tag("tr"):
                for name in ("Setting", "Value", "Comes from", "What it does"):
                    Tag("th", name, scope="col")
            with Tag("tbody"):
                for entry in services.settings:
                    with Tag("tr"):
                        Tag("td", entry.name, "mono nowrap")
                        Tag("td", entry.value if entry.value is not None else "not set", "wrap mono")
                        Tag("td", entry.source, "wrap")
                        Tag("td", entry.description, "wrap muted")
