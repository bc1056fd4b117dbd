"""``/dashboard/history/{id}``: a run that is over."""

from nicegui import ui
from starlette.responses import RedirectResponse

from upperbound.errors import RunNotFound, StoreError
from upperbound.ui.components.panel import error_note
from upperbound.ui.layout import frame
from upperbound.ui.pages.dashboard import no_such_run
from upperbound.ui.pages.result.page import ResultPage
from upperbound.ui.services import UiServices, in_thread
from upperbound.ui.settled import is_settled


def install(services: UiServices) -> None:
    """Put the page on the server."""

    @ui.page("/dashboard/history/{run_id}")
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
        if not is_settled(run):
            return RedirectResponse(f"/dashboard/{run_id}", 303)
        await ResultPage(services, run).show()
        return None
