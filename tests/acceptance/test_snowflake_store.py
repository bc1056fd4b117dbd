"""A store on Snowflake, here an emulated one, from the command line: made, checked, and run with by real workers."""

from urllib.parse import urlencode

import psutil
from tests.acceptance.place import MEASURED, Place, until
from tests.emulators.handle import HOST, PASSWORD, USER, WAREHOUSE, SnowflakeDatabase

from upperbound.store.migrate import HEAD_REVISION


def test_a_run_is_kept_on_snowflake_and_nobody_sees_the_password(place: Place, snowflake: SnowflakeDatabase) -> None:
    where = {"host": HOST, "port": snowflake.emulator.port, "protocol": "http", "warehouse": WAREHOUSE}
    url = f"snowflake://{USER}@emulator/{snowflake.name}/PUBLIC?{urlencode(where)}"
    environment = {"UPPERBOUND_STORE": url, "UPPERBOUND_STORE_PASSWORD": PASSWORD}

    made = place.start("store", "init", environment=environment).wait()
    assert made.code == 0, made.text
    assert f"tables made, revision {HEAD_REVISION}" in made.out
    checked = place.start("store", "check", environment=environment).wait()
    assert checked.code == 0, checked.text

    running = place.start(*("demo", "--duration", "3", "--warmup", "1", "--json", "run.json"), environment=environment)
    seen: list[str] = []

    def over() -> bool:
        seen.extend(word for process in psutil.process_iter() for word in command_line(process))
        return running.process.poll() is not None

    assert until(over, 120.0), running.so_far()
    outcome = running.wait()
    assert outcome.code in MEASURED, outcome.text
    summary = place.summary("run.json")
    assert summary["status"] == "COMPLETED"
    listed = place.start("runs", "list", environment=environment).wait()
    assert summary["run_id"] in listed.out

    workers = snowflake.rows("SELECT worker_id, status FROM worker_heartbeats ORDER BY worker_id")
    assert workers == [("worker-0", "COMPLETED"), ("worker-1", "COMPLETED")]
    counted = snowflake.rows("SELECT operations FROM test_results WHERE worker_id IS NULL")
    assert counted == [(summary["total_operations"],)]
    assert {said["query_tag"] for said in snowflake.statements("RUN_STATUS")} == {"upperbound:store"}
    assert any(word.startswith("snowflake://") for word in seen), "workers were told where the store is"
    for shown in (*seen, made.text, outcome.text, listed.text):
        assert PASSWORD not in shown
    assert place.nothing_is_left(), place.leftovers()


def command_line(process: psutil.Process) -> list[str]:
    """Return the words of a process's command; none of one that has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
