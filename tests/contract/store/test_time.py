"""Times are the store's and UTC: no time zone of a session, a role, a host or a driver enters."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
import sqlalchemy as sa

from upperbound.clock import SystemClock
from upperbound.domain.run_state import RunStatus
from upperbound.store.engine import Store, open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.runs import NewRun

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

FAR = ("America/Los_Angeles", "Asia/Kolkata")


@pytest.fixture(params=["host", "session", "database"])
def far_store(request: pytest.FixtureRequest, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that is used from far away: the host's zone, the session's, or the database's is another one."""
    zone = FAR[0]
    if request.param == "host":
        monkeypatch.setenv("TZ", zone)
    elif request.param == "session":
        monkeypatch.setenv("PGTZ", zone)
    elif store_url.startswith("postgresql"):
        with psycopg.connect(store_url, autocommit=True) as admin:
            name = urlsplit(store_url).path.removeprefix("/")
            admin.execute(f"ALTER DATABASE {name} SET timezone = '{zone}'".encode())
            admin.execute(f"ALTER DATABASE {name} SET datestyle = 'German'".encode())
    time.tzset()
    with open_store(store_url) as store:
        if store_url.startswith("postgresql") and request.param != "host":
            with store._database.connection() as connection:
                assert connection.execute(sa.text("SHOW timezone")).scalar_one() == zone
        yield store
    monkeypatch.undo()
    time.tzset()


def test_a_store_far_away_has_the_same_time(
    far_store: Store,
    store_url: str,
    new_run: Callable[..., NewRun],
    heartbeat: Callable[..., Heartbeat],
) -> None:
    now = far_store.now()
    assert now.tzinfo is UTC
    assert abs(now - SystemClock().utc_now()) < timedelta(seconds=5)
    far_store.runs.create(new_run())
    assert far_store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    assert far_store.runs.mark_running("run-1", 5)
    assert far_store.runs.acquire_lease("run-1", "me", 60)
    far_store.heartbeats.upsert(heartbeat())
    with open_store(store_url) as other:
        for store in (far_store, other):
            run = store.runs.get("run-1")
            assert run.start_time is not None
            assert run.start_time.tzinfo is UTC
            assert timedelta(0) <= run.start_time - now < timedelta(seconds=30)
            assert run.elapsed_s is not None
            assert 0 <= run.elapsed_s < 30, "a 20 s run once showed 28,810 s"
            assert run.lease_remaining_s is not None
            assert 30 < run.lease_remaining_s <= 60
            assert not store.runs.acquire_lease("run-1", "another", 60)
            assert 0 <= store.heartbeats.list("run-1")[0].age_s < 30


def test_the_end_of_summer_time_is_no_hour_in_a_plan(
    clocked_store: Store, clock: "SetClock", new_run: Callable[..., NewRun], store_url: str
) -> None:
    if store_url.startswith("postgresql"):
        with clocked_store._database.connection() as connection:
            connection.execute(sa.text(f"SET TIME ZONE '{FAR[0]}'"))
    # Clocks in Los Angeles go from 02:00 back to 01:00 at 09:00 UTC.
    clock.moment = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
    clocked_store.runs.create(new_run())
    assert clocked_store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    assert clocked_store.runs.mark_running("run-1", 3600.25)
    clock.advance(3601)
    run = clocked_store.runs.get("run-1")
    assert run.start_time is not None
    assert run.warmup_end_time == run.start_time + timedelta(seconds=3600.25)
    assert run.elapsed_s == 3601.0


@pytest.mark.parametrize("seconds", [0.001, 0.25, 59.9995, 60.0, 86_400.5, 10_000_000.125])
def test_durations_are_exact_to_the_millisecond(
    clocked_store: Store, clock: "SetClock", new_run: Callable[..., NewRun], seconds: float
) -> None:
    clock.moment = datetime(2026, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    clocked_store.runs.create(new_run())
    clock.advance(seconds)
    assert clocked_store.runs.get("run-1").status_age_s == pytest.approx(seconds, abs=0.0011)


def test_the_clock_goes_on_within_a_process(store: Store) -> None:
    moments = [store.now() for _ in range(20)]
    assert moments == sorted(moments)


def test_a_time_without_a_zone_is_refused(clocked_store: Store, clock: "SetClock") -> None:
    clock.moment = datetime(2026, 1, 1)  # noqa: DTZ001 - the mistake under test
    with pytest.raises(Exception, match="needs a time zone"):
        clocked_store.now()
