"""A template is written for a table of a Snowflake account, which is looked at from the page."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.browser.controller import Controller
from tests.browser.visitor import NARROW, Visitor
from tests.emulators.handle import PASSWORD, WAREHOUSE, SnowflakeDatabase

VisitAccount = Callable[..., Visitor]


@pytest.fixture(scope="module")
def snowflake_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the controller looks for connections.toml, whenever it is asked to log in."""
    return tmp_path_factory.mktemp("snowflake")


@pytest.fixture(scope="module")
def snowflake_controller(chromium: str, snowflake_home: Path) -> Iterator[Controller]:
    del chromium
    started = Controller({"SNOWFLAKE_HOME": str(snowflake_home)})
    yield started
    started.close()


@pytest.fixture
def entry(snowflake: SnowflakeDatabase, snowflake_home: Path) -> Path:
    """The file whose entry ``bench`` leads to an account with a hybrid table and a view of it."""
    file = snowflake_home / "connections.toml"
    file.touch(mode=0o600)
    file.write_text(snowflake.connections_toml("bench"))
    values = ", ".join(f"({number}, 'new', 1.5)" for number in range(1, 51))
    for statement in (
        "CREATE HYBRID TABLE orders (id NUMBER(38,0) PRIMARY KEY, status VARCHAR(20), amount NUMBER(12,2))",
        f"INSERT INTO orders VALUES {values}",
        "CREATE VIEW seen AS SELECT * FROM orders",
    ):
        snowflake.rows(statement)
    return file


@pytest.fixture
def visit_account(browser: Browser, snowflake_controller: Controller, entry: Path) -> VisitAccount:
    del entry

    def begin(**screen: Any) -> Visitor:
        return Visitor(browser, snowflake_controller.url, **screen)

    return begin


def field(page: Page, label: str) -> Locator:
    return page.get_by_role("region", name="Target").get_by_label(label, exact=True)


def click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def begin(visitor: Visitor, name: str, connection: str = "bench") -> Page:
    """Open an empty template on Snowflake."""
    page = visitor.go("/configure/new")
    page.get_by_label("Name", exact=True).first.fill(name)
    page.get_by_role("group", name="Kind of target").get_by_role("button", name="Snowflake").click()
    field(page, "Connection").fill(connection)
    return page


def pick(page: Page, table: str) -> None:
    click(page, "Browse tables")
    page.get_by_role("dialog").get_by_role("button", name=table, exact=True).click()
    expect(field(page, "Table")).to_have_value(table)


def target_of(controller: Controller, name: str) -> Any:
    """Return the target of the template of this name, as it was saved."""
    listed = controller.get(f"/api/templates?search={name}")["items"]
    (found,) = [one for one in listed if one["name"] == name]
    return controller.get(f"/api/templates/{found['template_id']}")["scenario"]["target"]


def test_a_hybrid_table_is_picked_from_the_catalog_written_for_and_checked(
    visit_account: VisitAccount, snowflake_controller: Controller
) -> None:
    with visit_account() as visitor:
        page = begin(visitor, "Hybrid")
        click(page, "Check the connection")
        expect(page.get_by_text(re.compile("reachable: Snowflake .*snowflake-connector-python"))).to_be_visible()
        expect(page.get_by_text("the warehouse fits, and no table is named")).to_be_visible()

        click(page, "Browse tables")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="PUBLIC.SEEN")).to_be_visible()
        dialog.get_by_label("Search").fill("ord")
        expect(dialog.get_by_role("button", name="PUBLIC.SEEN")).to_have_count(0)
        dialog.get_by_role("button", name="PUBLIC.ORDERS").click()
        expect(field(page, "Table")).to_have_value("PUBLIC.ORDERS")
        expect(field(page, "Schema")).to_have_value("PUBLIC")
        expect(field(page, "Table type")).to_have_value("HYBRID")

        click(page, "Generate SQL from the table")
        expect(page.get_by_text("a hybrid table finds the row by its index").first).to_be_visible()
        expect(page.locator("[data-operation]")).to_have_count(4)
        expect(page.get_by_text("Ready to be saved and run")).to_be_visible()
        click(page, "Check the connection")
        expect(page.get_by_text("scenario fits: warehouse, table and parameters fit")).to_be_visible()
        visitor.screenshot("configure-snowflake-1280")
        assert visitor.barriers() == []
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Saved as version 1")).to_be_visible()
    saved = target_of(snowflake_controller, "Hybrid")
    assert (saved["connection_name"], saved["database"]) == ("bench", None), "the connection's database is not written"
    assert (saved["schema"], saved["table"], saved["table_type"]) == ("PUBLIC", "PUBLIC.ORDERS", "HYBRID")


