"""A visitor with a real browser, who is shown nothing but what the controller serves."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, WebSocket, expect
from tests.browser.controller import DEADLINE_S

ARTEFACTS = Path(__file__).resolve().parents[2] / "browser-artefacts"
"""Where screenshots are kept, to be looked at."""
WIDE, NARROW = 1280, 390
"""Pixels of the two screens that every page is looked at on."""
QUIET_LOOKS = 6
"""Looks, a tenth of a second apart, without a request on its way."""
SERIOUS = {"serious", "critical"}
expect.set_options(timeout=DEADLINE_S * 1000)


class Visitor:
    """One page in a context of its own; when it is left, nothing may have gone wrong in it."""

    def __init__(self, browser: Browser, url: str, *, width: int = WIDE, dark: bool = False) -> None:
        self.url = url
        self._context = browser.new_context(
            base_url=url,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        self._context.set_default_timeout(DEADLINE_S * 1000)
        self._context.route("**/*", self._allow)
        self.page: Page = self._context.new_page()
        self.requests: list[str] = []
        self.websockets: list[str] = []
        self.faults: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        self._pending = 0
        self.page.on("request", self._request)
        self.page.on("requestfinished", self._ended)
        self.page.on("requestfailed", self._ended)
        self.page.on("websocket", self._websocket)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()
        if kind is None:
            assert not self.faults, "\n".join(self.faults)

    def _allow(self, route: Route) -> None:
        """Let requests to the controller through, and cut every other one off."""
        if route.request.url.startswith((f"{self.url}/", "data:", "blob:")):
            route.continue_()
        else:
            self.faults.append(f"a request to elsewhere: {route.request.url}")
            route.abort()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def _websocket(self, websocket: WebSocket) -> None:
        self.websockets.append(urlsplit(websocket.url).path)
        if not websocket.url.startswith(self.url.replace("http", "ws", 1)):
            self.faults.append(f"a connection to elsewhere: {websocket.url}")

    def _request(self, request: Request) -> None:
        self.requests.append(urlsplit(request.url).path)
        self._pending += 1

    def _ended(self, _: Request) -> None:
        self._pending -= 1

    def settle(self) -> None:
        """Wait until the page has asked for nothing for a while."""
        quiet = 0

        def is_quiet() -> bool:
            nonlocal quiet
            quiet = 0 if self._pending else quiet + 1
            return quiet >= QUIET_LOOKS

        self.until(is_quiet, "the page has everything it asks for")

    def go(self, path: str) -> Page:
        """Open a page, and wait until it can be used."""
        self.page.goto(path)
        expect(self.page.locator("#content")).to_be_visible()
        return self.page

    def read(self, selector: str) -> str:
        """Return the text of the first element that fits."""
        return self.page.locator(selector).first.inner_text()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that the page shows, while its events are handled."""
        for _ in range(int(DEADLINE_S * 10)):
            if condition():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"waited in vain: {what}")

    def watch(self, seconds: float) -> None:
        """Look on for so long: what must not happen has that much time to happen."""
        self.page.wait_for_timeout(1000 * seconds)

    def screenshot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.evaluate("scrollTo(0, 0)")
        self.page.evaluate("document.fonts.ready")
        self.page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)

    def barriers(self) -> list[str]:
        """Return what keeps people from using the page, as far as axe finds it serious."""
        # It is put in by the debugger's protocol, past the page's own policy for scripts.
        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in found
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the screen."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
