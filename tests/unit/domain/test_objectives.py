"""An objective is met by evidence only."""

import pytest

from upperbound.domain.figures import KindFigures, PhaseFigures
from upperbound.domain.histogram import Histogram
from upperbound.domain.objectives import RUN_SCOPE, Check, Direction, Objective, evaluate, measured, objective
from upperbound.domain.phases import Phase


def figures() -> PhaseFigures:
    """Return 100 lookups of 1 ms, 10 inserts of 2 ms and 10 inserts that failed, in 10 s."""
    lookups, inserts = (Histogram.from_values([us] * count) for us, count in [(1_000, 100), (2_000, 10)])
    kinds = {"POINT_LOOKUP": KindFigures(100, 0, lookups), "INSERT": KindFigures(10, 10, inserts)}
    return PhaseFigures(Phase.MEASUREMENT, 10.0, kinds)


def test_every_scope_has_its_latencies_its_rate_and_its_errors() -> None:
    actuals = measured(figures())
    assert actuals.keys() == {RUN_SCOPE, "POINT_LOOKUP", "INSERT"}
    assert actuals["POINT_LOOKUP"]["p99_ms"] == 1.0
    assert actuals["INSERT"]["error_pct"] == 50.0
    assert actuals[RUN_SCOPE]["qps"] == 11.0
    assert actuals[RUN_SCOPE]["p95_ms"] == 2.0
    assert actuals[RUN_SCOPE]["error_pct"] == pytest.approx(100 * 10 / 120)


def test_nothing_counted_measures_nothing() -> None:
    assert set(measured(PhaseFigures(Phase.MEASUREMENT))[RUN_SCOPE].values()) == {None}


@pytest.mark.parametrize(
    ("direction", "actual", "passed"),
    [
        (Direction.AT_MOST, 49.9, True),
        (Direction.AT_MOST, 50.0, True),
        (Direction.AT_MOST, 50.1, False),
        (Direction.AT_LEAST, 49.9, False),
        (Direction.AT_LEAST, 50.0, True),
        (Direction.AT_LEAST, 50.1, True),
    ],
)
def test_the_limit_itself_is_met(direction: Direction, actual: float, passed: bool) -> None:
    (check,) = evaluate([Objective(RUN_SCOPE, "x", 50.0, direction)], {RUN_SCOPE: {"x": actual}})
    assert check == Check(RUN_SCOPE, "x", 50.0, actual, passed, direction)


def test_what_could_not_be_measured_is_not_met() -> None:
    objectives = [
        Objective("INSERT", "p99_ms", 1_000.0),
        Objective("DELETE", "p50_ms", 1_000.0),
        Objective(RUN_SCOPE, "elegance", 1.0, Direction.AT_LEAST),
    ]
    checks = evaluate(objectives, measured(figures()))
    assert [(check.actual, check.passed) for check in checks] == [(None, False)] * 3


def test_checks_come_in_the_order_of_their_objectives() -> None:
    objectives = [objective("INSERT", "error_pct", 1), objective(RUN_SCOPE, "min_qps", 5)]
    checks = evaluate(objectives, measured(figures()))
    assert [(check.scope, check.metric, check.passed) for check in checks] == [
        ("INSERT", "error_pct", False),
        (RUN_SCOPE, "qps", True),
    ]


def test_a_minimum_in_a_scenario_is_a_lower_limit() -> None:
    assert objective(RUN_SCOPE, "min_qps", 1_000) == Objective(RUN_SCOPE, "qps", 1_000, Direction.AT_LEAST)
    assert objective("INSERT", "p95_ms", 20) == Objective("INSERT", "p95_ms", 20, Direction.AT_MOST)