def test_a_connection_that_is_not_there_is_told_with_those_there_are_and_nothing_typed_is_lost(
    visit_account: VisitAccount,
) -> None:
    with visit_account(width=NARROW) as visitor:
        page = begin(visitor, "Bank", connection="bank")
        field(page, "Warehouse").fill("NO_WH")
        click(page, "Check the connection")
        checks = page.get_by_role("region", name="Target")
        expect(checks.get_by_text("has no entry 'bank'")).to_be_visible()
        expect(checks.get_by_text("entries there are: bench")).to_be_visible()
        for refused in ("Browse tables", "Generate SQL from the table"):
            click(page, refused)
            expect(page.locator(".toast")).to_contain_text("entries there are: bench")
            page.locator(".toast").get_by_role("button", name="Dismiss").click()
            expect(page.locator(".toast")).to_have_count(0)
        expect(field(page, "Connection")).to_have_value("bank")
        assert visitor.overflow() == 0
        visitor.screenshot("configure-snowflake-refused-390")

        field(page, "Connection").fill("bench")
        click(page, "Check the connection")
        expect(checks.get_by_text("there is no warehouse NO_WH")).to_be_visible()
        expect(checks.get_by_text(f"this role sees {WAREHOUSE}")).to_be_visible()
        field(page, "Warehouse").fill("two.parts")
        click(page, "Check the connection")
        expect(page.locator(".toast")).to_contain_text("'two.parts' has 2 parts")


def test_another_database_is_chosen_by_its_name_as_snowflake_writes_it(
    visit_account: VisitAccount, snowflake_controller: Controller, snowflake: SnowflakeDatabase
) -> None:
    other = f"{snowflake.name}_TWO"
    snowflake.emulator.control("create-database", name=other)
    try:
        with snowflake.connect() as connection:
            connection.cursor().execute(f'CREATE SCHEMA "{other}".sales')
            connection.cursor().execute(f'CREATE TABLE "{other}".sales."Odd name" (id NUMBER(38,0))')
        with visit_account() as visitor:
            page = begin(visitor, "Elsewhere")
            field(page, "Schema").fill("PUBLIC")
            click(page, "Browse tables")
            dialog = page.get_by_role("dialog")
            expect(dialog.get_by_label("Database")).to_have_value(snowflake.name)
            dialog.get_by_label("Database").select_option(other)
            dialog.get_by_label("Schema").select_option("SALES")
            dialog.get_by_role("button", name='SALES."Odd name"').click()
            expect(field(page, "Database")).to_have_value(other)
            expect(field(page, "Schema")).to_have_value("SALES")
            expect(field(page, "Table")).to_have_value('SALES."Odd name"')
            expect(field(page, "Table type")).to_have_value("STANDARD")
            click(page, "Check the connection")
            expect(page.get_by_text("warehouse and table fit")).to_be_visible()
    finally:
        snowflake.emulator.control("drop-database", name=other)


def test_where_the_login_leads_to_no_database_one_is_chosen(
    visit_account: VisitAccount, snowflake: SnowflakeDatabase, entry: Path
) -> None:
    entry.write_text(snowflake.connections_toml("bench", database=None, schema=None))
    with visit_account() as visitor:
        page = begin(visitor, "Nowhere")
        click(page, "Browse tables")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("No database is chosen")).to_be_visible()
        visitor.screenshot("configure-snowflake-no-database-1280")
        dialog.get_by_label("Database").select_option(snowflake.name)
        dialog.get_by_role("button", name="PUBLIC.ORDERS").click()
        expect(field(page, "Database")).to_have_value(snowflake.name)
        expect(field(page, "Table type")).to_have_value("HYBRID")


def test_statements_for_a_view_only_read_and_a_table_that_is_typed_gets_its_type(visit_account: VisitAccount) -> None:
    with visit_account() as visitor:
        page = begin(visitor, "Seen")
        pick(page, "PUBLIC.SEEN")
        expect(field(page, "Table type")).to_have_value("STANDARD")
        click(page, "Generate SQL from the table")
        expect(page.get_by_text("no statement can be written for PUBLIC.SEEN")).to_be_visible()
        expect(page.get_by_text("a view is for reading here").first).to_be_visible()
        expect(page.get_by_text("name a column to read by as its key").first).to_be_visible()
        expect(page.locator("[data-operation]")).to_have_count(0)
        page.get_by_label("Key", exact=True).fill("id")
        click(page, "Generate SQL from the table")
        left_out = page.locator(".note").filter(has_text="Left out")
        expect(left_out).to_contain_text("INSERT: a view is for reading here")
        expect(left_out).to_contain_text("UPDATE: a view is for reading here")
        expect(page.locator("[data-operation]")).to_have_count(2)

        page.get_by_label("Key", exact=True).fill("")
        field(page, "Table").fill("orders")
        click(page, "Generate SQL from the table")
        expect(page.locator("[data-operation]")).to_have_count(4)
        expect(field(page, "Table type")).to_have_value("HYBRID")
        field(page, "Table").fill("a b")
        click(page, "Generate SQL from the table")
        expect(page.locator(".toast").filter(has_text="'a b' is not a table name")).to_be_visible()
        expect(page.locator("[data-operation]")).to_have_count(4)


