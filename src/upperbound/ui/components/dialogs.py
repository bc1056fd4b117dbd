"""Questions that stand before the page until they are answered."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.html import Tag, button, heading


class Dialog:
    """A modal dialog of the browser's own: it keeps the focus inside, and Escape closes it."""

    def __init__(self, title: str, text: str = "") -> None:
        """Lay it out in the layout of the page; fill it inside ``with dialog.body``."""
        with ui.context.client.layout:
            self._element = Tag("dialog", cls="dialog", aria_label=title)
        with self._element:
            heading(2, title)
            if text:
                Tag("p", text, "anywhere muted")
            self.body = Tag("div", cls="stack")
            self.buttons = Tag("div", cls="row")
        self._element.on("close", lambda _: self._element.delete())

    def open(self) -> None:
        """Show it."""
        self._element.run_method("showModal")

    def close(self) -> None:
        """Take it away."""
        self._element.run_method("close")


def ask(title: str, text: str, verb: str, work: Callable[[], Awaitable[None]], *, danger: bool = False) -> None:
    """Ask whether to do something, and do it when the answer is yes."""
    dialog = Dialog(title, text)

    async def go() -> None:
        await work()
        dialog.close()

    with dialog.buttons:
        on_click_once(button(verb, cls="danger" if danger else "primary"), go)
        button("Keep it" if danger else "Cancel", dialog.close, "ghost", autofocus=True)
    dialog.open()


def ask_text(
    title: str,
    text: str,
    label: str,
    verb: str,
    work: Callable[[str], Awaitable[None]],
    *,
    value: str = "",
    kind: str = "text",
) -> None:
    """Ask for one line, and do something with it; the line is kept nowhere else."""
    dialog = Dialog(title, text)
    given = value

    def take(text: str) -> None:
        nonlocal given
        given = text

    async def go() -> None:
        dialog.close()
        await work(given)

    with dialog.body, Tag("div", cls="field"):
        field_id = f"ask-{dialog.body.id}"
        Tag("label", label, for_=field_id)
        field = Tag("input", cls="input", id=field_id, type=kind, value=value, autofocus=True, autocomplete="off")
        field.typed(take)
    with dialog.buttons:
        on_click_once(button(verb, cls="primary"), go)
        button("Cancel", dialog.close, "ghost")
    dialog.open()
