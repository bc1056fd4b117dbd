"""The run that a page is about, or a page that says why there is none."""

from typing import TYPE_CHECKING

from nicegui import ui

from upperbound.errors import RunNotFound, StoreError
from upperbound.ui.components.html import link
from upperbound.ui.components.panel import empty, error_note
from upperbound.ui.layout import frame
from upperbound.ui.services import UiServices, in_thread

if TYPE_CHECKING:
    from upperbound.store.runs import RunRow


async def run_of_page(services: UiServices, run_id: str) -> "RunRow | None":
    """Return the run; where there is none or the store cannot say, the page is filled with the reason."""
    try:
        return await in_thread(services.store.runs.get, run_id)
    except RunNotFound:
        ui.context.client.status_code = 404
        with (
            frame("No such run", "Runs"),
            empty("There is no such run", f"{run_id} is not in the store; it may have been deleted."),
        ):
            link("Runs", "/history", "btn")
    except StoreError as error:
        with frame("Run", "Runs"):
            error_note(error)
    return None
