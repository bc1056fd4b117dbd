"""Runs are found by what they are, deleted when they are at rest, and taken for left when nobody holds them."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from upperbound.clock import SystemClock
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import IllegalTransition, RunNotFound
from upperbound.store.engine import Store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.history import RunFilter
from upperbound.store.logs import LogLine, LogWriter
from upperbound.store.runs import NewRun
from upperbound.store.snapshots import Snapshot
from upperbound.store.tables import worker_metrics_snapshots

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

MakeRun = Callable[..., NewRun]


def config(table_type: str = "POSTGRES", **tags: str) -> dict[str, Any]:
    """Return as much of a run's configuration as a search looks at."""
    return {"scenario": {"name": "x", "target": {"table_type": table_type}, "tags": tags}}


def ids(store: Store, **wanted: Any) -> list[str]:
    """Return the runs that a filter lets pass."""
    page = store.history.search(RunFilter(**wanted), limit=100)
    assert page.total == len(page.rows)
    return [row.run_id for row in page.rows]


def end(store: Store, run_id: str = "run-1") -> None:
    """Bring a prepared run to its end."""
    store.runs.transition(run_id, expected=RunStatus.PREPARED, to=RunStatus.CANCELLED, phase=Phase.COMPLETED)


def test_a_row_says_what_a_list_shows(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run(scenario=config(team="data"), template_id="t-1", template_version=3, threads=8))
    store.results.save_summary("run-1", {"latency": {"p50_ms": 1.25, "p95_ms": None}})
    [row] = store.history.search(RunFilter(), limit=10).rows
    assert (row.run_id, row.name, row.status, row.phase) == ("run-1", "checkout", RunStatus.PREPARED, Phase.PREPARING)
    assert (row.table_type, row.tags, row.threads) == ("POSTGRES", {"team": "data"}, 8)
    assert (row.template_id, row.template_version) == ("t-1", 3)
    assert (row.p50_ms, row.p95_ms, row.p99_ms) == (1.25, None, None)
    assert (row.elapsed_s, row.created_at.utcoffset()) == (None, timedelta(0))


def test_a_run_of_another_form_has_no_table_and_no_tags(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run(scenario={"from": "the future"}))
    [row] = store.history.search(RunFilter(), limit=10).rows
    assert (row.table_type, row.tags) == (None, {})


def test_filters_go_together(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run("run-a", name="Checkout, slow", scenario=config(team="data"), template_id="t-1"))
    store.runs.create(new_run("run-b", name="checkout 100%", scenario=config("SNOWFLAKE_POSTGRES", team="ops")))
    end(store, "run-b")
    assert ids(store) == ["run-b", "run-a"]
    assert ids(store, statuses=(RunStatus.PREPARED,)) == ["run-a"]
    assert ids(store, statuses=(RunStatus.PREPARED, RunStatus.CANCELLED)) == ["run-b", "run-a"]
    assert ids(store, table_type="POSTGRES") == ["run-a"]
    assert ids(store, template_id="t-1") == ["run-a"]
    assert ids(store, text="CHECKOUT") == ["run-b", "run-a"]
    assert ids(store, text="slow data") == ["run-a"]
    assert ids(store, text="run-b ops") == ["run-b"]
    assert ids(store, text="100%") == ["run-b"]
    assert ids(store, text="_") == []
    assert ids(store, text="'; DROP TABLE run_status; --") == []
    assert ids(store, text="checkout", statuses=(RunStatus.PREPARED,), table_type="SNOWFLAKE_POSTGRES") == []


def test_the_time_of_making_is_in_a_half_open_interval(
    clocked_store: Store, clock: "SetClock", new_run: MakeRun
) -> None:
    moments = []
    for name in ("run-a", "run-b", "run-c"):
        moments.append(clock.moment)
        clocked_store.runs.create(new_run(name))
        clock.advance(10)
    assert ids(clocked_store, created_from=moments[1]) == ["run-c", "run-b"]
    assert ids(clocked_store, created_to=moments[1]) == ["run-a"]
    assert ids(clocked_store, created_from=moments[1], created_to=moments[2]) == ["run-b"]


