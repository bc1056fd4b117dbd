"""What a server is asked by the doctor, and that it is left as it was."""

import secrets
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from upperbound.clock import SystemClock
from upperbound.domain.diagnosis import Check, CheckStatus
from upperbound.orchestrator.diagnosis.target import NAMES, check_target
from upperbound.scenario.loader import load_scenario
from upperbound.targets.embedded.dataset import create_orders
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.pg_doctor import FLOOR_QUERIES, latency_floor, read_capabilities, target_clock_offset
from upperbound.targets.postgres import ConnInfo, open_connection, preflight
from upperbound.testing.manual_clock import ManualClock

CLOCK = SystemClock()


@pytest.fixture
def user(embedded_server: EmbeddedServer) -> Iterator[str]:
    """A user without any privilege beyond the public ones, and with room for three connections."""
    name = f"plain_{secrets.token_hex(6)}"
    with psycopg.connect(embedded_server.url_with_password(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'plain' CONNECTION LIMIT 3")
        yield name
        admin.execute(f"DROP ROLE {name}")


def as_user(url: str, user: str) -> ConnInfo:
    return ConnInfo(f"postgresql://{user}:plain@{url.rpartition('@')[2]}")


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_the_capabilities_of_the_embedded_server(embedded_server: EmbeddedServer) -> None:
    with open_connection(ConnInfo(embedded_server.url_with_password())) as connection:
        found = read_capabilities(connection)
    assert found.version_number == int(found.version.replace(".", "000"))
    assert found.supported
    assert (found.user, found.database, found.superuser) == ("postgres", "postgres", True)
    assert found.transport.kind == "tcp"
    assert found.transport.same_host
    assert not found.transport.tls
    assert found.connections.max_connections == 100
    assert found.statements.loaded
    assert found.statements.readable
    assert found.track_io_timing
    assert (found.fsync, found.synchronous_commit, found.full_page_writes) == (False, "off", False)
    assert found.autovacuum


def test_a_socket_is_on_the_same_host(embedded_server: EmbeddedServer) -> None:
    folder = str(embedded_server.socket_dir)
    password = embedded_server.password.get_secret_value()
    url = f"postgresql:///postgres?host={folder}&port={embedded_server.port}&user=postgres&password={password}"
    with open_connection(ConnInfo(url)) as connection:
        transport = read_capabilities(connection).transport
    assert (transport.kind, transport.same_host) == ("socket", True)


def test_a_user_without_privileges_is_told_what_it_may(fresh_database: str, user: str) -> None:
    with open_connection(as_user(fresh_database, user)) as connection:
        found = read_capabilities(connection)
    assert not found.superuser
    assert found.connections.user_limit == 3
    assert found.connections.free[0] <= 3
    assert found.statements.available
    assert found.statements.loaded
    assert found.statements.installed_version is None
    assert not found.statements.readable
    assert not found.statements.reads_all_users
    assert found.statements.track_planning is False


def test_a_view_that_is_closed_to_the_user_is_told_with_the_servers_reason(fresh_database: str, user: str) -> None:
    with open_connection(ConnInfo(fresh_database)) as admin:
        admin.execute("CREATE SCHEMA closed")
        admin.execute("CREATE EXTENSION pg_stat_statements SCHEMA closed")
    with open_connection(as_user(fresh_database, user)) as connection:
        statements = read_capabilities(connection).statements
    assert statements.installed_version is not None
    assert not statements.readable
    assert statements.unreadable_reason == "permission denied for schema closed"


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Kolkata", "UTC"])
def test_the_clocks_of_one_host_agree_whatever_the_sessions_time_zone(fresh_database: str, zone: str) -> None:
    with open_connection(ConnInfo(fresh_database)) as connection:
        connection.execute(f"SET timezone = '{zone}'")
        found = target_clock_offset(connection, CLOCK)
    assert abs(found.offset_s) < 0.5
    assert not found.is_large


def test_a_host_whose_clock_is_behind_sees_the_server_ahead(fresh_database: str) -> None:
    host = ManualClock(CLOCK.utc_now() - timedelta(minutes=3))
    with open_connection(ConnInfo(fresh_database)) as connection:
        found = target_clock_offset(connection, host)
    assert found.offset_s == pytest.approx(180, abs=2)
    assert "ahead of" in str(found)


def test_the_latency_floor_is_measured_within_its_time(fresh_database: str) -> None:
    started_ns = CLOCK.monotonic_ns()
    with open_connection(ConnInfo(fresh_database)) as connection:
        floor = latency_floor(connection, CLOCK)
    assert 1 <= floor.total <= FLOOR_QUERIES
    assert 0 < floor.percentile_us(50) < 1_000_000
    assert CLOCK.monotonic_ns() - started_ns < 5e9


def test_a_connection_that_is_lost_while_it_is_asked_skips_the_rest(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(connection: psycopg.Connection[tuple[object, ...]]) -> None:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr("upperbound.orchestrator.diagnosis.target.read_capabilities", lose)
    found = by_name(check_target(ConnInfo(fresh_database), CLOCK, None, None).checks)
    assert found["reachable"].status is CheckStatus.FAILED
    assert found["reachable"].unreachable
    assert found["clock"].found == "the connection was lost"
    assert {check.status for name, check in found.items() if name != "reachable"} == {CheckStatus.SKIPPED}


def test_every_check_is_made_and_a_scenario_that_does_not_fit_is_told_with_each_problem(fresh_database: str) -> None:
    with open_connection(ConnInfo(fresh_database)) as admin:
        create_orders(admin, rows=100, seed=1)
    changes = ["target={kind: postgres, url: postgresql://127.0.0.1/x, table: public.ordres}", "scaling={mode: AUTO}"]
    scenario = load_scenario("demo", [*changes, "load.threads=5000"]).scenario
    diagnosis = check_target(ConnInfo(fresh_database), CLOCK, scenario, 5000)
    found = by_name(diagnosis.checks)
    assert set(found) == {"reachable", *NAMES}
    assert found["connections"].status is CheckStatus.FAILED
    assert "5,000 asked for" in found["connections"].found
    fits = found["scenario fits"]
    assert fits.status is CheckStatus.FAILED
    assert "there is no table public.ordres" in fits.found
    assert "did you mean public.orders?" in fits.advice
    assert found["latency floor"].status is CheckStatus.OK
    assert diagnosis.latency_floor_s > 0


def test_a_preflight_with_a_clock_warns_of_a_difference(fresh_database: str) -> None:
    with open_connection(ConnInfo(fresh_database)) as admin:
        create_orders(admin, rows=100, seed=1)
    scenario = load_scenario("demo").scenario
    info = ConnInfo(fresh_database)
    behind = ManualClock(CLOCK.utc_now() - timedelta(hours=1))
    told = [warning for warning in preflight(info, scenario, 2, clock=behind).warnings if "clock" in warning]
    assert len(told) == 1
    assert "the target's clock is 3,600" in told[0]
    assert not any("clock" in warning for warning in preflight(info, scenario, 2, clock=CLOCK).warnings)
