"""What a server's settings mean for a measurement."""

from typing import Final

from upperbound.domain.diagnosis import CheckList
from upperbound.targets.capabilities import PostgresCapabilities

TRANSPORT: Final = "encryption"
SHARED: Final = "shared host"
STATEMENTS: Final = "pg_stat_statements"
IO_TIMING: Final = "track_io_timing"
PLANNING: Final = "track_planning"
QUERY_ID: Final = "compute_query_id"
MAINTENANCE: Final = "autovacuum"
DURABILITY: Final = "durability"
NAMES: Final = (TRANSPORT, SHARED, STATEMENTS, IO_TIMING, PLANNING, QUERY_ID, MAINTENANCE, DURABILITY)

_PRELOAD: Final = "add it to shared_preload_libraries and restart the server"
_RELOAD: Final = "SELECT pg_reload_conf()"


def check_settings(checks: CheckList, found: PostgresCapabilities) -> None:
    """Check everything that the server says of itself."""
    _transport(checks, found)
    _statements(checks, found)
    if found.track_io_timing:
        checks.ok(IO_TIMING, "on")
    else:
        checks.warn(
            IO_TIMING,
            "off: the server cannot say how long it waits for its disk",
            f"ALTER SYSTEM SET track_io_timing = on; {_RELOAD}",
        )
    _planning(checks, found)
    _query_id(checks, found)
    _durability(checks, found)


def _transport(checks: CheckList, found: PostgresCapabilities) -> None:
    transport = found.transport
    if transport.tls:
        checks.ok(TRANSPORT, f"{transport.tls_version or 'TLS'}: its work is part of every latency")
    elif transport.same_host:
        way = "a Unix socket" if transport.kind == "socket" else "the loopback address"
        checks.ok(TRANSPORT, f"none, through {way}")
    else:
        checks.warn(
            TRANSPORT,
            "none: what is sent can be read on the way, and clients that encrypt see other latencies",
            "add ?sslmode=require to the URL when the server offers TLS",
        )
    if transport.same_host:
        checks.warn(
            SHARED,
            "the server runs on this machine: it and the workers compete for processors",
            "fine for trying things out; run the workers on another machine for figures to rely on",
        )
    else:
        checks.ok(SHARED, "the server runs on another machine")


def _statements(checks: CheckList, found: PostgresCapabilities) -> None:
    statements = found.statements
    if not statements.loaded and not statements.available:
        checks.warn(
            STATEMENTS,
            "not available: the server's own figures will be missing",
            "install PostgreSQL's contrib package on the server",
        )
    elif not statements.loaded:
        checks.warn(STATEMENTS, "not loaded: the server's own figures will be missing", _PRELOAD)
    elif statements.installed_version is None:
        checks.warn(
            STATEMENTS, f"loaded, but not in database {found.database}", "CREATE EXTENSION pg_stat_statements there"
        )
    elif not statements.readable:
        checks.warn(
            STATEMENTS, f"cannot be read: {statements.unreadable_reason}", f"GRANT pg_read_all_stats TO {found.user}"
        )
    else:
        whose = "all users'" if statements.reads_all_users else "this user's"
        checks.ok(STATEMENTS, f"version {statements.installed_version}, {whose} statements can be read")


def _planning(checks: CheckList, found: PostgresCapabilities) -> None:
    planning = found.statements.track_planning
    if planning is None:
        checks.skip("pg_stat_statements is not loaded", PLANNING)
    elif planning:
        checks.ok(PLANNING, "on; it costs the server time when many sessions run the same statement")
    else:
        checks.ok(PLANNING, "off, the default: planning times are not kept")


def _query_id(checks: CheckList, found: PostgresCapabilities) -> None:
    setting = found.compute_query_id
    if setting is None:
        checks.skip("the server is older than PostgreSQL 14, which brought it", QUERY_ID)
    elif setting == "off" and found.statements.loaded:
        checks.warn(
            QUERY_ID,
            "off: pg_stat_statements counts nothing without it",
            f"ALTER SYSTEM SET compute_query_id = auto; {_RELOAD}",
        )
    else:
        checks.ok(QUERY_ID, setting)


def _durability(checks: CheckList, found: PostgresCapabilities) -> None:
    if found.autovacuum:
        checks.ok(MAINTENANCE, "on; a run that writes much may see it work")
    else:
        checks.warn(
            MAINTENANCE,
            "off: tables that are written to grow and slow down as no production server's do",
            f"ALTER SYSTEM SET autovacuum = on; {_RELOAD}",
        )
    lax = [name for name, on in (("fsync", found.fsync), ("full_page_writes", found.full_page_writes)) if not on]
    if found.synchronous_commit in {"off", "local"}:
        lax.append(f"synchronous_commit {found.synchronous_commit}")
    settings = ", ".join(name if " " in name else f"{name} off" for name in lax)
    if found.read_only:
        checks.ok(DURABILITY, "this session takes no writes: a standby, or a user that may only read")
    elif lax:
        checks.warn(
            DURABILITY,
            f"{settings}: writes are faster than those of a server that keeps its data",
            "compare only with servers set in the same way",
        )
    else:
        checks.ok(DURABILITY, f"fsync and full_page_writes on, synchronous_commit {found.synchronous_commit}")
