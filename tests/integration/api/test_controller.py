"""The controller itself: its health, its metrics, what it asks its store when nobody asks it, and runs left behind."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.api.serving import Serving, serving

from upperbound.clock import SystemClock
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.orchestrator.controller import LOOK_FOR_ORPHANS_S
from upperbound.store.engine import init_store, open_store
from upperbound.store.runs import NewRun
from upperbound.testing.waiting import until

DASHBOARD = Path(__file__).resolve().parents[3] / "docs" / "grafana" / "upperbound.json"


def samples(server: Serving) -> dict[tuple[str, str], float]:
    """Return what Prometheus reads, by the name of a sample and its status or id."""
    families = text_string_to_metric_families(server.http.get("/metrics").text)
    return {
        (sample.name, sample.labels.get("status") or sample.labels.get("run_id") or ""): sample.value
        for family in families
        for sample in family.samples
    }


def test_health_tells_of_the_store_and_the_leases(server: Serving) -> None:
    assert server.get("/health")["leases"] == []
    run_id = server.prepare(duration_seconds=600)
    server.start(run_id)
    health = server.get("/health")
    assert (health["status"], health["store"]["reachable"]) == ("ok", True)
    [lease] = health["leases"]
    assert lease["run_id"] == run_id
    assert 0 < lease["remaining_s"] <= 6
    server.http.post(f"/api/tests/{run_id}/stop")
    server.until_over(run_id)


def test_health_is_503_while_the_store_is_away(target: str, fresh_database: str, tmp_path: Path) -> None:
    init_store(fresh_database)
    with open_store(fresh_database) as store, serving(store, tmp_path, target) as server:
        assert server.http.get("/health").status_code == 200
        with pytest.MonkeyPatch.context() as patch:
            # Every new connection is refused by an address where nobody listens, as when the store's host is down.
            patch.setattr("upperbound.store.database._connect_postgresql", lambda *_: refused_connection())
            store._database.engine.dispose()
            answer = server.http.get("/health")
            assert answer.status_code == 503
            assert answer.json()["status"] == "store_away"
            refused = server.http.get("/api/tests")
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unreachable")
        assert server.http.get("/health").status_code == 200


def refused_connection() -> Any:
    return psycopg.connect("host=127.0.0.1 port=1 connect_timeout=1")


def test_prometheus_reads_runs_latencies_ticks_and_the_store(server: Serving) -> None:
    before = samples(server)
    assert before["upperbound_store_reachable", ""] == 1
    assert before["upperbound_runs", "RUNNING"] == 0
    run_id = server.prepare(duration_seconds=600)
    server.start(run_id)
    server.until_phase(run_id, "MEASUREMENT")
    until(lambda: samples(server).get(("upperbound_run_latency_seconds_count", run_id), 0) > 0, "latencies are counted")
    now = samples(server)
    assert now["upperbound_runs", "RUNNING"] == 1
    assert now["upperbound_run_operations_total", run_id] > 0
    assert now["upperbound_run_workers", run_id] == 2
    assert now["upperbound_run_threads", run_id] == 6
    assert now["upperbound_tick_seconds_count", ""] > 0
    assert now["upperbound_store_statement_seconds_count", ""] > before["upperbound_store_statement_seconds_count", ""]
    shown = set(re.findall(r"upperbound_\w+", DASHBOARD.read_text("utf-8")))
    assert shown - {name for name, _ in now} == set(), "the dashboard shows what there is"
    server.http.post(f"/api/tests/{run_id}/stop")
    server.until_over(run_id)
    after = samples(server)
    assert ("upperbound_run_qps", run_id) not in after
    assert after["upperbound_runs", "CANCELLED"] == 1


@pytest.fixture
def counted(server: Serving) -> Iterator[list[str]]:
    """The statements that the server's own process sends to its store."""
    seen: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = server.store._database.engine
    sa.event.listen(engine, "before_cursor_execute", count)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", count)


