"""A run's log in the store tells its life on both sides, while it goes on and afterwards."""

import json
import os
import signal
from collections.abc import Iterator

import psycopg
import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import MEASURED, Place, until
from tests.acceptance.scenarios import items_scenario


def in_order(text: str, *parts: str) -> bool:
    """Tell whether lines that hold these parts come in this order."""
    lines = iter(text.splitlines())
    return all(any(part in line for line in lines) for part in parts)


LIFE = {
    "orchestrator": (
        "created: Items",
        "worker-0 launched as process",
        "worker-1 launched as process",
        "is STARTING, phase PREPARING",
        "is RUNNING, phase MEASUREMENT",
        "ends its load: duration_over",
        "processed: ",
        "is COMPLETED",
    ),
    "worker-0": ("connected: 2 connections", "start seen", "drained: ", "query log sealed: ", "ends with exit code 0"),
    "worker-1": ("connected: 2 connections", "start seen", "drained: ", "query log sealed: ", "ends with exit code 0"),
}


def tells_the_life_of_the_run(log: str) -> bool:
    return all(
        in_order("\n".join(line for line in log.splitlines() if line.split()[3] == who), *parts)
        for who, parts in LIFE.items()
    )


def test_a_run_is_followed_to_its_end_and_leaving_early_disturbs_nobody(place: Place, database: Database) -> None:
    place.write("items.yaml", items_scenario(database.url, {"load.duration_seconds": 6}))
    command = place.start("run", "items.yaml", "--quiet", environment=database.environment)
    run = place.measuring_run(command)
    impatient = place.start("runs", "logs", run.run_id, "--follow")
    follower = place.start("runs", "logs", run.run_id[:15], "-f")
    assert until(lambda: "start seen" in impatient.so_far()), impatient.so_far()
    impatient.interrupt()
    left = impatient.wait()
    assert (left.code, left.err) == (0, "")

    done = command.wait()
    assert done.code in MEASURED, done.text
    followed = follower.wait()
    assert (followed.code, followed.err) == (0, "")
    assert tells_the_life_of_the_run(followed.out), followed.out
    again = place.run("runs", "logs", run.run_id)
    assert again.out == followed.out, "what is followed is what is kept, each line once and in the same order"
    assert database.password not in again.out
    assert place.nothing_is_left(), place.leftovers()


def test_the_log_of_a_lost_worker_says_so(place: Place, database: Database) -> None:
    place.write("items.yaml", items_scenario(database.url, {"load.duration_seconds": 30}))
    command = place.start("run", "items.yaml", "--quiet", environment=database.environment)
    place.measuring_run(command)
    # Lines wait up to a second for others to be written with.
    assert until(lambda: (place.runs()[0].elapsed_s or 0.0) > 2.5)
    os.kill(place.workers()["worker-1"], signal.SIGKILL)
    assert command.wait().code == 4
    errors = place.run("runs", "logs", "2", "--level", "error", "--source", "orchestrator", "--json").out
    messages = [json.loads(line)["message"] for line in errors.splitlines()]
    assert any("worker-1" in message and "SIGKILL" in message for message in messages), messages
    lost = place.run("runs", "logs", "2", "--worker", "worker-1").out
    assert "start seen" in lost, "what it said up to a second before its end is kept"
    assert "exit code" not in lost


@pytest.fixture
def store_database(database: Database) -> Iterator[str]:
    """The URL, without a password, of a store on PostgreSQL beside the table that is measured."""
    name = f"{database.name}_log"
    with psycopg.connect(database.url_with_password, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    yield database.url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(database.url_with_password, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_store_on_a_server_keeps_the_log_as_well(place: Place, database: Database, store_database: str) -> None:
    environment = database.environment | {"UPPERBOUND_STORE_PASSWORD": database.password}
    place.write("items.yaml", items_scenario(database.url, {"load.duration_seconds": 2}))
    assert place.run("store", "init", "--store", store_database, environment=environment).code == 0
    done = place.run("run", "items.yaml", "--quiet", "--store", store_database, environment=environment)
    assert done.code in MEASURED, done.text
    log = place.run("runs", "logs", "2", "--store", store_database, environment=environment)
    assert tells_the_life_of_the_run(log.out), log.text
    assert database.password not in log.out