def test_pages_follow_each_other(clocked_store: Store, clock: "SetClock", new_run: MakeRun) -> None:
    for number in range(5):
        clocked_store.runs.create(new_run(f"run-{number}"))
        clock.advance(1)
    pages = [clocked_store.history.search(RunFilter(), limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [[row.run_id for row in page.rows] for page in pages] == [["run-4", "run-3"], ["run-2", "run-1"], ["run-0"]]
    assert {page.total for page in pages} == {5}
    assert clocked_store.history.search(RunFilter(), limit=2, offset=9).rows == []


def test_runs_are_counted_by_status(store: Store, new_run: MakeRun) -> None:
    assert store.history.counts() == {}
    for name in ("run-a", "run-b", "run-c"):
        store.runs.create(new_run(name))
    end(store, "run-b")
    assert store.history.counts() == {RunStatus.PREPARED: 2, RunStatus.CANCELLED: 1}


def test_a_run_at_rest_is_deleted_with_all_that_is_stored_of_it(
    store: Store,
    new_run: MakeRun,
    heartbeat: Callable[..., Heartbeat],
    snapshot: Callable[..., Snapshot],
) -> None:
    for name in ("run-1", "run-2"):
        store.runs.create(new_run(name))
        store.heartbeats.upsert(heartbeat(run_id=name))
        store.snapshots.write(snapshot(run_id=name))
        line = LogLine(1, LogLevel.INFO, "x", "said", store.now())
        store.logs.append_many(LogWriter(name, "writer", LogSource.ORCHESTRATOR), [line])
        store.runs.transition(name, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    with pytest.raises(IllegalTransition, match="STARTING"):
        store.history.delete("run-1")
    store.runs.transition("run-1", expected=RunStatus.STARTING, to=RunStatus.FAILED)
    with pytest.raises(IllegalTransition, match="FAILED"):
        store.history.delete("run-1")  # its results are not written yet
    store.runs.set_phase("run-1", Phase.COMPLETED)
    store.history.delete("run-1")
    for missing in (store.runs.get, store.results.get, store.history.delete):
        with pytest.raises(RunNotFound):
            missing("run-1")
    assert store.heartbeats.list("run-1") == []
    assert store.snapshots.marks("run-1") == []
    assert store.logs.after("run-1") == []
    assert store.events.all("run-1") == []
    assert store.heartbeats.list("run-2") != []
    assert store.snapshots.marks("run-2") != []
    assert store.logs.after("run-2") != []


def test_a_run_is_unattended_when_its_lease_has_run_out(
    clocked_store: Store, clock: "SetClock", new_run: MakeRun
) -> None:
    runs = clocked_store.runs
    runs.create(new_run())
    assert runs.unattended() == [], "nothing is to be done for a run that was not started"
    runs.acquire_lease("run-1", "one", 6)
    runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    clock.advance(5.9)
    assert runs.unattended() == []
    assert runs.leases(["run-1", "run-9"]) == {"run-1": pytest.approx(0.1, abs=0.01)}
    clock.advance(0.1)
    assert runs.unattended() == [("run-1", "one")]
    assert runs.release_lease("run-1", "one")
    assert runs.unattended() == [("run-1", None)]
    assert runs.leases(["run-1"]) == {"run-1": None}
    runs.transition("run-1", expected=RunStatus.STARTING, to=RunStatus.FAILED)
    assert runs.unattended() == [("run-1", None)], "its results are not written"
    runs.set_phase("run-1", Phase.COMPLETED)
    assert runs.unattended() == []


def test_the_configuration_changes_before_the_start_alone(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run())
    assert store.runs.replace_config("run-1", {"name": "y"})
    assert store.runs.get("run-1").scenario_config == {"name": "y"}
    store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    assert not store.runs.replace_config("run-1", {"name": "z"})
    assert store.runs.get("run-1").scenario_config == {"name": "y"}
    with pytest.raises(RunNotFound):
        store.runs.replace_config("run-9", {})


def test_marks_are_timed_by_what_was_counted(store: Store, new_run: MakeRun, snapshot: Callable[..., Snapshot]) -> None:
    store.runs.create(new_run())
    # The second was written late: the store was away when it was taken, or the worker was held up.
    for sequence, elapsed_s, operations, qps in ((1, 6.0, 50, 50.0), (2, 7.4, 100, 50.0), (3, 8.0, 150, 50.0)):
        store.snapshots.write(snapshot(0, sequence, elapsed_s=elapsed_s, operations=operations, qps=qps))
    marks = store.snapshots.marks("run-1")
    assert [(mark.sequence, mark.at_s, mark.operations) for mark in marks] == [
        (0, 5.0, 0),
        (1, 6.0, 50),
        (2, 7.0, 100),
        (3, 8.0, 150),
    ]


def test_snapshots_are_chosen_by_worker_and_sequence(
    store: Store, new_run: MakeRun, snapshot: Callable[..., Snapshot], engine: sa.Engine
) -> None:
    store.runs.create(new_run())
    for worker in (0, 1):
        store.snapshots.write(snapshot(worker, 1))
    columns = worker_metrics_snapshots.c
    with engine.begin() as connection:
        for count in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512):
            later = {column.name: column for column in columns} | {"sequence": columns.sequence + count}
            rows = sa.select(*later.values())
            connection.execute(sa.insert(worker_metrics_snapshots).from_select(list(later), rows))
    wanted = {"worker-0": range(1, 601), "worker-1": [3, 9_999]}
    found = store.snapshots.chosen("run-1", {worker: list(numbers) for worker, numbers in wanted.items()})
    assert set(found) == {("worker-0", number) for number in range(1, 601)} | {("worker-1", 3)}
    assert (found["worker-1", 3].sequence, found["worker-1", 3].figures) == (3, {"seconds": 1})


def test_each_statement_is_told_with_its_time(store: Store, new_run: MakeRun) -> None:
    seen: list[float] = []
    store.observe(SystemClock(), seen.append)
    store.runs.create(new_run())
    count = len(seen)
    assert count >= 2
    store.runs.get("run-1")
    assert len(seen) == count + 1
    assert all(0 <= seconds < 60 for seconds in seen)