def test_nothing_is_asked_on_a_timer_before_the_start_and_after_the_end(server: Serving, counted: list[str]) -> None:
    run_id = server.prepare(duration_seconds=1)

    def asked_by_itself() -> list[str]:
        """Watch for a while in which nobody asks; what looks for runs without a controller is known."""
        counted.clear()
        # Not a wait for a condition: that nothing happens in a time is what is shown.
        threading.Event().wait(3.0)
        return [statement for statement in counted if "lease_expires_at" not in statement]

    assert asked_by_itself() == []
    server.start(run_id)
    server.until_over(run_id)
    until(lambda: not server.controller.owned(), "nothing is looked after")
    assert asked_by_itself() == []


def test_a_run_that_was_left_is_taken_over_by_the_next_controller(target: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with open_store(url) as store:
        with serving(store, tmp_path, target) as first:
            run_id = first.prepare(warmup_seconds=1, duration_seconds=6)
            first.start(run_id)
            first.until_phase(run_id, "MEASUREMENT")
            handles = dict(first.launcher.handles)
            first.launcher.handles.clear()  # they are to outlive their controller
        left = store.runs.get(run_id)
        assert (left.status, left.lease_owner) == (RunStatus.RUNNING, None)
        assert all(handle.poll() is None for handle in handles.values())
        with serving(store, tmp_path, target) as second:
            until(lambda: [one.run_id for one in second.controller.owned()] == [run_id], "it is taken over")
            assert second.controller.owned()[0].adopted
            assert second.until_over(run_id) is RunStatus.COMPLETED
            summary = second.get(f"/api/tests/{run_id}")["summary"]
            assert summary["total_operations"] > 0
            assert summary["query_log"]["rows"] >= summary["total_operations"]
            until(lambda: all(handle.poll() is not None for handle in handles.values()), "the workers have ended")


def test_the_end_of_a_controller_stops_a_run_whose_server_ends_with_it(target: str, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        with serving(store, tmp_path, target) as server:
            made = server.http.post("/api/tests/from-template/demo", json={"overrides": ["load.duration_seconds=600"]})
            run_id = made.json()["run_id"]
            server.start(run_id)
            server.until_phase(run_id, "WARMUP")
        run = store.runs.get(run_id)
        assert run.status is RunStatus.CANCELLED
        assert run.cancellation_reason == "stopped by the end of the server"


def test_a_prepared_run_with_an_embedded_target_gets_a_new_server_when_its_own_is_gone(
    target: str, tmp_path: Path
) -> None:
    overrides = ["load.duration_seconds=1", "load.warmup_seconds=0"]
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        with serving(store, tmp_path, target) as first:
            made = first.http.post("/api/tests/from-template/demo", json={"overrides": overrides})
            run_id = made.json()["run_id"]
            before = store.runs.get(run_id).scenario_config["target_url"]
        with serving(store, tmp_path, target) as second:
            second.start(run_id)
            assert second.until_over(run_id) is RunStatus.COMPLETED
            assert store.runs.get(run_id).scenario_config["target_url"] != before


def test_a_run_that_this_version_does_not_understand_is_tried_once(server: Serving) -> None:
    strange = NewRun("run-strange", "strange", {"scenario": {"from": "the future"}}, 1, {"worker-0": 1})
    server.store.runs.create(strange)
    server.store.runs.transition("run-strange", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    assert server.controller.adopt_orphans() == []
    server.store.runs.release_lease("run-strange", str(server.store.runs.get("run-strange").lease_owner))
    assert [run_id for run_id, _ in server.store.runs.unattended()] == ["run-strange"]
    assert server.controller.adopt_orphans() == []
    run = server.get("/api/tests/run-strange")
    assert [note["part"] for note in run["notes"]] == ["config"]
    assert (run["status"], run["phase"], run["summary"]) == ("STARTING", Phase.PREPARING, None)


def test_a_controller_looks_for_runs_again_and_again(server: Serving) -> None:
    clock, began_ns = SystemClock(), SystemClock().monotonic_ns()
    run_id = server.prepare(duration_seconds=1)
    server.store.runs.transition(run_id, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    until(lambda: run_id in {one.run_id for one in server.controller.owned()}, "it is found")
    assert (clock.monotonic_ns() - began_ns) / 1e9 < 3 * LOOK_FOR_ORPHANS_S
    server.http.post(f"/api/tests/{run_id}/stop", json={"force": True})
    assert server.until_over(run_id) in {RunStatus.CANCELLED, RunStatus.FAILED}
