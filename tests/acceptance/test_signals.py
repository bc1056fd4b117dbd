"""Signals while a run goes on: to the command, to a worker, to the database server."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.freezing import frozen_server
from tests.acceptance.place import CLOCK, GONE_S, MEASURED, Place, Running, until
from tests.acceptance.query_log import QueryLog
from tests.acceptance.scenarios import items_scenario, sleeping_scenario

from upperbound.domain.events import EventType
from upperbound.domain.run_state import RunStatus

STOP_SENDING_S = 2.0
"""From the STOP event to the last query that starts: typically well below a second."""
GOODBYE_S = 10.0
"""For a command to write its result and go, on a busy machine; alone it takes a fraction of a second."""


@pytest.mark.parametrize("stop", [Running.interrupt, Running.terminate], ids=["Ctrl-C", "SIGTERM"])
def test_one_signal_cancels_the_run_and_no_query_starts_after_the_stop(
    stop: Callable[[Running], None], place: Place, database: Database
) -> None:
    place.write("scenario.yaml", items_scenario(database.url))
    command = place.start("run", "scenario.yaml", "--json", "run.json", environment=database.environment)
    run = place.measuring_run(command)

    stop(command)
    outcome = command.wait()

    assert outcome.code == 5, outcome.text
    assert "CANCELLED" in outcome.text
    summary = place.summary("run.json")
    assert summary["status"] == RunStatus.CANCELLED
    assert summary["phase"] == "COMPLETED"
    assert [worker["status"] for worker in summary["workers"]] == ["COMPLETED", "COMPLETED"]
    assert summary["total_operations"] > 0

    with place.store() as store:
        (stopped,) = [event for event in store.events.after(run.run_id, 0) if event.type is EventType.STOP]
        ended = store.runs.get(run.run_id).end_time
    log = QueryLog(place.home / "runs" / run.run_id)
    assert log.last("started_at") <= stopped.created_at + timedelta(seconds=STOP_SENDING_S)
    assert ended is not None
    assert log.last("ended_at") <= ended
    assert log.count("outcome <> 'ok'") == summary["failed_operations"] == 0, "no query in flight may be cut"
    assert log.count() == summary["total_operations"] == summary["query_log"]["rows"]
    assert place.nothing_is_left(), place.leftovers()
    assert database.is_free()


def test_ctrl_c_while_the_demo_prepares_leaves_nothing(place: Place) -> None:
    command = place.start("demo")
    assert until(lambda: any("postgres" in line for line in place.processes().values())), command.so_far()

    command.interrupt()
    outcome = command.wait()

    assert outcome.code == 5, outcome.text
    assert "Traceback" not in outcome.text
    assert not place.runs()
    assert place.nothing_is_left(), place.leftovers()


def test_ctrl_c_while_operations_are_tried_ends_them_on_the_server(place: Place, database: Database) -> None:
    nap = {"kind": "GENERIC_SQL", "operation_type": "READ", "weight_pct": 100, "sql": "SELECT pg_sleep(300)"}
    place.write("scenario.yaml", items_scenario(database.url, {"workload.operations": [nap]}))
    command = place.start("run", "scenario.yaml", environment=database.environment)
    assert until(lambda: database.executes("SELECT pg_sleep(300)")), command.so_far()

    command.interrupt()
    outcome = command.wait(GOODBYE_S)

    assert outcome.code == 5, outcome.text
    assert "Traceback" not in outcome.text
    assert not place.runs()
    assert place.nothing_is_left(), place.leftovers()
    assert database.is_free(), "the operation must not go on at the server"


def test_ctrl_c_while_workers_get_ready_cancels_the_run(place: Place, database: Database) -> None:
    place.write("scenario.yaml", items_scenario(database.url))
    command = place.start("run", "scenario.yaml", "--json", "run.json", environment=database.environment)
    assert until(lambda: bool(place.workers())), command.so_far()

    command.interrupt()
    outcome = command.wait()

    assert outcome.code == 5, outcome.text
    (run,) = place.runs()
    assert run.status is RunStatus.CANCELLED
    assert place.summary("run.json")["status"] == RunStatus.CANCELLED
    assert place.nothing_is_left(), place.leftovers()


def test_a_second_ctrl_c_ends_a_run_of_slow_queries_within_two_seconds(place: Place, database: Database) -> None:
    place.write("scenario.yaml", sleeping_scenario(database.url, seconds=300.0))
    command = place.start("run", "scenario.yaml", "--json", "run.json", environment=database.environment)
    assert until(lambda: any(run.status is RunStatus.RUNNING for run in place.runs())), command.so_far()
    assert until(lambda: database.sessions() == 4)

    command.interrupt()
    assert until(lambda: place.runs()[0].status is RunStatus.CANCELLING), command.so_far()
    assert command.process.poll() is None, "the first Ctrl-C lets the queries in flight end"
    command.interrupt()
    pressed_at = CLOCK.utc_now()
    outcome = command.wait(GOODBYE_S)

    assert outcome.code == 5, outcome.text
    ended_at = place.runs()[0].end_time
    assert ended_at is not None
    assert ended_at - pressed_at < timedelta(seconds=2.0)
    assert place.summary("run.json")["status"] == RunStatus.CANCELLED
    assert "Press Ctrl-C again" in outcome.text
    assert place.nothing_is_left(), place.leftovers()
    assert database.is_free(), "the queries must not go on at the server"


def test_a_killed_worker_fails_the_run_by_name_and_its_log_reaches_to_the_kill(
    place: Place, database: Database
) -> None:
    place.write("scenario.yaml", items_scenario(database.url))
    command = place.start("run", "scenario.yaml", "--json", "run.json", environment=database.environment)
    run = place.measuring_run(command)
    # A second of load, so that there is something to lose.
    assert until(lambda: (place.runs()[0].elapsed_s or 0.0) > 1.5)
    victim = place.workers()["worker-1"]

    about_to_kill_at = CLOCK.utc_now()
    os.kill(victim, signal.SIGKILL)
    killed_at = CLOCK.utc_now()
    outcome = command.wait()

    assert outcome.code == 4, outcome.text
    failed_at = place.runs()[0].end_time
    assert failed_at is not None
    assert failed_at - killed_at < timedelta(seconds=3.0)
    assert "worker-1 was killed by signal SIGKILL" in outcome.text
    summary = place.summary("run.json")
    assert summary["status"] == RunStatus.FAILED
    assert "worker-1 was killed by signal SIGKILL" in summary["completion_reason"]
    assert {worker["worker_id"]: worker["status"] for worker in summary["workers"]} == {
        "worker-0": "COMPLETED",
        "worker-1": "FAILED",
    }
    log = QueryLog(place.home / "runs" / run.run_id)
    assert about_to_kill_at - log.last("ended_at", "worker_id = 'worker-1'") <= timedelta(seconds=1)
    assert log.count() == summary["query_log"]["rows"]
    assert place.nothing_is_left(), place.leftovers()


def test_a_killed_command_leaves_no_server_and_no_worker(place: Place) -> None:
    command = place.start("demo", "--duration", "120", "--warmup", "0", "--threads", "2")
    place.measuring_run(command)
    assert any("postgres" in line for line in place.processes().values())
    assert len(place.workers()) == 2

    command.kill()
    command.wait()

    assert until(lambda: not any("postgres" in line for line in place.processes().values()), GONE_S), place.leftovers()
    assert place.nothing_is_left(), place.leftovers()


def test_workers_of_a_killed_command_end_by_the_plan_when_their_server_goes_on(
    place: Place, database: Database
) -> None:
    place.write("scenario.yaml", items_scenario(database.url, {"load.duration_seconds": 5}))
    command = place.start("run", "scenario.yaml", environment=database.environment)
    run = place.measuring_run(command)

    command.kill()
    command.wait()
    killed_at = CLOCK.utc_now()

    assert place.nothing_is_left(), place.leftovers()
    last = QueryLog(place.home / "runs" / run.run_id).last("started_at")
    assert last > killed_at, "the load goes on without its controller"
    assert run.start_time is not None
    assert last - run.start_time < timedelta(seconds=5 + STOP_SENDING_S)
    with place.store() as store:
        assert [child.status for child in store.results.children(run.run_id)] == ["COMPLETED", "COMPLETED"]
    assert database.is_free()


def test_a_server_that_stands_still_for_three_seconds_shows_in_the_latencies(place: Place, database: Database) -> None:
    place.write("scenario.yaml", items_scenario(database.url, {"load.duration_seconds": 6}))
    command = place.start("run", "scenario.yaml", "--json", "run.json", environment=database.environment)
    place.measuring_run(command)

    # Half a second more than is looked for, which a busy machine may take to send the next queries.
    with frozen_server(database.server.pid):
        CLOCK.sleep(3.5)
    outcome = command.wait()

    summary = place.summary("run.json")
    assert summary["status"] == RunStatus.COMPLETED
    assert outcome.code in MEASURED, outcome.text
    assert summary["latency"]["max_ms"] >= 2900
    assert summary["failed_operations"] == 0
    stalled = QueryLog(place.home / "runs" / summary["run_id"]).count("service_us >= 2900000")
    assert stalled == 4, "each of the four threads had one query in flight"
    assert place.nothing_is_left(), place.leftovers()
