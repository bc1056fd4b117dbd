"""Runs that end badly, and names that are markup."""

from collections.abc import Callable

from playwright.sync_api import expect
from tests.browser.controller import Controller, scenario
from tests.browser.visitor import Visitor

HOSTILE = "<img src=x onerror=\"document.title='gone'\"><script>document.title='gone'</script>{{7*7}}"


def test_a_failed_run_shows_its_reason_in_a_toast_and_on_the_page(
    visit: Callable[..., Visitor], controller: Controller
) -> None:
    limits = {"max_memory_percent": 0.001, "mode": "hard"}
    load = {"mode": "CONCURRENCY", "threads": 2, "duration_seconds": 60, "think_time_ms": 5}
    run_id = controller.prepare(scenario("Doomed", guardrails=limits, scaling={"mode": "AUTO"}, load=load))
    with visit() as visitor:
        page = visitor.go(f"/dashboard/{run_id}")
        page.get_by_role("button", name="Start", exact=True).click()
        toast = page.locator(".toast.bad")
        expect(toast).to_contain_text("The run has failed")
        expect(toast).to_contain_text("RESOURCE_EXHAUSTION")
        expect(page.locator(".note.bad")).to_contain_text(["RESOURCE_EXHAUSTION"])
        expect(page.locator("[data-status=FAILED]")).to_be_visible()
        visitor.screenshot("dashboard-failed-1280")
        page.get_by_role("link", name="Open the result").click()
        page.wait_for_url("**/dashboard/history/*")
        expect(page.get_by_role("alert").first).to_contain_text("RESOURCE_EXHAUSTION")
        assert visitor.barriers() == []


def test_names_are_shown_as_text_whatever_they_hold(visit: Callable[..., Visitor], controller: Controller) -> None:
    made = scenario(HOSTILE, seconds=2, tags={HOSTILE[:60]: HOSTILE[:90]})
    operations = made["workload"]["operations"]
    operations[0]["name"] = HOSTILE[:80]
    template = controller.post("/api/templates", {"scenario": made})["template_id"]
    run_id = controller.finished(made)
    prepared = controller.prepare(made)
    with visit() as visitor:
        for path in (
            "/",
            f"/configure/{template}",
            f"/dashboard/{prepared}",
            f"/dashboard/history/{run_id}",
            "/history",
            f"/dashboard/{HOSTILE.replace('/', '')}",
        ):
            page = visitor.page
            page.goto(path)
            expect(page.locator("#content")).to_contain_text("onerror")
            visitor.settle()
            assert page.title() != "gone"
            assert page.locator("img[src=x]").count() == 0
            # A path that leads nowhere answers with 404, of which the browser writes a line.
            visitor.faults[:] = [fault for fault in visitor.faults if "404" not in fault]
