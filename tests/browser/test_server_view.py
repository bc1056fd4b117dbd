"""What the server says of a run on Snowflake: its page shows how much that is, and what is withheld and why."""

import itertools
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect
from tests.browser.controller import Controller
from tests.browser.visitor import Visitor
from tests.unit.views.told_by_server import document, minute

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.scenario.loader import check_scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import open_store
from upperbound.store.results import FollowUpResult
from upperbound.store.runs import NewRun

CARD = "What the server says"


def ended_run(
    controller: Controller, run_id: str, status: str, reason: str | None, view: dict[str, Any] | None = None
) -> None:
    """Put a run on Snowflake into the controller's store that has ended, with what the server has told of it."""
    operation = {"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1"}
    scenario = check_scenario(
        {
            "name": run_id,
            "target": {"kind": "snowflake", "connection_name": "bench"},
            "load": {"threads": 2, "duration_seconds": 2},
            "workload": {"seed": 1, "operations": [operation]},
        }
    ).scenario
    config = RunConfig(scenario=scenario, threads=(2,), seed=1, target_url=None, table=None, upperbound_version="0")
    with open_store(f"sqlite:///{controller.root}/home/upperbound.db") as store:
        store.runs.create(NewRun(run_id, run_id, config.model_dump(mode="json"), 1, {"worker-0": 2}, threads=2))
        steps = (RunStatus.PREPARED, RunStatus.STARTING, RunStatus.FAILED)
        for expected, to in itertools.pairwise(steps):
            assert store.runs.transition(run_id, expected=expected, to=to)
        store.runs.set_phase(run_id, Phase.COMPLETED)
        store.results.finish_follow_up(run_id, FollowUpResult({"rows": 40, "files": 1}, status, reason, view))


def test_a_run_shows_what_the_server_says_of_it(visit: Callable[..., Visitor], controller: Controller) -> None:
    view = document(minutes=[minute()], first={"overload_ms": 300, "error_code": "000604"})
    ended_run(controller, "told-run", "COMPLETED", None, view)
    assert controller.get("/api/tests/told-run/enrichment-status")["server"]["statements"] == 40
    points = controller.get("/api/tests/told-run/overhead-timeseries")["points"]
    assert [point["count"] for point in points] == [20, 20]
    with visit() as visitor:
        page = visitor.go("/dashboard/history/told-run")
        card = page.get_by_role("region", name=CARD).first
        expect(card.locator("[data-tile=server-coverage] .value")).to_contain_text("100")
        expect(card.locator("[data-tile=server-p50] .value")).to_contain_text("10")
        expect(card.locator("[data-tile=server-overhead] .value")).to_contain_text("2.5")
        expect(card.locator("[data-tile=server-queued] .sub")).to_have_text("1 call")
        expect(card.locator("[data-server-times] tbody tr")).to_have_count(2)
        expect(card.locator("[data-server-clusters] tbody tr")).to_have_count(1)
        expect(card).to_contain_text("000604 × 1")
        expect(card.locator(".note")).to_have_class("note info")
        expect(card).to_contain_text("20 statements of the measurement, 2 held back by a quota")
        expect(page.get_by_role("img", name="Client time less server time")).to_be_visible()
        visitor.screenshot("result-server-1280")
        assert visitor.barriers() == []


def test_percentiles_of_a_few_calls_are_not_shown_but_why(
    visit: Callable[..., Visitor], controller: Controller
) -> None:
    ended_run(controller, "partly-told-run", "PARTIAL", "the history came late", document(matched=4))
    with visit() as visitor:
        page = visitor.go("/dashboard/history/partly-told-run")
        card = page.get_by_role("region", name=CARD).first
        expect(card.locator(".note.warn")).to_contain_text("the history came late")
        expect(card.locator(".note.warn")).to_contain_text("percentiles are shown from 50 %")
        expect(card.locator("[data-tile=server-p50] .value")).to_contain_text("–")
        expect(page.get_by_role("img", name="Client time less server time")).to_have_count(0)


def test_a_run_that_the_server_told_nothing_of_says_why(visit: Callable[..., Visitor], controller: Controller) -> None:
    ended_run(controller, "untold-run", "FAILED", "GRANT MONITOR ON WAREHOUSE w TO ROLE r")
    with visit() as visitor:
        page = visitor.go("/dashboard/history/untold-run")
        expect(page.get_by_role("region", name=CARD).locator(".note.bad")).to_contain_text("GRANT MONITOR")


def test_a_result_that_is_not_complete_can_be_completed(visit: Callable[..., Visitor], controller: Controller) -> None:
    ended_run(controller, "late-run", "PARTIAL", "worker-0: 40 queries recorded and 0 in the store")
    with visit() as visitor:
        page = visitor.go("/dashboard/history/late-run")
        expect(page.get_by_role("region", name=CARD).first).to_contain_text("40 queries recorded")
        page.get_by_role("button", name="Complete the result").click()
        expect(page.get_by_role("region", name=CARD).first).to_contain_text("the run has never sent anything")
        expect(page.get_by_role("button", name="Complete the result")).to_have_count(0)
    assert controller.get("/api/tests/late-run/enrichment-status")["status"] == "SKIPPED"
