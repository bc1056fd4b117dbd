"""The list of runs shows results of runs that have ended and the last tick of those that go on."""

from pathlib import Path

from tests.unit.views.rows import config, figures, kind, result_row, run_row

from upperbound.domain.run_state import RunStatus
from upperbound.store.engine import open_store
from upperbound.store.runs import NewRun
from upperbound.views.run_list import build_run_list, load_run_list


def test_a_run_that_has_ended_shows_its_result() -> None:
    result = result_row(figures({"UPDATE": kind([100] * 40, failed=2)}))
    [entry] = build_run_list([(run_row(), result)])
    assert (entry.total_operations, entry.failed_operations, entry.qps) == (40, 2, 2.0)
    assert entry.threads == 16


def test_a_run_that_goes_on_shows_its_last_tick() -> None:
    row = run_row(RunStatus.RUNNING, total_ops=500, error_count=1, current_qps=99.5)
    [entry] = build_run_list([(row, result_row())])
    assert (entry.total_operations, entry.failed_operations, entry.qps) == (500, 1, 99.5)


def test_the_store_s_newest_runs_come_first(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        for number in range(3):
            store.runs.create(NewRun(f"run-{number}", f"Run {number}", config().model_dump(mode="json"), 2, threads=16))
        assert [entry.run_id for entry in load_run_list(store, limit=2)] == ["run-2", "run-1"]
        assert load_run_list(store, limit=2, status=RunStatus.FAILED) == []
