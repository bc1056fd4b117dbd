"""The result says what was measured and what must be known before it is believed."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.report.rendering import plain, words
from tests.unit.views.rows import (
    RATE,
    RUN_ID,
    completed,
    config,
    figures,
    history_row,
    kind,
    offering,
    result_row,
    run_row,
)
from tests.unit.views.told_by_server import document

from upperbound.domain.figures import ErrorFigure, PhaseFigures
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.run_state import RunStatus
from upperbound.report.terminal import CLIENT_BOUND, LAGGING, NOT_OFFERED, result, run_list
from upperbound.views.changes import Change
from upperbound.views.enrichment import enrichment_of
from upperbound.views.run_list import run_list_entry
from upperbound.views.run_summary import RunSummary, build_summary

MIX = {"POINT_LOOKUP": Decimal("60.00"), "UPDATE": Decimal("40.00")}


def summary(workers: Sequence[PhaseFigures] = (), status: RunStatus = RunStatus.COMPLETED, **run: Any) -> RunSummary:
    """Return the summary of a run."""
    measured = (
        workers
        or [
            figures(
                {"POINT_LOOKUP": kind([100] * 600), "UPDATE": kind([4_000] * 390, failed=10)}, warmup_operations=250
            )
        ]
        * 2
    )
    parent, children = completed(measured)
    return build_summary(run_row(status, workers=len(measured), **run), parent, children)


def test_the_headline_has_run_status_rates_and_errors() -> None:
    text = words(result(summary()))
    assert f"Orders run {RUN_ID} COMPLETED" in text
    assert "QPS 99.0 successful operations per second" in text
    assert "attempted 100 per second" in text
    assert "operations 1,980 in 20.0 s" in text
    assert "errors 20 (1.00 %)" in text
    assert "16 threads on 2 workers, warmup 5.0 s (500 operations, not counted above)" in text


def test_latencies_are_shown_by_kind_and_for_all() -> None:
    text = words(result(summary()))
    assert "operation QPS p50 p90 p95 p99 p99.9 max" in text
    assert "POINT_LOOKUP 60.0 0.100 0.100 0.100 0.100 0.100 0.100" in text
    assert "UPDATE 39.0 4.00 4.00 4.00 4.00 - 4.00" in text
    assert "all 99.0 0.100 4.00 4.00 4.00 4.00 4.00" in text


def test_closed_loop_latency_is_called_service_time() -> None:
    assert "Latency of successful operations in ms (service time)" in plain(result(summary()))


def open_loop(arrivals: ArrivalFigures) -> RunSummary:
    """Return the summary of a run that offered 100 per second, with its service times far below what users waited."""
    offered = offering({"UPDATE": ([1_000] * 1_000, [9_000] * 1_000)}, arrivals)
    made = config(*RATE).model_dump(mode="json")
    return summary([offered], scenario_config=made, worker_targets={"worker-0": 21, "worker-1": 0})


def test_an_open_loop_shows_response_times_and_what_became_of_its_arrivals() -> None:
    text = words(result(open_loop(ArrivalFigures(2_000, 2_000, 1_995, 12, 0))))
    assert "Latency of successful operations in ms (response time)" in text
    assert "UPDATE 50.0 9.01" in text
    assert "all, service time only 50.0 1.00" in text
    assert "target 100 per second, constant arrivals: 2,000 offered, 1,995 started, 1,000 completed, 12 late" in text
    assert "carried by 21 threads on 1 worker in the end, as the rate needed and scaling allowed" in text
    assert NOT_OFFERED not in text


def change(at_s: float, **changes: Any) -> Change:
    given = {"at_s": at_s, "initiated_by": "plan", "threads": 40, "workers": 2, "ramp_seconds": 0.0} | changes
    return Change.model_validate(given)


def test_every_change_of_the_load_is_listed_and_the_last_one_told_before_any_figure() -> None:
    ada = change(12.5, initiated_by="ada", threads=9, workers=3, target_qps=250.0, ramp_seconds=5.0)
    text = words(result(summary().model_copy(update={"changes": [change(3.0), ada]})))
    assert "The load was changed 2 times, at 12.5 s to 9 threads on 3 workers and 250 per second" in text
    assert "Changes of the load by at threads workers rate within" in text
    assert "plan 3.0 s 40 2 - at once" in text
    assert "ada 12.5 s 9 3 250/s 5.0 s" in text
    many = words(result(summary().model_copy(update={"changes": [change(float(n)) for n in range(45)]})))
    assert "Changes of the load after the first 25" in many
    assert ("plan 24.0 s" in many, "plan 25.0 s" in many) == (False, True)


def test_a_rate_that_was_not_offered_is_told_before_any_table() -> None:
    text = words(result(open_loop(ArrivalFigures(2_000, 2_000, 1_000, 900, 800))))
    told = text.index(f"{NOT_OFFERED} 800 of 2,000 arrivals were dropped, the backlog being full; only 1,000 of 2,000")
    assert told < text.index("Latency of")


def test_the_mix_is_shown_as_planned_and_as_observed() -> None:
    text = words(result(summary(), MIX))
    assert "POINT_LOOKUP 60.00 % 60.00 % 1,200 0" in text
    assert "UPDATE 40.00 % 40.00 % 780 20" in text


def test_a_mix_that_is_not_known_is_left_open() -> None:
    assert "POINT_LOOKUP - 60.00 % 1,200 0" in words(result(summary()))


def test_workers_are_listed() -> None:
    assert "worker-1 COMPLETED 990 10 49.5 4.00" in words(result(summary()))


def test_errors_are_shown_by_class_with_a_sample_on_one_line() -> None:
    failing = figures({"UPDATE": kind([], failed=7)}, errors={"deadlock": ErrorFigure(7, "deadlock\n  detected [1]")})
    assert "deadlock 7 deadlock detected [1]" in words(result(summary([failing])))


def test_a_run_without_errors_has_no_table_of_them() -> None:
    assert "sample" not in words(result(summary()))


def test_objectives_are_shown_with_what_was_measured() -> None:
    row: dict[str, Any] = {"scenario_config": config("slo={p95_ms: 5, min_qps: 500}").model_dump(mode="json")}
    text = words(result(summary(**row)))
    assert "run p95_ms ≤ 5 4.001 yes" in text
    assert "run qps ≥ 500 99.000 NO" in text


def test_an_objective_without_samples_says_so() -> None:
    row: dict[str, Any] = {"scenario_config": config("slo={p999_ms: 5}").model_dump(mode="json")}
    few = figures({"UPDATE": kind([100] * 10)})
    assert "too few samples NO" in words(result(summary([few], **row)))


def test_where_the_log_is_and_what_the_run_was_made_on() -> None:
    text = words(result(summary()))
    assert "query log 1,234 queries in 2 Parquet files /data/runs/r/query_log" in text
    assert "target PostgreSQL 18.6" in text
    assert "host bench-1; AMD EPYC, 2 cores" in text
    assert "upperbound 0.1.0, seed 42" in text


def test_a_saturated_generator_is_told_before_any_table() -> None:
    text = plain(result(summary([figures({"UPDATE": kind([100] * 1000)}, busy_pct=99.5)])))
    assert CLIENT_BOUND in text
    assert text.index(CLIENT_BOUND) < text.index("Latency of")


def test_a_healthy_generator_is_not() -> None:
    assert CLIENT_BOUND not in plain(result(summary()))


def test_a_generator_that_lags_within_its_limit_is_told_beside_its_figures() -> None:
    lagging = figures({"UPDATE": kind([300] * 1000)}, lag_us=[1_200] * 100)
    assert f"lag p99 1.20 ms {LAGGING}" in words(result(summary([lagging])))
    assert LAGGING not in words(result(summary()))


def test_a_failed_run_gives_its_reason() -> None:
    reason = "worker_failure: worker-1 was killed by signal SIGKILL"
    parent = result_row(failure_reason=reason)
    text = words(result(build_summary(run_row(RunStatus.FAILED), parent, [])))
    assert f"FAILED: {reason}" in text
    assert "QPS -" in text


def test_a_cancelled_run_says_by_whom_and_what_its_figures_cover() -> None:
    text = words(result(summary(status=RunStatus.CANCELLED, cancellation_reason="stopped by Ctrl-C")))
    assert "CANCELLED: stopped by Ctrl-C. The figures cover what was measured until then." in text


def test_a_run_that_was_stopped_when_its_load_was_over_is_complete_and_says_by_whom() -> None:
    reason = "stopped by ada when the load was over"
    text = words(result(summary(cancellation_reason=reason)))
    assert f"What follows the load was cut short: {reason}." in text
    assert "CANCELLED" not in text


def test_an_incomplete_query_log_is_told() -> None:
    broken = {"rows": None, "files": None, "path": "/data", "problem": "worker-1: the disk is full"}
    parent, children = completed([figures({"UPDATE": kind([100])})], query_log=broken)
    text = words(result(build_summary(run_row(), parent, children)))
    assert "The query log is incomplete: worker-1: the disk is full" in text


def test_names_are_shown_as_they_are() -> None:
    assert "[bold red]Orders[/]" in plain(result(summary(name="[bold red]Orders[/]")))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_elsewhere_than_on_a_terminal_there_are_no_escape_codes(width: int) -> None:
    assert "\x1b" not in plain(result(summary(), MIX), width)


def test_no_line_is_wider_than_the_terminal() -> None:
    assert max(len(line) for line in plain(result(summary(), MIX), 80).splitlines()) <= 80


def test_the_list_of_runs() -> None:
    entries = [run_list_entry(history_row())]
    text = words(run_list(entries))
    assert f"{RUN_ID} Orders COMPLETED 2026-11-23 10:15:00 UTC 26.0 s 16 40 2 2.0" in text


def test_an_empty_list_says_how_to_fill_it() -> None:
    assert "no runs yet" in plain(run_list([]))


def told_by_server(status: str, view: dict[str, Any], reason: str | None = None) -> RunSummary:
    parent, _ = completed([figures({})], enrichment_status=status, enrichment_reason=reason, server_view=view)
    return summary().model_copy(update={"enrichment": enrichment_of(parent)})


def test_what_the_server_says_is_told_in_short() -> None:
    text = words(result(told_by_server("COMPLETED", document(first={"overload_ms": 9}))))
    assert "tells of 40 of 40 calls" in text
    assert "its own time p50 10.0, p95 10.0 ms; beyond it p50 2.50, p95 2.50 ms" in text
    assert "2.50 % of them waited for the warehouse; 1 cluster at work" in text


def test_what_the_server_says_of_a_few_calls_is_not_told_as_percentiles() -> None:
    text = words(result(told_by_server("PARTIAL", document(matched=4), "it came late")))
    assert "tells of 4 of 40 calls" in text
    assert "its own time" not in text
    assert "PARTIAL: it came late" in text
