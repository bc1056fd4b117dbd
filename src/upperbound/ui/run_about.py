"""What a run is made to do, in words and as far as charts depend on it."""

from typing import Any

from pydantic import ValidationError

from upperbound.scenario.kinds import OperationType, ScalingMode
from upperbound.scenario.loads import FindMaxLoad, QpsLoad
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.targets import EmbeddedTarget, SnowflakeTarget
from upperbound.ui.charts.run_series import RunShape
from upperbound.ui.components.words import count, duration, rate

PERCENTILES = {"p50": "p50_ms", "p95": "p95_ms", "p99": "p99_ms"}
"""Objectives that the chart of latencies shows, by the key of their series."""


def config_of(document: dict[str, Any]) -> RunConfig | None:
    """Return what a run was made with; None when another version of Upperbound has written it in another form."""
    try:
        return RunConfig.model_validate(document)
    except ValidationError:
        return None


def shape_of(scenario: Scenario) -> RunShape:
    """Return what charts of such a run depend on."""
    slo = scenario.slo.model_dump() if scenario.slo else {}
    return RunShape(
        warmup_s=scenario.load.warmup_seconds,
        duration_s=scenario.load.duration_seconds,
        open_loop=isinstance(scenario.load, QpsLoad),
        writes=writes(scenario),
        limits={key: slo[name] for key, name in PERCENTILES.items() if slo.get(name) is not None},
        min_qps=slo.get("min_qps"),
        warehouse=isinstance(scenario.target, SnowflakeTarget),
    )


def writes(scenario: Scenario) -> bool:
    """Say whether any operation changes data."""
    return any(one.operation_type is OperationType.WRITE for one in scenario.workload.operations)


def load_words(scenario: Scenario) -> str:
    """Return the load in words."""
    load = scenario.load
    if isinstance(load, QpsLoad):
        return f"{rate(load.target_qps)} operations/s, {load.arrivals.value} arrivals"
    if isinstance(load, FindMaxLoad):
        return f"search for the highest load, from {load.start_threads} threads in steps of {load.increment}"
    return f"{count(scenario.threads)} threads"


def time_words(scenario: Scenario) -> str:
    """Return the lengths of the phases in words."""
    load = scenario.load
    most = "at most " if isinstance(load, FindMaxLoad) else ""
    measured = f"{most}{duration(load.duration_seconds)} measured"
    return f"{duration(load.warmup_seconds)} warmup, {measured}" if load.warmup_seconds else measured


def scaling_words(scenario: Scenario, workers: int) -> str:
    """Return how the threads are spread in words."""
    many = "1 worker" if workers == 1 else f"{workers} workers"
    if scenario.scaling.mode is ScalingMode.FIXED:
        return f"{many} × {scenario.scaling.per_worker_cap} threads"
    return f"{many}, {scenario.scaling.mode.value.lower()}"


def target_words(scenario: Scenario) -> str:
    """Return the target in words, without anything secret: URLs of scenarios hold no password."""
    target = scenario.target
    if isinstance(target, EmbeddedTarget):
        return f"embedded PostgreSQL, {target.table} with {count(target.rows)} rows"
    where = snowflake_words(target) if isinstance(target, SnowflakeTarget) else target.url
    return f"{where}, {target.table}" if target.table else where


def snowflake_words(target: SnowflakeTarget) -> str:
    """Return which account is meant, as far as the scenario says it itself."""
    named = f"connection {target.connection_name}" if target.connection_name else "the default connection"
    warehouse = f", warehouse {target.warehouse}" if target.warehouse else ""
    return f"Snowflake, {target.account or named}{warehouse}"
