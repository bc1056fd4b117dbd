"""Objectives are checked in their scope, and only of a run that has completed."""

import pytest
from tests.unit.views.rows import completed, config, run_row, two_workers

from upperbound.domain.run_state import RunStatus
from upperbound.views.run_summary import build_summary


def test_a_run_without_objectives_has_met_them_all() -> None:
    slo = build_summary(run_row(), *completed(two_workers())).slo
    assert slo.passed is True
    assert slo.checks == []


def test_each_objective_is_checked_in_its_scope() -> None:
    overrides = ["slo={p95_ms: 6, min_qps: 1000}", "workload.operations.1.slo={max_ms: 1}"]
    row = run_row(scenario_config=config(*overrides).model_dump(mode="json"))
    parent, children = completed(two_workers())
    slo = build_summary(row, parent, children).slo
    assert slo.passed is False
    assert [(check.scope, check.metric, check.passed) for check in slo.checks] == [
        ("run", "p95_ms", True),
        ("run", "qps", False),
        ("UPDATE", "max_ms", False),
    ]


@pytest.mark.parametrize("status", [RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.RUNNING])
def test_objectives_of_a_run_that_has_not_completed_are_not_judged(status: RunStatus) -> None:
    row = run_row(status, scenario_config=config("slo={p95_ms: 6}").model_dump(mode="json"))
    parent, children = completed(two_workers())
    slo = build_summary(row, parent, children).slo
    assert slo.passed is None
    assert slo.checks == []
