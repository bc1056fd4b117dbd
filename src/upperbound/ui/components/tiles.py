"""Figures that stand out."""

from collections.abc import Iterator
from contextlib import contextmanager

from upperbound.ui.components.html import Tag
from upperbound.ui.components.words import NONE


@contextmanager
def tiles(label: str) -> Iterator[None]:
    """Hold tiles in a row."""
    with Tag("section", cls="tiles", aria_label=label):
        yield


class Tile:
    """One figure with its name, its unit and a line below; its place stays the same whatever it says."""

    def __init__(self, label: str, unit: str = "", *, tip: str = "", key: str = "") -> None:
        with Tag("div", cls="tile", data_tile=key or label) as self._tile:
            with Tag("div", cls="label"):
                Tag("span", label)
                if tip:
                    tooltip(f"About {label}", tip)
            with Tag("div", cls="value"):
                self._value = Tag("span", NONE)
                if unit:
                    Tag("small", unit)
            self._sub = Tag("div", "", "sub")

    def update(self, value: str, sub: str = "", *, bad: bool = False) -> None:
        """Show a figure."""
        self._value.say(value)
        self._sub.say(sub)
        self._tile.restyle("tile bad" if bad else "tile")


def tooltip(label: str, text: str) -> None:
    """Show a question mark that explains itself to the pointer, the keyboard and a screen reader."""
    with Tag("span", cls="tip"):
        made = Tag("button", "?", type="button", aria_label=label)
        tip = Tag("span", text, role="tooltip", id=f"tip-{made.id}")
        made.attribute(aria_describedby=f"tip-{made.id}")
        assert tip.text