def test_a_password_that_is_typed_is_used_here_and_for_the_run_and_kept_nowhere(
    visit_account: VisitAccount, snowflake_controller: Controller, snowflake: SnowflakeDatabase, entry: Path
) -> None:
    entry.write_text(snowflake.connections_toml("bench", password="wrong-and-secret"))
    with visit_account() as visitor:
        page = begin(visitor, "Given")
        click(page, "Check the connection")
        expect(page.get_by_text("refuses the login")).to_be_visible()
        field(page, "Password or token").fill("also-wrong-and-secret")
        click(page, "Browse tables")
        expect(page.locator(".toast")).to_contain_text("refuses the login")
        shown = page.content()
        field(page, "Password or token").fill(PASSWORD)
        pick(page, "PUBLIC.ORDERS")
        expect(field(page, "Password or token")).to_have_attribute("placeholder", "given")
        click(page, "Generate SQL from the table")
        expect(page.locator("[data-operation]")).to_have_count(4)
        page.get_by_role("button", name="Save", exact=True).click()
        pools = page.get_by_role("region", name="Value pools")
        pools.get_by_role("button", name="Prepare value pools").click()
        expect(pools.get_by_role("status")).to_have_text("Prepared.")
        shown += page.content()

        page.get_by_label("Measured (s)", exact=True).fill("1")
        page.get_by_label("Warmup (s)", exact=True).fill("0")
        page.get_by_label("Threads", exact=True).fill("1")
        page.get_by_label("Think time (ms)", exact=True).fill("50")
        click(page, "Save and prepare a run")
        page.wait_for_url("**/dashboard/*")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.locator("[data-status=COMPLETED]")).to_be_visible()
        shown += page.content()
    kept = str(target_of(snowflake_controller, "Given")) + snowflake_controller.said
    for secret in ("wrong-and-secret", PASSWORD):
        assert secret not in shown
        assert secret not in kept


def test_a_password_goes_to_the_kind_of_target_that_it_was_typed_for(
    visit_account: VisitAccount, snowflake: SnowflakeDatabase
) -> None:
    with visit_account() as visitor:
        page = visitor.go("/configure/new")
        field(page, "Password").fill("of-a-server")
        page.get_by_role("group", name="Kind of target").get_by_role("button", name="Snowflake").click()
        expect(field(page, "Password or token")).to_have_attribute("placeholder", "that of the connection")
        field(page, "Connection").fill("bench")
        click(page, "Check the connection")
        expect(page.get_by_text("reachable: Snowflake")).to_be_visible()


def test_statements_that_no_warehouse_can_be_asked_for_are_refused_with_what_to_do(
    visit_account: VisitAccount, snowflake: SnowflakeDatabase
) -> None:
    said = "No active warehouse selected in the current session."
    snowflake.fault("error", pattern="SELECT COUNT", code=606, sqlstate="57P03", message=said)
    with visit_account() as visitor:
        page = begin(visitor, "Unserved")
        pick(page, "PUBLIC.ORDERS")
        click(page, "Generate SQL from the table")
        toast = page.locator(".toast")
        expect(toast).to_contain_text("No active warehouse selected")
        expect(toast).to_contain_text("set target.warehouse")
        expect(field(page, "Table")).to_have_value("PUBLIC.ORDERS")


def test_an_account_that_takes_its_time_holds_nobody_up(
    visit_account: VisitAccount, snowflake_controller: Controller, snowflake: SnowflakeDatabase
) -> None:
    fault = snowflake.fault("latency", pattern="SHOW OBJECTS", delay_ms=5_000)
    with visit_account() as visitor:
        page = begin(visitor, "Slow")
        click(page, "Browse tables")
        visitor.until(lambda: snowflake.strikes(fault) > 0, "the account is asked for its tables")
        browse = page.get_by_role("button", name="Browse tables")
        assert snowflake_controller.get("/api/templates") is not None
        assert browse.is_disabled(), "the controller answered while the account did not"
        expect(page.get_by_role("dialog").get_by_role("button", name="PUBLIC.ORDERS")).to_be_visible()
