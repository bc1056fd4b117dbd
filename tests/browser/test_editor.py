"""A template is written, saved, copied, taken out and deleted."""

import re
from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.controller import Controller
from tests.browser.visitor import Visitor


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def fault(page: Page, label: str) -> Locator:
    return page.locator(".field").filter(has=field(page, label)).locator(".fault")


def test_problems_stand_beside_their_fields_and_modes_show_what_belongs_to_them(visit: Callable[..., Visitor]) -> None:
    with visit() as visitor:
        page = visitor.go("/configure/new?from=demo")
        weight = page.locator("[data-operation='0']").get_by_label("Weight (%)")
        weight.fill("50")
        expect(page.get_by_text("Weights: 90.00 of 100.00 %")).to_be_visible()
        weight.fill("60")
        expect(page.get_by_text("Weights: 100.00 of 100.00 %")).to_be_visible()
        expect(page.get_by_text("Ready to be saved and run")).to_be_visible()

        field(page, "Measured (s)").fill("soon")
        expect(fault(page, "Measured (s)")).to_contain_text("number")
        expect(field(page, "Measured (s)")).to_have_attribute("aria-invalid", "true")
        field(page, "Measured (s)").fill("20")
        expect(fault(page, "Measured (s)")).to_be_hidden()

        modes = page.get_by_role("group", name="Scaling mode")
        guardrails = page.get_by_role("region", name="Guardrails")
        expect(field(page, "Threads each")).to_have_value("8")
        expect(guardrails).to_have_count(0)
        modes.get_by_role("button", name="Auto").click()
        expect(field(page, "Threads each")).to_have_count(0)
        expect(field(page, "Workers at most")).to_have_count(0)
        expect(guardrails).to_be_visible()
        modes.get_by_role("button", name="Bounded").click()
        expect(field(page, "Workers at most")).to_be_visible()
        expect(field(page, "Threads each at most")).to_be_visible()
        expect(guardrails).to_be_visible()
        modes.get_by_role("button", name="Fixed").click()
        expect(field(page, "Threads each")).to_have_value("8")
        page.get_by_role("group", name="Load mode").get_by_role("button", name="Find maximum").click()
        expect(field(page, "Each step adds")).to_be_visible()
        expect(visitor.page.locator("[data-operation='0'] .cm-content")).to_contain_text("SELECT id, customer_id")


def test_a_template_is_saved_changed_copied_taken_out_and_deleted(
    visit: Callable[..., Visitor], controller: Controller
) -> None:
    with visit() as visitor:
        page = visitor.go("/configure/new?from=demo")
        field(page, "Name").first.fill("Shop")
        expect(page.get_by_role("heading", name="Shop")).to_be_visible()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Saved as version 1")).to_be_visible()
        page.wait_for_url(re.compile("/configure/t-"))
        field(page, "Workers").fill("3")
        expect(page.get_by_label("The scenario as YAML")).to_contain_text("min_workers: 3")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Saved as version 2")).to_be_visible()

        page = visitor.go("/")
        page.get_by_label("Search templates").fill("shop")
        expect(page.get_by_role("link", name="Shop", exact=True)).to_be_visible()
        expect(page.get_by_role("article")).to_have_count(0)
        page.get_by_role("button", name="Duplicate Shop").click()
        field(page, "Name of the copy").fill("Shop two")
        page.get_by_role("dialog").get_by_role("button", name="Duplicate").click()
        expect(page.get_by_role("link", name="Shop two", exact=True)).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("button", name="Export Shop two").click()
        text = download.value.path().read_text("utf-8")
        assert "name: Shop two" in text
        assert "min_workers: 3" in text
        page.get_by_role("button", name="Delete Shop two").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("link", name="Shop two", exact=True)).to_have_count(0)
        expect(page.get_by_role("link", name="Shop", exact=True)).to_be_visible()
    names = [one["name"] for one in controller.get("/api/templates?search=shop")["items"]]
    assert names == ["Shop"]


@pytest.fixture
def shop(fresh_database: str) -> str:
    """The URL of a database with a table that has a key and rows."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE items (id bigint PRIMARY KEY, label text NOT NULL, price integer NOT NULL)")
        connection.execute("INSERT INTO items SELECT n, 'item ' || n, n FROM generate_series(1, 500) AS n")
        connection.execute("ANALYZE items")
    return fresh_database


def test_statements_are_written_for_a_table_that_is_picked_from_the_catalog(
    visit: Callable[..., Visitor], controller: Controller, shop: str
) -> None:
    password = re.sub(r".*?://[^:]*:([^@]*)@.*", r"\1", shop)
    with visit() as visitor:
        page = visitor.go("/configure/new")
        field(page, "Name").first.fill("Generated")
        field(page, "URL").fill(shop)
        expect(page.get_by_text("The password was taken out of the URL")).to_be_visible()
        expect(field(page, "URL")).not_to_have_value(re.compile(re.escape(password)))
        page.get_by_role("button", name="Check the connection").click()
        expect(page.get_by_text(re.compile("reachable: PostgreSQL 18"))).to_be_visible()
        expect(page.get_by_text("pg_stat_statements").first).to_be_visible()

        page.get_by_role("button", name="Browse tables").click()
        page.get_by_role("dialog").get_by_label("Search").fill("ite")
        page.get_by_role("dialog").get_by_role("button", name="public.items").click()
        expect(field(page, "Table")).to_have_value("public.items")
        page.get_by_role("button", name="Generate SQL from the table").click()
        expect(page.get_by_text("Written from the table's catalog entry")).to_be_visible()
        expect(page.locator("[data-operation]")).to_have_count(4)
        expect(page.get_by_text("Ready to be saved and run")).to_be_visible()
        page.get_by_role("button", name="Save", exact=True).click()
        pools = page.get_by_role("region", name="Value pools")
        pools.get_by_role("button", name="Prepare value pools").click()
        expect(pools.get_by_role("status")).to_have_text("Prepared.")
        expect(pools.locator("tbody tr").filter(has_text="label")).to_contain_text("500")
        visitor.screenshot("configure-generated-1280")

        field(page, "Measured (s)").fill("1")
        field(page, "Warmup (s)").fill("0")
        field(page, "Threads").fill("2")
        field(page, "Think time (ms)").fill("5")
        page.get_by_role("button", name="Save and prepare a run").click()
        page.wait_for_url("**/dashboard/*")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.locator("[data-status=COMPLETED]")).to_be_visible()
    assert password not in str(controller.get("/api/templates?search=generated"))
    assert password not in controller.said
