"""``/dashboard/{id}``: a run that is prepared or goes on."""

from nicegui import ui
from starlette.responses import RedirectResponse

from upperbound.errors import RunNotFound, StoreError
from upperbound.ui.components.html import link
from upperbound.ui.components.panel import empty, error_note
from upperbound.ui.layout import frame
from upperbound.ui.pages.dashboard.page import DashboardPage
from upperbound.ui.services import UiServices, in_thread
from upperbound.ui.settled import is_settled


def install(services: UiServices) -> None:
    """Put the page on the server."""

    @ui.page("/dashboard/{run_id}")
    async def show(run_id: str) -> RedirectResponse | None:
        try:
            run = await in_thread(services.store.runs.get, run_id)
        except RunNotFound:
            no_such_run(run_id)
            return None
        except StoreError as error:
            with frame("Run", "Runs"):
                error_note(error)
            return None
        if is_settled(run):
            return RedirectResponse(f"/dashboard/history/{run_id}", 303)
        await DashboardPage(services, run).show()
        return None


def no_such_run(run_id: str) -> None:
    """Show that there is no run of this id."""
    ui.context.client.status_code = 404
    with (
        frame("No such run", "Runs"),
        empty("There is no such run", f"{run_id} is not in the store; it may have been deleted."),
    ):
        link("Runs", "/history", "btn")
