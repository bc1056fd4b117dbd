"""A finished run, down to its queries; and the list that leads to it."""

import re
from collections.abc import Callable

from playwright.sync_api import expect
from tests.browser.controller import Controller
from tests.browser.visitor import Visitor


def test_a_finished_run_shows_all_its_parts_and_leads_to_its_queries(
    visit: Callable[..., Visitor], controller: Controller, finished_run: str
) -> None:
    summary = controller.get(f"/api/tests/{finished_run}")["summary"]
    with visit() as visitor:
        page = visitor.go(f"/dashboard/history/{finished_run}")
        shown = re.sub(r"\D", "", visitor.read("[data-tile=operations] .value"))
        assert int(shown) == summary["total_operations"]
        for chart in ("Throughput over", "Latency over", "Operations by latency", "Latency by percentile"):
            expect(page.get_by_role("img", name=chart)).to_be_visible()
        expect(page.get_by_role("region", name="Statistics")).to_contain_text("POINT_LOOKUP")
        expect(page.get_by_role("region", name="Objectives")).to_contain_text("All met")
        expect(page.get_by_role("region", name="Environment")).to_contain_text("PostgreSQL 18")
        expect(page.get_by_text("No operation failed")).to_be_visible()

        page.get_by_role("button", name="Go to data: slower than p99").click()
        queries = page.get_by_role("region", name="Query log")
        latencies = queries.locator("tbody tr td:nth-child(3)")
        expect(latencies.first).to_be_visible()
        found = [float(text.replace("\u202f", "")) for text in latencies.all_inner_texts()]
        assert found == sorted(found, reverse=True)
        assert found[-1] >= summary["latency"]["p99_ms"] * 0.99
        expect(queries.get_by_label("Phase")).to_have_value("MEASUREMENT")
        queries.get_by_label("Operation").select_option("UPDATE")
        expect(queries.locator("tbody tr").first).to_contain_text("UPDATE")
        queries.get_by_label("At least, ms").fill("999999")
        expect(queries).to_contain_text("No query fits")


def test_the_list_of_runs_is_filtered_at_an_address_of_its_own(
    visit: Callable[..., Visitor], finished_run: str, prepared_run: str
) -> None:
    with visit() as visitor:
        page = visitor.go("/history")
        rows = page.locator("tbody tr")
        expect(rows.filter(has_text=finished_run)).to_be_visible()
        expect(rows.filter(has_text=prepared_run)).to_be_visible()
        page.get_by_label("State").select_option("PREPARED")
        expect(rows.filter(has_text=finished_run)).to_have_count(0)
        page.wait_for_url("**/history?status=PREPARED")
        page.get_by_text("Columns", exact=True).first.click()
        page.get_by_label("Why it ended").check()
        expect(page.get_by_role("columnheader", name="Why it ended")).to_be_visible()
        page.reload()
        expect(page.get_by_role("columnheader", name="Why it ended")).to_be_visible()
        expect(rows.filter(has_text=prepared_run)).to_be_visible()
        page.get_by_label("Search names, ids, tags").fill("nothing is called so")
        expect(page.get_by_text("No run fits")).to_be_visible()
        page.get_by_role("link", name="All runs").click()
        page.get_by_role("link", name="Finished", exact=True).click()
        page.wait_for_url(f"**/dashboard/history/{finished_run}")
