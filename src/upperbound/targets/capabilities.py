"""What a PostgreSQL server can tell and do, as a document that every surface shows."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

FIRST_VERSION = 130_000
"""The oldest server that is tested, as ``server_version_num`` counts."""
LAST_MAJOR = 18
"""The newest major version that is tested."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Transport(_Facts):
    """How this session reaches the server."""

    kind: Literal["socket", "tcp"]
    """A Unix socket, or TCP."""
    tls: bool
    """The connection is encrypted."""
    tls_version: str | None
    """Such as ``TLSv1.3``; None without TLS, and where a proxy ends it."""
    same_host: bool
    """The server runs on this machine: a socket, the loopback address, or both ends with one address."""


class Connections(_Facts):
    """Room for connections."""

    max_connections: int
    reserved: int
    """Kept free for other users than this one."""
    used: int
    """By clients, this session not counted."""
    user_limit: int | None
    """What this user may have; None for no limit."""
    user_used: int
    database_limit: int | None
    """What this database may have; None for no limit."""
    database_used: int

    @property
    def free(self) -> tuple[int, str]:
        """How many more this user can open in this database, and what sets the limit."""
        limits = [(self.max_connections - self.reserved - self.used, "max_connections")]
        if self.user_limit is not None:
            limits.append((self.user_limit - self.user_used, "the user's limit"))
        if self.database_limit is not None:
            limits.append((self.database_limit - self.database_used, "the database's limit"))
        free, setting = min(limits, key=lambda limit: limit[0])
        return max(0, free), setting


class StatementStatistics(_Facts):
    """The extension ``pg_stat_statements``."""

    available: bool
    """The server has the extension's files."""
    loaded: bool
    """It is in ``shared_preload_libraries`` of the running server, and counts."""
    installed_version: str | None
    """The version created in this database; None without one."""
    readable: bool
    """This user can query its view."""
    reads_all_users: bool
    """This user sees the statements of others too; its own it always sees."""
    track_planning: bool | None
    """Planning times are kept; None when the extension is not loaded."""
    unreadable_reason: str = ""
    """Why the view cannot be queried; empty when it can."""


class PostgresCapabilities(_Facts):
    """One server as one user finds it in one database."""

    version: str
    version_number: int
    """As ``server_version_num``: 180006 is 18.6."""
    database: str
    user: str
    superuser: bool
    transport: Transport
    connections: Connections
    statements: StatementStatistics
    track_io_timing: bool
    compute_query_id: str | None
    """``auto``, ``on``, ``off`` or ``regress``; None before PostgreSQL 14, which has no such setting."""
    read_only: bool
    """Writes are refused: a standby, or a user that may only read."""
    autovacuum: bool
    fsync: bool
    synchronous_commit: str
    full_page_writes: bool

    @property
    def supported(self) -> bool:
        """Whether Upperbound is tested with this version."""
        return self.version_number >= FIRST_VERSION and self.version_number // 10_000 <= LAST_MAJOR
