"""``/history``: the runs there are."""

from nicegui import ui

from upperbound.ui.pages.history.page import HistoryPage
from upperbound.ui.services import UiServices


def install(services: UiServices) -> None:
    """Put the page on the server."""

    @ui.page("/history")
    async def show() -> None:
        await HistoryPage(services, ui.context.client.request.query_params).show()
