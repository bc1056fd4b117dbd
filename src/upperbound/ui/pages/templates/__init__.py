"""``/``: what can be run."""

from nicegui import ui

from upperbound.ui.pages.templates.page import TemplatesPage
from upperbound.ui.services import UiServices


def install(services: UiServices) -> None:
    """Put the page on the server."""

    @ui.page("/")
    async def show() -> None:
        await TemplatesPage(services).show()
