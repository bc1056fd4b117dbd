"""The login and the page of the API in a real browser, with everything but the controller cut off."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.controller import Controller
from tests.browser.visitor import NARROW, WIDE, Visitor

TOKEN = "a-token-for-these-tests"


@pytest.fixture(scope="module")
def guarded(browser: Browser) -> Iterator[Controller]:
    """A controller that asks who is there."""
    started = Controller({"UPPERBOUND_AUTH_TOKEN": TOKEN})
    yield started
    started.close()


def test_the_page_of_the_api_works_without_a_network(browser: Browser, controller: Controller) -> None:
    with Visitor(browser, controller.url) as visitor:
        visitor.page.goto("/api/docs")
        expect(visitor.page.get_by_role("heading", name="Upperbound")).to_be_visible()
        expect(visitor.page.locator(".opblock").first).to_be_visible()
        visitor.page.locator("#operations-controller-info").click()
        expect(visitor.page.get_by_text("owned_runs").first).to_be_visible()
        visitor.screenshot("api-docs")


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_visitor_logs_in_and_is_led_where_they_wanted_to_go(
    browser: Browser, guarded: Controller, width: int
) -> None:
    with Visitor(browser, guarded.url, width=width) as visitor:
        page = visitor.page
        page.goto("/history")
        expect(page).to_have_url(f"{guarded.url}/login?next=/history")
        assert visitor.barriers() == []
        visitor.screenshot(f"login-{width}")
        page.get_by_label("Password or token").fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(f"{guarded.url}/history")
        expect(page.locator("#content")).to_be_visible()
        visitor.until(lambda: bool(visitor.websockets), "the page's own connection passes the guard with the session")


def test_a_wrong_password_is_said_on_the_form(browser: Browser, guarded: Controller) -> None:
    with Visitor(browser, guarded.url) as visitor:
        visitor.page.goto("/login")
        visitor.page.get_by_label("Password or token").fill("wrong")
        visitor.page.get_by_role("button", name="Log in").click()
        expect(visitor.page.get_by_role("alert")).to_have_text("the name or the password is wrong")
        # The browser itself tells of the answer 401 in its console.
        visitor.faults = [fault for fault in visitor.faults if "401" not in fault]
