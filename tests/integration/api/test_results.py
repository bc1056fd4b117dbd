"""What was measured, as it is answered: equal to the summary and to the query log, whoever counts."""

from collections import Counter
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.integration.api.serving import Serving
from tests.unit.views.told_by_server import document

from upperbound.domain.histogram import Histogram
from upperbound.errors import StoreError
from upperbound.querylog.parquet import log_folder
from upperbound.store.results import FollowUpResult
from upperbound.testing.waiting import until


@pytest.fixture(scope="module")
def summary(shared: Serving, finished: str) -> Any:
    return shared.get(f"/api/tests/{finished}")["summary"]


@pytest.fixture(scope="module")
def rows(shared: Serving, finished: str) -> list[dict[str, Any]]:
    """Every recorded query of the run."""
    found: list[dict[str, Any]] = pq.read_table(log_folder(shared.services.home / "runs" / finished)).to_pylist()
    return found


def test_the_series_adds_up_to_the_result(shared: Serving, finished: str, summary: Any) -> None:
    series = shared.get(f"/api/tests/{finished}/metrics", step_s=1)
    measured = [point for point in series["points"] if point["phase"] == "MEASUREMENT"]
    done = sum(point["qps"] * point["seconds"] for point in measured)
    assert done == pytest.approx(summary["total_operations"], rel=0.05)
    assert [phase["phase"] for phase in series["phases"]] == ["WARMUP", "MEASUREMENT"]
    ends = [point["elapsed_s"] for point in series["points"]]
    assert ends == sorted(ends)
    assert ends[-1] == pytest.approx(6.0, abs=0.2)
    assert not series["read_only"]
    for point in measured:
        assert point["reads_per_s"] + point["writes_per_s"] == pytest.approx(point["qps"])
        assert sum(kind["qps"] for kind in point["by_kind"].values()) == pytest.approx(point["qps"])
        assert point["active_threads"] == 6


def test_coarser_steps_tell_of_the_same_operations(shared: Serving, finished: str) -> None:
    def total(step_s: int) -> float:
        points = shared.get(f"/api/tests/{finished}/metrics", step_s=step_s)["points"]
        return float(sum(point["qps"] * point["seconds"] for point in points))

    assert total(2) == pytest.approx(total(1), rel=0.1)
    assert len(shared.get(f"/api/tests/{finished}/metrics", step_s=5)["points"]) == 2


def test_each_worker_has_its_own_series(shared: Serving, finished: str) -> None:
    metrics = shared.get(f"/api/tests/{finished}/worker-metrics", step_s=1)
    assert [worker["worker_id"] for worker in metrics["workers"]] == ["worker-0", "worker-1"]
    together = shared.get(f"/api/tests/{finished}/metrics", step_s=1)["points"]
    points = [point for worker in metrics["workers"] for point in worker["points"]]
    for point in together:
        own = [one for one in points if one["elapsed_s"] == point["elapsed_s"]]
        assert len(own) == point["workers"]
        assert sum(one["qps"] for one in own) == pytest.approx(point["qps"])


def test_the_spread_is_that_of_the_seconds_in_the_log(
    shared: Serving, finished: str, summary: Any, rows: list[dict[str, Any]]
) -> None:
    statistics = shared.get(f"/api/tests/{finished}/statistics")
    assert statistics["source"] == "query_log"
    assert statistics["qps"]["seconds"] == 4
    measured = [row for row in rows if not row["warmup"]]
    zero = min(row["intended_at"] for row in measured)
    counts = Counter((row["started_at"] - zero).seconds for row in measured if row["outcome"] == "ok")
    assert statistics["qps"]["min"] == min(counts[second] for second in range(4))
    assert statistics["qps"]["max"] == max(counts[second] for second in range(4))
    assert statistics["latency"]["count"] == summary["total_operations"]
    assert statistics["latency"]["p95_ms"] == summary["latency"]["p95_ms"]
    kinds = statistics["by_kind"]
    assert sum(kind["latency"]["count"] for kind in kinds.values()) == summary["total_operations"]
    assert sum(kind["qps"]["mean"] for kind in kinds.values()) == pytest.approx(statistics["qps"]["mean"])


def test_the_distribution_counts_every_operation_once(
    shared: Serving, finished: str, rows: list[dict[str, Any]]
) -> None:
    found = shared.get(f"/api/tests/{finished}/latency-histogram")
    total = found["total"]
    assert sum(bucket["count"] for bucket in total["buckets"]) == total["count"]
    edges = [(bucket["from_ms"], bucket["to_ms"]) for bucket in total["buckets"]]
    assert all(low < high for low, high in edges)
    assert [high for _, high in edges[:-1]] == [low for low, _ in edges[1:]]
    latencies = [row["service_us"] for row in rows if row["outcome"] == "ok" and not row["warmup"]]
    histogram = Histogram.from_values(latencies)
    for point in total["curve"]:
        assert point["latency_ms"] == histogram.percentile_us(point["percentile"]) / 1000
    assert len(total["curve"]) > 90


