"""Puts the pages on the server."""

from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from nicegui import Client, ui
from nicegui import app as pages
from nicegui.page import page as page_at

import upperbound
from upperbound.ui.components.html import link
from upperbound.ui.components.panel import empty
from upperbound.ui.layout import frame
from upperbound.ui.pages import configure, dashboard, history, result, settings, templates
from upperbound.ui.services import UiServices

STATIC: Final = Path(__file__).parent / "static"
STATIC_URL: Final = "/_upperbound"
RECONNECT_S: Final = 30.0
"""How long the server keeps a page whose connection was lost; after it the page is loaded anew."""


def mount_ui(app: FastAPI, services: UiServices) -> None:
    """Let the application show the pages at every path that is nothing of its own."""
    pages.add_static_files(STATIC_URL, STATIC)
    # Pages speak over WebSockets alone: no request is made again and again where one cannot be opened.
    pages.config.socket_io_js_transports = ["websocket"]
    version = upperbound.__version__
    ui.add_head_html(
        f'<link rel="stylesheet" href="{STATIC_URL}/upperbound.css?{version}">'
        f'<script src="{STATIC_URL}/theme.js?{version}"></script>',
        shared=True,
    )
    for page in (templates, configure, dashboard, history, result, settings):
        page.install(services)
    pages.add_exception_handler(404, _no_such_page)
    ui.run_with(
        app,
        title="Upperbound",
        favicon=STATIC / "mark.svg",
        dark=None,
        language="en-US",
        tailwind=False,
        reconnect_timeout=RECONNECT_S,
        binding_refresh_interval=None,
        show_welcome_message=False,
    )


async def _no_such_page(request: Request, _: Exception) -> Response:
    """Answer for a path that leads nowhere."""
    with (
        Client(page_at(""), request=request) as client,
        frame("No such page", ""),
        empty("There is no such page", "It may have moved, or the address has a slip in it."),
    ):
        link("Templates", "/", "btn")
    return client.build_response(request, 404)
