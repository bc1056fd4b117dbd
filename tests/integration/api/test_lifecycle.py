"""A run over HTTP: prepared without starting anything, started, watched, stopped, repeated, deleted."""

from typing import Any

import psycopg
import pytest
from tests.integration.api.serving import Serving
from tests.integration.orchestrator.conftest import SLOW

from upperbound.domain.run_state import RunStatus
from upperbound.testing.waiting import until


def test_a_prepared_run_has_started_nothing(server: Serving) -> None:
    run_id = server.prepare()
    run = server.get(f"/api/tests/{run_id}")
    assert (run["status"], run["phase"], run["is_terminal"]) == ("PREPARED", "PREPARING", False)
    assert run["timing"]["elapsed_seconds"] is None
    assert run["timing"]["elapsed_display_seconds"] == 0
    assert server.launcher.handles == {}
    assert server.controller.owned() == ()
    assert run["workers"] == []
    assert run["notes"] == []


def test_a_run_goes_from_start_to_its_summary(server: Serving) -> None:
    run_id = server.prepare(warmup_seconds=1)
    server.start(run_id)
    assert [one.run_id for one in server.controller.owned()] == [run_id]
    server.until_phase(run_id, "MEASUREMENT")
    live = server.get(f"/api/tests/{run_id}")
    assert (live["status"], live["owned_here"]) == ("RUNNING", True)
    assert {worker["health"] for worker in live["workers"]} == {"HEALTHY"}
    assert server.until_over(run_id) is RunStatus.COMPLETED
    run = server.get(f"/api/tests/{run_id}")
    assert (run["status"], run["phase"], run["is_terminal"]) == ("COMPLETED", "COMPLETED", True)
    assert run["summary"]["total_operations"] > 0
    assert run["summary"]["query_log"]["rows"] >= run["summary"]["total_operations"]
    assert run["enrichment"] == run["summary"]["enrichment"]
    assert run["notes"] == []
    assert server.get(f"/api/runs/{run_id}")["summary"] == run["summary"]


def test_elapsed_time_never_goes_back_and_stands_still_at_the_end(server: Serving) -> None:
    run_id = server.prepare(warmup_seconds=1, duration_seconds=1)
    server.start(run_id)
    shown: list[float] = []

    def over() -> bool:
        run = server.get(f"/api/tests/{run_id}")
        shown.append(run["timing"]["elapsed_display_seconds"])
        return bool(run["is_terminal"])

    until(over, "the run has ended")
    assert shown == sorted(shown)
    assert server.get(f"/api/tests/{run_id}")["timing"]["elapsed_seconds"] == shown[-1]


def test_a_stop_is_two_phased_and_safe_to_repeat(server: Serving) -> None:
    run_id = server.prepare(duration_seconds=600)
    server.start(run_id)
    server.until_phase(run_id, "MEASUREMENT")
    answer = server.http.post(f"/api/tests/{run_id}/stop")
    assert (answer.status_code, answer.json()["status"]) == (202, "CANCELLING")
    assert server.http.post(f"/api/runs/{run_id}/stop").status_code == 202
    assert server.until_over(run_id) is RunStatus.CANCELLED
    again = server.http.post(f"/api/tests/{run_id}/stop")
    assert (again.status_code, again.json()["status"]) == (202, "CANCELLED")
    assert "a user of the web server" in server.get(f"/api/tests/{run_id}")["cancellation_reason"]


def test_a_forced_stop_does_not_wait_for_queries_in_flight(server: Serving) -> None:
    run_id = server.prepare(operations=SLOW, workers=1, duration_seconds=600)
    server.start(run_id)
    until(lambda: server.store.runs.get(run_id).status is RunStatus.RUNNING, "it runs")
    assert server.http.post(f"/api/tests/{run_id}/stop", json={"force": True}).status_code == 202
    assert server.until_over(run_id) is RunStatus.CANCELLED


def test_a_prepared_run_that_is_stopped_is_cancelled_and_cannot_start(server: Serving) -> None:
    run_id = server.prepare()
    assert server.http.post(f"/api/tests/{run_id}/stop").json()["status"] == "CANCELLED"
    refused = server.http.post(f"/api/tests/{run_id}/start")
    assert (refused.status_code, refused.json()["code"]) == (409, "run_state_conflict")


def test_a_run_starts_once(server: Serving) -> None:
    run_id = server.prepare()
    server.start(run_id)
    refused = server.http.post(f"/api/tests/{run_id}/start")
    assert (refused.status_code, refused.json()["code"]) == (409, "run_state_conflict")
    assert server.until_over(run_id) is RunStatus.COMPLETED
    assert server.http.post(f"/api/tests/{run_id}/start").status_code == 409


def test_a_rerun_is_prepared_with_the_same_scenario_and_seed(shared: Serving, finished: str) -> None:
    body = {"credentials": shared.credentials}
    answer = shared.http.post(f"/api/tests/{finished}/rerun", json=body)
    assert answer.status_code == 201, answer.text
    run_id = answer.json()["run_id"]
    assert answer.headers["location"] == f"/api/tests/{run_id}"
    first, second = (shared.get(f"/api/tests/{one}")["config"] for one in (finished, run_id))
    assert second["seed"] == first["seed"]
    assert second["scenario"] == first["scenario"]
    assert shared.http.delete(f"/api/tests/{run_id}").status_code == 204


