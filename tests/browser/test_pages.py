"""Every page, wide and narrow, light and dark: it works, it can be used by everybody, and a picture is kept."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.browser.visitor import NARROW, WIDE, Visitor

PAGES = {
    "templates": "/",
    "configure-new": "/configure/new",
    "configure-demo": "/configure/new?from=demo",
    "dashboard-prepared": "/dashboard/{prepared}",
    "result": "/dashboard/history/{finished}",
    "history": "/history",
    "settings": "/settings",
}


@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (WIDE, True), (NARROW, False)])
def test_every_page_is_free_of_errors_and_barriers_and_fits_the_screen(
    visit: Callable[..., Visitor], prepared_run: str, finished_run: str, width: int, dark: bool
) -> None:
    barriers = {}
    with visit(width=width, dark=dark) as visitor:
        for name, path in PAGES.items():
            page = visitor.go(path.format(prepared=prepared_run, finished=finished_run))
            visitor.settle()
            if name == "result":
                expect(page.get_by_role("log")).to_contain_text("ends its load")
            assert visitor.overflow() == 0, name
            visitor.screenshot(f"{name}-{width}{'-dark' if dark else ''}")
            barriers[name] = visitor.barriers()
    assert barriers == {name: [] for name in PAGES}


def test_the_keyboard_reaches_the_content_first_and_then_everything(visit: Callable[..., Visitor]) -> None:
    with visit() as visitor:
        page = visitor.go("/")
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        for name in ("Upperbound, templates", "Templates", "Runs", "Settings", "API"):
            page.keyboard.press("Tab")
            expect(page.get_by_role("link", name=name, exact=True).first).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_theme_is_kept_by_the_browser_and_is_there_before_anything_is_drawn(visit: Callable[..., Visitor]) -> None:
    with visit() as visitor:
        page = visitor.go("/settings")
        page.get_by_role("button", name="Dark", exact=True).click()
        expect(page.get_by_role("button", name="Dark", exact=True)).to_have_attribute("aria-pressed", "true")
        page.goto("/history", wait_until="commit")
        page.wait_for_selector("html[data-theme=dark]", state="attached")
        visitor.go("/settings")
        expect(page.get_by_role("button", name="Dark", exact=True)).to_have_attribute("aria-pressed", "true")


def test_what_is_not_there_says_so(visit: Callable[..., Visitor]) -> None:
    with visit() as visitor:
        for path, told in (
            ("/dashboard/none", "There is no such run"),
            ("/dashboard/history/none", "There is no such run"),
            ("/configure/none", "There is no such template"),
            ("/nowhere", "There is no such page"),
        ):
            page = visitor.go(path)
            expect(page.get_by_text(told)).to_be_visible()
        assert all("404" in fault for fault in visitor.faults)
        visitor.faults.clear()
