"""The doctor finds what would stop or spoil a run, says what to do, and changes nothing."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import Outcome, Place
from tests.acceptance.scenarios import items_scenario

WRONG_PASSWORD = "Wrong-Horse-9034"


def diagnose(place: Place, database: Database | None, *arguments: str) -> tuple[Outcome, dict[str, dict[str, Any]]]:
    """Run the doctor and return its outcome, and its checks by area and name."""
    environment = database.environment if database else None
    outcome = place.run("doctor", *arguments, "--json", environment=environment)
    document = json.loads(outcome.out)
    assert document["exit_code"] == outcome.code
    return outcome, {f"{check['area']}: {check['name']}": check for check in document["checks"]}


def failed(checks: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, check in checks.items() if check["status"] == "failed"}


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port that is taken by a socket which does not listen: connections are refused."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        yield int(probe.getsockname()[1])


def test_a_scenario_that_can_run_is_said_to(place: Place, database: Database) -> None:
    place.write("scenario.yaml", items_scenario(database.url))
    outcome, checks = diagnose(place, database, "scenario.yaml")
    assert outcome.code == 0, outcome.text
    assert not failed(checks)
    for name in ("target: scenario fits", "target: connections", "scenario: valid", "host: free disk"):
        assert checks[name]["status"] == "ok", checks[name]
    assert "SELECT 1 takes" in checks["target: latency floor"]["found"]
    assert checks["target: shared host"]["status"] == "warning"
    # fsync is off on the tests' server.
    assert checks["target: durability"]["status"] == "warning"
    assert not place.home.exists()
    assert not place.files_that_hold(database.password)
    assert database.is_free()


def test_the_table_says_what_was_found_and_what_to_do(place: Place, database: Database) -> None:
    place.write("scenario.yaml", items_scenario(database.url))
    outcome = place.run("doctor", "scenario.yaml", environment=database.environment)
    assert outcome.code == 0, outcome.text
    assert "check" in outcome.out.splitlines()[1]
    assert "what to do" in outcome.out.splitlines()[1]
    assert "latency floor" in outcome.out
    assert "Nothing stands in the way of a run." in outcome.out
    assert outcome.err == ""


def test_a_host_and_its_store_can_be_checked_alone(place: Place) -> None:
    outcome, checks = diagnose(place, None)
    assert outcome.code == 0
    assert "the first run makes it" in checks["store: reachable"]["found"]
    assert checks["target: reachable"]["status"] == "skipped"
    assert not place.home.exists()


def test_a_server_can_be_checked_without_a_scenario(place: Place, database: Database) -> None:
    outcome, checks = diagnose(place, database, database.url)
    assert outcome.code == 0, outcome.text
    assert checks["target: scenario fits"]["found"] == "no scenario was named"
    capabilities = json.loads(outcome.out)["capabilities"]
    assert capabilities["database"] == database.name
    assert capabilities["connections"]["max_connections"] == 100


def test_a_password_in_the_address_is_used_and_never_shown(place: Place, database: Database) -> None:
    outcome, checks = diagnose(place, None, database.url_with_password)
    assert outcome.code == 0, outcome.text
    assert not failed(checks)
    assert not place.files_that_hold(database.password)


def test_a_target_that_cannot_be_reached_does_not_keep_the_rest_from_being_checked(
    place: Place, dead_port: int
) -> None:
    place.write("scenario.yaml", items_scenario(f"postgresql://app@127.0.0.1:{dead_port}/shop"))
    outcome, checks = diagnose(place, None, "scenario.yaml")
    assert outcome.code == 3
    assert failed(checks) == {"target: reachable"}
    assert "check host and port" in checks["target: reachable"]["advice"]
    assert checks["target: scenario fits"]["status"] == "skipped"
    assert checks["host: open files"]["status"] == "ok"
    assert checks["store: reachable"]["status"] == "ok"


def test_a_refused_login_is_no_way_in_and_its_password_is_not_shown(place: Place, database: Database) -> None:
    address = database.url_with_password.replace(database.password, WRONG_PASSWORD)
    outcome, checks = diagnose(place, None, address)
    assert outcome.code == 3
    assert "refuses the login" in checks["target: reachable"]["found"]
    assert not place.files_that_hold(WRONG_PASSWORD)


def test_a_postgresql_store_without_tables_is_told_how_to_get_them(place: Place, database: Database) -> None:
    with psycopg.connect(database.url_with_password, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {database.name}_store")
    try:
        store = f"{database.url}_store"
        environment = {"UPPERBOUND_STORE_PASSWORD": database.password}
        empty = place.run("doctor", "--store", store, environment=environment)
        assert empty.code == 2
        assert "upperbound store init" in empty.text
        assert place.run("store", "init", "--store", store, environment=environment).code == 0
        made = place.run("doctor", "--store", store, "--json", environment=environment)
        assert made.code == 0, made.text
        assert {check["status"] for check in json.loads(made.out)["checks"] if check["area"] == "store"} == {"ok"}
        assert not place.files_that_hold(database.password)
    finally:
        with psycopg.connect(database.url_with_password, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {database.name}_store WITH (FORCE)")


def test_a_store_that_cannot_be_reached_ends_with_3(place: Place, dead_port: int) -> None:
    outcome, checks = diagnose(place, None, "--store", f"postgresql://app@127.0.0.1:{dead_port}/store")
    assert outcome.code == 3
    assert failed(checks) == {"store: reachable"}
    assert checks["store: tables"]["found"] == "there is no way into the store"


def test_a_missing_table_is_told_with_the_one_that_may_be_meant(place: Place, database: Database) -> None:
    place.write("scenario.yaml", items_scenario(database.url, {"target.table": "public.itens"}))
    outcome, checks = diagnose(place, database, "scenario.yaml")
    assert outcome.code == 2
    assert failed(checks) == {"target: scenario fits"}
    assert "there is no table public.itens" in checks["target: scenario fits"]["found"]
    assert "did you mean public.items?" in checks["target: scenario fits"]["advice"]
    assert checks["target: latency floor"]["status"] == "ok"


def test_more_threads_than_the_server_has_connections_are_refused(place: Place, database: Database) -> None:
    place.write("scenario.yaml", items_scenario(database.url))
    outcome, checks = diagnose(place, database, "scenario.yaml", "--set", "scaling.min_threads=400")
    assert outcome.code == 2
    assert checks["target: connections"]["status"] == "failed"
    assert "800 asked for" in checks["target: connections"]["found"]


def test_a_scenario_that_cannot_be_read_is_told_and_the_rest_checked(place: Place) -> None:
    place.write("scenario.yaml", items_scenario("postgresql://127.0.0.1/shop").replace("load:", "laod:"))
    outcome, checks = diagnose(place, None, "scenario.yaml")
    assert outcome.code == 2
    assert failed(checks) == {"scenario: valid"}
    assert "laod" in checks["scenario: valid"]["found"]
    assert checks["target: reachable"]["found"] == "the scenario cannot be read"
    assert checks["host: python"]["status"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "tells"),
    [
        (("mysql://host/database",), "is not a PostgreSQL connection URL"),
        (("postgresql://host/db", "--set", "load.threads=5"), "--set changes a scenario"),
        (("--set", "load.threads=5"), "--set changes a scenario"),
        (("postgresql://host/db", "--execute"), "--execute tries the operations of a scenario"),
        (("--store", "redis://host"), "no kind of store called 'redis'"),
    ],
)
def test_a_wrong_question_ends_with_2(place: Place, arguments: tuple[str, ...], tells: str) -> None:
    outcome = place.run("doctor", *arguments)
    assert outcome.code == 2
    assert tells in outcome.text


def test_operations_are_executed_only_when_that_is_asked_for(place: Place, database: Database) -> None:
    counting = {
        "kind": "GENERIC_SQL",
        "name": "count",
        "operation_type": "WRITE",
        "weight_pct": 100,
        "sql": "INSERT INTO {table} SELECT nextval('executions') - $1, 'new', 1, now()",
        "params": [{"range": [1000, 2000]}],
    }
    with psycopg.connect(database.url_with_password, autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE executions")
        place.write("scenario.yaml", items_scenario(database.url, {"workload.operations": [counting]}))
        outcome, checks = diagnose(place, database, "scenario.yaml")
        assert outcome.code == 0, outcome.text
        assert checks["target: operations"]["status"] == "skipped"
        assert "--execute" in checks["target: operations"]["found"]
        assert connection.execute("SELECT is_called FROM executions").fetchone() == (False,)
        outcome, checks = diagnose(place, database, "scenario.yaml", "--execute")
        assert outcome.code == 0, outcome.text
        assert checks["target: operations"]["status"] == "ok", checks["target: operations"]
        assert connection.execute("SELECT is_called, last_value FROM executions").fetchone() == (True, 1)
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (5000,)


def test_operations_that_do_not_work_are_told_by_the_doctor_and_the_run_alike(place: Place, database: Database) -> None:
    changes = {"workload.operations.0.params": [{"range": [6000, 9000]}], "workload.operations.1.expect": "one"}
    place.write("scenario.yaml", items_scenario(database.url, changes))
    outcome, checks = diagnose(place, database, "scenario.yaml", "--execute")
    assert outcome.code == 2
    assert failed(checks) == {"target: operations"}
    run = place.run("run", "scenario.yaml", environment=database.environment)
    assert run.code == 2
    for told in (checks["target: operations"]["found"], run.err):
        assert "POINT_LOOKUP: 10 executions with $1 = " in told
        assert "returned no row; expected at least one" in told
        assert "RANGE_SCAN: 1 execution with $1 = " in told
        assert "returned 10 rows; expected exactly one" in told
    assert database.is_free()
    assert place.nothing_is_left(), place.leftovers()


def test_the_demo_needs_no_server_and_none_is_started(place: Place) -> None:
    outcome, checks = diagnose(place, None, "demo")
    assert outcome.code == 0, outcome.text
    assert "its programs are there" in checks["target: embedded server"]["found"]
    assert place.nothing_is_left(), place.leftovers()


def test_the_loop_that_a_worker_would_use_is_said(place: Place) -> None:
    _, checks = diagnose(place, None)
    assert checks["host: measuring loop"]["status"] == "ok"
    assert checks["host: measuring loop"]["found"] == "compiled"


def test_a_template_is_checked_by_its_name(place: Place, database: Database) -> None:
    place.write("scenario.yaml", items_scenario(database.url))
    imported = place.run("template", "import", "scenario.yaml", "--name", "kept items")
    assert imported.code == 0, imported.text
    outcome, checks = diagnose(place, database, "kept items")
    assert outcome.code == 0, outcome.text
    assert checks["target: scenario fits"]["status"] == "ok"


def test_a_name_that_no_template_can_be_looked_up_for_is_told_beside_the_store(place: Place, dead_port: int) -> None:
    store = f"postgresql://upperbound@127.0.0.1:{dead_port}/store"
    outcome, checks = diagnose(place, None, "kept items", "--store", store)
    assert outcome.code == 3
    assert "the store cannot be asked" in checks["scenario: valid"]["found"]
    assert checks["store: reachable"]["status"] == "failed"
