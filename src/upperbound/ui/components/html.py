"""HTML elements of our own: text is always text, whatever it holds."""

from collections.abc import Callable
from typing import Any, Final, Self

from nicegui.element import Element

DELAY_S: Final = 0.3
"""After the last key, before what was typed is taken in."""
_VALUE: Final = "(event) => emit(event.target.value)"


class Tag(Element):
    """One HTML element. Its text is set as text, and its attributes as attributes, so that neither can be markup."""

    def __init__(self, name: str, text: str | None = None, cls: str = "", **attributes: Any) -> None:
        """Make the element.

        In the names of ``attributes`` an underscore stands for a hyphen, and one at the end is dropped; None leaves an
        attribute out, and True makes it empty.
        """
        super().__init__(name)
        if text is not None:
            self._text = text
        if cls:
            self.classes(cls)
        for key, value in attributes.items():
            self._set(key, value)

    @property
    def text(self) -> str:
        """The text."""
        return self._text or ""

    def say(self, text: str) -> Self:
        """Show another text; nothing is sent when it is the same."""
        if text != self._text:
            self._text = text
            self.update()
        return self

    def attribute(self, **attributes: Any) -> Self:
        """Set attributes, as the constructor does; nothing is sent for those that are the same."""
        for key, value in attributes.items():
            self._set(key, value)
        return self

    def restyle(self, cls: str) -> Self:
        """Have these classes and no others; nothing is sent when they are the same."""
        if self._classes != cls.split():
            self.classes(replace=cls)
        return self

    def show(self, shown: bool) -> Self:
        """Be there or not."""
        return self.attribute(hidden=None if shown else True)

    def click(self, handler: Callable[[], Any]) -> Self:
        """Call ``handler`` when it is clicked, or chosen with the keyboard."""
        self.on("click", lambda _: handler())
        return self

    def typed(self, handler: Callable[[str], Any]) -> Self:
        """Call ``handler`` with what stands in a field, shortly after the last key.

        It is called at once when the field is left: what is clicked next finds the last key taken in.
        """
        self.on(
            "input", lambda event: handler(str(event.args)), js_handler=_VALUE, throttle=DELAY_S, leading_events=False
        )
        self.on("change", lambda event: handler(str(event.args)), js_handler=_VALUE)
        return self

    def chosen(self, handler: Callable[[str], Any]) -> Self:
        """Call ``handler`` with the value of a choice."""
        self.on("change", lambda event: handler(str(event.args or "")), js_handler=_VALUE)
        return self

    def ticked(self, handler: Callable[[bool], Any]) -> Self:
        """Call ``handler`` with whether a box is ticked."""
        self.on("change", lambda event: handler(bool(event.args)), js_handler="(event) => emit(event.target.checked)")
        return self

    def _set(self, key: str, value: Any) -> None:
        name = key.rstrip("_").replace("_", "-")
        if name == "value" and self.tag in {"input", "textarea"}:
            # As the attribute: it is what the field begins with, and never takes the place of what was typed since.
            name = "^value"
        if value is True:
            value = ""
        if value is None or value is False:
            if name in self._props:
                del self._props[name]
        elif self._props.get(name) != value:
            self._props[name] = value


def heading(level: int, text: str, cls: str = "") -> Tag:
    """Return a heading."""
    return Tag(f"h{level}", text, cls)


def link(text: str, href: str, cls: str = "", **attributes: Any) -> Tag:
    """Return a link to a path of this server."""
    return Tag("a", text, cls, href=href, **attributes)


def button(text: str, handler: Callable[[], Any] | None = None, cls: str = "", **attributes: Any) -> Tag:
    """Return a button."""
    made = Tag("button", text, f"btn {cls}".strip(), type="button", **attributes)
    return made if handler is None else made.click(handler)
