"""Runs on an emulated Snowflake account in whose middle something goes wrong: what is lost is counted, no more is."""

import itertools
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.acceptance.place import CLOCK, MEASURED, Place, Running, until
from tests.acceptance.query_log import QueryLog
from tests.acceptance.snowflake_files import ROWS, TAG, account_files, write_scenario
from tests.emulators.handle import HOST, PASSWORD, USER, WAREHOUSE, SnowflakeDatabase
from tests.emulators.way import way_to

THREADS = 4
"""Of two workers."""
LOAD = "/\\* UB_KIND="
"""The statements of the load, as a pattern."""
AWAY_S = 30.0


@pytest.fixture
def files(place: Place, snowflake: SnowflakeDatabase) -> dict[str, str | None]:
    """The environment of a user whose connections.toml leads to the account, whose table holds some rows."""
    return account_files(place, snowflake)


def load(seconds: int) -> dict[str, Any]:
    return {"warmup_seconds": 1, "duration_seconds": seconds, "think_time_ms": 50}


def sent(snowflake: SnowflakeDatabase, phase: str = "RUNNING") -> list[dict[str, Any]]:
    """Return the statements of the load that the account ran in a phase."""
    of_load = [(TAG.fullmatch(one["query_tag"]), one) for one in snowflake.statements("/* UB_KIND=")]
    return [one for tag, one in of_load if tag is not None and tag["phase"] == phase]


def wait_for_measurement(snowflake: SnowflakeDatabase, command: Running) -> None:
    """Wait until every thread has sent something that is measured."""

    def all_measure() -> bool:
        assert command.process.poll() is None, command.so_far()
        return len({one["session_id"] for one in sent(snowflake)}) >= THREADS

    assert until(all_measure, 90.0), command.so_far()


def check_that_nothing_is_hidden(place: Place, summary: dict[str, Any], log: QueryLog | None = None) -> QueryLog:
    """Check that result and log count the same, and that every thread worked to the end; return the log."""
    log = log or QueryLog(place.home / "runs" / summary["run_id"])
    measured = "phase = 'MEASUREMENT'"
    assert log.count(f"{measured} AND outcome = 'ok'") == summary["total_operations"]
    assert log.count(f"{measured} AND outcome <> 'ok'") == summary["failed_operations"]
    assert sum(error["count"] for error in summary["errors"]) == summary["failed_operations"]
    last_of_threads = log.ask(
        "SELECT worker_id, thread, date_diff('millisecond', max(ended_at), (SELECT max(ended_at) FROM log)) "
        "FROM log WHERE outcome = 'ok' GROUP BY ALL"
    )
    assert len(last_of_threads) == THREADS
    assert max(early_ms for _, _, early_ms in last_of_threads) < 3_000, f"a thread was lost: {last_of_threads}"
    return log


@pytest.mark.parametrize("renewable", [True, False], ids=["renewed", "opened again"])
def test_sessions_whose_tokens_expire_in_the_middle_go_on(
    place: Place, snowflake: SnowflakeDatabase, files: dict[str, str | None], renewable: bool
) -> None:
    path = write_scenario(place, load=load(8))
    command = place.start("run", path, "--json", "run.json", environment=files)
    wait_for_measurement(snowflake, command)
    before = {one["session_id"] for one in sent(snowflake)}
    logins = len(snowflake.logins())
    snowflake.expire_tokens(master=not renewable)
    ended = command.wait(120)
    assert ended.code in MEASURED, ended.text
    summary = place.summary("run.json")
    assert (summary["status"], summary["worker_count"]) == ("COMPLETED", 2)
    check_that_nothing_is_hidden(place, summary)
    after = {one["session_id"] for one in sent(snowflake)} - before
    if renewable:
        assert summary["failed_operations"] == 0, "a statement is sent again when its session has been renewed"
        assert (len(before), after) == (THREADS, set())
    else:
        assert 1 <= summary["failed_operations"] <= THREADS, "each thread has lost one statement at most"
        assert [error["class"] for error in summary["errors"]] == ["connection_lost"]
        assert len(after) == THREADS <= len(snowflake.logins()) - logins
    assert snowflake.counts()["open"] == 0, "no session is left behind"
    assert place.nothing_is_left(), place.leftovers()


