"""What can be done with a template."""

from collections.abc import Awaitable, Callable

from nicegui import ui
from pydantic import SecretStr

from upperbound.errors import TargetAuthFailed
from upperbound.scenario.yaml_text import scenario_yaml
from upperbound.ui.actions import prepare_builtin, prepare_template, told_by
from upperbound.ui.components.dialogs import ask, ask_text
from upperbound.ui.components.toasts import Toasts, go_to
from upperbound.ui.services import UiServices, in_thread
from upperbound.ui.visitor import visitor
from upperbound.views.templates import TemplateEntry


class TemplateActs:
    """Does it, and lets toasts tell of what cannot be done."""

    def __init__(self, services: UiServices, toasts: Toasts, refresh: Callable[[], Awaitable[None]]) -> None:
        self._services, self._toasts, self._refresh = services, toasts, refresh

    async def run_builtin(self, name: str) -> None:
        """Prepare a run of a built-in scenario, and show it."""
        await self._run(lambda password: prepare_builtin(self._services, name, password))

    async def run_template(self, template_id: str) -> None:
        """Prepare a run of a template, and show it."""
        await self._run(lambda password: prepare_template(self._services, template_id, password))

    async def _run(self, prepare: Callable[[SecretStr | None], str]) -> None:
        with told_by(self._toasts):
            try:
                go_to(f"/dashboard/{await in_thread(prepare, None)}")
            except TargetAuthFailed as error:
                ask_text(
                    "The server asks for a password",
                    f"{error.message}. What you give here goes to the server for this run alone, and is not kept.",
                    "Password",
                    "Try again",
                    lambda given: self._again(prepare, given),
                    kind="password",
                )

    async def _again(self, prepare: Callable[[SecretStr | None], str], given: str) -> None:
        with told_by(self._toasts):
            go_to(f"/dashboard/{await in_thread(prepare, SecretStr(given))}")

    def duplicate(self, entry: TemplateEntry) -> None:
        """Ask for a name, and make a copy that is called so."""

        async def make(name: str) -> None:
            with told_by(self._toasts):
                await in_thread(
                    self._services.store.templates.duplicate,
                    entry.template_id or "",
                    name,
                    saved_by=visitor(self._services),
                )
                await self._refresh()

        ask_text("Duplicate the template", "", "Name of the copy", "Duplicate", make, value=f"{entry.name} (copy)")

    async def export(self, entry: TemplateEntry) -> None:
        """Hand the newest version out as a scenario file."""
        with told_by(self._toasts):
            stored = await in_thread(self._services.store.templates.version, entry.template_id or "")
            name = "".join(letter if letter.isalnum() else "-" for letter in entry.name.casefold()).strip("-")
            ui.download.content(scenario_yaml(stored.document), f"{name or 'template'}.yaml", "application/yaml")

    def delete(self, entry: TemplateEntry) -> None:
        """Ask, and delete it with all its versions."""

        async def remove() -> None:
            with told_by(self._toasts):
                await in_thread(self._services.store.templates.delete, entry.template_id or "")
                await self._refresh()

        ask(
            f"Delete {entry.name}?",
            "All its versions go. Runs that were made from it stay, with the scenario they ran.",
            "Delete",
            remove,
            danger=True,
        )
