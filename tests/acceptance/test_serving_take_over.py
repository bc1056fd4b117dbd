"""A controller that serves is killed in the middle of a run; the next one, or one that stood by, needs no telling."""

import json
import re
from typing import Any

import httpx
import psutil
import pytest
import yaml
from tests.acceptance.conftest import Database
from tests.acceptance.place import Place, Running, until
from tests.acceptance.query_log import QueryLog
from tests.acceptance.scenarios import items_scenario

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.store.runs import RunRow

ANSWER_S = 60.0
"""How long a request may take on a machine that does other work as well."""
ENDS_S = 120.0
"""How long the end of the run may take, which waits for the lease and the look."""


def serve(place: Place) -> tuple[Running, str]:
    """Start a controller and return its address with it."""
    controller = place.start("serve", "--port", "0", "--store", place.store_url)
    found: list[str] = []

    def listens() -> bool:
        assert controller.process.poll() is None, controller.so_far()
        found[:] = re.findall(r"listens on (http://[^;]+);", controller.so_far())
        return bool(found) and answers(found[0])

    assert until(listens), controller.so_far()
    return controller, found[0]


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=ANSWER_S).status_code == 200
    except httpx.TransportError:
        return False


def start_run(address: str, scenario: str, password: str) -> str:
    """Prepare and start a run over HTTP, and return its id."""
    with httpx.Client(base_url=address, timeout=ANSWER_S) as client:
        body: dict[str, Any] = {"scenario": yaml.safe_load(scenario), "credentials": {"password": password}}
        prepared = client.post("/api/runs", json=body)
        assert prepared.status_code == 201, prepared.text
        run_id = str(prepared.json()["run_id"])
        started = client.post(f"/api/runs/{run_id}/start")
        assert started.status_code == 202, started.text
        return run_id


@pytest.mark.parametrize("standing_by", [False, True], ids=["restarted", "another one"])
def test_a_run_whose_serving_controller_was_killed_is_brought_to_its_end(
    standing_by: bool, place: Place, database: Database, request: pytest.FixtureRequest
) -> None:
    if standing_by:
        place.store_url = str(request.getfixturevalue("postgres_store"))
    first, address = serve(place)
    second = serve(place) if standing_by else None
    scenario = items_scenario(database.url, {"load.warmup_seconds": 1, "load.duration_seconds": 10})
    run_id = start_run(address, scenario, database.password)

    def run() -> RunRow:
        return next(row for row in place.runs() if row.run_id == run_id)

    assert until(lambda: run().phase is Phase.MEASUREMENT and run().total_ops > 0), first.so_far()
    owner = run().lease_owner
    assert str(first.process.pid) in str(owner)
    first.kill()
    first.process.wait()
    controller, address = second or serve(place)

    # A lease of 6 s, 10 s between two looks for runs without a controller, and what is left of the run.
    assert until(lambda: run().status in TERMINAL and run().phase is Phase.COMPLETED, ENDS_S), controller.so_far()

    assert run().status is RunStatus.COMPLETED
    assert f"run {run_id} has no controller" in controller.so_far()
    summary = json.loads(place.run("runs", "show", run_id, "--json", "--store", place.store_url).out)
    log = QueryLog.of_run(place.store_url, run_id, place.home)
    assert log.count("phase = 'MEASUREMENT' AND outcome = 'ok'") == summary["total_operations"] > 0
    assert summary["duration_seconds"] == pytest.approx(10.0, abs=0.3)
    controller.terminate()
    assert controller.wait().code == 0
    assert not any(psutil.pid_exists(pid) for pid in place.workers().values())
    assert place.nothing_is_left(), place.leftovers()
