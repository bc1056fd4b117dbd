"""Fields of a form over a draft, each with its problem beside it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from upperbound.errors import Problem
from upperbound.ui.components.html import Tag
from upperbound.ui.draft import Draft, number_or_text, problem_for, without_field


class Field:
    """One input with its label, a hint, and what is wrong with it."""

    def __init__(self, form: "Form", path: str, label: str, hint: str = "", *, hidden_label: bool = False) -> None:
        self.path, self._form = path, form
        self.control: Tag | None = None
        self.element = Tag("div", cls="field")
        with self.element:
            self._id = f"f-{self.element.id}"
            Tag("label", label, "visually-hidden" if hidden_label else "", for_=self._id)
            self.place = Tag("div")
            if hint:
                Tag("div", hint, "hint", id=f"{self._id}-hint")
            self._fault = Tag("div", "", "fault", id=f"{self._id}-fault", hidden=True)
        self._described = f"{self._id}-hint {self._id}-fault" if hint else f"{self._id}-fault"

    def holds(self, control: Tag) -> "Field":
        """Have this element as its input."""
        self.control = control.attribute(id=self._id, aria_describedby=self._described)
        return self

    def tell(self, fault: str | None) -> None:
        """Show what is wrong, or that nothing is."""
        self._fault.say(fault or "").show(bool(fault))
        if self.control is not None:
            self.control.attribute(aria_invalid="true" if fault else None)


class Form:
    """All fields of a page; every change goes into the draft, and then to ``changed``."""

    def __init__(self, draft: Draft, changed: Callable[[], Any]) -> None:
        self.draft, self._changed = draft, changed
        self._fields: dict[str, Field] = {}

    def text(self, path: str, label: str, hint: str = "", **attributes: Any) -> Field:
        """Add a line of text."""
        value = self.draft.get(path)
        return self._input(path, label, hint, "" if value is None else str(value), _text, **attributes)

    def number(self, path: str, label: str, hint: str = "", **attributes: Any) -> Field:
        """Add a number; an empty field leaves the key out."""
        value = self.draft.get(path)
        shown = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        return self._input(path, label, hint, shown, number_or_text, inputmode="decimal", **attributes)

    def choice(
        self, path: str, label: str, options: Mapping[str, str], hint: str = "", then: Callable[[], Any] | None = None
    ) -> Field:
        """Add a choice of one of ``options``, words by value; ``then`` is called after a change, beside ``changed``."""
        field = self._field(path, label, hint)
        value = str(self.draft.get(path) or "")
        with field.place, Tag("select", cls="input") as select:
            for key, word in options.items():
                Tag("option", word, value=key, selected=key == value)
        field.holds(select)

        async def take(value: str) -> None:
            await self._take(path, value or None)
            if then is not None:
                then()

        select.chosen(take)
        return field

    def check(self, path: str, label: str, hint: str = "") -> Tag:
        """Add a box to tick."""
        with Tag("div", cls="field"), Tag("label", cls="check") as made:
            box = Tag("input", type="checkbox", checked=bool(self.draft.get(path)))
            with Tag("span"):
                Tag("span", label)
                if hint:
                    Tag("span", f" {hint}", "hint")
        box.ticked(lambda is_on: self._take(path, is_on or None))
        return made

    def added(self, field: Field) -> Field:
        """Know a field that was made elsewhere, so that its problems are shown beside it."""
        self._fields[field.path] = field
        return field

    def forget(self, prefix: str) -> None:
        """Drop fields that are not on the page any more."""
        for path in [path for path in self._fields if path.startswith(prefix)]:
            del self._fields[path]

    def tell(self, problems: Sequence[Problem]) -> list[Problem]:
        """Show each problem beside its field, and return those that have none."""
        paths = list(self._fields)
        for path, field in self._fields.items():
            field.tell(problem_for(path, problems, paths))
        return without_field(problems, paths)

    async def changed(self) -> None:
        """Say that the draft has changed."""
        result = self._changed()
        if result is not None:
            await result

    def _field(self, path: str, label: str, hint: str) -> Field:
        return self.added(Field(self, path, label, hint))

    def _input(
        self, path: str, label: str, hint: str, value: str, read: Callable[[str], Any], **attributes: Any
    ) -> Field:
        hidden_label = attributes.pop("hidden_label", False)
        field = self.added(Field(self, path, label, hint, hidden_label=hidden_label))
        with field.place:
            cls = f"input {attributes.pop('cls', '')}".strip()
            control = Tag("input", cls=cls, value=value, autocomplete="off", spellcheck="false", **attributes)
        field.holds(control)
        control.typed(lambda text: self._take(path, read(text)))
        return field

    async def _take(self, path: str, value: Any) -> None:
        self.draft.set(path, value)
        await self.changed()


def _text(text: str) -> Any:
    return text if text.strip() else None
