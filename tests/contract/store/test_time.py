"""Times are the store's and UTC: no time zone of a session, a role, a host or a driver enters."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import psycopg
import pytest
import sqlalchemy as sa

from upperbound.clock import SystemClock
from upperbound.domain.events import EventType
from upperbound.domain.run_state import RunStatus
from upperbound.store.engine import Store, open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.runs import NewRun

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

ZONES = ("America/Los_Angeles", "Asia/Kolkata", "UTC")
HOST_ZONE = "America/St_Johns"
"""Another one than any of the above, and half an hour off the hours of most."""
SUMMER_ENDS = {
    "America/Los_Angeles": datetime(2026, 11, 1, 9, 0, tzinfo=UTC),
    HOST_ZONE: datetime(2026, 11, 1, 4, 30, tzinfo=UTC),
}
"""When clocks go back from 02:00 to 01:00, so that every local time of the hour before comes twice."""


class Far(NamedTuple):
    """Where a time zone is set, and which."""

    where: str
    zone: str


@pytest.fixture(params=[Far(where, zone) for zone in ZONES for where in ("host", "session", "database")], ids=str)
def far(request: pytest.FixtureRequest, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """Set a zone for this host, for its sessions or for the store's database; in the latter two the host has another.

    SQLite has sessions without a zone, so that the host's is the only one there is.
    """
    far: Far = request.param
    if store_url.startswith("snowflake") and far != Far("host", ZONES[0]):
        pytest.skip("not applicable: sessions of a Snowflake store set their zone themselves; one host's zone is tried")
    postgres = store_url.startswith("postgresql")
    if far.where != "host" and not postgres:
        far = Far("host", far.zone)
    if far.where == "session":
        monkeypatch.setenv("PGTZ", far.zone)
    elif far.where == "database":
        with psycopg.connect(store_url, autocommit=True) as admin:
            name = urlsplit(store_url).path.removeprefix("/")
            admin.execute(f"ALTER DATABASE {name} SET timezone = '{far.zone}'".encode())
            admin.execute(f"ALTER DATABASE {name} SET datestyle = 'German'".encode())
    monkeypatch.setenv("TZ", far.zone if far.where == "host" else HOST_ZONE)
    time.tzset()
    yield far
    monkeypatch.undo()
    time.tzset()


def assert_is_far(store: Store, far: Far) -> None:
    """Check that the zone has come to where the times are."""
    assert (
        datetime(2026, 7, 1, 12, tzinfo=UTC).astimezone().utcoffset()
        == datetime(2026, 7, 1, 12, tzinfo=ZoneInfo(far.zone if far.where == "host" else HOST_ZONE)).utcoffset()
    )
    if far.where != "host":
        with store._database.connection() as connection:
            assert connection.execute(sa.text("SHOW timezone")).scalar_one() == far.zone


def test_a_store_far_away_has_the_same_time(
    far: Far,
    store_url: str,
    new_run: Callable[..., NewRun],
    heartbeat: Callable[..., Heartbeat],
) -> None:
    with open_store(store_url) as far_store, open_store(store_url) as other:
        assert_is_far(far_store, far)
        now = far_store.now()
        assert now.tzinfo is UTC
        assert abs(now - SystemClock().utc_now()) < timedelta(seconds=5)
        far_store.runs.create(new_run())
        assert far_store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        assert far_store.runs.mark_running("run-1", 5)
        assert far_store.runs.acquire_lease("run-1", "me", 60)
        far_store.heartbeats.upsert(heartbeat())
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


@pytest.mark.parametrize("summer_ends", SUMMER_ENDS.values(), ids=SUMMER_ENDS)
def test_an_hour_that_local_clocks_show_twice_changes_no_order_and_no_duration(
    far: Far,
    summer_ends: datetime,
    store_url: str,
    clock: "SetClock",
    new_run: Callable[..., NewRun],
    heartbeat: Callable[..., Heartbeat],
) -> None:
    quarters = [timedelta(minutes=minutes) for minutes in range(-60, 75, 15)]
    with open_store(store_url, now=clock.expression) as store:
        assert_is_far(store, far)
        for number, quarter in enumerate(quarters):
            clock.moment = summer_ends + quarter
            store.runs.create(new_run(f"run-{number}"))
            store.events.append("run-0", EventType.SET_PHASE, {"number": number})
        listed = store.runs.list()
        assert [run.run_id for run in listed] == [f"run-{number}" for number in reversed(range(len(quarters)))]
        assert [run.created_at for run in reversed(listed)] == [summer_ends + quarter for quarter in quarters]
        assert [run.status_age_s for run in reversed(listed)] == [
            3600 - quarter.total_seconds() for quarter in quarters
        ]
        events = store.events.after("run-0")
        assert [event.data["number"] for event in events] == list(range(len(quarters)))
        assert [event.created_at for event in events] == [summer_ends + quarter for quarter in quarters]

        clock.moment = summer_ends - timedelta(minutes=30)
        assert store.runs.transition("run-0", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        assert store.runs.mark_running("run-0", 3600.25)
        assert store.runs.acquire_lease("run-0", "me", 3700)
        store.heartbeats.upsert(heartbeat(run_id="run-0"))
        clock.advance(3601)
        run = store.runs.get("run-0")
        assert run.start_time == summer_ends - timedelta(minutes=30)
        assert run.warmup_end_time == run.start_time + timedelta(seconds=3600.25)
        assert (run.elapsed_s, run.lease_remaining_s) == (3601.0, 99.0)
        assert store.heartbeats.list("run-0")[0].age_s == 3601.0
        assert not store.runs.acquire_lease("run-0", "another", 60)
        clock.advance(99)
        assert store.runs.acquire_lease("run-0", "another", 60), "a lease of an hour is no two hours long"


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
