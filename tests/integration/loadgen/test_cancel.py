"""Cancelling what is in flight when a drain has taken too long."""

import threading

import psycopg
import pytest
from tests.integration.loadgen.test_event_loop import rig

from upperbound.domain.outcomes import Outcome
from upperbound.loadgen import event_loop
from upperbound.loadgen.event_loop import EventLoopExecutor
from upperbound.loadgen.opening import PARALLEL
from upperbound.testing.waiting import until

SLEEPING = (
    "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
)


def asleep(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as admin:
        return admin.execute(SLEEPING).rowcount


def test_every_query_in_flight_is_cancelled_and_recorded_as_that(fresh_database: str) -> None:
    load = rig(fresh_database, EventLoopExecutor, "SELECT pg_sleep(600)")
    load.start(40)
    until(lambda: asleep(fresh_database) == 40, "all queries are in flight")
    load.executor.stop()
    assert load.executor.cancel_in_flight() == 40
    records = load.finish()
    assert len(records) == 40
    assert (records["outcome"] == Outcome.STATEMENT_TIMEOUT).all()


def test_a_server_that_takes_no_request_does_not_hold_up_who_asks(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_loop, "CANCEL_TIMEOUT_S", 0.2)
    monkeypatch.setattr(event_loop, "CANCEL_ROUND_S", 0.1)
    asked: list[object] = []
    never = threading.Event()

    def nobody_listens(connection: object, *, timeout: float) -> None:
        asked.append(connection)
        never.wait(timeout)
        raise psycopg.errors.CancellationTimeout

    load = rig(fresh_database, EventLoopExecutor, "SELECT pg_sleep(600)")
    load.start(2 * PARALLEL)
    until(lambda: asleep(fresh_database) == 2 * PARALLEL, "all queries are in flight")
    with monkeypatch.context() as dead:
        dead.setattr(psycopg.Connection, "cancel_safe", nobody_listens)
        sent = load.executor.cancel_in_flight()
    assert 0 < sent == len(asked) <= PARALLEL
    load.executor.stop()
    assert load.executor.cancel_in_flight() == 2 * PARALLEL
    assert len(load.finish()) == 2 * PARALLEL
