"""``/configure/{id}``: a template is written or changed."""

from nicegui import ui

from upperbound.errors import ScenarioError, StoreError, TemplateNotFound
from upperbound.scenario.builtins import load_builtin
from upperbound.ui.components.html import link
from upperbound.ui.components.panel import empty, error_note
from upperbound.ui.draft import Draft, draft_of, new_draft
from upperbound.ui.layout import frame, page_at
from upperbound.ui.pages.configure.page import ConfigurePage, Origin
from upperbound.ui.services import UiServices, in_thread


def install(services: UiServices) -> None:
    """Put the page on the server."""

    @page_at("/configure/new")
    async def write(from_: str = "") -> None:
        name = ui.context.client.request.query_params.get("from", from_)
        try:
            draft = _copy_of(name) if name else new_draft()
        except ScenarioError as error:
            with frame("New template", "Templates"):
                error_note(error)
            return
        await ConfigurePage(services, draft, Origin()).show()

    @page_at("/configure/{template_id}")
    async def change(template_id: str) -> None:
        try:
            stored = await in_thread(services.store.templates.version, template_id)
        except TemplateNotFound:
            ui.context.client.status_code = 404
            with (
                frame("No such template", "Templates"),
                empty("There is no such template", f"{template_id} is not in the store; it may have been deleted."),
            ):
                link("Templates", "/", "btn")
            return
        except StoreError as error:
            with frame("Template", "Templates"):
                error_note(error)
            return
        origin = Origin(template_id, stored.version, f"{stored.saved_by}, {stored.saved_at:%Y-%m-%d %H:%M} UTC")
        await ConfigurePage(services, draft_of(stored.document), origin).show()


def _copy_of(builtin: str) -> Draft:
    """Return a draft that begins with a built-in scenario. Raises :class:`ScenarioError`."""
    return draft_of(load_builtin(builtin).scenario)