def test_failures_are_told_by_class_message_and_time(
    shared: Serving, finished: str, summary: Any, rows: list[dict[str, Any]]
) -> None:
    errors = shared.get(f"/api/tests/{finished}/errors")
    assert errors["classes"] == summary["errors"]
    assert {message["message"] for message in errors["messages"]} == {"division by zero"}
    assert sum(message["count"] for message in errors["messages"]) == sum(row["outcome"] != "ok" for row in rows)
    assert errors["note"] is None
    timeline = shared.get(f"/api/tests/{finished}/error-timeline", step_s=1)
    measured = [point for point in timeline["points"] if point["phase"] == "MEASUREMENT"]
    assert sum(point["failed"] for point in measured) == summary["failed_operations"]
    assert timeline["classes"] == [error["class"] for error in summary["errors"]]
    assert all(sum(point["by_class"].values()) == point["failed"] for point in timeline["points"])


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({}, lambda row: True),
        ({"kind": "INSERT"}, lambda row: row["kind"] == "INSERT"),
        ({"kind": ["INSERT", "UPDATE"]}, lambda row: row["kind"] in {"INSERT", "UPDATE"}),
        ({"operation": "now and then an error"}, lambda row: row["operation"] == "now and then an error"),
        ({"failed": True}, lambda row: row["outcome"] != "ok"),
        ({"failed": False, "phase": "WARMUP"}, lambda row: row["outcome"] == "ok" and row["warmup"]),
        (
            {"outcome": "ok", "worker_id": "worker-1"},
            lambda row: (row["outcome"], row["worker_id"]) == ("ok", "worker-1"),
        ),
        ({"min_ms": 0.5, "max_ms": 1.5}, lambda row: 500 <= row["service_us"] <= 1500),
        ({"operation": "x' OR '1'='1"}, lambda row: False),
    ],
)
def test_queries_are_found_by_what_they_were(
    shared: Serving, finished: str, rows: list[dict[str, Any]], filters: dict[str, Any], fits: Any
) -> None:
    page = shared.get(f"/api/tests/{finished}/query-executions", **filters, page_size=5)
    wanted = [row for row in rows if fits(row)]
    assert page["total"] == len(wanted)
    assert page["pages"] == -(-len(wanted) // 5)
    ids = {row["execution_id"] for row in wanted}
    assert {item["execution_id"] for item in page["items"]} <= ids


def test_queries_are_found_by_when_they_started(shared: Serving, finished: str, rows: list[dict[str, Any]]) -> None:
    zero = min(row["intended_at"] for row in rows)
    wanted = [row for row in rows if 2 <= (row["started_at"] - zero).total_seconds() < 3]
    page = shared.get(f"/api/tests/{finished}/query-executions", from_s=2, to_s=3, page_size=500)
    assert page["total"] == len(wanted)
    assert all(2 <= item["elapsed_s"] < 3 for item in page["items"])


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["started", "service", "kind", "worker"])
def test_pages_of_queries_follow_each_other_without_a_gap(
    shared: Serving, finished: str, sort: str, descending: bool
) -> None:
    def page(number: int, size: int) -> Any:
        path = f"/api/tests/{finished}/query-executions"
        return shared.get(path, sort=sort, descending=descending, page=number, page_size=size)["items"]

    assert [*page(1, 20), *page(2, 20), *page(3, 20)] == page(1, 60)
    key = {"started": "started_at", "service": "service_ms", "kind": "kind", "worker": "worker_id"}[sort]
    values = [item[key] for item in page(1, 60)]
    assert values == sorted(values, reverse=descending)


def test_the_log_is_read_on_from_where_it_was_left(shared: Serving, finished: str) -> None:
    path = f"/api/tests/{finished}/logs"
    everything = shared.get(path)
    assert everything["caught_up"]
    assert {line["source"] for line in everything["lines"]} == {"orchestrator", "worker"}
    read: list[Any] = []
    after = 0
    while True:
        part = shared.get(path, after=after, limit=3)
        read += part["lines"]
        after = part["last_sequence"]
        if part["caught_up"]:
            break
    assert read == everything["lines"]
    assert {line["worker_id"] for line in shared.get(path, worker_id="worker-1")["lines"]} == {"worker-1"}
    assert {line["source"] for line in shared.get(path, source="orchestrator")["lines"]} == {"orchestrator"}
    warnings = shared.get(path, level="WARNING")["lines"]
    assert {line["level"] for line in warnings} <= {"WARNING", "ERROR", "CRITICAL"}
    assert warnings


