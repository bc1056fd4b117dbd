"""Objectives (SLOs): what a run was asked to reach, and whether it did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from upperbound.domain.figures import KindFigures, PhaseFigures
from upperbound.domain.histogram import latency_ms

RUN_SCOPE: Final = "run"
"""The scope of an objective on all operations together."""


class Direction(StrEnum):
    """On which side of the limit the figure has to be; the limit itself is met."""

    AT_MOST = "AT_MOST"
    """The figure may not exceed the limit."""
    AT_LEAST = "AT_LEAST"
    """The figure may not fall below the limit."""


@dataclass(frozen=True)
class Objective:
    """One limit on one figure."""

    scope: str
    """:data:`RUN_SCOPE`, or the label of an operation."""
    metric: str
    """A key of what :func:`measured` returns, such as ``p95_ms``, ``error_pct`` or ``qps``."""
    limit: float
    """In the metric's unit."""
    direction: Direction = Direction.AT_MOST


@dataclass(frozen=True)
class Check:
    """An objective with what was measured."""

    scope: str
    metric: str
    limit: float
    actual: float | None
    """The measured figure; None when the run gave too few samples for it, or none."""
    passed: bool
    """Whether the limit was met. What could not be measured is not met: no evidence is not a pass."""
    direction: Direction = Direction.AT_MOST


def objective(scope: str, key: str, limit: float) -> Objective:
    """Return the objective that a scenario writes as ``key: limit``; ``min_qps`` means ``qps`` at least that much."""
    if key.startswith("min_"):
        return Objective(scope, key.removeprefix("min_"), limit, Direction.AT_LEAST)
    return Objective(scope, key, limit)


def measured(figures: PhaseFigures) -> dict[str, dict[str, float | None]]:
    """Return every figure an objective can be set on, by scope and metric.

    Metrics: ``p50_ms`` to ``p999_ms``, ``max_ms``, ``mean_ms``, ``stddev_ms`` of successful operations, ``error_pct``
    (failed attempts, 0 to 100) and ``qps`` (successful operations per second). Latencies of an open loop are response
    times: who has waited for a free thread has waited.
    """
    whole = KindFigures(figures.operations, figures.failed, figures.histogram, figures.response)
    scopes = {**figures.by_operation, RUN_SCOPE: whole}
    return {scope: _figures_of(kind, figures.seconds) for scope, kind in scopes.items()}


def evaluate(objectives: Iterable[Objective], actuals: Mapping[str, Mapping[str, float | None]]) -> tuple[Check, ...]:
    """Check every objective against ``actuals``, in the order given; an unknown scope or metric was not measured."""
    return tuple(_check(one, actuals.get(one.scope, {}).get(one.metric)) for one in objectives)


def _figures_of(kind: KindFigures, seconds: float) -> dict[str, float | None]:
    return {
        **latency_ms(kind.latencies).to_json(),
        "error_pct": kind.error_pct,
        "qps": kind.operations / seconds if seconds > 0 else None,
    }


def _check(one: Objective, actual: float | None) -> Check:
    if actual is None:
        passed = False
    elif one.direction is Direction.AT_MOST:
        passed = actual <= one.limit
    else:
        passed = actual >= one.limit
    return Check(one.scope, one.metric, one.limit, actual, passed, one.direction)
