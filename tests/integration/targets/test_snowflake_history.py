"""The history of a run's statements, read from an emulated account: complete, once each, and of the run alone."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.emulators.handle import SnowflakeDatabase

from upperbound.clock import SystemClock
from upperbound.domain.phases import Phase
from upperbound.errors import TargetMismatch, TargetUnreachable
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets.blocking import BlockingStatement
from upperbound.targets.sf_connection import SnowflakeInfo
from upperbound.targets.sf_history import ENRICHMENT_TAG, PAGE_ROWS, STATEMENTS, SnowflakeHistory, StatementPage
from upperbound.targets.sf_sessions import SnowflakeSessions, query_tag
from upperbound.targets.sf_target import snowflake_info

RUN = "run-1"
TAG = query_tag(RUN, "worker-0", Phase.MEASUREMENT)
TEXT = "/* UB_KIND=POINT_LOOKUP */ SELECT 1"
T0 = SystemClock().utc_now().replace(microsecond=0) - timedelta(hours=1)
END = T0 + timedelta(minutes=30)


@pytest.fixture
def info(snowflake: SnowflakeDatabase, tmp_path: Path) -> SnowflakeInfo:
    (tmp_path / "connections.toml").write_text(snowflake.connections_toml("bench"))
    target = SnowflakeTarget(connection_name="bench")
    return snowflake_info(target, purpose="upperbound:test", environment={"SNOWFLAKE_HOME": str(tmp_path)})


@pytest.fixture
def history(info: SnowflakeInfo) -> Iterator[SnowflakeHistory]:
    reader = SnowflakeHistory(info, RUN)
    yield reader
    reader.close()


def record(after_ms: float, **more: Any) -> dict[str, Any]:
    """A statement of the run that ended some time after T0."""
    start = T0 + timedelta(milliseconds=after_ms)
    return {"query_tag": TAG, "query_text": TEXT, "start_time": start.isoformat()} | more


def read(history: SnowflakeHistory, start: datetime = T0, end: datetime = END) -> tuple[pa.Table, list[StatementPage]]:
    pages = list(history.statements(start, end))
    return pa.concat_tables([page.rows for page in pages]), pages


def ids(rows: pa.Table) -> list[str]:
    found: list[str] = rows.column("server_query_id").to_pylist()
    return found


def test_statements_are_told_with_all_that_the_server_knows_of_them(
    snowflake: SnowflakeDatabase, history: SnowflakeHistory
) -> None:
    known = str(uuid.uuid4())
    times = {"elapsed_ms": 100, "queued_ms": 20, "provisioning_ms": 10, "repair_ms": 5, "blocked_ms": 3}
    failed = {
        "error_code": 604,
        "error_message": "canceled",
        "query_text": "/* UB_KIND=INSERT */ INSERT",
        "rows_produced": 0,
    }
    snowflake.add_history(
        [
            record(1000, query_id=known, compilation_ms=2, bytes_scanned=4096, cluster_number=2, **times),
            record(2000, query_tag=query_tag(RUN, "worker-1", Phase.WARMUP), elapsed_ms=7, **failed),
        ]
    )
    rows, _ = read(history)
    assert rows.schema == STATEMENTS
    second, first = rows.to_pylist()
    assert first == {
        "server_query_id": known,
        "worker_id": "worker-0",
        "phase": "MEASUREMENT",
        "kind": "POINT_LOOKUP",
        "status": "SUCCESS",
        "error_code": None,
        "started_at": T0 + timedelta(seconds=1),
        "elapsed_ms": 100,
        "execution_ms": 60,
        "compilation_ms": 2,
        "overload_ms": 20,
        "provisioning_ms": 10,
        "repair_ms": 5,
        "blocked_ms": 3,
        "cluster_number": 2,
        "warehouse_size": "X-Small",
        "rows_produced": 1,
        "bytes_scanned": 4096,
        "cache_pct": None,
    }
    assert (second["worker_id"], second["phase"], second["kind"]) == ("worker-1", "WARMUP", "INSERT")
    assert (second["status"], second["error_code"], second["rows_produced"]) == ("FAIL", "000604", 0)


def test_what_the_warehouse_had_at_hand_is_told_by_an_account_that_tells_it(
    snowflake: SnowflakeDatabase, history: SnowflakeHistory
) -> None:
    snowflake.settings(history_tells_cache=True)
    snowflake.add_history([record(0, cache_pct=87.5)])
    assert read(history)[0].column("cache_pct").to_pylist() == [87.5]


def test_only_the_workload_of_the_run_itself_is_read(snowflake: SnowflakeDatabase, history: SnowflakeHistory) -> None:
    mine = str(uuid.uuid4())
    begin = {"query_text": "/* UB_KIND=POINT_LOOKUP */ BEGIN", "query_type": "BEGIN_TRANSACTION"}
    snowflake.add_history(
        [
            record(0, query_id=mine),
            record(1, query_tag=f"upperbound:run_id={RUN}0:worker=worker-0:phase=RUNNING"),
            record(2, query_tag=f"upperbound:run_id={RUN}:control"),
            record(3, query_tag=""),
            record(4, **begin),
            record(5, query_text="ALTER SESSION SET QUERY_TAG = 'x'", query_type="ALTER_SESSION"),
            record(-60_000),
        ]
    )
    assert ids(read(history)[0]) == [mine]


def test_real_sessions_are_found_by_their_tags_and_ids(
    snowflake: SnowflakeDatabase, info: SnowflakeInfo, history: SnowflakeHistory
) -> None:
    sessions = SnowflakeSessions(info, RUN, "worker-0")
    session = sessions.connect()
    executed = []
    for phase in (Phase.WARMUP, Phase.MEASUREMENT):
        session.enter(phase)
        session.execute(BlockingStatement("/* UB_KIND=POINT_LOOKUP */ BEGIN", counts=False), ())
        session.execute(BlockingStatement(TEXT), ())
        executed.append((str(uuid.UUID(bytes=session.take_statement_id())), phase.value))
        session.execute(BlockingStatement("/* UB_KIND=POINT_LOOKUP */ COMMIT", counts=False), ())
    session.close()
    sessions.close()
    now = history.now()
    rows, _ = read(history, now - timedelta(minutes=5), now + timedelta(seconds=1))
    told = zip(ids(rows), rows.column("phase").to_pylist(), strict=True)
    assert sorted(told) == sorted(executed)
    reading = [one for one in snowflake.statements("QUERY_HISTORY") if one["query_tag"] == ENRICHMENT_TAG]
    assert reading, "reading the history is tagged as what it is"


def test_times_are_the_same_moments_whatever_zone_they_are_given_in(
    snowflake: SnowflakeDatabase, history: SnowflakeHistory
) -> None:
    from zoneinfo import ZoneInfo

    snowflake.add_history([record(0), record(60_000)])
    zone = ZoneInfo("America/Los_Angeles")
    rows, _ = read(history, (T0 + timedelta(seconds=30)).astimezone(zone), END.astimezone(zone))
    assert rows.column("started_at").to_pylist() == [T0 + timedelta(minutes=1)]
    assert abs(history.now() - SystemClock().utc_now()) < timedelta(minutes=1)
    assert history.now().tzinfo is UTC


def test_more_than_a_page_is_read_once_each_over_borders_that_fall_into_a_millisecond(
    snowflake: SnowflakeDatabase, history: SnowflakeHistory
) -> None:
    # Seven statements end in each millisecond, so that no border of a page falls between two of them.
    many = [record(number // 7, query_id=str(uuid.uuid4())) for number in range(2 * PAGE_ROWS + 2000)]
    snowflake.add_history(many)
    rows, pages = read(history)
    assert len(pages) == 3
    assert sorted(ids(rows)) == sorted(one["query_id"] for one in many)
    assert all(page.crowded_at is None for page in pages)


def test_statements_of_others_fill_pages_and_are_not_those_of_the_run(
    snowflake: SnowflakeDatabase, history: SnowflakeHistory
) -> None:
    mine = [record(10 * number, query_id=str(uuid.uuid4())) for number in (0, 1050)]
    others = [record(number, query_tag="somebody else's") for number in range(PAGE_ROWS + 500)]
    snowflake.add_history([*others, *mine])
    rows, pages = read(history)
    assert pages[0].account_rows == PAGE_ROWS
    assert sorted(ids(rows)) == sorted(one["query_id"] for one in mine)


def test_a_millisecond_with_more_statements_than_a_page_is_told_of_and_passed(
    snowflake: SnowflakeDatabase, history: SnowflakeHistory
) -> None:
    crowd = [record(1000) for _ in range(PAGE_ROWS + 100)]
    early, late = record(0, query_id=str(uuid.uuid4())), record(5000, query_id=str(uuid.uuid4()))
    snowflake.add_history([*crowd, early, late])
    rows, pages = read(history)
    assert {early["query_id"], late["query_id"]} <= set(ids(rows)), "what came before and after is not lost"
    assert [page.crowded_at for page in pages if page.crowded_at] == [T0 + timedelta(seconds=1)]
    assert len(ids(rows)) == len(set(ids(rows)))
    assert PAGE_ROWS <= rows.num_rows < PAGE_ROWS + 102


def test_minutes_have_what_the_history_omits(snowflake: SnowflakeDatabase, history: SnowflakeHistory) -> None:
    snowflake.settings(omit_hybrid_below_ms=500)
    minute = T0.replace(second=0) + timedelta(minutes=5)
    short = [
        record((minute - T0).total_seconds() * 1000 + number, hybrid_only=True, elapsed_ms=number)
        for number in range(1, 11)
    ]
    control = record(0, query_text="/* UB_KIND=POINT_LOOKUP */ COMMIT", query_type="COMMIT")
    snowflake.add_history([*short, control, record(0, query_tag="other")])
    assert read(history)[0].num_rows == 0
    (told,) = history.minutes(T0, END)
    assert (told.start, told.calls, told.kind, told.phase) == (minute, 10, "POINT_LOOKUP", Phase.MEASUREMENT)
    assert told.elapsed is not None
    assert (told.elapsed.sum_ms, told.elapsed.min_ms, told.elapsed.max_ms, told.elapsed.median_ms) == (55, 1, 10, 5.5)


def test_minutes_come_when_the_usage_of_the_account_has_caught_up(
    snowflake: SnowflakeDatabase, history: SnowflakeHistory
) -> None:
    snowflake.add_history([record(0)])
    snowflake.settings(usage_delay_s=3 * 3600)
    assert history.minutes(T0, END) == []
    snowflake.settings(usage_delay_s=0)
    assert [minute.calls for minute in history.minutes(T0, END)] == [1]


def test_a_history_that_may_not_be_read_is_a_refusal(snowflake: SnowflakeDatabase, history: SnowflakeHistory) -> None:
    snowflake.fault("error", code=2003, sqlstate="02000", pattern="ACCOUNT_USAGE", message="not authorized")
    with pytest.raises(TargetMismatch, match="not authorized"):
        history.minutes(T0, END)
    assert read(history)[0].num_rows == 0, "the session goes on"


def test_after_a_session_that_broke_another_one_is_opened(
    snowflake: SnowflakeDatabase, history: SnowflakeHistory
) -> None:
    history.now()
    snowflake.expire_tokens(master=True)
    with pytest.raises(TargetUnreachable):
        history.now()
    assert history.now().tzinfo is UTC
