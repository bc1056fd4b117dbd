"""A completed run says when its workers have missed a part of the measurement, and nothing when they have not."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.views.rows import completed, figures, kind, run_row

from upperbound.cli.exit_codes import ExitCode, exit_code
from upperbound.domain.run_state import RunStatus
from upperbound.store.results import ResultRow
from upperbound.views.run_summary import RunSummary, build_summary

PLANNED_S = 20.0


def summary(
    seconds: Sequence[float], *, operations: int = 100, children: dict[str, Any] | None = None, **run: Any
) -> RunSummary:
    """Return the summary of a run of 20 s whose workers have measured for so long each."""
    latencies = [1_000] * operations
    workers = [figures({"POINT_LOOKUP": kind(latencies)} if operations else {}, seconds=one) for one in seconds]
    parent, rows = completed(workers)
    rows = [with_changes(row, (children or {}).get(row.worker_id or "", {})) for row in rows]
    return build_summary(run_row(**({"completion_reason": "duration_over"} | run)), parent, rows)


def with_changes(row: ResultRow, changes: dict[str, Any]) -> ResultRow:
    return ResultRow(**(vars(row) | changes))


@pytest.mark.parametrize("seconds", [(20.0, 20.0), (20.0, 19.1), (19.5, 19.5)])
def test_a_measurement_as_planned_has_no_problem(seconds: tuple[float, float]) -> None:
    told = summary(seconds)
    assert told.measurement_problems == []
    assert exit_code(told) is ExitCode.OK


def test_a_worker_that_began_late_is_named_and_the_figures_are_not_valid() -> None:
    told = summary((20.0, 14.2))
    assert told.measurement_problems == ["worker-1 measured 14.2 of 20.0 s"]
    assert exit_code(told) is ExitCode.INVALID


def test_workers_that_were_all_late_are_held_against_the_plan() -> None:
    assert summary((15.0, 15.0)).measurement_problems == [
        "worker-0 measured 15.0 of 20.0 s",
        "worker-1 measured 15.0 of 20.0 s",
    ]


def test_a_run_that_ended_before_its_plan_for_a_reason_is_held_against_its_longest_worker() -> None:
    reason: dict[str, Any] = {"completion_reason": "BOUNDS_LIMIT_REACHED"}
    assert summary((8.0, 8.0), **reason).measurement_problems == []
    assert summary((8.0, 5.0), **reason).measurement_problems == ["worker-1 measured 5.0 of 8.0 s"]


def test_a_run_in_which_nothing_was_carried_is_not_valid() -> None:
    told = summary((20.0, 20.0), operations=0)
    assert told.measurement_problems == ["no operation was begun in the measurement"]
    assert exit_code(told) is ExitCode.INVALID


def test_of_workers_that_were_lost_taken_out_or_added_the_run_tells_in_other_ways() -> None:
    assert summary((20.0, 7.0), children={"worker-1": {"status": "FAILED"}}).measurement_problems == []
    assert summary((20.0, 7.0), worker_targets={"worker-0": 8, "worker-1": 0}).measurement_problems == []
    assert summary((20.0, 20.0, 7.0)).measurement_problems == []


@pytest.mark.parametrize("status", sorted(set(RunStatus) - {RunStatus.COMPLETED}))
def test_only_a_completed_run_is_held_against_its_plan(status: RunStatus) -> None:
    assert summary((5.0, 5.0), operations=0, status=status).measurement_problems == []