def test_one_connection_in_ten_that_drops_costs_no_operation_and_doubles_none(
    place: Place, snowflake: SnowflakeDatabase, files: dict[str, str | None]
) -> None:
    before = snowflake.fault("drop", pattern=LOAD, share=0.05, seed=1, skip=3)
    behind = snowflake.fault("drop_after", pattern=LOAD, share=0.05, seed=2, skip=3)
    path = write_scenario(place, load=load(8))
    ended = place.run("run", path, "--json", "run.json", environment=files, deadline_s=120)
    assert ended.code in MEASURED, ended.text
    summary = place.summary("run.json")
    assert summary["status"] == "COMPLETED"
    assert min(snowflake.strikes(before), snowflake.strikes(behind)) >= 3, "connections were dropped of both kinds"
    assert summary["failed_operations"] == 0, summary["errors"]
    log = check_that_nothing_is_hidden(place, summary)
    assert len(sent(snowflake)) == summary["total_operations"]
    assert len(sent(snowflake, "WARMUP")) == log.count("phase = 'WARMUP'")
    inserted = log.count("operation = 'INSERT'")
    assert snowflake.rows("SELECT COUNT(*), COUNT(DISTINCT id) FROM orders") == [(ROWS + inserted,) * 2]
    assert place.nothing_is_left(), place.leftovers()


def test_one_session_in_ten_that_is_lost_fails_its_statement_and_is_opened_again(
    place: Place, snowflake: SnowflakeDatabase, files: dict[str, str | None]
) -> None:
    fault = snowflake.fault("error", pattern=LOAD, code=390_111, message="Session no longer exists.", share=0.1, skip=3)
    path = write_scenario(place, load=load(8))
    ended = place.run("run", path, "--json", "run.json", environment=files, deadline_s=120)
    summary = place.summary("run.json")
    assert summary["status"] == "COMPLETED", ended.text
    log = check_that_nothing_is_hidden(place, summary)
    lost = log.count("outcome = 'connection_lost'")
    assert lost == log.count("outcome <> 'ok'") == snowflake.strikes(fault) >= 1
    assert [error["class"] for error in summary["errors"]] == ["connection_lost"]
    assert "Session no longer exists" in summary["errors"][0]["sample"]
    sessions = {one["session_id"] for one in sent(snowflake)}
    assert len(sessions) >= summary["failed_operations"], "each one that was lost was opened again"
    assert snowflake.counts()["open"] == 0
    assert place.nothing_is_left(), place.leftovers()


def test_a_store_that_is_away_for_half_a_minute_loses_no_snapshot_and_the_log_tells_of_it(
    place: Place, snowflake: SnowflakeDatabase, files: dict[str, str | None]
) -> None:
    snowflake.rows("CREATE SCHEMA bookkeeping")
    with way_to(snowflake.emulator.port) as way:
        where = {"host": HOST, "port": way.port, "protocol": "http", "warehouse": WAREHOUSE}
        store = f"snowflake://{USER}@emulator/{snowflake.name}/BOOKKEEPING?{urlencode(where)}"
        environment = {**files, "UPPERBOUND_STORE": store, "UPPERBOUND_STORE_PASSWORD": PASSWORD}
        made = place.run("store", "init", environment=environment, deadline_s=120)
        assert made.code == 0, made.text
        path = write_scenario(place, load={"warmup_seconds": 1, "duration_seconds": 36, "think_time_ms": 200})
        allow = ("--set", "target.allow_store_warehouse=true")
        command = place.start("run", path, *allow, "--json", "run.json", environment=environment)
        wait_for_measurement(snowflake, command)
        cut_at = CLOCK.utc_now()
        with way.cut():
            # This is how long the store is away, and not a wait for anything.
            CLOCK.sleep(AWAY_S)
        back_at = CLOCK.utc_now()
        ended = command.wait(120)
        assert ended.code in MEASURED, ended.text
        summary = place.summary("run.json")
        assert (summary["status"], summary["failed_operations"], summary["worker_count"]) == ("COMPLETED", 0, 2)
        run_id = summary["run_id"]
        log = QueryLog.of_store(store.replace(f"{USER}@", f"{USER}:{PASSWORD}@"), run_id)
        check_that_nothing_is_hidden(place, summary, log)
        assert summary["query_log"]["loaded_rows"] == summary["query_log"]["rows"] == log.count()
        logs = place.run("runs", "logs", run_id, environment=environment)
    for worker in ("worker-0", "worker-1"):
        taken = snowflake.rows(
            "SELECT sequence, elapsed_s, operations FROM bookkeeping.worker_metrics_snapshots "
            "WHERE run_id = ? AND worker_id = ? ORDER BY sequence",
            run_id,
            worker,
        )
        assert [sequence for sequence, _, _ in taken] == list(range(1, len(taken) + 1)), "none is missing"
        times = [elapsed_s for _, elapsed_s, _ in taken]
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert max(gaps) < 5.0, f"{worker} took none for {max(gaps):.1f} s"
        assert times[-1] > 33.0
    assert "the store has been away for" in logs.text
    assert (back_at - cut_at).total_seconds() >= AWAY_S
    assert place.nothing_is_left(), place.leftovers()
