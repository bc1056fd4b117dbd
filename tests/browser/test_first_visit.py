"""Somebody comes for the first time: from an empty store to a result."""

import re

from playwright.sync_api import Browser, expect
from tests.browser.controller import Controller
from tests.browser.visitor import Visitor


def test_a_first_visitor_runs_a_built_in_scenario_watches_it_and_stops_it(
    browser: Browser, fresh_controller: Controller
) -> None:
    with Visitor(browser, fresh_controller.url) as visitor:
        page = visitor.go("/")
        expect(page.get_by_text("Nothing has been measured yet")).to_be_visible()
        visitor.screenshot("first-visit-1280")
        page.get_by_role("button", name="Run Demo").click()
        page.wait_for_url("**/dashboard/*")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.locator("[data-status=RUNNING]")).to_be_visible()
        expect(page.locator(".phases li.now")).to_contain_text("Running")

        seen: set[tuple[str, str, str]] = set()
        tiles = ("qps", "p95", "operations")

        def figures_change() -> bool:
            seen.add(tuple(visitor.read(f"[data-tile={tile}] .value") for tile in tiles))  # type: ignore[arg-type]
            return all(len({one[index] for one in seen}) >= 4 for index in range(len(tiles)))

        visitor.until(figures_change, "throughput, latency and operations change")

        page.locator("[data-worker=worker-1]").click()
        detail = page.get_by_role("region", name="Figures of worker-1")
        expect(detail).to_contain_text("Running, healthy")
        expect(detail).to_contain_text("8 of 8")
        expect(detail).to_contain_text(re.compile(r"\d+ succeeded, 0 failed"))
        page.get_by_role("button", name="Stop", exact=True).click()
        page.get_by_role("button", name="Stop the run").click()
        expect(page.locator("[data-status=CANCELLED]")).to_be_visible()
        expect(page.locator(".toast")).to_contain_text("The run was cancelled")

        page.get_by_role("link", name="Open the result").click()
        page.wait_for_url("**/dashboard/history/*")
        expect(page.get_by_text("The run was cancelled").first).to_be_visible()
        expect(page.locator("[data-tile=operations] .value")).to_have_text(re.compile(r"[1-9]"))


def test_three_clicks_lead_to_a_finished_demo_run(browser: Browser, fresh_controller: Controller) -> None:
    with Visitor(browser, fresh_controller.url) as visitor:
        page = visitor.go("/")
        page.get_by_role("button", name="Prepare the demo run").click()
        page.get_by_role("button", name="Start", exact=True).click()
        page.get_by_role("link", name="Open the result").click()
        page.wait_for_url("**/dashboard/history/*")
        expect(page.locator("[data-status=COMPLETED]")).to_be_visible()
        expect(page.get_by_text("INSERT", exact=True).first).to_be_visible()
