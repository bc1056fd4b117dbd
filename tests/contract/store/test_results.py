"""Results: a child per worker, a parent whose state is its run's."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from upperbound.domain.phases import Phase
from upperbound.domain.worker_state import WorkerStatus
from upperbound.errors import RunNotFound
from upperbound.store.engine import Store
from upperbound.store.results import ChildResult, ParentResult
from upperbound.store.runs import NewRun

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock


def child(worker: int = 0, **fields: Any) -> ChildResult:
    given: dict[str, Any] = {
        "test_id": f"run-1-worker-{worker}",
        "run_id": "run-1",
        "worker_id": f"worker-{worker}",
        "group_id": worker,
        "name": "checkout",
        "status": WorkerStatus.RUNNING,
        "phase": Phase.WARMUP,
    }
    return ChildResult(**(given | fields))


def parent(**fields: Any) -> ParentResult:
    given: dict[str, Any] = {
        "worker_count": 2,
        "threads": 16,
        "operations": 5_000_000_000,
        "failed": 7,
        "warmup_operations": 100,
        "duration_s": 20.0,
        "qps": 250_000_000.0,
        "figures": {"by_kind": {"z": 1, "a": 2}},
        "query_log": {"rows": 3, "files": 1, "path": "/x"},
    }
    return ParentResult(**(given | fields))


def test_a_child_is_written_at_the_start_and_replaced_at_the_end(clocked_store: Store, clock: "SetClock") -> None:
    results = clocked_store.results
    started_at = clock.moment
    results.write_child(child(threads=8))
    clock.advance(25)
    ended_at = clock.moment
    final = child(
        status=WorkerStatus.COMPLETED,
        phase=Phase.COMPLETED,
        threads=8,
        load_mode="CONCURRENCY",
        scaling_mode="FIXED",
        operations=900,
        failed=3,
        warmup_operations=70,
        duration_s=20.0,
        qps=45.0,
        figures={"seconds": 20.0},
        query_log={"rows": 973},
        environment={"host": "h"},
    )
    results.write_child(final)
    clock.advance(1)
    results.write_child(final)
    row = results.get("run-1-worker-0")
    assert {name: getattr(row, name) for name in vars(final)} == vars(final)
    assert (row.start_time, row.end_time) == (started_at, ended_at), "each is set once"
    assert (row.created_at, row.updated_at) == (started_at, clock.moment)


def test_a_child_that_arrives_late_does_not_erase_the_final_one(store: Store) -> None:
    final = child(status=WorkerStatus.COMPLETED, phase=Phase.COMPLETED, operations=900, figures={"seconds": 20.0})
    store.results.write_child(final)
    store.results.write_child(child(status=WorkerStatus.RUNNING))
    row = store.results.get("run-1-worker-0")
    assert {name: getattr(row, name) for name in vars(final)} == vars(final)


def test_a_child_that_is_first_heard_of_at_its_end_has_both_times(clocked_store: Store, clock: "SetClock") -> None:
    clocked_store.results.write_child(child(status=WorkerStatus.FAILED, failure_reason="no \x00 connection"))
    row = clocked_store.results.get("run-1-worker-0")
    assert row.start_time == row.end_time == clock.moment
    assert row.failure_reason == "no \N{REPLACEMENT CHARACTER} connection"


def test_children_are_listed_by_group_id_without_their_parent(store: Store, new_run: Callable[..., NewRun]) -> None:
    store.runs.create(new_run())
    for worker in (10, 2):
        store.results.write_child(child(worker))
    store.results.write_child(child(0, run_id="run-2"))
    assert [row.group_id for row in store.results.children("run-1")] == [2, 10]


def test_a_parent_takes_the_merged_figures_and_keeps_its_runs_state(
    store: Store, new_run: Callable[..., NewRun]
) -> None:
    store.runs.create(new_run(threads=12))
    store.results.set_environment("run-1", {"host": "h"})
    store.results.finish_parent("run-1", parent())
    store.results.save_summary("run-1", {"zebra": 1, "apple": {"p50_ms": 1.25}})
    store.results.set_enrichment("run-1", "SKIPPED", "pg_stat_statements is not installed")
    row = store.results.get("run-1")
    assert (row.status, row.phase, row.worker_id, row.end_time) == ("PREPARED", Phase.PREPARING, None, None)
    given = {name: value for name, value in vars(parent()).items() if value is not None}
    assert {name: getattr(row, name) for name in given} == given
    assert list(row.summary or {}) == ["zebra", "apple"]
    assert row.environment == {"host": "h"}, "what is not given stays"
    assert (row.enrichment_status, row.enrichment_reason) == ("SKIPPED", "pg_stat_statements is not installed")
    store.results.finish_parent("run-1", parent(operations=1, failure_reason="worker_failure: worker-1"))
    row = store.results.get("run-1")
    assert (row.operations, row.failure_reason) == (1, "worker_failure: worker-1")


def test_an_unknown_result_is_said_to_be_unknown(store: Store) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.results.get("nope"),
        lambda: store.results.finish_parent("nope", parent()),
        lambda: store.results.save_summary("nope", {}),
        lambda: store.results.set_environment("nope", {}),
        lambda: store.results.set_enrichment("nope", "SKIPPED", None),
    ]
    for call in calls:
        with pytest.raises(RunNotFound, match="nope"):
            call()
    assert store.results.children("nope") == []
