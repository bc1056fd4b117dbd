"""Connections to a Snowflake store.

Each one is opened with what the URL, ``connections.toml``, the environment and files say at that moment, so that a
token or a key that was renewed meanwhile is taken up. A pool gives a connection up before the token it was opened with
ends.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from upperbound.errors import ConfigurationError, StoreError, StoreUnreachable
from upperbound.snowflake_login.connecting import connect as open_session
from upperbound.snowflake_login.decision import Asker, Login, decide_login
from upperbound.snowflake_login.failures import LoginFailed, Reason
from upperbound.snowflake_login.files import gather
from upperbound.store.address import PASSWORD_VARIABLE, StoreAddress

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

QUERY_TAG: Final = "upperbound:store"
"""Marks every statement of the store, so that none is taken for one of a workload."""
RECYCLE_S: Final = 3_000
"""How old a connection may become: less than the hour after which the token of a session ends."""
STATEMENT_S: Final = 40
"""How long a statement may take, by the server's clock and by ours."""
_LOCK_S: Final = 20
"""How long a statement waits for another transaction: less than a minute, in which a worker gives its store up."""
_LOGIN_S: Final = 20
_CONNECT_S: Final = 5

_SESSION: Final[Mapping[str, str | int | bool]] = {
    "TIMEZONE": "UTC",
    # What another session has written is seen at once: a worker reads its START, and who holds a lease is certain.
    "READ_LATEST_WRITES": True,
    "QUERY_TAG": QUERY_TAG,
    "STATEMENT_TIMEOUT_IN_SECONDS": STATEMENT_S,
    "HYBRID_TABLE_LOCK_TIMEOUT": _LOCK_S,
    "LOCK_TIMEOUT": _LOCK_S,
    # A statement whose client is gone must not go on to write.
    "ABORT_DETACHED_QUERY": True,
    "CLIENT_TELEMETRY_ENABLED": False,
}
_CLIENT: Final[Mapping[str, Any]] = {
    "application": "upperbound",
    # Question marks are bound by the server; nothing is ever put into the text of a statement.
    "paramstyle": "qmark",
    "autocommit": True,
    "connect_timeout": _CONNECT_S,
    "login_timeout": _LOGIN_S,
    "request_timeout": _LOGIN_S,
    "query_timeout": STATEMENT_S,
    "logout_total_timeout_seconds": _CONNECT_S,
    "enable_server_session_keep_alive_auto_detection": False,
    # Which cloud this process is in is asked of addresses that may not answer.
    "platform_detection_timeout_seconds": 0,
}
_ASKER: Final = Asker(f"the store's URL, {PASSWORD_VARIABLE} or the environment", "{key} in the URL", PASSWORD_VARIABLE)
_LATER: Final = (Reason.BUSY, Reason.UNREACHABLE, Reason.EXPIRED, Reason.TOKEN)
"""Reasons that may be gone in a moment: a token is renewed by whoever gave it out."""


def require_packages() -> None:
    """Raise :class:`ConfigurationError` when what it takes to reach Snowflake is not installed."""
    try:
        import snowflake.connector
        import snowflake.sqlalchemy  # noqa: F401 - looked for
    except ImportError:
        raise ConfigurationError(
            "the store is on Snowflake, and the packages that reach it are not installed",
            hint="install them with: pip install 'upperbound[snowflake]'",
        ) from None


def connect(address: StoreAddress, statement_s: int = STATEMENT_S) -> "SnowflakeConnection":
    """Open one connection, in autocommit mode and in UTC; ``statement_s`` is how long a statement may take.

    Raises :class:`StoreUnreachable` when the same call may succeed later, and :class:`StoreError` when nothing says how
    to log in or the login is refused; neither holds anything secret.
    """
    session = {**_SESSION, "STATEMENT_TIMEOUT_IN_SECONDS": statement_s}
    options = {**_CLIENT, "query_timeout": statement_s, "session_parameters": session}
    try:
        return open_session(store_login(address), options)
    except ConfigurationError as error:
        raise StoreError(f"{address.shown} cannot be logged in to: {error.message}", hint=error.hint) from None
    except LoginFailed as failed:
        kind = StoreUnreachable if failed.reason in _LATER else StoreError
        raise kind(failed.told(address.shown), hint=failed.hint) from None


def store_login(address: StoreAddress, environment: Mapping[str, str] | None = None) -> Login:
    """Return how to log in to a store: as to a target, with the keys of its URL in place of those of a scenario.

    Raises :class:`ConfigurationError` when nothing says how, or a file cannot be read.
    """
    wanted: dict[str, str | int | float | bool] = {**address.parameters}
    name = wanted.pop("connection_name", None)
    if "port" in wanted:
        wanted["port"] = int(wanted["port"])
    given = gather(
        wanted,
        None if name is None else str(name),
        os.environ if environment is None else environment,
        secret=address.password,
        asker=_ASKER,
    )
    return decide_login(given)
