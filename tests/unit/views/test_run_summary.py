"""A summary has the documented fields, says only what was measured, and gives a reason for what it leaves out."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.views.rows import (
    FAST,
    RATE,
    RUN_ID,
    SLOW,
    completed,
    config,
    figures,
    heartbeat,
    kind,
    offering,
    result_row,
    run_row,
    snapshot,
    two_workers,
)

from upperbound.domain.figures import ErrorFigure, PhaseFigures, TransactionFigures
from upperbound.domain.histogram import Histogram, latency_ms
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase
from upperbound.domain.qps_control import QpsState, Verdict
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.errors import RunNotFound
from upperbound.scenario.loader import parse_scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import open_store
from upperbound.store.results import ChildResult, ParentResult
from upperbound.store.runs import NewRun
from upperbound.views.run_summary import QueryLog, RunSummary, Transactions, build_summary, load_summary, mix_of

LATENCY = {"p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms", "mean_ms", "stddev_ms"}
FIELDS = {
    *("run_id", "name", "status", "phase", "completion_reason", "cancellation_reason", "failure_reason"),
    *("started_at", "ended_at", "duration_seconds", "warmup_seconds", "load_mode", "scaling_mode", "worker_count"),
    *("threads", "target_qps", "total_operations", "failed_operations", "warmup_operations", "qps", "attempted_qps"),
    *("error_pct", "latency", "response_time", "arrivals", "by_kind", "by_operation", "workers"),
    *(
        "errors",
        "generator",
        "slo",
        "cost",
        "enrichment",
        "find_max",
        "guardrails",
        "measurement_problems",
        "changes",
        "query_log",
        "environment",
        "template",
    ),
}
COST = {
    *("credits_used", "credits_per_hour", "estimated_cost_usd", "cost_per_hour", "cost_per_1k_ops"),
    *("operations_per_credit", "qps_per_dollar", "cost_calculation_method"),
}


def summary_of(workers: Sequence[PhaseFigures], *, status: RunStatus = RunStatus.COMPLETED, **run: Any) -> RunSummary:
    """Return the summary of a run that has ended with these figures."""
    parent, children = completed(workers)
    return build_summary(run_row(status, workers=len(workers), **run), parent, children)


# Fields


def test_json_has_exactly_the_documented_fields() -> None:
    summary = json.loads(summary_of(two_workers()).model_dump_json())
    assert set(summary) == FIELDS
    assert set(summary["latency"]) == LATENCY | {"method"}
    assert set(summary["by_kind"]["UPDATE"]) == {
        *("operations", "failed", "qps", "latency", "response_time", "transactions"),
    }
    assert summary["by_operation"] == summary["by_kind"], "no operation of this scenario has a name"
    assert set(summary["by_kind"]["UPDATE"]["latency"]) == LATENCY
    assert set(summary["workers"][0]) == {"worker_id", "group_id", "status", "operations", "failed", "qps", "p95_ms"}
    assert set(summary["generator"]) == {"busy_pct", "lag_p99_ms", "client_bound"}
    assert set(summary["slo"]) == {"passed", "checks"}
    assert set(summary["cost"]) == COST | {"reason"}
    assert set(summary["enrichment"]) == {"status", "reason", "server"}
    assert set(summary["query_log"]) == {"rows", "files", "path", "loaded_rows", "problem"}
    assert set(summary["environment"]) == {
        *("target_version", "driver", "host", "cpu", "upperbound_version", "seed"),
    }


def test_a_run_of_a_template_says_of_which_version_and_any_other_says_nothing() -> None:
    summary = json.loads(summary_of(two_workers(), template_id="t-1", template_version=3).model_dump_json())
    assert summary["template"] == {"template_id": "t-1", "version": 3}
    assert json.loads(summary_of(two_workers()).model_dump_json())["template"] is None


def test_a_summary_from_before_there_were_templates_reads_back() -> None:
    summary = json.loads(summary_of(two_workers()).model_dump_json())
    del summary["template"]
    assert RunSummary.model_validate(summary).template is None


def test_an_error_is_filed_under_class() -> None:
    failing = figures({"UPDATE": kind([], failed=3)}, errors={"deadlock": ErrorFigure(3, "deadlock detected")})
    errors = json.loads(summary_of([failing]).model_dump_json())["errors"]
    assert errors == [{"class": "deadlock", "count": 3, "sample": "deadlock detected"}]


def test_a_summary_reads_back_from_its_own_json() -> None:
    summary = summary_of(two_workers())
    assert RunSummary.model_validate_json(summary.model_dump_json()) == summary


# Figures


def test_qps_counts_successful_operations_over_the_measured_seconds() -> None:
    summary = summary_of(two_workers())
    assert summary.total_operations == 1020
    assert summary.failed_operations == 10
    assert summary.qps == 1020 / 20
    assert summary.attempted_qps == 1030 / 20
    assert summary.error_pct == 100 * 10 / 1030
    assert summary.warmup_operations == 100
    assert summary.duration_seconds == 20.0
    assert summary.warmup_seconds == 5.0


def test_percentiles_are_those_of_all_workers_together() -> None:
    pooled = latency_ms(Histogram.from_values([*FAST, *SLOW, *[9_000] * 20]))
    latency = summary_of(two_workers()).latency
    assert latency.model_dump(exclude={"method"}) == pooled.to_json()
    assert latency.method == "hdr_histogram_merge"


def test_one_worker_has_nothing_to_merge() -> None:
    assert summary_of([figures({"UPDATE": kind(FAST)})]).latency.method is None


def test_a_percentile_with_too_few_samples_is_null() -> None:
    latency = summary_of([figures({"UPDATE": kind([100] * 500)})]).latency
    assert latency.p99_ms is not None
    assert latency.p999_ms is None


def test_failed_operations_have_no_latency() -> None:
    summary = summary_of([figures({"UPDATE": kind([], failed=50)})])
    assert summary.latency.max_ms is None
    assert summary.qps == 0.0
    assert summary.error_pct == 100.0


def test_nothing_measured_is_null_and_not_zero() -> None:
    summary = build_summary(run_row(RunStatus.CANCELLED), result_row(), [])
    assert summary.qps is None
    assert summary.attempted_qps is None
    assert summary.error_pct is None
    assert summary.latency.p50_ms is None
    assert summary.duration_seconds == 0.0
    assert summary.query_log.rows is None


def test_every_planned_kind_is_listed_even_if_it_never_ran() -> None:
    by_kind = summary_of([figures({"POINT_LOOKUP": kind(FAST)})]).by_kind
    assert list(by_kind) == ["POINT_LOOKUP", "UPDATE"]
    assert by_kind["UPDATE"].operations == 0
    assert by_kind["POINT_LOOKUP"].qps == 900 / 20


def test_errors_are_listed_the_most_frequent_class_first() -> None:
    errors = {"lock_timeout": ErrorFigure(2, "a"), "constraint": ErrorFigure(9, "b"), "deadlock": ErrorFigure(2, "c")}
    summary = summary_of([figures({"UPDATE": kind([], failed=13)}, errors=errors)])
    assert [error.outcome for error in summary.errors] == ["constraint", "deadlock", "lock_timeout"]


@pytest.mark.parametrize(("busy_pct", "bound"), [(20.0, False), (99.0, True)])
def test_a_generator_without_time_to_wait_is_flagged(busy_pct: float, *, bound: bool) -> None:
    generator = summary_of([figures({"UPDATE": kind(FAST)}, busy_pct=busy_pct)]).generator
    assert generator.client_bound is bound
    assert generator.busy_pct == busy_pct


# What does not apply


def test_a_closed_loop_has_no_response_time_and_no_rate_to_offer() -> None:
    summary = summary_of(two_workers())
    assert summary.response_time is None
    assert summary.by_kind["UPDATE"].response_time is None
    assert summary.arrivals is None
    assert summary.target_qps is None
    assert summary.find_max is None


# An open loop


def offered(
    *workers: ArrivalFigures, status: RunStatus = RunStatus.COMPLETED, overrides: Sequence[str] = (), **run: Any
) -> RunSummary:
    """Return the summary of a run at 100 per second, of which each worker says what became of the arrivals."""
    measured = [offering({"UPDATE": ([1_000] * 1_000, [9_000] * 1_000)}, arrivals) for arrivals in workers]
    made = config(*RATE, *overrides).model_dump(mode="json")
    return summary_of(measured, status=status, scenario_config=made, **run)


def test_response_time_stands_beside_service_time() -> None:
    summary = offered(ArrivalFigures(1_000, 1_000, 1_000, 0, 0), ArrivalFigures(1_000, 1_000, 1_000, 0, 0))
    assert summary.latency.p50_ms == 1.0
    assert summary.response_time is not None
    assert summary.response_time.p50_ms == pytest.approx(9, 1e-3)
    by_kind = summary.by_kind["UPDATE"]
    assert by_kind.latency.p50_ms == 1.0
    assert by_kind.response_time is not None
    assert by_kind.response_time.p50_ms == pytest.approx(9, 1e-3)
    assert summary.workers[0].p95_ms == pytest.approx(9, 1e-3)
    assert RunSummary.model_validate_json(summary.model_dump_json()) == summary


def test_a_summary_from_before_there_were_rates_is_still_read() -> None:
    written = json.loads(summary_of(two_workers()).model_dump_json())
    del written["arrivals"], written["by_operation"]
    for kind_summary in written["by_kind"].values():
        del kind_summary["response_time"], kind_summary["transactions"]
    assert RunSummary.model_validate(written) == summary_of(two_workers())


def test_arrivals_of_all_workers_are_counted_and_a_rate_that_was_offered_is_valid() -> None:
    targets = {"worker-0": 12, "worker-1": 11, "worker-2": 0}
    two = ArrivalFigures(1_000, 1_000, 999, 7, 0), ArrivalFigures(1_000, 1_000, 1_000, 1, 0)
    summary = offered(*two, worker_targets=targets)
    assert summary.target_qps == 100
    assert summary.arrivals is not None
    assert summary.arrivals.model_dump(mode="json") == {
        "kind": "constant",
        "expected": 2_000.0,
        "offered": 2_000,
        "started": 1_999,
        "completed": 2_000,
        "late": 8,
        "dropped": 0,
        "unstarted": 1,
        "rate_offered": True,
        "problems": [],
        "threads": 23,
        "workers": 2,
    }


def test_a_rate_that_was_not_offered_says_why_once_the_run_has_completed() -> None:
    short = ArrivalFigures(1_000, 1_000, 700, 0, 250)
    arrivals = offered(short, short).arrivals
    assert arrivals is not None
    assert arrivals.rate_offered is False
    assert arrivals.problems == [
        "500 of 2,000 arrivals were dropped, the backlog being full",
        "only 1,400 of 2,000 arrivals were sent (70.0 %, wanted at least 99.5 %)",
    ]
    running = offered(short, short, status=RunStatus.RUNNING).arrivals
    assert running is not None
    assert (running.rate_offered, running.problems) == (None, [])


def test_a_run_that_ended_at_its_bounds_has_not_offered_its_rate_however_little_was_left_over() -> None:
    state = QpsState(target_qps=800, achieved_qps=412.3, threads=20, workers=2, verdict=Verdict.BOUNDS_LIMIT_REACHED)
    nearly_all = ArrivalFigures(1_000, 1_000, 999, 7, 0)
    at_bounds = offered(nearly_all, qps_controller_state=state.to_json()).arrivals
    assert at_bounds is not None
    assert at_bounds.rate_offered is False
    carried = "20 threads on 2 workers, which is all that scaling allows"
    assert at_bounds.problems == [f"412.3 of 800.0 per second were achieved in the end with {carried}"]
    steady = offered(nearly_all, qps_controller_state=replace(state, verdict=Verdict.STEADY).to_json()).arrivals
    assert steady is not None
    assert (steady.rate_offered, steady.problems) == (True, [])


def test_arrivals_at_random_may_be_as_few_as_chance_explains() -> None:
    few = ArrivalFigures(1_000, 930, 930, 0, 0)
    at_random = offered(few, few, overrides=["load.arrivals=poisson"]).arrivals
    evenly = offered(few, few).arrivals
    assert at_random is not None
    assert evenly is not None
    assert (at_random.rate_offered, evenly.rate_offered) == (True, False)


def test_the_target_of_a_rate_in_stages_is_its_mean() -> None:
    stages = "load.stages=[{at: 10, target_qps: 200}]"
    summary = offered(ArrivalFigures(3_000, 3_000, 3_000, 0, 0), overrides=[stages])
    assert summary.target_qps == 150


def test_objectives_of_an_open_loop_are_held_against_response_times() -> None:
    summary = offered(ArrivalFigures(1_000, 1_000, 1_000, 0, 0), overrides=["slo.p95_ms=5"])
    assert summary.slo.passed is False
    assert summary.slo.checks[0].actual == pytest.approx(9, 1e-3)


def test_a_cost_that_is_not_known_is_null_with_the_reason() -> None:
    cost = summary_of(two_workers()).cost.model_dump()
    assert "no price" in cost.pop("reason")
    assert set(cost.values()) == {None}


def test_enrichment_that_was_not_tried_is_skipped_with_the_reason() -> None:
    enrichment = summary_of(two_workers()).enrichment
    assert enrichment.status == "SKIPPED"
    assert enrichment.reason


def test_enrichment_is_what_the_result_says() -> None:
    parent, children = completed(two_workers(), enrichment_status="PARTIAL", enrichment_reason="half of it")
    enrichment = build_summary(run_row(), parent, children).enrichment
    assert (enrichment.status, enrichment.reason) == ("PARTIAL", "half of it")


def test_a_problem_of_the_query_log_is_passed_on() -> None:
    broken = {"rows": None, "files": None, "path": "/data", "problem": "worker-1: the disk is full"}
    parent, children = completed(two_workers(), query_log=broken)
    assert build_summary(run_row(), parent, children).query_log.problem == "worker-1: the disk is full"


# Workers


def test_workers_are_listed_by_group_with_their_own_figures() -> None:
    workers = summary_of(two_workers()).workers
    assert [(one.worker_id, one.status, one.operations, one.failed) for one in workers] == [
        ("worker-0", WorkerStatus.COMPLETED, 900, 10),
        ("worker-1", WorkerStatus.COMPLETED, 120, 0),
    ]
    assert workers[0].p95_ms == pytest.approx(0.1, rel=1e-3)


def test_a_killed_worker_counts_with_its_newest_snapshot_and_as_failed() -> None:
    alive, lost = two_workers()
    parent = result_row(failure_reason="worker_failure: worker-1 was killed by signal SIGKILL")
    summary = build_summary(
        run_row(RunStatus.FAILED),
        parent,
        [result_row(alive, group_id=0)],
        snapshots={"worker-1": snapshot(1, 7, lost)},
        heartbeats=[heartbeat(0, WorkerStatus.COMPLETED), heartbeat(1, WorkerStatus.RUNNING)],
    )
    assert [(one.worker_id, one.status, one.operations) for one in summary.workers] == [
        ("worker-0", WorkerStatus.COMPLETED, 900),
        ("worker-1", WorkerStatus.FAILED, 120),
    ]
    assert summary.total_operations == 1020
    assert summary.failure_reason == "worker_failure: worker-1 was killed by signal SIGKILL"


def test_a_worker_of_a_run_that_goes_on_is_what_its_heartbeat_says() -> None:
    summary = build_summary(run_row(RunStatus.RUNNING), result_row(), [], heartbeats=[heartbeat(0)])
    assert summary.workers[0].status is WorkerStatus.RUNNING
    assert not summary.is_terminal


def two_updates() -> RunConfig:
    """Return a run with two operations of one kind, told apart by name."""
    text = """