def test_what_follows_the_load_can_be_done_again_once_the_run_has_ended(server: Serving) -> None:
    run_id = server.prepare()
    early = server.http.post(f"/api/tests/{run_id}/retry-enrichment")
    assert (early.status_code, early.json()["code"]) == (409, "run_state_conflict")
    server.start(run_id)
    server.until_over(run_id)
    before = server.get(f"/api/tests/{run_id}")["summary"]
    assert before["enrichment"]["status"] == "SKIPPED"
    answer = server.http.post(f"/api/tests/{run_id}/retry-enrichment")
    assert (answer.status_code, answer.json()["status"]) == (202, "COMPLETED")
    until(lambda: server.store.results.get(run_id).enrichment_status == "SKIPPED", "it is done")
    assert server.get(f"/api/tests/{run_id}")["summary"] == before
    assert server.http.post("/api/tests/nope/retry-enrichment").status_code == 404


def test_a_run_that_goes_on_is_not_deleted_and_one_that_is_over_leaves_nothing(server: Serving) -> None:
    run_id = server.prepare(duration_seconds=600)
    server.start(run_id)
    server.until_phase(run_id, "MEASUREMENT")
    refused = server.http.delete(f"/api/tests/{run_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "run_state_conflict")
    server.http.post(f"/api/tests/{run_id}/stop")
    server.until_over(run_id)
    folder = server.services.home / "runs" / run_id
    assert folder.exists()
    assert server.http.delete(f"/api/tests/{run_id}").status_code == 204
    assert not folder.exists()
    assert server.http.get(f"/api/tests/{run_id}").status_code == 404
    assert server.http.delete(f"/api/tests/{run_id}").status_code == 404
    assert server.store.snapshots.marks(run_id) == []
    assert server.store.logs.after(run_id) == []


def test_a_template_with_an_embedded_target_runs_without_any_server_of_ones_own(server: Serving) -> None:
    body = {"overrides": ["load.duration_seconds=1", "load.warmup_seconds=0"]}
    made = server.http.post("/api/tests/from-template/demo", json=body)
    assert made.status_code == 201, made.text
    run_id = made.json()["run_id"]
    server.start(run_id)
    assert server.until_over(run_id) is RunStatus.COMPLETED
    url = server.store.runs.get(run_id).scenario_config["target_url"]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=5)


def test_everything_that_is_wrong_with_a_scenario_is_said_at_once(server: Serving) -> None:
    scenario = server.scenario(duration_seconds=-1) | {"tables": 3}
    answer = server.http.post("/api/runs", json={"scenario": scenario})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "scenario_invalid"
    assert {one["where"] for one in problem["problems"]} == {"load.duration_seconds", "tables"}
    assert all(one["place"] is None for one in problem["problems"])


def test_problems_of_a_text_have_lines(server: Serving) -> None:
    text = "name: x\ntarget: {kind: postgres}\nload: {duration_seconds: 1, threads: many}\n"
    answer = server.http.post("/api/runs", content=text, headers={"content-type": "application/yaml"})
    assert answer.status_code == 422
    places = {one["where"]: one["place"] for one in answer.json()["problems"]}
    assert places["load.threads"] == "line 3"
    assert server.http.post("/api/runs", content=text, headers={"content-type": "text/plain"}).status_code == 415


def test_a_scenario_that_does_not_fit_the_target_makes_no_run(server: Serving) -> None:
    scenario = server.scenario() | {"name": "nowhere"}
    scenario["target"]["table"] = "public.nothing"
    answer = server.http.post("/api/runs", json={"scenario": scenario, "credentials": server.credentials})
    assert (answer.status_code, answer.json()["code"]) == (422, "target_mismatch")
    assert server.get("/api/tests")["total"] == 0


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://postgres@127.0.0.1:1/postgres", "target_unreachable"),
        ("postgresql://nobody@{address}/postgres", "target_auth_failed"),
    ],
)
def test_a_target_that_cannot_be_reached_is_no_fault_of_the_server(server: Serving, url: str, code: str) -> None:
    scenario = server.scenario()
    scenario["target"]["url"] = url.format(address=server.target_url.partition("@")[2].partition("/")[0])
    answer = server.http.post("/api/runs", json={"scenario": scenario, "credentials": {"password": "wrong"}})
    assert (answer.status_code, answer.json()["code"]) == (424, code)


def test_a_start_is_refused_while_the_target_refuses_and_the_run_stays_prepared(server: Serving) -> None:
    run_id = server.prepare()
    wrong = {"credentials": {"password": "not the password"}}
    refused = server.http.post(f"/api/tests/{run_id}/start", json=wrong)
    assert (refused.status_code, refused.json()["code"]) == (424, "target_auth_failed")
    assert server.get(f"/api/tests/{run_id}")["status"] == "PREPARED"
    server.start(run_id)
    assert server.until_over(run_id) is RunStatus.COMPLETED


def test_rows_that_were_added_meanwhile_are_no_trouble_for_a_run_that_inserts(server: Serving) -> None:
    run_id, other = server.prepare(), server.prepare()
    for one in (other, run_id):
        server.start(one)
        assert server.until_over(one) is RunStatus.COMPLETED
    errors = server.get(f"/api/tests/{run_id}/errors")["classes"]
    assert "constraint" not in {error["class"] for error in errors}


def test_history_is_filtered_and_paged(shared: Serving, finished: str) -> None:
    def ids(**filters: Any) -> list[str]:
        return [run["run_id"] for run in shared.get("/api/tests", **filters)["items"]]

    assert finished in ids(status="COMPLETED", table_type="POSTGRES", q="http data", page_size=500)
    assert ids(q="nothing like it") == []
    assert ids(status=["FAILED"]) == []
    assert ids(table_type="SNOWFLAKE_POSTGRES") == []
    assert ids(template_id="t-1") == []
    created = shared.get(f"/api/tests/{finished}")["timing"]["created_at"]
    assert finished in ids(**{"from": created}, page_size=500)
    assert finished not in ids(to=created, page_size=500)
    page = shared.get("/api/tests", page=2, page_size=1)
    assert page["page"] == 2
    assert page["pages"] == page["total"]
