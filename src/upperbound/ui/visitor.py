"""Who looks at a page."""

from nicegui import ui

from upperbound.ui.services import UiServices


def visitor(services: UiServices) -> str:
    """Return the name of who looks at the present page, for what is written down about their deeds."""
    request = ui.context.client.request
    return services.user_of(request.scope)
