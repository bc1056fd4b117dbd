"""The list of runs shows results of runs that have ended and the last tick of those that go on."""

from pathlib import Path

import pytest
from tests.unit.views.rows import config, history_row

from upperbound.domain.run_state import RunStatus
from upperbound.store.engine import open_store
from upperbound.store.history import RunFilter
from upperbound.store.runs import NewRun
from upperbound.views.run_list import load_run_list, run_list_entry


def test_a_run_that_has_ended_shows_its_result() -> None:
    entry = run_list_entry(history_row(RunStatus.COMPLETED))
    assert (entry.total_operations, entry.failed_operations, entry.qps) == (40, 2, 2.0)
    assert entry.error_pct == pytest.approx(100 * 2 / 42)
    assert (entry.threads, entry.tags, entry.reason) == (16, {"team": "data"}, "duration_over")


def test_a_run_that_goes_on_shows_its_last_tick() -> None:
    entry = run_list_entry(history_row(RunStatus.RUNNING))
    assert (entry.total_operations, entry.failed_operations, entry.qps, entry.error_pct) == (499, 1, 99.5, 0.2)


def test_a_run_that_has_not_started_has_no_throughput(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.runs.create(NewRun("run-1", "Prepared", config().model_dump(mode="json"), 2, threads=16))
        (entry,) = load_run_list(store, limit=1).runs
        assert (entry.status, entry.qps) == (RunStatus.PREPARED, None)


def test_the_store_s_newest_runs_come_first(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        for number in range(3):
            store.runs.create(NewRun(f"run-{number}", f"Run {number}", config().model_dump(mode="json"), 2, threads=16))
        found = load_run_list(store, limit=2)
        assert ([entry.run_id for entry in found.runs], found.total) == (["run-2", "run-1"], 3)
        assert load_run_list(store, RunFilter(statuses=(RunStatus.FAILED,)), limit=2).runs == []
