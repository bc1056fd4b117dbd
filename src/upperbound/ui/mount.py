"""Puts the pages on the server."""

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from nicegui import app as pages
from nicegui import ui

import upperbound
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
