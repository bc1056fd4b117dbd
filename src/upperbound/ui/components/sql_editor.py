"""An editor for SQL with highlighting, in the colours of the theme that the browser shows."""

from typing import Any, Final

from nicegui import ui
from nicegui.elements.codemirror import CodeMirror

from upperbound.ui.components.fields import Field, Form
from upperbound.ui.components.html import Tag

THEMES: Final = {"light": "githubLight", "dark": "githubDark"}


class SqlField:
    """An editor that writes to one path of a draft."""

    def __init__(self, form: Form, editors: "SqlEditors", path: str, label: str) -> None:
        field = form.added(Field(form, path, label, hidden_label=False))
        with field.place, Tag("div", cls="sql", data_label=label):
            editor = ui.codemirror(
                str(form.draft.get(path) or ""), language="PostgreSQL", theme=editors.theme, line_wrapping=True
            )

        async def take(event: Any) -> None:
            form.draft.set(path, event.value)
            await form.changed()

        editor.on_value_change(take)
        editors.know(editor)


class SqlEditors:
    """All editors of a page, which change their colours with the theme."""

    def __init__(self) -> None:
        self.theme: Any = THEMES["light"]
        self._editors: list[CodeMirror] = []
        ui.on("upperbound-theme", lambda event: self._retheme(str(event.args)))

    def know(self, editor: CodeMirror) -> None:
        """Let an editor follow the theme."""
        self._editors = [one for one in self._editors if not one.is_deleted]
        self._editors.append(editor)

    def _retheme(self, theme: str) -> None:
        self.theme = THEMES.get(theme, THEMES["light"])
        for editor in self._editors:
            if not editor.is_deleted:
                editor.theme = self.theme