name: Two updates
target: {kind: embedded}
load: {threads: 1, duration_seconds: 10}
workload:
  operations:
    - {kind: UPDATE, name: pay, weight_pct: 33.33, sql: "UPDATE {table} SET status = 1", slo: {max_ms: 20}}
    - {kind: UPDATE, name: ship, weight_pct: 66.67, sql: "UPDATE {table} SET status = 2", slo: {max_ms: 20}}
"""
    plain = config().model_dump(mode="json")
    return RunConfig.model_validate(plain | {"scenario": parse_scenario(text).scenario.model_dump(mode="json")})


def test_operations_of_one_kind_are_told_apart_by_name_and_their_kind_is_all_of_them() -> None:
    row = run_row(scenario_config=two_updates().model_dump(mode="json"))
    one = figures({"pay": kind([1_000] * 10), "ship": kind([30_000] * 20, failed=1)})
    summary = build_summary(row, *completed([one, one]))
    assert {label: (of.operations, of.failed) for label, of in summary.by_operation.items()} == {
        "pay": (20, 0),
        "ship": (40, 2),
    }
    assert summary.by_kind.keys() == {"UPDATE"}
    assert (summary.by_kind["UPDATE"].operations, summary.by_kind["UPDATE"].failed) == (60, 2)
    assert summary.by_kind["UPDATE"].latency.max_ms == summary.by_operation["ship"].latency.max_ms
    assert {check.scope: check.passed for check in summary.slo.checks} == {"pay": True, "ship": False}


def test_transactions_are_counted_by_operation_and_kind_where_there_are_any() -> None:
    row = run_row(scenario_config=two_updates().model_dump(mode="json"))
    pay = replace(kind([1_000] * 10, failed=3), transactions=TransactionFigures(attempts=20, commits=10, rollbacks=9))
    one = figures({"pay": pay, "ship": kind([1_000] * 20)})
    summary = build_summary(row, *completed([one, one]))
    expected = Transactions(attempts=40, commits=20, rollbacks=18)
    assert summary.by_operation["pay"].transactions == expected
    assert summary.by_operation["ship"].transactions is None
    assert summary.by_kind["UPDATE"].transactions == expected


def test_the_planned_mix_is_by_operation() -> None:
    mix = mix_of(two_updates().scenario)
    assert {label: str(share) for label, share in mix.items()} == {"pay": "33.33", "ship": "66.67"}


def test_a_summary_is_read_from_the_store(tmp_path: Path) -> None:
    workers = two_workers()
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.runs.create(NewRun(RUN_ID, "Orders", config().model_dump(mode="json"), 2, threads=16))
        for group_id, one in enumerate(workers):
            store.results.write_child(
                ChildResult(
                    test_id=f"{RUN_ID}-worker-{group_id}",
                    run_id=RUN_ID,
                    worker_id=f"worker-{group_id}",
                    group_id=group_id,
                    name="Orders",
                    status=WorkerStatus.COMPLETED,
                    phase=Phase.COMPLETED,
                    figures=one.to_json(),
                )
            )
        before = load_summary(store, RUN_ID)
        parent, _ = completed(workers)
        store.results.finish_parent(
            RUN_ID,
            ParentResult(
                worker_count=2,
                threads=16,
                operations=parent.operations,
                failed=parent.failed,
                warmup_operations=parent.warmup_operations,
                duration_s=parent.duration_s,
                qps=parent.qps,
                figures=parent.figures,
                query_log=parent.query_log,
            ),
        )
        after = load_summary(store, RUN_ID)
        with pytest.raises(RunNotFound):
            load_summary(store, "another")
    assert before.status is RunStatus.PREPARED
    assert before.total_operations == after.total_operations == 1020
    assert after.query_log.rows == 1234


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"rows": None, "files": 2}, None),
        ({"rows": 1234, "files": 2}, "1,234 queries in 2 Parquet files"),
        ({"rows": 1, "files": 1, "loaded_rows": 0}, "1 queries in 1 Parquet file"),
        ({"rows": 1234, "files": 0, "loaded_rows": 1234}, "1,234 queries in the store"),
        ({"rows": 30, "files": 1, "loaded_rows": 20}, "30 queries, 20 in the store and the others in 1 Parquet file"),
    ],
)
def test_where_queries_are_is_said_as_they_are_found_there(known: dict[str, Any], said: str | None) -> None:
    assert QueryLog(path="/data/runs/r/query_log", **known).whereabouts == said
