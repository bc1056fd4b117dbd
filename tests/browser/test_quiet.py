"""Nothing is asked for on a timer before a run has started or after it has ended."""

from collections.abc import Callable

from playwright.sync_api import expect
from tests.browser.controller import Controller, scenario
from tests.browser.visitor import Visitor

LOOK_ON_S = 5.0


def test_a_prepared_run_shows_no_ticking_timer_and_opens_no_live_connection(
    visit: Callable[..., Visitor], controller: Controller, prepared_run: str
) -> None:
    with visit() as visitor:
        page = visitor.go(f"/dashboard/{prepared_run}")
        expect(page.get_by_text("The run is prepared and nothing is sent yet")).to_be_visible()
        visitor.settle()
        before, asked = controller.counts(), len(visitor.requests)
        visitor.watch(LOOK_ON_S)
        after = controller.counts()
        assert after.since(before) == {}
        assert len(visitor.requests) == asked
        assert after.viewers == 0
        assert visitor.read("[data-clock=total]") == "--:--"
        assert {path for path in visitor.websockets if not path.startswith("/_nicegui_ws")} == set()


def test_a_page_that_waits_learns_of_a_start_elsewhere_and_is_quiet_again_after_the_end(
    visit: Callable[..., Visitor], controller: Controller
) -> None:
    run_id = controller.prepare(scenario("Started elsewhere", seconds=3))
    with visit() as visitor:
        page = visitor.go(f"/dashboard/{run_id}")
        expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
        controller.start(run_id)
        expect(page.locator("[data-status=RUNNING]")).to_be_visible()
        expect(page.locator("[data-status=COMPLETED]")).to_be_visible()
        expect(page.get_by_role("link", name="Open the result")).to_be_visible()
        visitor.until(lambda: controller.counts().viewers == 0, "the page lets go of the run")
        before, asked = controller.counts(), len(visitor.requests)
        visitor.watch(LOOK_ON_S)
        assert controller.counts().since(before) == {}
        assert len(visitor.requests) == asked

        visitor.go(f"/dashboard/history/{run_id}")
        expect(page.get_by_text("The scenario sets none").or_(page.get_by_text("All met"))).to_be_visible()
        expect(page.get_by_role("log")).to_contain_text("ends its load")
        visitor.settle()
        before, asked = controller.counts(), len(visitor.requests)
        visitor.watch(LOOK_ON_S)
        assert controller.counts().since(before) == {}
        assert len(visitor.requests) == asked
