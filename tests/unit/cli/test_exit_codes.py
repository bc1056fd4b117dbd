"""Every way a command can end has one exit code, and the documentation names the same."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.unit.views.rows import RATE, completed, config, figures, kind, offering, run_row

from upperbound.cli.exit_codes import ExitCode, exit_code
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.run_state import RunStatus
from upperbound.errors import (
    ConfigurationError,
    DataLoadFailed,
    EmbeddedServerError,
    IllegalTransition,
    PortInUse,
    QueryLogError,
    RunFailed,
    RunNotFound,
    ScenarioError,
    StoreError,
    StoreNotMigrated,
    StoreUnreachable,
    StoreVersionError,
    TargetAuthFailed,
    TargetError,
    TargetMismatch,
    TargetUnreachable,
    TemplateConflict,
    TemplateNotFound,
    UpperboundError,
    WorkerFailed,
)
from upperbound.views.run_summary import RunSummary, build_summary

CODES = {
    ConfigurationError: 2,
    ScenarioError: 2,
    TargetMismatch: 2,
    PortInUse: 2,
    StoreVersionError: 2,
    StoreNotMigrated: 2,
    RunNotFound: 2,
    TemplateNotFound: 2,
    TemplateConflict: 2,
    StoreError: 3,
    StoreUnreachable: 3,
    TargetError: 3,
    TargetUnreachable: 3,
    TargetAuthFailed: 3,
    DataLoadFailed: 4,
    EmbeddedServerError: 4,
    QueryLogError: 4,
    IllegalTransition: 4,
    RunFailed: 4,
    WorkerFailed: 4,
    UpperboundError: 4,
}
PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "exit-codes.md"


def error_classes(root: type[UpperboundError] = UpperboundError) -> set[type[UpperboundError]]:
    """Return the public part of the error tree."""
    found = {root}
    for child in root.__subclasses__():
        if not child.__name__.startswith("_"):
            found |= error_classes(child)
    return found


def summary(status: RunStatus = RunStatus.COMPLETED, *overrides: str, **measured: Any) -> RunSummary:
    """Return the summary of a run with a p95 of 4 ms."""
    parent, children = completed([figures({"UPDATE": kind([4_000] * 100)}, **measured)])
    row = run_row(status, scenario_config=config(*overrides).model_dump(mode="json"))
    return build_summary(row, parent, children)


@pytest.mark.parametrize(("kind_of_error", "code"), CODES.items())
def test_each_error_has_its_code(kind_of_error: type[UpperboundError], code: int) -> None:
    assert exit_code(kind_of_error("something happened")) == code


def test_no_error_of_the_tree_is_forgotten() -> None:
    assert error_classes() <= CODES.keys()


@pytest.mark.parametrize(
    ("status", "code"),
    [(RunStatus.COMPLETED, 0), (RunStatus.FAILED, 4), (RunStatus.CANCELLED, 5), (RunStatus.RUNNING, 4)],
)
def test_a_run_has_the_code_of_its_end(status: RunStatus, code: int) -> None:
    assert exit_code(summary(status)) == code


def test_objectives_that_are_met_or_missed() -> None:
    assert exit_code(summary(RunStatus.COMPLETED, "slo={p95_ms: 5}")) == ExitCode.OK
    assert exit_code(summary(RunStatus.COMPLETED, "slo={p95_ms: 3}")) == ExitCode.OBJECTIVE_MISSED


def test_figures_of_a_saturated_generator_are_invalid_whatever_the_objectives_say() -> None:
    assert exit_code(summary(RunStatus.COMPLETED, "slo={p95_ms: 3}", busy_pct=99.5)) == ExitCode.INVALID


@pytest.mark.parametrize(("started", "dropped", "code"), [(2_000, 0, 0), (1_400, 0, 7), (1_999, 1, 7)])
def test_a_rate_that_was_not_offered_is_invalid_whatever_the_objectives_say(
    started: int, dropped: int, code: int
) -> None:
    arrivals = ArrivalFigures(2_000, 2_000, started, 0, dropped)
    parent, children = completed([offering({"UPDATE": ([1_000] * 1_000, [1_000] * 1_000)}, arrivals)])
    row = run_row(scenario_config=config(*RATE).model_dump(mode="json"))
    assert exit_code(build_summary(row, parent, children)) == code


def test_a_failed_run_is_failed_whatever_its_figures_say() -> None:
    assert exit_code(summary(RunStatus.FAILED, "slo={p95_ms: 3}", busy_pct=99.5)) == ExitCode.RUN_FAILED


def test_the_documentation_lists_exactly_these_codes() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)}
    assert documented == {code.value for code in ExitCode}
