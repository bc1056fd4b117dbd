"""``upperbound template prepare`` as a user meets it: the page, refusals, a stop, a kill, and what runs make of it."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import MEASURED, Place, Running, until
from tests.acceptance.scenarios import items_scenario

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "value-pools.md"
PAGES_URL = "postgresql://app@db.example.com/shop"
SHORT = ("--set", "load.duration_seconds=1", "--set", "load.warmup_seconds=0")
SLOW = """
    CREATE FUNCTION slowly(bigint) RETURNS bigint LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN $1; END $$;
    CREATE VIEW slow AS SELECT id, slowly(id) AS late FROM items;
"""
"""A view one column of which cannot be read while somebody holds a lock."""


def typed() -> list[list[str]]:
    """Return the arguments of the page's commands."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line.strip()[2:] for block in blocks for line in block.splitlines() if line.strip().startswith("$ ")]
    return [shlex.split(line)[1:] for line in lines]


def pooled(database: Database, *columns: str, limit: int = 10_000, table: str = "public.items") -> str:
    """Return a scenario that takes values of columns."""
    params = [{"pool": column, "limit": limit} for column in columns]
    where = " AND ".join(f"{column} = ${number}" for number, column in enumerate(columns, 1))
    sql = f"SELECT count(*) FROM {{table}} WHERE {where}"
    operation = {"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": sql, "params": params}
    return items_scenario(database.url, {"workload.operations": [operation], "target.table": table})


def imported(place: Place, text: str) -> None:
    outcome = place.run("template", "import", str(place.write("items.yaml", text)))
    assert outcome.code == 0, outcome.text


def prepared(place: Place, database: Database, *arguments: str) -> dict[str, Any]:
    outcome = place.run("template", "prepare", "Items", "--json", *arguments, environment=database.environment)
    assert outcome.code == 0, outcome.text
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def checked(place: Place, database: Database) -> dict[str, str]:
    """Return what the doctor says of the template's value pools."""
    outcome = place.run("doctor", "Items", "--json", environment=database.environment)
    assert outcome.code == 0, outcome.text
    (check,) = [check for check in json.loads(outcome.out)["checks"] if check["name"] == "value pools"]
    found: dict[str, str] = check
    return found


def pool_ids(place: Place) -> set[str]:
    with place.store() as store:
        template = store.templates.find("Items")
        return {pool.pool_id for pool in store.value_pools.of_template(template.template_id)}


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Keep the view ``slow`` from being read."""
    with psycopg.connect(database.url_with_password, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(42)")
        yield


def waits_for_the_lock(database: Database, command: Running) -> bool:
    """Wait until the command samples the column that cannot be read, with the other one in the store."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'upperbound:prepare'"
        " AND wait_event_type = 'Lock'"
    )

    def waits() -> bool:
        assert command.process.poll() is None, command.so_far()
        with psycopg.connect(database.url_with_password) as connection:
            row = connection.execute(query, [database.name]).fetchone()
        return row is not None and row[0] > 0

    return until(waits)


def test_the_page_can_be_followed(place: Place, database: Database) -> None:
    told = {}
    for line in typed():
        arguments = [word.replace(PAGES_URL, database.url) for word in line]
        shorter = SHORT if arguments[0] == "run" else ()
        outcome = place.run(*arguments, *shorter, environment=database.environment, deadline_s=90.0)
        fine = MEASURED if arguments[0] == "run" else {0}
        assert outcome.code in fine, f"{arguments}: {outcome.text}"
        told[" ".join(arguments[:2])] = outcome
    made = told["template prepare"]
    assert re.search(r"^Shop, mixed: 2 value pools prepared from 127\.0\.0\.1:\d+/\w+ in ", made.out)
    assert "  id           10,000 values of type bigint, 0.1 MiB" in made.out
    assert "Sampling values of public.orders: id (up to 10,000), customer_id (up to 10,000) …" in made.err
    shown = "customer_id 5,000 values, id 10,000 values, sampled "
    assert f"value pools {shown}" in told["template show"].text.replace("  ", " ")
    assert "the table is much the same since" in told["doctor Shop, mixed"].text
    run = told["run Shop, mixed"]
    assert re.search(r"^Pools    customer_id 5,000 values, id 10,000 values, prepared \d{4}-", run.err, re.MULTILINE)
    assert place.summary("result.json")["status"] == "COMPLETED"
    assert place.nothing_is_left(), place.leftovers()


def test_changes_of_the_template_and_of_the_table_are_told_with_what_to_do(place: Place, database: Database) -> None:
    imported(place, pooled(database, "id"))
    assert "id: none prepared, each run samples its own" in place.run("template", "show", "Items").out
    assert checked(place, database)["found"] == "id: none prepared, each run samples its own"
    assert prepared(place, database)["pools"][0]["values"] == 5_000
    imported(place, pooled(database, "id", "price", limit=20_000))
    told = (
        "id was prepared for 10,000 values, and 20,000 are asked; price was not prepared: "
        "`upperbound template prepare Items`"
    )
    assert told in place.run("template", "show", "Items").out
    assert told in place.run("template", "validate", "Items").out
    shown = json.loads(place.run("template", "show", "Items", "--json").out)
    assert shown["value_pools"]["servers"][0]["missing"] == told.partition(": ")[0].split("; ")
    prepared(place, database)
    assert "prepared: " not in place.run("template", "validate", "Items").out
    with psycopg.connect(database.url_with_password, autocommit=True) as connection:
        connection.execute("INSERT INTO items SELECT id + 10000, name, price, born FROM items; ANALYZE items")
    found = checked(place, database)
    assert found["status"] == "warning"
    assert found["found"].endswith("UTC, and public.items has about 100 % more rows since")
    assert found["advice"] == "`upperbound template prepare Items`"
    outcome = place.run("run", "Items", *SHORT, environment=database.environment)
    assert outcome.code in MEASURED, outcome.text
    warning = r"warning: value pools were sampled at [\d :-]+ UTC, and public.items has about 100 % more rows since: "
    assert re.search(warning + "`upperbound template prepare Items`", outcome.err), outcome.err


