"""What stands still for a while and comes back costs a run nothing but what it missed."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path

import psycopg
from tests.acceptance.conftest import Database
from tests.acceptance.freezing import frozen, frozen_server
from tests.acceptance.place import CLOCK, MEASURED, Place
from tests.acceptance.query_log import QueryLog
from tests.acceptance.scenarios import items_scenario

from upperbound.domain.log_lines import LogLevel
from upperbound.domain.run_state import RunStatus
from upperbound.store.engine import init_store
from upperbound.targets.embedded.server import EmbeddedServer

PAUSE_S = 10.0


def test_a_worker_that_stands_still_for_five_seconds_goes_on(place: Place, database: Database, store_url: str) -> None:
    place.write("scenario.yaml", items_scenario(database.url, {"load.duration_seconds": 8, "load.think_time_ms": 0}))
    arguments = ("run", "scenario.yaml", "--json", "run.json", "--store", store_url)
    command = place.start(*arguments, environment=database.environment)
    place.measuring_run(command)

    with frozen(place.workers()["worker-1"]):
        CLOCK.sleep(5.0)
    outcome = command.wait()

    summary = place.summary("run.json")
    assert outcome.code in MEASURED, outcome.text
    assert summary["status"] == RunStatus.COMPLETED
    log = QueryLog.of_run(store_url, summary["run_id"], place.home)
    assert log.count() == summary["query_log"]["rows"] == summary["total_operations"]
    assert log.count("worker_id = 'worker-1' AND service_us >= 4500000") > 0, "its own queries show the pause"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let nobody write to an SQLite store for the length of the block."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_a_store_that_stands_still_for_ten_seconds_leaves_no_gap_in_the_series(
    place: Place, database: Database
) -> None:
    with EmbeddedServer(max_connections=50) as store_server:
        place.store_url = store_server.url_with_password()
        init_store(place.store_url)
        run_while(place, database, lambda: frozen_server(store_server.pid))


def test_a_store_file_that_is_locked_for_ten_seconds_leaves_no_gap_in_the_series(
    place: Place, database: Database
) -> None:
    run_while(place, database, lambda: locked(place.home / "upperbound.db"))


@contextmanager
def gone(server: EmbeddedServer, url: str) -> Iterator[None]:
    """Cut every connection to a PostgreSQL store, and let none come about for the length of the block."""
    name = url.rpartition("/")[2].encode()
    with psycopg.connect(server.url_with_password(), autocommit=True) as admin:
        admin.execute(b"ALTER DATABASE " + name + b" ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name.decode()])
        yield
        admin.execute(b"ALTER DATABASE " + name + b" ALLOW_CONNECTIONS true")


def test_a_store_that_is_gone_for_ten_seconds_leaves_no_gap_in_the_series_and_is_told_of_in_the_log(
    place: Place, database: Database, postgres_store: str
) -> None:
    place.store_url = postgres_store
    run_while(place, database, lambda: gone(database.server, postgres_store))
    (run,) = place.runs()
    with place.store() as store:
        lines = store.logs.after(run.run_id, levels={LogLevel.WARNING})
    missed = {line.worker_id for line in lines if "the store has been away for" in line.message}
    assert missed == {None, "worker-0", "worker-1"}, "the controller and both workers say so"


def run_while(place: Place, database: Database, pause: Callable[[], AbstractContextManager[None]]) -> None:
    """Run with a store that stands still in the middle, and check that nothing is missing of that time."""
    place.write("scenario.yaml", items_scenario(database.url, {"load.duration_seconds": 16}))
    arguments = ("run", "scenario.yaml", "--json", "run.json", "--store", place.store_url)
    command = place.start(*arguments, environment=database.environment)
    place.measuring_run(command)
    with pause():
        CLOCK.sleep(PAUSE_S)
    outcome = command.wait()

    summary = place.summary("run.json")
    assert outcome.code in MEASURED, outcome.text
    assert summary["status"] == RunStatus.COMPLETED
    with place.store() as store:
        for worker_id in ("worker-0", "worker-1"):
            series = store.snapshots.series(summary["run_id"], worker_id=worker_id)
            assert [row.sequence for row in series] == list(range(1, len(series) + 1))
            gaps = [after.elapsed_s - before.elapsed_s for before, after in pairwise(series)]
            assert max(gaps) < 3.0, f"{worker_id} has a gap: {gaps}"
            assert series[-1].elapsed_s > 14.0
    log = QueryLog.of_run(place.store_url, summary["run_id"], place.home)
    assert log.count() == summary["total_operations"] + summary["failed_operations"]
