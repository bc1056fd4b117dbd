"""The command that drives a run is killed, and another one brings the run to its end with the right totals."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import DEADLINE_S, MEASURED, Place, until
from tests.acceptance.query_log import QueryLog
from tests.acceptance.scenarios import items_scenario, sleeping_scenario

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.store.engine import open_store
from upperbound.store.runs import RunRow

TAKEN_OVER_S = 60.0
ADOPT = ("runs", "adopt", "--json", "run.json")


def in_warmup(run: RunRow) -> bool:
    return run.phase is Phase.WARMUP


def in_measurement(run: RunRow) -> bool:
    return run.phase is Phase.MEASUREMENT and run.total_ops > 0


def in_stopping(run: RunRow) -> bool:
    return run.status is RunStatus.STOPPING


SHORT: Mapping[str, Any] = {"load.warmup_seconds": 3, "load.duration_seconds": 4}


def kill_when(
    reached: Callable[[RunRow], bool], place: Place, database: Database, scenario: str, store_url: str
) -> str:
    """Start a run, kill its command when ``reached``, and return the run's id."""
    place.write("scenario.yaml", scenario)
    command = place.start("run", "scenario.yaml", "--store", store_url, environment=database.environment)
    # The store of a command that names none is made by then.
    assert until((place.home / "runs").exists), command.so_far()
    found: list[RunRow] = []
    # One connection for every look, so that none takes longer than the moment that is looked for.
    with open_store(store_url, migrate=False) as store:

        def there() -> bool:
            assert command.process.poll() is None, command.so_far()
            found[:] = store.runs.list(limit=1)
            return bool(found) and reached(found[0])

        assert until(there), command.so_far()
        command.kill()
    command.process.wait(DEADLINE_S)
    return found[0].run_id


def assert_right_totals(place: Place, summary: dict[str, Any], store_url: str) -> None:
    log = QueryLog.of_run(store_url, summary["run_id"], place.home)
    counted = summary["total_operations"] + summary["failed_operations"] + summary["warmup_operations"]
    assert summary["query_log"]["rows"] == log.count() == counted
    assert log.count("phase = 'MEASUREMENT' AND outcome = 'ok'") == summary["total_operations"] > 0


@pytest.mark.parametrize("reached", [in_warmup, in_measurement])
def test_a_run_whose_command_was_killed_is_brought_to_its_end(
    reached: Callable[[RunRow], bool], place: Place, database: Database, store_url: str
) -> None:
    scenario = items_scenario(database.url, SHORT)
    run_id = kill_when(reached, place, database, scenario, store_url)

    outcome = place.run(*ADOPT, run_id, "--store", store_url, deadline_s=TAKEN_OVER_S)

    summary = place.summary("run.json")
    assert outcome.code in MEASURED, outcome.text
    assert summary["status"] == RunStatus.COMPLETED
    assert summary["duration_seconds"] == pytest.approx(4.0, abs=0.1)
    assert_right_totals(place, summary, store_url)
    assert place.nothing_is_left(), place.leftovers()


def test_a_run_that_was_draining_is_brought_to_its_end(place: Place, database: Database, store_url: str) -> None:
    scenario = sleeping_scenario(database.url, 3.0).replace("duration_seconds: 60", "duration_seconds: 1")
    run_id = kill_when(in_stopping, place, database, scenario, store_url)

    outcome = place.run(*ADOPT, run_id, "--store", store_url, deadline_s=TAKEN_OVER_S)

    summary = place.summary("run.json")
    assert outcome.code in MEASURED, outcome.text
    assert summary["status"] == RunStatus.COMPLETED
    assert_right_totals(place, summary, store_url)


def test_of_two_commands_that_take_over_one_does_and_the_other_says_why_not(
    place: Place, database: Database, postgres_store: str
) -> None:
    scenario = items_scenario(database.url, {"load.duration_seconds": 12})
    run_id = kill_when(in_measurement, place, database, scenario, postgres_store)

    adopting = [place.start("runs", "adopt", run_id, "--store", postgres_store, "--json", f"{n}.json") for n in "ab"]
    outcomes = [command.wait(TAKEN_OVER_S) for command in adopting]

    # One that is held up for long enough finds the run ended by the other.
    said = ("is being driven by", "there is nothing left to do for it")
    refused = [outcome for outcome in outcomes if any(text in outcome.text for text in said)]
    finished = [outcome for outcome in outcomes if outcome not in refused]
    assert [outcome.code for outcome in refused] == [4], [outcome.text for outcome in outcomes]
    assert "COMPLETED" in finished[0].text
    assert finished[0].code in MEASURED


def test_a_run_whose_command_is_alive_is_left_alone(place: Place, database: Database) -> None:
    place.write("scenario.yaml", items_scenario(database.url))
    command = place.start("run", "scenario.yaml", environment=database.environment)
    run = place.measuring_run(command)

    refused = place.run("runs", "adopt", run.run_id)

    assert refused.code == 4, refused.text
    assert "is being driven by" in refused.text
    command.interrupt()
    assert command.wait().code == 5


def test_a_run_that_has_ended_is_shown_and_not_touched(place: Place, database: Database) -> None:
    place.write("scenario.yaml", items_scenario(database.url, {"load.duration_seconds": 1}))
    first = place.run("run", "scenario.yaml", environment=database.environment)
    (run,) = place.runs()

    again = place.run("runs", "adopt", run.run_id)

    assert first.code in MEASURED, first.text
    assert again.code == 4, again.text
    assert "there is nothing left to do for it" in again.text
