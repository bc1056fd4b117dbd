"""Questions to a PostgreSQL server that change nothing there: what it can do, what time it has, how far away it is."""

import ipaddress
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from psycopg import pq, sql

from upperbound.clock import Clock
from upperbound.domain.clock_offset import ClockOffset, ClockSample, clock_offset
from upperbound.domain.histogram import Histogram
from upperbound.targets.capabilities import Connections, PostgresCapabilities, StatementStatistics, Transport
from upperbound.targets.pg_catalog import ServerFacts, server_facts
from upperbound.targets.pg_describe import Connection

EXTENSION: Final = "pg_stat_statements"
FLOOR_SECONDS: Final = 1.0
"""The longest that the latency floor is measured."""
FLOOR_QUERIES: Final = 2_000
"""The most queries it is measured with; p99 of fewer than 100 is not told."""
_CLOCK_SAMPLES: Final = 5

# Settings that a user may not see are NULL in pg_settings, where SHOW would be refused.
_SETTINGS: LiteralString = """
    SELECT name, setting FROM pg_settings WHERE name IN (
        'server_version_num', 'track_io_timing', 'compute_query_id', 'autovacuum', 'synchronous_commit',
        'full_page_writes', 'pg_stat_statements.max', 'pg_stat_statements.track_planning')
"""
_SESSION: LiteralString = """
    SELECT session_user, r.rolsuper, host(inet_server_addr()), host(inet_client_addr()),
        (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl),
        r.rolsuper OR pg_has_role('pg_read_all_stats', 'MEMBER')
    FROM pg_roles r WHERE r.rolname = session_user
"""
_EXTENSION: LiteralString = """
    SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = %(name)s),
        (SELECT extversion FROM pg_extension WHERE extname = %(name)s),
        (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = %(name)s)
"""


def read_capabilities(connection: Connection) -> PostgresCapabilities:
    """Ask the server what it can do; raises the driver's errors."""
    facts = server_facts(connection)
    settings: dict[str, str | None] = dict(connection.execute(_SETTINGS).fetchall())
    session = connection.execute(_SESSION).fetchone()
    assert session is not None, "a session has a role"
    user, superuser, server_address, client_address, tls_version, reads_all = session
    return PostgresCapabilities(
        version=facts.version,
        version_number=int(settings["server_version_num"] or 0),
        database=facts.database,
        user=user,
        superuser=superuser,
        transport=_transport(connection, server_address, client_address, tls_version),
        connections=_connections(facts),
        statements=_statements(connection, settings, reads_all=reads_all),
        track_io_timing=settings.get("track_io_timing") == "on",
        compute_query_id=settings.get("compute_query_id"),
        read_only=facts.read_only,
        autovacuum=settings.get("autovacuum") == "on",
        fsync=facts.fsync,
        synchronous_commit=settings.get("synchronous_commit") or "on",
        full_page_writes=settings.get("full_page_writes") == "on",
    )


def target_clock_offset(connection: Connection, clock: Clock) -> ClockOffset:
    """Return how far the server's clock is from this host's."""
    samples = []
    for _ in range(_CLOCK_SAMPLES):
        asked_at, started_ns = clock.utc_now(), clock.monotonic_ns()
        row = connection.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'").fetchone()
        ended_ns = clock.monotonic_ns()
        assert row is not None, "a SELECT without a table has a row"
        # Asked for without a zone, so that the session's own time zone has no say.
        answer = row[0].replace(tzinfo=asked_at.tzinfo)
        samples.append(ClockSample(asked_at, answer, (ended_ns - started_ns) / 1e9))
    return clock_offset(samples)


def latency_floor(connection: Connection, clock: Clock) -> Histogram:
    """Measure ``SELECT 1`` for at most :data:`FLOOR_SECONDS`, at least once, and return the latencies.

    No query of a run can be faster: this is the network, the server's protocol and the driver. Raises the driver's
    errors.
    """
    taken_us: list[int] = []
    started_ns = clock.monotonic_ns()
    deadline_ns = started_ns + int(FLOOR_SECONDS * 1e9)
    # libpq itself is asked, as the measuring loop does: the driver's Python would add its own time.
    libpq = connection.pgconn
    while not taken_us or (started_ns < deadline_ns and len(taken_us) < FLOOR_QUERIES):
        result = libpq.exec_(b"SELECT 1")
        ended_ns = clock.monotonic_ns()
        if result.status != pq.ExecStatus.TUPLES_OK:
            said = result.error_message.decode(errors="replace").strip() or "the connection was lost"
            raise psycopg.OperationalError(said)
        taken_us.append((ended_ns - started_ns + 500) // 1000)
        started_ns = ended_ns
    floor = Histogram()
    floor.record_many(np.array(taken_us, dtype=np.int64))
    return floor


def _transport(
    connection: Connection, server_address: str | None, client_address: str | None, tls_version: str | None
) -> Transport:
    # A path, or an abstract name: libpq itself tells the two kinds of address by their first character.
    socket = connection.info.host.startswith(("/", "@")) or server_address is None
    return Transport(
        kind="socket" if socket else "tcp",
        tls=bool(connection.pgconn.ssl_in_use),
        tls_version=tls_version,
        same_host=socket or server_address == client_address or _is_loopback(connection.info.hostaddr),
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _connections(facts: ServerFacts) -> Connections:
    return Connections(
        max_connections=facts.max_connections,
        reserved=facts.reserved_connections,
        used=facts.used_connections,
        user_limit=facts.role_limit if facts.role_limit >= 0 else None,
        user_used=facts.role_used,
        database_limit=facts.database_limit if facts.database_limit >= 0 else None,
        database_used=facts.database_used,
    )


def _statements(connection: Connection, settings: dict[str, Any], *, reads_all: bool) -> StatementStatistics:
    row = connection.execute(_EXTENSION, {"name": EXTENSION}).fetchone()
    assert row is not None, "a SELECT without a table has a row"
    available, installed, schema = row
    # The library defines its settings when the server starts with it; shared_preload_libraries is secret to most users.
    loaded = "pg_stat_statements.max" in settings
    planning = settings.get("pg_stat_statements.track_planning")
    reason = _unreadable_reason(connection, schema) if installed and loaded else ""
    return StatementStatistics(
        available=available,
        loaded=loaded,
        installed_version=installed,
        readable=bool(installed) and loaded and not reason,
        reads_all_users=reads_all,
        track_planning=planning == "on" if loaded else None,
        unreadable_reason=reason,
    )


def _unreadable_reason(connection: Connection, schema: str) -> str:
    query = sql.SQL("SELECT calls FROM {} LIMIT 1").format(sql.Identifier(schema, EXTENSION))
    try:
        connection.execute(query)
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError as error:
        return error.diag.message_primary or "the view cannot be read"
    return ""
