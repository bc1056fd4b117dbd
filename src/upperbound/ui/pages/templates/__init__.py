"""``/``: what can be run."""

from upperbound.ui.layout import page_at
from upperbound.ui.pages.templates.page import TemplatesPage
from upperbound.ui.services import UiServices


def install(services: UiServices) -> None:
    """Put the page on the server."""

    @page_at("/")
    async def show() -> None:
        await TemplatesPage(services).show()
