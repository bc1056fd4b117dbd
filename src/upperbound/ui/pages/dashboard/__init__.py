"""``/dashboard/{id}``: a run that is prepared or goes on."""

from starlette.responses import RedirectResponse

from upperbound.ui.layout import page_at
from upperbound.ui.pages.dashboard.page import DashboardPage
from upperbound.ui.run_page import run_of_page
from upperbound.ui.services import UiServices
from upperbound.ui.settled import is_settled


def install(services: UiServices) -> None:
    """Put the page on the server."""

    @page_at("/dashboard/{run_id}")
    async def show(run_id: str) -> RedirectResponse | None:
        run = await run_of_page(services, run_id)
        if run is not None and is_settled(run):
            return RedirectResponse(f"/dashboard/history/{run_id}", 303)
        if run is not None:
            await DashboardPage(services, run).show()
        return None
