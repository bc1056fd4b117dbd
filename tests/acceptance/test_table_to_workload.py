"""From the catalog of a database to a run: as the how-to page says, and on a server of one's own."""

import json
import re
import shlex
from pathlib import Path

import psycopg
import pytest
import yaml
from tests.acceptance.conftest import Database
from tests.acceptance.place import MEASURED, Place

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "from-a-table-to-a-workload.md"
SHORT = ("--set", "load.duration_seconds=2", "--set", "load.warmup_seconds=0")
TABLES_SQL = """
    CREATE SCHEMA "My Shop";
    CREATE TABLE "My Shop"."Lines" (
        "Order" bigint, line int, at timestamptz NOT NULL DEFAULT now(), "user" text NOT NULL,
        total numeric GENERATED ALWAYS AS (line * 2) STORED, PRIMARY KEY ("Order", line)
    );
    INSERT INTO "My Shop"."Lines" SELECT o, l, now(), 'u' || o
    FROM generate_series(1, 500) AS o, generate_series(1, 4) AS l;
    CREATE VIEW names AS SELECT id, name FROM items;
    ANALYZE;
"""


def typed() -> list[str]:
    """Return what the page tells its reader to type at a prompt."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line.strip()[2:] for block in blocks for line in block.splitlines() if line.strip().startswith("$ ")]


@pytest.fixture
def shop(database: Database) -> Database:
    with psycopg.connect(database.url_with_password, autocommit=True) as connection:
        connection.execute(TABLES_SQL)
    return database


def test_the_steps_of_the_page_work_one_after_the_other(place: Place) -> None:
    commands = [shlex.split(command) for command in typed()]
    assert [command[1] for command in commands] == ["catalog", "catalog", "template", "catalog", "run"]
    texts = []
    for _, *arguments in commands:
        measures = arguments[0] == "run"
        outcome = place.run(*arguments, *(SHORT if measures else ()))
        assert outcome.code in (MEASURED if measures else {0}), outcome.text
        texts.append(outcome.text)
    assert "public.orders table 100,000" in texts[0]
    assert "primary key orders_pkey (id)" in texts[1]
    assert "$1: bigint $2: text returns: no rows" in texts[3]
    summary = place.summary("result.json")
    assert summary["status"] == "COMPLETED"
    assert summary["failed_operations"] == 0
    assert summary["by_kind"].keys() == {"POINT_LOOKUP", "RANGE_SCAN", "INSERT", "UPDATE"}
    assert place.nothing_is_left(), place.leftovers()


def test_a_scenario_that_was_generated_for_a_composite_key_runs_without_an_error(place: Place, shop: Database) -> None:
    made = place.run(
        *("template", "generate", "--url", shop.url, "--table", '"My Shop"."Lines"', "--output", "lines.yaml"),
        environment=shop.environment,
    )
    assert made.code == 0, made.text
    outcome = place.run("run", "lines.yaml", *SHORT, "--json", "run.json", environment=shop.environment)
    assert outcome.code in MEASURED, outcome.text
    summary = place.summary("run.json")
    assert summary["failed_operations"] == 0, summary["errors"]
    assert all(summary["by_kind"][kind]["operations"] > 0 for kind in ("POINT_LOOKUP", "RANGE_SCAN", "UPDATE"))
    with psycopg.connect(shop.url_with_password) as connection:
        row = connection.execute('SELECT count(*) FROM "My Shop"."Lines"').fetchone()
    assert row is not None
    assert row[0] > 2_000
    assert shop.is_free()


def test_a_generated_scenario_says_why_and_holds_no_password(place: Place, shop: Database) -> None:
    url = shop.url_with_password
    outcome = place.run("template", "generate", "--url", url, "--table", "items", "--preset", "read_only")
    assert outcome.code == 0, outcome.text
    assert shop.password not in outcome.text
    assert "# Key: the primary key (id); it finds one row." in outcome.out
    scenario = yaml.safe_load(outcome.out)
    assert scenario["target"] == {"kind": "postgres", "url": shop.url, "table": "public.items"}
    assert [(entry["kind"], entry["weight_pct"]) for entry in scenario["workload"]["operations"]] == [
        ("POINT_LOOKUP", 80),
        ("RANGE_SCAN", 20),
    ]


def test_a_view_is_read_by_the_column_that_is_named_and_never_written(place: Place, shop: Database) -> None:
    generate = ("template", "generate", "--url", shop.url, "--table", "names")
    without = place.run(*generate, environment=shop.environment)
    assert without.code == 2
    assert "no statement of MIXED can be generated for public.names" in without.err
    assert without.err.count("name a column to read by as its key (--key)") == 2
    assert without.err.count("a view is for reading here") == 2
    with_key = place.run(*generate, "--key", "id", environment=shop.environment)
    assert with_key.code == 0, with_key.text
    assert "no INSERT: a view is for reading here" in with_key.err
    assert [entry["kind"] for entry in yaml.safe_load(with_key.out)["workload"]["operations"]] == [
        "POINT_LOOKUP",
        "RANGE_SCAN",
    ]
    unwritable = place.run(*generate, "--key", "id", "--output", "gone/x.yaml", environment=shop.environment)
    assert unwritable.code == 2
    assert "gone/x.yaml cannot be written" in unwritable.err
    wrong = place.run(*generate, "--key", "idd", environment=shop.environment)
    assert wrong.code == 2
    assert "public.names has no column idd" in wrong.err


def test_the_catalog_is_printed_for_people_and_for_programs_in_pages(place: Place, shop: Database) -> None:
    objects = ("catalog", "objects", "--url", shop.url, "--json", "--limit", "1")
    names, after = [], None
    while True:
        outcome = place.run(*objects, *(("--after", after) if after else ()), environment=shop.environment)
        assert outcome.code == 0, outcome.text
        page = json.loads(outcome.out)
        names += [entry["quoted"] for entry in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert names == ['"My Shop"."Lines"', "public.items", "public.names"]
    plain = place.run("catalog", "schemas", "--url", shop.url, "--limit", "1", environment=shop.environment)
    assert '"My Shop"' in plain.out
    assert "there are more: --after" in plain.err
    columns = place.run(
        *("catalog", "columns", "--url", shop.url, "--table", '"My Shop"."Lines"'), environment=shop.environment
    )
    assert columns.code == 0, columns.text
    assert "computed" in columns.out
    assert 'primary key Lines_pkey ("Order", line)' in columns.out
    databases = place.run("catalog", "databases", "--url", shop.url, "--json", environment=shop.environment)
    assert [entry["name"] for entry in json.loads(databases.out)["items"] if entry["current"]] == [shop.name]
    assert shop.is_free()


@pytest.mark.parametrize("command", ["catalog objects", "template generate --table t"])
def test_exit_codes_tell_a_wrong_use_from_a_server_that_cannot_be_reached(place: Place, command: str) -> None:
    neither = place.run(*command.split())
    assert neither.code == 2
    assert "give one of them" in neither.err
    nowhere = place.run(*command.split(), "--url", "postgresql://u@127.0.0.1:1/d")
    assert nowhere.code == 3
    assert "127.0.0.1:1" in nowhere.err
    wrong = place.run(*command.split(), "--url", "mysql://u@h/d")
    assert wrong.code == 2
    assert "is not a PostgreSQL connection URL" in wrong.err


def test_a_table_that_is_not_there_is_told_with_one_that_may_be_meant(place: Place, shop: Database) -> None:
    outcome = place.run(
        *("template", "generate", "--url", shop.url, "--table", "public.itemz"), environment=shop.environment
    )
    assert outcome.code == 2
    assert "did you mean public.items?" in outcome.err
