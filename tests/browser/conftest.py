"""A controller and a browser for the tests of pages."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.browser.controller import Controller, scenario
from tests.browser.visitor import Visitor

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def chromium() -> str:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("system package missing: Debian's chromium (as root, scripts/test installs it)")
    return program


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One for each module: what drives it keeps a loop running in the thread, and other modules run their own."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def controller(chromium: str) -> Iterator[Controller]:
    """One that several tests use; without a browser none is started in vain."""
    del chromium
    started = Controller()
    yield started
    started.close()


@pytest.fixture
def fresh_controller(browser: Browser) -> Iterator[Controller]:
    """One that nobody has used yet."""
    started = Controller()
    yield started
    started.close()


@pytest.fixture
def visit(browser: Browser, controller: Controller) -> Visit:
    def begin(**screen: Any) -> Visitor:
        return Visitor(browser, controller.url, **screen)

    return begin


@pytest.fixture(scope="session")
def finished_run(controller: Controller) -> str:
    """A run that has ended, with objectives, reads and writes."""
    return controller.finished(scenario("Finished", seconds=3))


@pytest.fixture(scope="session")
def prepared_run(controller: Controller) -> str:
    """A run that nobody starts."""
    return controller.prepare(scenario("Prepared"))
