"""Connections to a Snowflake store.

Each one is opened with what the URL, ``connections.toml`` and files say at that moment, so that a token or a key that
was renewed meanwhile is taken up. A pool gives a connection up before the token it was opened with ends.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from upperbound.errors import ConfigurationError
from upperbound.store.address import StoreAddress

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
CONTAINER_TOKEN: Final = Path("/snowflake/session/token")
"""Where Snowpark Container Services keep the token of a container, and renew it every few minutes."""
_LOGGERS: Final = ("snowflake.connector", "sf_core")
"""They tell of each statement, and warn of clouds that this machine is not in."""
_TOKENS: Final = frozenset({"OAUTH", "PROGRAMMATIC_ACCESS_TOKEN", "WORKLOAD_IDENTITY"})
"""Authenticators whose secret is a token."""


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


def connect(address: StoreAddress, statement_s: int | None = None) -> "SnowflakeConnection":
    """Open one connection, in autocommit mode and in UTC. Raises the connector's errors.

    ``statement_s`` is how long a statement may take, :data:`STATEMENT_S` if it is None.
    """
    import snowflake.connector

    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    parameters = connect_parameters(address)
    if statement_s is not None:
        parameters["query_timeout"] = statement_s
        parameters["session_parameters"]["STATEMENT_TIMEOUT_IN_SECONDS"] = statement_s
    return snowflake.connector.connect(**parameters)


def connect_parameters(address: StoreAddress, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what the connector is called with; it holds the secret and must not be shown."""
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = dict(address.parameters)
    if "port" in given:
        given["port"] = int(given["port"])
    if "account" not in given and "host" not in given and "connection_name" not in given:
        given |= _without_account(environ)
    if address.password is not None:
        given[_secret_name(given)] = address.password.get_secret_value()
    return {**_CLIENT, **given, "session_parameters": dict(_SESSION)}


def _without_account(environ: Mapping[str, str]) -> dict[str, str]:
    """Return where a URL leads that says neither an account nor an entry: to the default one; in a container, home."""
    named = environ.get("SNOWFLAKE_DEFAULT_CONNECTION_NAME")
    host, account = environ.get("SNOWFLAKE_HOST"), environ.get("SNOWFLAKE_ACCOUNT")
    if named is None and host and account and CONTAINER_TOKEN.exists():
        token = {"authenticator": "OAUTH", "token_file_path": str(CONTAINER_TOKEN)}
        return {"host": host, "account": account, **token}
    return {"connection_name": named or "default"}


def _secret_name(given: Mapping[str, str]) -> str:
    """Return what the one secret is called by the connector: it depends on how one logs in."""
    authenticator = given.get("authenticator", "").upper()
    if authenticator == "SNOWFLAKE_JWT" or "private_key_file" in given:
        return "private_key_password"
    return "token" if authenticator in _TOKENS else "password"
