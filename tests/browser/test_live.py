"""A run while it goes on, as its page shows it."""

import json
import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.browser.controller import CLOCK, Controller, read_only, scenario
from tests.browser.visitor import NARROW, WIDE, Visitor
from websockets.sync.client import connect

AGREE_S = 1.0


def points(visitor: Visitor, title: str = "Throughput") -> int:
    chart = visitor.page.get_by_role("img", name=f"{title} over the time of the run")
    return int(chart.get_attribute("data-points") or 0)


def test_a_reload_in_the_middle_of_a_run_keeps_the_charts(
    visit: Callable[..., Visitor], controller: Controller
) -> None:
    run_id = controller.prepare(scenario("Reloaded", seconds=600))
    with visit() as visitor:
        page = visitor.go(f"/dashboard/{run_id}")
        page.get_by_role("button", name="Start", exact=True).click()
        visitor.until(lambda: points(visitor) >= 6, "six points of the chart")
        before, at_s = points(visitor), float(page.locator("[data-clock=total]").get_attribute("data-seconds") or 0)
        page.reload()
        for title in ("Throughput", "Latency", "Threads", "Errors", "Reads and writes"):
            expect(page.get_by_role("img", name=f"{title} over the time of the run")).to_be_visible()
        visitor.until(lambda: points(visitor) >= before - 1, "what was drawn before is there again")
        visitor.until(
            lambda: float(page.locator("[data-clock=total]").get_attribute("data-seconds") or 0) > at_s,
            "the clock goes on",
        )
        drawn = points(visitor)
        visitor.until(lambda: points(visitor) > drawn, "and new points come")
    controller.post(f"/api/tests/{run_id}/stop")
    assert controller.wait_until_over(run_id) == "CANCELLED"


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_run_that_goes_on_can_be_used_by_everybody_and_fits_the_screen(
    visit: Callable[..., Visitor], controller: Controller, width: int
) -> None:
    run_id = controller.prepare(scenario("Watched", seconds=600))
    controller.start(run_id)
    with visit(width=width) as visitor:
        page = visitor.go(f"/dashboard/{run_id}")
        page.locator("[data-worker=worker-0]").click()
        visitor.until(lambda: points(visitor) >= 8, "something to look at")
        visitor.screenshot(f"dashboard-live-{width}")
        assert visitor.overflow() == 0
        assert visitor.barriers() == []
    controller.post(f"/api/tests/{run_id}/stop")
    assert controller.wait_until_over(run_id) == "CANCELLED"


class Listener(threading.Thread):
    """A program that follows a run over the WebSocket."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url.replace("http", "ws", 1)
        self.heard: list[tuple[int, float]] = []
        """When each update came, and the elapsed time it told."""

    def run(self) -> None:
        with connect(self._url) as socket:
            for message in socket:
                timing = json.loads(message)["data"]["timing"]
                self.heard.append((CLOCK.monotonic_ns(), timing["elapsed_display_seconds"]))


def test_page_websocket_and_api_agree_on_the_elapsed_time_which_never_goes_back(
    visit: Callable[..., Visitor], controller: Controller
) -> None:
    run_id = controller.prepare(scenario("Elapsed", seconds=6, warmup=2))
    listener = Listener(f"{controller.url}/ws/test/{run_id}")
    shown: list[float] = []
    phases: set[str] = set()
    worst = 0.0
    with visit() as visitor:
        page = visitor.go(f"/dashboard/{run_id}")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.locator("[data-status=RUNNING]")).to_be_visible()
        listener.start()
        clock = page.locator("[data-clock=total]")
        seen = 0

        def compare() -> bool:
            """Compare the three shortly after an update has come; say whether the run is over."""
            nonlocal seen, worst
            if len(listener.heard) == seen:
                return not listener.is_alive()
            seen = len(listener.heard)
            told = controller.get(f"/api/tests/{run_id}")
            asked_ns = CLOCK.monotonic_ns()
            heard_ns, heard_s = listener.heard[-1]
            page_s = float(clock.get_attribute("data-seconds") or 0)
            over = told["phase"] in ("PROCESSING", "COMPLETED")
            passed_s = 0.0 if over else (asked_ns - heard_ns) / 1e9
            api_s = told["timing"]["elapsed_display_seconds"]
            worst = max(worst, abs(heard_s + passed_s - api_s), abs(page_s - heard_s))
            shown.append(page_s)
            phases.add(told["phase"])
            return not listener.is_alive()

        visitor.until(compare, "the end of the run")
        expect(page.locator("[data-status=COMPLETED]")).to_be_visible()
    assert {"WARMUP", "MEASUREMENT", "COMPLETED"} <= phases
    assert len(shown) >= 6
    assert shown == sorted(shown)
    assert worst <= AGREE_S


def test_a_workload_that_only_reads_says_so_and_shows_no_chart_of_writes(
    visit: Callable[..., Visitor], controller: Controller
) -> None:
    run_id = controller.finished(read_only(seconds=2))
    prepared = controller.prepare(read_only())
    with visit() as visitor:
        for path in (f"/dashboard/{prepared}", f"/dashboard/history/{run_id}"):
            page = visitor.go(path)
            expect(page.get_by_text("This workload only reads")).to_be_visible()
            expect(page.get_by_role("img", name="Throughput over the time of the run")).to_be_visible()
            expect(page.get_by_role("img", name="Reads and writes over the time of the run")).to_have_count(0)


def test_the_log_is_chosen_from_by_level_and_source_while_it_comes(
    visit: Callable[..., Visitor], controller: Controller
) -> None:
    run_id = controller.prepare(scenario("Log", seconds=4))
    with visit() as visitor:
        page = visitor.go(f"/dashboard/{run_id}")
        log = page.get_by_role("log")
        expect(log).to_contain_text("created: Log")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(log).to_contain_text("is RUNNING, phase MEASUREMENT")
        page.get_by_label("Source").select_option("worker-1")
        expect(log).not_to_contain_text("is RUNNING, phase MEASUREMENT")
        expect(log).to_contain_text("connections to postgresql")
        page.get_by_label("Level").select_option("ERROR")
        expect(log).to_contain_text("No line is of this level and source.")
        page.get_by_label("Level").select_option("DEBUG")
        expect(log).to_contain_text("the worker ends with exit code 0")
