"""``upperbound data`` as a user meets it: loads, interruptions, refusals, and the scenarios that run on the tables."""

import json
import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import COMMAND, MEASURED, Place, Running, until

from upperbound.scenario.builtins import builtin_scenarios
from upperbound.targets.datasets.catalogue import DATA_SETS
from upperbound.targets.embedded.binaries import find_binaries
from upperbound.targets.embedded.server import EmbeddedServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "load-data.md"
PAGES_URL = "postgresql://app@db.example.com/shop"
SHORT = (
    *("--set", "load.duration_seconds=1", "--set", "load.warmup_seconds=0"),
    *("--set", 'scaling={"mode":"FIXED","min_workers":1,"min_threads":4}', "--set", "load.threads=4"),
)
BUILT_IN = [scenario for scenario in builtin_scenarios() if scenario.data_set]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    settings = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with EmbeddedServer(max_connections=60, settings=settings) as server:
        yield server


@contextmanager
def made_database(server: EmbeddedServer) -> Iterator[Database]:
    name = f"data_{secrets.token_hex(6)}"
    with psycopg.connect(server.url_with_password(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield Database(server, name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty(server: EmbeddedServer) -> Iterator[Database]:
    """An empty database of the test's own."""
    with made_database(server) as database:
        yield database


@pytest.fixture(scope="module")
def loaded(server: EmbeddedServer) -> Iterator[Database]:
    """A database with every data set at scale 1, loaded by the command."""
    place = Place()
    with made_database(server) as database:
        for data_set in DATA_SETS:
            outcome = place.run(
                *("data", "load", data_set.name, "--url", database.url, "--json"), environment=database.environment
            )
            assert outcome.code == 0, outcome.text
            document = json.loads(outcome.out)
            assert document["tables"] == data_set.rows(1)
            assert (document["data_set"], document["scale"], document["seed"]) == (data_set.name, 1, 1)
            assert document["rows_per_s"] > 0
        yield database
    place.remove()


def ask(database: Database, query: LiteralString) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url_with_password, autocommit=True) as connection:
        return connection.execute(query).fetchall()


def load(place: Place, database: Database, *arguments: str) -> Running:
    return place.start("data", "load", *arguments, "--url", database.url, environment=database.environment)


PARTS: LiteralString = (
    "SELECT count(*) FROM pg_class WHERE relname = 'upperbound_data_parts' AND relnamespace = 'public'::regnamespace"
)


@contextmanager
def held_in_the_middle(place: Place, database: Database, *arguments: str) -> Iterator[Running]:
    """Start a load of orders, and hold it from when some of its parts are there until the body has ended."""
    command = load(place, database, "orders", *arguments)

    def some_parts_are_there() -> bool:
        assert command.process.poll() is None, command.so_far()
        return ask(database, PARTS) == [(1,)] and ask(database, "SELECT count(*) > 0 FROM upperbound_data_parts") == [
            (True,)
        ]

    assert until(some_parts_are_there), command.so_far()
    with psycopg.connect(database.url_with_password) as holder:
        # Granted when the parts that are being loaded have ended; those that follow wait for it.
        holder.execute("LOCK TABLE orders IN SHARE MODE")
        yield command


def assert_whole(database: Database, rows: int) -> None:
    """Check that orders holds each row once, and that the load says so."""
    found = ask(database, "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM orders")
    assert found == [(rows, rows, 1, rows)]
    assert ask(database, "SELECT scale, finished_at IS NOT NULL FROM upperbound_data") == [(rows // 100_000, True)]
    assert ask(database, PARTS) == [(0,)]


def test_a_load_that_is_killed_goes_on_and_doubles_no_row(place: Place, empty: Database) -> None:
    with held_in_the_middle(place, empty, "--scale", "6", "--jobs", "2") as command:
        command.kill()
        command.process.wait(60)
        ((rows,),) = ask(empty, "SELECT sum(rows) FROM upperbound_data_parts")
        assert 0 < rows < 600_000

    outcome = load(place, empty, "orders", "--jobs", "3").wait()

    assert outcome.code == 0, outcome.text
    assert "loaded the rest of it" in outcome.out
    assert re.search(r"600,000 rows, of which [1-5]00,000 are there from an earlier load", outcome.err)
    assert_whole(empty, 600_000)
    assert empty.is_free()


@pytest.mark.parametrize("way", ["Ctrl-C", "SIGTERM"])
def test_a_load_that_is_stopped_says_how_to_go_on(way: str, place: Place, empty: Database) -> None:
    with held_in_the_middle(place, empty, "--scale", "4", "--jobs", "2") as command:
        command.interrupt() if way == "Ctrl-C" else command.terminate()
        # Its connections wait for a lock that is not given up: it ends by cancelling what they do.
        outcome = command.wait()
    assert outcome.code == 5, outcome.text
    assert f"{way}: the load has stopped." in outcome.err
    assert "the same command, without --drop, goes on" in outcome.err
    assert "Traceback" not in outcome.text
    assert empty.is_free()

    outcome = load(place, empty, "orders", "--scale", "4").wait()
    assert outcome.code == 0, outcome.text
    assert_whole(empty, 400_000)


def test_of_two_loads_at_once_one_is_refused_and_the_other_is_whole(place: Place, empty: Database) -> None:
    with held_in_the_middle(place, empty, "--scale", "4", "--jobs", "2") as command:
        for second in (("orders",), ("orders", "--drop"), ("tpcb",)):
            outcome = load(place, empty, *second).wait()
            assert outcome.code == 2, outcome.text
            assert "another load is at work in schema public" in outcome.err
        outcome = place.run("data", "drop", "orders", "--url", empty.url, environment=empty.environment)
        assert outcome.code == 2, outcome.text
    outcome = command.wait()
    assert outcome.code == 0, outcome.text
    assert_whole(empty, 400_000)


def test_what_cannot_be_loaded_is_refused_with_what_to_do(place: Place, loaded: Database) -> None:
    def refused(code: int, message: str, *arguments: str) -> None:
        outcome = place.run("data", *arguments, environment=loaded.environment)
        assert outcome.code == code, outcome.text
        assert message in outcome.text
        assert "hint: " in outcome.err
        assert outcome.out == ""

    url = ("--url", loaded.url)
    refused(2, "is in schema public already, at scale 1 with seed 1", "load", "tpcb", *url)
    refused(2, "there is no data set 'tpc'", "load", "tpc", *url)
    refused(2, "cannot have scale 100001", "load", "tpcb", "--scale", "100001", *url)
    refused(2, "--url is not a PostgreSQL connection URL", "load", "tpcb", "--url", "mysql://x")
    refused(2, "--schema 'a.b' is not a name by itself", "load", "tpcb", "--schema", "a.b", *url)
    refused(2, "no data set tpcb was loaded into schema nowhere", "drop", "tpcb", "--schema", "nowhere", *url)
    refused(2, "Missing option '--url'", "load", "tpcb")
    refused(3, "cannot be reached", "load", "tpcb", "--url", "postgresql://app@127.0.0.1:1/shop")
    refused(3, "refuses the login", "load", "tpcb", "--url", loaded.url.replace("postgres@", "nobody@"))


def test_a_terminal_shows_a_bar_with_rows_and_rate(place: Place, empty: Database) -> None:
    reader, writer = os.openpty()
    environment = {**place.environment(empty.environment), "TERM": "xterm-256color", "COLUMNS": "120"}
    arguments = [str(COMMAND), "data", "load", "tpcb", "--scale", "3", "--url", empty.url]
    command = subprocess.Popen(
        arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer
    )
    os.close(writer)
    shown = bytearray()
    try:
        while chunk := os.read(reader, 65_536):
            shown += chunk
    except OSError:
        # A terminal whose other end is gone.
        pass
    finally:
        os.close(reader)
    assert command.wait(60) == 0, shown
    text = shown.decode()
    assert re.search(r"300033/300033", text), text
    assert "rows/s" in text


def test_the_list_names_every_data_set_with_its_tables_and_scenarios(place: Place) -> None:
    listed = json.loads(place.run("data", "list", "--json").out)
    assert [row["name"] for row in listed] == [data_set.name for data_set in DATA_SETS]
    assert {name for row in listed for name in row["scenarios"]} == {scenario.name for scenario in BUILT_IN}
    text = place.run("data", "list").out
    page = PAGE.read_text(encoding="utf-8")
    for row in listed:
        assert all(table in text for table in row["tables"])
        assert f"| `{row['name']}` | `" in page


@pytest.mark.parametrize("name", [scenario.name for scenario in BUILT_IN])
def test_each_built_in_scenario_runs_on_its_data_without_an_error(name: str, place: Place, loaded: Database) -> None:
    outcome = place.run(
        *("run", name, "--set", f"target.url={loaded.url}", *SHORT, "--json", "run.json"),
        environment=loaded.environment,
    )
    assert outcome.code in MEASURED, outcome.text
    summary = place.summary("run.json")
    assert summary["status"] == "COMPLETED"
    assert summary["total_operations"] > 0
    assert summary["failed_operations"] == 0, summary["errors"]


SUMS: LiteralString = (
    "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers), "
    "(SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history), "
    "(SELECT count(*) FROM pgbench_history)"
)


def test_the_sums_of_tpcb_agree_after_our_run_after_pgbench_and_after_both_at_once(
    place: Place, empty: Database
) -> None:
    outcome = load(place, empty, "tpcb", "--scale", "2").wait()
    assert outcome.code == 0, outcome.text
    pgbench = [str(find_binaries().program("pgbench")), "-n", "-c", "2", "-t", "100", empty.url_with_password]
    transactions = 0

    def agree() -> None:
        ((*sums, lines),) = ask(empty, SUMS)
        assert len(set(sums)) == 1, sums
        assert lines == transactions

    def start(json_path: str, *more: str) -> Running:
        ranges = ((0, 200_000), (1, 2), (2, 20))
        scaled = [f"workload.operations.0.params.{place}.range=[1,{high}]" for place, high in ranges]
        settings = [word for setting in [f"target.url={empty.url}", *scaled] for word in ("--set", setting)]
        words = ("run", "tpcb-like", *settings, *SHORT, *more, "--json", json_path)
        return place.start(*words, environment=empty.environment)

    def committed(command: Running, json_path: str) -> int:
        outcome = command.wait()
        assert outcome.code in MEASURED, outcome.text
        summary = place.summary(json_path)
        assert summary["failed_operations"] == 0, summary["errors"]
        assert summary["total_operations"] > 0
        return int(summary["total_operations"])

    transactions += committed(start("ours.json"), "ours.json")
    agree()
    subprocess.run(pgbench, check=True, capture_output=True, timeout=60)
    transactions += 200
    agree()
    together = start("both.json", "--set", "load.duration_seconds=5")
    place.measuring_run(together)
    subprocess.run(pgbench, check=True, capture_output=True, timeout=60)
    assert together.process.poll() is None, "both run at once"
    transactions += committed(together, "both.json") + 200
    agree()


def commands() -> list[str]:
    """Return what the page tells its reader to type, in its order."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line.strip()[2:] for block in blocks for line in block.splitlines() if line.strip().startswith("$ ")]


def test_the_commands_of_the_how_to_page_work_one_after_the_other(place: Place, empty: Database) -> None:
    typed = commands()
    assert len(typed) > 5
    for command in typed:
        program, *arguments = shlex.split(command.replace(PAGES_URL, empty.url))
        assert program == "upperbound"
        short = SHORT if arguments[0] == "run" else ()
        outcome = place.run(*arguments, *short, environment=empty.environment)
        assert outcome.code in (MEASURED if short else {0}), f"{command}: {outcome.text}"
    assert ask(empty, "SELECT relname FROM pg_class WHERE relname ~ '^(upperbound|usertable|pgbench|event)'") == []
