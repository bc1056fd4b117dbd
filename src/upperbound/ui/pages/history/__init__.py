"""``/history``: the runs there are."""

from nicegui import ui

from upperbound.ui.layout import page_at
from upperbound.ui.pages.history.page import HistoryPage
from upperbound.ui.services import UiServices


def install(services: UiServices) -> None:
    """Put the page on the server."""

    @page_at("/history")
    async def show() -> None:
        await HistoryPage(services, ui.context.client.request.query_params).show()