def test_lines_of_runs_at_the_same_time_stay_apart(server: Serving) -> None:
    first, second = server.prepare(duration_seconds=1), server.prepare(duration_seconds=1)
    for run_id in (first, second):
        server.start(run_id)
    for run_id, other in ((first, second), (second, first)):
        server.until_over(run_id)
        lines = server.get(f"/api/tests/{run_id}/logs")["lines"]
        said = "\n".join(line["message"] for line in lines)
        assert f"run {run_id} is COMPLETED" in said
        assert other not in said
        kept = (server.services.home / "runs" / run_id / "logs" / "orchestrator.log").read_text()
        assert f"run {run_id} is COMPLETED" in kept
        assert other not in kept


def test_a_run_that_goes_on_is_told_of_from_snapshots(server: Serving) -> None:
    run_id = server.prepare(duration_seconds=600)
    server.start(run_id)
    path = f"/api/tests/{run_id}"
    until(lambda: len(server.get(f"{path}/metrics", step_s=1)["points"]) >= 2, "there are two points")
    assert server.get(f"{path}/statistics")["source"] == "snapshots"
    assert server.get(f"{path}/latency-histogram")["total"]["count"] > 0
    queries = server.get(f"{path}/query-executions")
    assert (queries["items"], queries["total"]) == ([], 0)
    assert queries["note"] == "the query log can be read when the load is over"
    assert server.get(f"{path}/errors")["note"] == queries["note"]
    server.http.post(f"{path}/stop")
    server.until_over(run_id)


def test_a_part_that_cannot_be_read_leaves_the_others(
    shared: Serving, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the table is locked by another program")

    monkeypatch.setattr(shared.store.heartbeats, "list", refuse)
    run = shared.get(f"/api/tests/{finished}")
    [note] = run["notes"]
    assert (note["part"], note["code"]) == ("heartbeats", "store_failed")
    assert run["workers"] == []
    assert run["summary"]["total_operations"] > 0
    monkeypatch.setattr(shared.store.results, "get", refuse)
    run = shared.get(f"/api/tests/{finished}")
    assert [note["part"] for note in run["notes"]] == ["heartbeats", "parent"]
    assert (run["status"], run["summary"], run["cost"]) == ("COMPLETED", None, None)


def test_a_log_on_another_machine_is_said_to_be_there(shared: Serving, finished: str) -> None:
    folder = log_folder(shared.services.home / "runs" / finished)
    away = folder.with_name("elsewhere")
    folder.rename(away)
    try:
        page = shared.get(f"/api/tests/{finished}/query-executions")
        assert page["total"] == 0
        assert "on the machine that the run was made from" in page["note"]
    finally:
        away.rename(folder)


def test_a_server_that_is_not_asked_is_told_as_such(shared: Serving, finished: str) -> None:
    found = shared.get(f"/api/tests/{finished}/enrichment-status")
    assert (found["status"], found["server"]) == ("SKIPPED", None)
    assert found["reason"]
    overhead = shared.get(f"/api/tests/{finished}/overhead-timeseries")
    assert (overhead["points"], overhead["note"]) == ([], found["reason"])


def test_what_a_server_has_told_is_answered_in_full_and_in_short(shared: Serving) -> None:
    run_id = shared.prepare()
    assert shared.get(f"/api/tests/{run_id}/enrichment-status")["status"] == "PENDING"
    told = FollowUpResult({"rows": 40, "files": 1}, "PARTIAL", "the rest came late", document(matched=30))
    shared.store.results.finish_follow_up(run_id, told)
    found = shared.get(f"/api/tests/{run_id}/enrichment-status")
    assert (found["status"], found["reason"]) == ("PARTIAL", "the rest came late")
    assert found["server"]["coverage"]["measurement"] == {"reached": 40, "matched": 30, "pct": 75.0}
    brief = shared.get(f"/api/tests/{run_id}")["enrichment"]["server"]
    assert brief["coverage"] == found["server"]["coverage"]["measurement"]
    assert brief["overhead_p50_ms"] == found["server"]["measurement"]["overhead"]["p50_ms"] == 2.5
    points = shared.get(f"/api/tests/{run_id}/overhead-timeseries")["points"]
    assert sum(point["count"] for point in points) == 30
    assert shared.http.get("/api/tests/nothing/overhead-timeseries").status_code == 404
