"""Trying a store out leaves it as it was."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from upperbound.clock import SystemClock
from upperbound.domain.allocation import WorkerPlan
from upperbound.domain.diagnosis import CheckStatus
from upperbound.errors import StoreError, StoreNotMigrated
from upperbound.orchestrator.diagnosis.store import check_store_at
from upperbound.orchestrator.host_facts import HostFacts
from upperbound.orchestrator.start_checks import start_warnings, store_clock_offset
from upperbound.scenario.loader import load_scenario
from upperbound.store.engine import Store, init_store
from upperbound.store.migrate import HEAD_REVISION
from upperbound.store.probe import look_at_store, try_write
from upperbound.testing.manual_clock import ManualClock

CLOCK = SystemClock()


def statuses(url: str) -> dict[str, CheckStatus]:
    return {check.name: check.status for check in check_store_at(url, CLOCK)}


def test_a_store_that_is_well_is_said_to_be(store_url: str) -> None:
    assert set(statuses(store_url).values()) == {CheckStatus.OK}


def test_what_was_tried_is_taken_back(store: Store, store_url: str) -> None:
    assert try_write(store_url, CLOCK) > 0
    assert store.runs.list(limit=10, offset=0) == []


def test_looking_makes_nothing(empty_store_url: str) -> None:
    state = look_at_store(empty_store_url)
    assert state.revision is None
    assert not state.is_current
    path = Path(empty_store_url.removeprefix("sqlite:///"))
    assert state.exists is not empty_store_url.startswith("sqlite")
    assert not path.exists()


def test_a_store_without_tables_says_who_makes_them(empty_store_url: str) -> None:
    found = {check.name: check for check in check_store_at(empty_store_url, CLOCK)}
    if empty_store_url.startswith("sqlite"):
        assert "the first run makes it" in found["reachable"].found
        assert found["tables"].status is CheckStatus.SKIPPED
    else:
        assert found["tables"].status is CheckStatus.FAILED
        assert "upperbound store init" in found["tables"].advice
    assert found["write"].status is CheckStatus.SKIPPED
    assert not any(check.unreachable for check in found.values())


def test_writing_where_there_are_no_tables_is_refused(empty_store_url: str) -> None:
    with pytest.raises(StoreNotMigrated):
        try_write(empty_store_url, CLOCK)


def test_a_current_store_has_the_newest_revision(store_url: str) -> None:
    assert look_at_store(store_url).revision == HEAD_REVISION


def test_a_store_on_this_host_has_its_clock(store: Store) -> None:
    assert abs(store_clock_offset(store, CLOCK).offset_s) < 0.5


def test_a_run_is_told_of_a_small_disk_and_of_a_stores_clock_that_differs(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, plan, facts = load_scenario("demo").scenario, WorkerPlan((8, 8)), HostFacts(2.0, 2**34, 1024)
    behind = ManualClock(CLOCK.utc_now() - timedelta(minutes=10))

    def told(clock: SystemClock | ManualClock) -> tuple[str, ...]:
        return start_warnings(store, clock, home=tmp_path, scenario=scenario, plan=plan, facts=facts)

    monkeypatch.setattr("upperbound.orchestrator.log_space.QUERIES_PER_CORE_S", 1)
    assert told(CLOCK) == ()
    # The clock of a file is the host's own, wherever a test sets that.
    assert len(told(behind)) == (store.dialect != "sqlite")
    monkeypatch.setattr("upperbound.orchestrator.log_space.QUERIES_PER_CORE_S", 10**12)
    assert "the query log may need up to" in told(CLOCK)[0]


def test_a_user_who_may_only_read_a_postgresql_store_is_told(
    fresh_database: str, request: pytest.FixtureRequest
) -> None:
    init_store(fresh_database)
    name = fresh_database.rpartition("/")[2].replace("test_", "reader_")
    with psycopg.connect(fresh_database, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'reader'")
        request.addfinalizer(lambda: _drop(fresh_database, name))
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    url = f"postgresql://{name}:reader@{fresh_database.rpartition('@')[2]}"
    with pytest.raises(StoreError, match="permission denied"):
        try_write(url, CLOCK)
    found = {check.name: check for check in check_store_at(url, CLOCK)}
    assert found["tables"].status is CheckStatus.OK
    assert found["write"].status is CheckStatus.FAILED
    assert "grant" in found["write"].advice


def _drop(url: str, role: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")