def test_a_run_whose_prepared_values_find_nothing_any_more_is_refused_with_the_reason(
    place: Place, database: Database
) -> None:
    text = pooled(database, "id").replace("count(*)", "name")
    imported(place, text)
    prepared(place, database)
    with psycopg.connect(database.url_with_password, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT id + 10000 AS id, name FROM items; TRUNCATE items")
        connection.execute("INSERT INTO items SELECT id, name, 1, '2026-01-01' FROM kept; ANALYZE items")
    refused = place.run("run", "Items", *SHORT, environment=database.environment)
    assert refused.code == 2, refused.text
    assert "the operations do not work on the target" in refused.err
    assert "and public.items was written anew, as TRUNCATE, VACUUM FULL and REFRESH do since" in refused.err
    assert "hint: `upperbound template prepare Items`" in refused.err
    prepared(place, database)
    outcome = place.run("run", "Items", *SHORT, environment=database.environment)
    assert outcome.code in MEASURED, outcome.text


def test_a_run_that_was_not_prepared_samples_its_own_and_says_so(place: Place, database: Database) -> None:
    file = str(place.write("items.yaml", pooled(database, "id")))
    outcome = place.run("run", file, *SHORT, environment=database.environment)
    assert outcome.code in MEASURED, outcome.text
    assert "Sampling values of public.items: id (up to 10,000) …" in outcome.err
    assert "Pools    id 5,000 values, sampled for this run" in outcome.err
    with place.store() as store:
        [run] = place.runs()
        assert store.value_pools.of_run(run.run_id) == []


def test_a_prepare_that_is_killed_leaves_the_values_there_were_and_the_next_one_works(
    place: Place, database: Database
) -> None:
    with psycopg.connect(database.url_with_password, autocommit=True) as connection:
        connection.execute(SLOW)
    imported(place, pooled(database, "id", "late", table="public.slow"))
    prepared(place, database)
    old = pool_ids(place)
    with held(database):
        command = place.start("template", "prepare", "Items", environment=database.environment)
        assert waits_for_the_lock(database, command), command.so_far()
        command.kill()
        assert command.wait().code == -9
        assert pool_ids(place) == old
    outcome = place.run("run", "Items", *SHORT, environment=database.environment)
    assert outcome.code in MEASURED, outcome.text
    assert "Pools    id 5,000 values, late 5,000 values, prepared " in outcome.err
    prepared(place, database)
    assert not pool_ids(place) & old
    assert database.is_free()


def test_a_stop_says_that_nothing_has_changed(place: Place, database: Database) -> None:
    with psycopg.connect(database.url_with_password, autocommit=True) as connection:
        connection.execute(SLOW)
    imported(place, pooled(database, "id", "late", table="public.slow"))
    prepared(place, database)
    old = pool_ids(place)
    with held(database):
        command = place.start("template", "prepare", "Items", environment=database.environment)
        assert waits_for_the_lock(database, command), command.so_far()
        command.interrupt()
        outcome = command.wait()
    assert outcome.code == 5, outcome.text
    assert "Ctrl-C: stopped. What was prepared before stays as it was." in outcome.err
    assert pool_ids(place) == old
    assert database.is_free()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("items.yaml", "items.yaml is a file, and value pools are kept for templates"),
        ("mixed-workload", "`upperbound template duplicate mixed-workload NEW` makes a template of it"),
        ("Demo", "the server of 'Demo' is started for each run"),
        ("Itemz", "there is no scenario file, template or built-in scenario 'Itemz'"),
        ("Items", "column idd of public.items"),
    ],
)
def test_what_cannot_be_prepared_is_refused_with_what_to_do(
    place: Place, database: Database, name: str, said: str
) -> None:
    imported(place, pooled(database, "id"))
    imported(place, pooled(database, "idd"))
    place.run("template", "import", "demo")
    outcome = place.run("template", "prepare", name, environment=database.environment)
    assert outcome.code == 2, outcome.text
    assert outcome.out == ""
    assert said in outcome.text


def test_no_password_is_kept_or_shown(place: Place, database: Database) -> None:
    imported(place, pooled(database, "id"))
    url = ("--url", database.url_with_password)
    outcome = place.run("template", "prepare", "Items", *url)
    assert outcome.code == 0, outcome.text
    assert "PGPASSWORD keeps it safer" in outcome.err
    place.run("template", "show", "Items")
    assert place.files_that_hold(database.password) == []


def test_a_template_without_values_of_columns_has_nothing_to_prepare(place: Place, database: Database) -> None:
    imported(place, items_scenario(database.url))
    outcome = place.run("template", "prepare", "Items", environment=database.environment)
    assert (outcome.code, outcome.out) == (0, "Items takes no values from columns: there is nothing to prepare\n")
    assert "value pools" not in place.run("template", "show", "Items").out
