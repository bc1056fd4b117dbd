"""Two hundred connections to an emulated account: how many logins there are at once, and what comes of failed ones."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests.emulators.handle import SnowflakeDatabase
from tests.unit.loadgen.blocking_server import Sink

from upperbound.domain.sharding import Shard
from upperbound.errors import TargetUnreachable
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.opening import PARALLEL
from upperbound.loadgen.thread_executor import ThreadExecutor
from upperbound.loadgen.thread_opening import ATTEMPTS
from upperbound.querylog.records import RECORD
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets.blocking import BlockingOperation, BlockingStatement
from upperbound.targets.snowflake import SnowflakeSessions, snowflake_info
from upperbound.testing.waiting import until
from upperbound.workload.streams import OperationPlan, Workload

CONNECTIONS = 200
NO_ROOM = {"place": "login", "code": 90_073, "message": "there is no room for a session"}
"""A login that fails and may succeed later; one that is refused for who asks is not tried again."""


@pytest.fixture
def executor(snowflake: SnowflakeDatabase, tmp_path: Path) -> Iterator[ThreadExecutor]:
    """An executor on the emulated account, each of whose logins takes 100 ms, so that those at once can be seen."""
    (tmp_path / "connections.toml").write_text(snowflake.connections_toml("bench"))
    info = snowflake_info(
        SnowflakeTarget(connection_name="bench"), purpose="test", environment={"SNOWFLAKE_HOME": str(tmp_path)}
    )
    sessions = SnowflakeSessions(info, "run-1", "worker-0")
    workload = Workload([OperationPlan(Decimal(100), ())], seed=1)
    made = ThreadExecutor(
        operations=[BlockingOperation((BlockingStatement("SELECT 1"),))],
        stream=lambda thread: workload.stream(Shard(0, 1, thread, CONNECTIONS)),
        connect=sessions.connect,
        cancel=sessions.cancel,
        sink=Sink(),
        errors=ErrorTable(),
        buffer_bytes=64 * RECORD.size,
    )
    snowflake.fault("latency", place="login", delay_ms=100)
    yield made
    made.close()
    sessions.close()
    until(lambda: snowflake.counts()["open"] == 0, "every session to be closed")


def test_two_hundred_connections_are_opened_a_bounded_number_at_a_time_and_each_is_reported(
    snowflake: SnowflakeDatabase, executor: ThreadExecutor
) -> None:
    told: list[int] = []
    executor.open(CONNECTIONS, told.append)
    counts = snowflake.counts()
    assert (executor.active_threads, counts["open"]) == (CONNECTIONS, CONNECTIONS)
    assert told == list(range(1, CONNECTIONS + 1))
    assert 8 < counts["most_logging_in"] <= PARALLEL, "8 at a time would take four times as long"


def test_five_logins_that_fail_at_first_are_tried_again(snowflake: SnowflakeDatabase, executor: ThreadExecutor) -> None:
    fault = snowflake.fault("error", **NO_ROOM, skip=50, times=5)
    executor.open(CONNECTIONS, lambda _: None)
    counts = snowflake.counts()
    assert (executor.active_threads, counts["open"]) == (CONNECTIONS, CONNECTIONS)
    assert counts["most_logging_in"] <= PARALLEL, "those that are tried again wait for room as well"
    assert snowflake.strikes(fault) == 5


def test_five_logins_that_go_on_failing_are_one_error_that_says_how_many_and_why(
    snowflake: SnowflakeDatabase, executor: ThreadExecutor
) -> None:
    fault = snowflake.fault("error", **NO_ROOM, skip=CONNECTIONS - 5)
    with pytest.raises(TargetUnreachable) as caught:
        executor.open(CONNECTIONS, lambda _: None)
    assert caught.value.message.startswith(
        f"of 200 connections 195 could be opened and 5 could not, in up to {ATTEMPTS} attempts each: "
    )
    assert "there is no room for a session" in caught.value.message
    assert caught.value.hint
    # One of them has been tried three times, each of the others at least once.
    assert ATTEMPTS + 4 <= snowflake.strikes(fault) <= ATTEMPTS * 5


def test_an_account_that_has_no_room_for_more_is_not_asked_for_every_further_connection(
    snowflake: SnowflakeDatabase, executor: ThreadExecutor
) -> None:
    fault = snowflake.fault("error", **NO_ROOM)
    with pytest.raises(TargetUnreachable, match=r"of 200 connections 0 could be opened and \d+ could not") as caught:
        executor.open(CONNECTIONS, lambda _: None)
    assert "were not tried any more" in caught.value.message
    assert snowflake.strikes(fault) < CONNECTIONS
