"""A user who sets guardrails, or lets a run go on without lost workers, sees what came of it."""

import os
import signal

from tests.acceptance.conftest import Database
from tests.acceptance.place import MEASURED, Place, until
from tests.acceptance.scenarios import items_scenario

from upperbound.domain.run_state import RunStatus


def test_a_hard_guardrail_fails_the_run_with_the_readings(place: Place, database: Database) -> None:
    changes = {"guardrails": {"mode": "hard", "max_memory_percent": 0.1}}
    place.write("scenario.yaml", items_scenario(database.url, changes))
    outcome = place.run("run", "scenario.yaml", "--json", "run.json", environment=database.environment)
    assert outcome.code == 4, outcome.text
    assert "FAILED: RESOURCE_EXHAUSTION: " in outcome.text
    summary = place.summary("run.json")
    assert summary["status"] == RunStatus.FAILED
    assert "(limit 0.1 %)" in summary["completion_reason"]
    assert summary["guardrails"]["actions"][-1]["action"] == "FAILED"
    assert summary["guardrails"]["workers_over"]
    assert place.nothing_is_left(), place.leftovers()


def test_a_run_that_may_go_on_completes_and_tells_which_worker_it_lost(place: Place, database: Database) -> None:
    changes = {"on_worker_loss": "continue", "load.duration_seconds": 5}
    place.write("scenario.yaml", items_scenario(database.url, changes))
    command = place.start("run", "scenario.yaml", "--json", "run.json", environment=database.environment)
    place.measuring_run(command)
    assert until(lambda: (place.runs()[0].elapsed_s or 0.0) > 1.5)
    os.kill(place.workers()["worker-1"], signal.SIGKILL)
    outcome = command.wait()
    assert outcome.code in MEASURED, outcome.text
    assert "Less than the plan was carried: worker_loss: 1 of 2 workers: worker-1 was killed" in outcome.text
    summary = place.summary("run.json")
    assert summary["status"] == RunStatus.COMPLETED
    assert summary["completion_reason"].startswith("worker_loss")
    assert {worker["worker_id"]: worker["status"] for worker in summary["workers"]} == {
        "worker-0": "COMPLETED",
        "worker-1": "FAILED",
    }
    assert place.nothing_is_left(), place.leftovers()
