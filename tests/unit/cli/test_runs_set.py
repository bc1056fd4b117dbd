"""``upperbound runs set`` changes a running run through the store, and refuses with every reason at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from upperbound.cli.runs_set import parse, set_run
from upperbound.domain.events import EventType
from upperbound.domain.run_state import RunStatus
from upperbound.errors import ConfigurationError
from upperbound.orchestrator.scaling import Wanted, change_run
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import NewRun
from upperbound.views.changes import changes_of

RUN_ID = "20261123-101500-abc123"
SCENARIO: dict[str, Any] = {
    "name": "Orders",
    "target": {"kind": "postgres", "url": "postgresql://me@127.0.0.1:1/db"},
    "load": {"threads": 8, "duration_seconds": 60},
    "workload": {"operations": [{"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1"}]},
}
app = typer.Typer()
app.command()(set_run)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store of a command that names none, with a running run in it."""
    monkeypatch.setenv("UPPERBOUND_HOME", str(tmp_path))
    monkeypatch.delenv("UPPERBOUND_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    config = RunConfig.model_validate(
        {
            "scenario": SCENARIO,
            "threads": [4, 4],
            "worker_capacity": 16,
            "seed": 1,
            "target_url": SCENARIO["target"]["url"],
            "table": None,
            "upperbound_version": "0",
        }
    )
    with open_store(f"sqlite:///{tmp_path}/upperbound.db") as opened:
        targets = {"worker-0": 4, "worker-1": 4}
        opened.runs.create(NewRun(RUN_ID, "Orders", config.model_dump(mode="json"), 2, targets))
        opened.runs.acquire_lease(RUN_ID, "controller", 60.0)
        opened.runs.transition(RUN_ID, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        opened.runs.mark_running(RUN_ID, 0)
        yield opened


def test_a_rate_is_set_of_a_run_that_offers_one(store: Store) -> None:
    wanted = Wanted(target_qps=250.5)
    assert parse(["target_qps=250.5"]) == wanted
    with pytest.raises(ConfigurationError, match="the run offers no rate: its load is CONCURRENCY"):
        change_run(store, RUN_ID, wanted, initiated_by="ada")
    row = store.runs.get(RUN_ID)
    load = {"mode": "QPS", "target_qps": 100, "duration_seconds": 60}
    config = {**row.scenario_config, "scenario": {**row.scenario_config["scenario"], "load": load}}
    other = "20261123-101500-abc124"
    store.runs.create(NewRun(other, "Orders", config, 2, {"worker-0": 5, "worker-1": 3}))
    store.runs.transition(other, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    store.runs.mark_running(other, 0)
    done = CliRunner().invoke(app, [other, "target_qps=250.5"])
    assert (done.exit_code, done.output) == (0, f"run {other}: 250.5 operations per second\n")
    (event,) = [event for event in store.events.all(other) if event.type is EventType.SET_WORKER_TARGET]
    assert (event.scope, event.data["target_qps"]) == ("RUN", 250.5)
    assert store.runs.get(other).worker_targets == {"worker-0": 5, "worker-1": 3}, "no thread is moved"
    (change,) = changes_of(store.runs.get(other), store.events.all(other))
    assert (change.target_qps, change.threads, change.workers) == (250.5, 8, 2)


def test_the_threads_of_a_search_are_its_own(store: Store) -> None:
    row = store.runs.get(RUN_ID)
    scenario = {**row.scenario_config["scenario"], "load": {"mode": "FIND_MAX_CONCURRENCY"}}
    search = "20261123-101500-abc125"
    store.runs.create(NewRun(search, "Orders", {**row.scenario_config, "scenario": scenario}, 1, {"worker-0": 5}))
    store.runs.acquire_lease(search, "controller", 60.0)
    store.runs.transition(search, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    store.runs.mark_running(search, 0)
    with pytest.raises(ConfigurationError) as refused:
        change_run(store, search, Wanted(threads=9, workers=2, target_qps=5), initiated_by="ada")
    own = "a search decides on its threads itself"
    assert [str(problem) for problem in refused.value.problems] == [
        "target_qps: the run offers no rate: its load is FIND_MAX_CONCURRENCY",
        f"threads: {own} (let it find its answer, or stop it and keep threads busy with CONCURRENCY)",
        f"workers: {own} (let it find its answer, or stop it and keep threads busy with CONCURRENCY)",
    ]
    assert store.runs.get(search).worker_targets == {"worker-0": 5}


@pytest.mark.parametrize(
    ("rate", "ramp_s", "said"), [(0.0, 0.0, "a rate is above 0"), (1e9, 0.0, "at most"), (5.0, 2.0, "changed at once")]
)
def test_a_rate_that_cannot_be_is_refused(store: Store, rate: float, ramp_s: float, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        change_run(store, RUN_ID, Wanted(target_qps=rate, ramp_s=ramp_s), initiated_by="ada")


def test_threads_and_workers_are_set_and_who_did_it_is_kept(store: Store) -> None:
    done = CliRunner().invoke(app, [RUN_ID, "threads=9", "workers=3", "--ramp", "2"])
    assert done.exit_code == 0, done.output
    assert done.output == f"run {RUN_ID}: 9 threads on 3 workers (worker-2 joins)\n"
    run = store.runs.get(RUN_ID)
    assert run.worker_targets == {"worker-0": 3, "worker-1": 3, "worker-2": 3}
    assert run.total_workers_expected == 3
    events = store.events.after(RUN_ID)
    assert {(event.type, event.data["target_threads"], event.data["ramp_seconds"]) for event in events} == {
        (EventType.SET_WORKER_TARGET, 3, 2.0)
    }
    assert len({event.data["step_id"] for event in events}) == 1
    (change,) = changes_of(run, events)
    assert (change.threads, change.workers, change.ramp_seconds) == (9, 3, 2.0)
    assert 0 <= change.at_s < 60
    assert all(event.data["initiated_by"].endswith("with `upperbound runs set`") for event in events)


def test_a_worker_that_leaves_is_told_to_stop(store: Store) -> None:
    done = CliRunner().invoke(app, [RUN_ID[:10], "workers=1"])
    assert done.output == f"run {RUN_ID}: 8 threads on 1 workers (worker-1 leaves)\n"
    (raised, stopped) = store.events.after(RUN_ID)
    assert (raised.type, raised.data["worker_id"], raised.data["target_threads"]) == (
        EventType.SET_WORKER_TARGET,
        "worker-0",
        8,
    )
    assert (stopped.type, stopped.scope, stopped.data["worker_id"]) == (EventType.STOP, "WORKER", "worker-1")


def test_what_is_so_already_changes_nothing(store: Store) -> None:
    assert "nothing to change" in CliRunner().invoke(app, [RUN_ID, "threads=8"]).output
    assert store.events.after(RUN_ID) == []


def test_a_run_that_does_not_run_is_refused(store: Store) -> None:
    store.runs.transition(RUN_ID, expected=RunStatus.RUNNING, to=RunStatus.CANCELLING)
    with pytest.raises(ConfigurationError, match="is CANCELLING: only a running run is changed"):
        CliRunner().invoke(app, [RUN_ID, "threads=9"], catch_exceptions=False)


def test_a_worker_cannot_join_a_run_without_a_controller(store: Store) -> None:
    store.runs.release_lease(RUN_ID, "controller")
    with pytest.raises(ConfigurationError, match="no controller that could start a worker"):
        CliRunner().invoke(app, [RUN_ID, "workers=3"], catch_exceptions=False)
    assert "9 threads" in CliRunner().invoke(app, [RUN_ID, "threads=9"]).output


def test_every_wrong_assignment_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(["treads=5", "workers=two", "threads", "threads=1", "connections=2"])
    assert [str(problem) for problem in refused.value.problems] == [
        "treads: cannot be set (did you mean 'threads'?)",
        "workers: 'two' is not a whole number",
        "threads: is no assignment (write threads=200)",
        "connections: is set twice",
    ]
    assert parse(["connections=5"], 1.5) == Wanted(threads=5, ramp_s=1.5)
