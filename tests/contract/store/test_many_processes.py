"""Many processes on one store at once: nobody is locked out, nothing is lost, no number is given twice."""

import subprocess
from collections.abc import Callable

from tests.unit.scenario.samples import changed

from upperbound.domain.run_state import RunStatus
from upperbound.scenario.model import Scenario
from upperbound.store.check import check_store
from upperbound.store.engine import Store
from upperbound.store.runs import NewRun

PROCESSES = 8
TURNS = 25

StartWriter = Callable[..., subprocess.Popen[str]]
Repeats = Callable[[int, int], int]


def set_off(processes: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Let processes that stand ready go at the same moment, and return what each one prints."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=90)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return printed


def test_eight_processes_write_at_once(
    store: Store, store_url: str, new_run: Callable[..., NewRun], start_writer: StartWriter, repeats: Repeats
) -> None:
    processes, turns = repeats(PROCESSES, 3), repeats(TURNS, 3)
    store.runs.create(new_run())
    printed = set_off([start_writer("live", store_url, str(number), str(turns)) for number in range(processes)])
    numbers = sorted(int(number) for lines in printed for number in lines)
    assert numbers == list(range(1, processes * turns + 1))
    events = store.events.after("run-1")
    assert [event.sequence for event in events] == numbers
    assert {(event.data["writer"], event.data["turn"]) for event in events} == {
        (writer, turn) for writer in range(processes) for turn in range(1, turns + 1)
    }
    assert [(row.heartbeat_count, row.queries) for row in store.heartbeats.list("run-1")] == [
        (turns, turns)
    ] * processes
    assert len(store.snapshots.series("run-1")) == processes * turns
    assert {row.sequence for row in store.snapshots.newest("run-1").values()} == {turns}


def test_runs_have_whole_pools_while_others_prepare_them_anew(
    store: Store, store_url: str, start_writer: StartWriter, repeats: Repeats
) -> None:
    processes, turns = repeats(4, 2), repeats(12, 1)
    store.templates.create(Scenario.model_validate(changed({})), saved_by="ada")
    printed = set_off([start_writer("pools", store_url, str(number), str(turns)) for number in range(processes)])
    unread, refused = (sum(int(lines[place]) for lines in printed) for place in (0, 1))
    assert unread == 0
    made = store.runs.list(limit=100)
    assert len(made) + refused == processes * turns
    assert made
    for run in made:
        store.runs.transition(run.run_id, expected=RunStatus.PREPARED, to=RunStatus.FAILED)
    store.value_pools.sweep()
    with store._database.connection() as connection:
        for table in ("template_value_pools", "template_value_chunks"):
            left = connection.exec_driver_sql(f"SELECT count(DISTINCT pool_id) FROM {table}").scalar_one()
            assert left == 3, "those that the template has now"


def test_eight_processes_make_one_store_at_once(empty_store_url: str, start_writer: StartWriter) -> None:
    processes = 3 if empty_store_url.startswith("snowflake") else PROCESSES
    printed = set_off([start_writer("open", empty_store_url) for _ in range(processes)])
    assert all(len(lines) == 1 for lines in printed)
    assert check_store(empty_store_url) == []
