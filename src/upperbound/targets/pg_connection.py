"""Connections to a PostgreSQL target, and what their failures mean to a user."""

import re
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from upperbound.errors import ConfigurationError, TargetAuthFailed, TargetError, TargetUnreachable
from upperbound.scenario.connection_url import mask_credentials

DEFAULT_PORT = 5432
CONNECT_TIMEOUT_S = 10

TARGET_PASSWORD_VARIABLE: Final = "UPPERBOUND_TARGET_PASSWORD"  # noqa: S105 - the name of the variable, not its value
"""Hands the target's password to a worker. It is not PGPASSWORD, which may be the store's, on another server."""

_BUSY = re.compile(r"too many clients|connection slots|too many connections", re.IGNORECASE)
_NOT_NOW = re.compile(r"(starting up|shutting down|in recovery mode|not yet accepting|not accepting)", re.IGNORECASE)
_REFUSED_LOGIN = re.compile(
    r"authentication failed|no password supplied|pg_hba\.conf|does not exist|not permitted to log in"
    r"|permission denied|authentication method|password is required|password was required",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ConnInfo:
    """Where a target is and who asks."""

    url: str
    """A connection URL without a password; what it leaves out follows libpq's environment and files."""
    password: SecretStr | None = None
    """None leaves it to libpq: PGPASSWORD, ``~/.pgpass``, a service file."""
    application_name: str = "upperbound"
    """Shown in the server's ``pg_stat_activity``; at most 63 bytes are kept there."""
    connect_timeout_s: int = CONNECT_TIMEOUT_S
    """How long one attempt may take; a ``connect_timeout`` in the URL wins."""

    def libpq(self) -> str:
        """Return the connection string for the driver, password included: never show it.

        Raises :class:`ConfigurationError` when libpq does not understand the URL.
        """
        given = self._given()
        ours: dict[str, Any] = {"application_name": self.application_name, "client_encoding": "UTF8"}
        if self.password is not None:
            ours["password"] = self.password.get_secret_value()
        return make_conninfo(**({"connect_timeout": self.connect_timeout_s} | given | ours))

    @property
    def address(self) -> str:
        """``host:port`` of the server, a socket's directory, or the name of a service; for messages."""
        given = self._given()
        host = given.get("host") or given.get("hostaddr")
        if not host and (service := given.get("service")):
            return f"service {service}"
        if not host:
            return "the server that libpq's defaults name"
        hosts = str(host).split(",")
        ports = str(given.get("port") or DEFAULT_PORT).split(",")
        ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
        return ", ".join(
            f"{name}/.s.PGSQL.{port}" if name.startswith(("/", "@")) else f"{name}:{port or DEFAULT_PORT}"
            for name, port in zip(hosts, ports, strict=True)
        )

    def _given(self) -> dict[str, Any]:
        try:
            return dict(conninfo_to_dict(self.url))
        except psycopg.ProgrammingError as error:
            said = _one_line(str(error), self.password)
            raise ConfigurationError(
                f"the target's URL cannot be used: {said}", hint="write postgresql://user@host:5432/database"
            ) from None


def open_connection(info: ConnInfo) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection in autocommit mode that speaks UTF-8.

    Raises :class:`TargetUnreachable` when there is no server, no way to it or no room in it, :class:`TargetAuthFailed`
    when it refuses the user, the password or the database, and :class:`ConfigurationError` when the URL cannot be read.
    No message holds the password.
    """
    conninfo = info.libpq()
    try:
        return psycopg.Connection.connect(conninfo, autocommit=True)
    except psycopg.Error as error:
        # The driver's error keeps the connection's parameters, the password among them: it does not go with ours.
        failure = explain_failure(error, info)
    raise failure


def explain_failure(error: psycopg.Error, info: ConnInfo) -> TargetError:
    """Return the error to raise for a connection that could not be opened."""
    said = _one_line(str(error), info.password)
    where = f"PostgreSQL at {info.address}"
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return TargetUnreachable(
            f"{where} does not answer within {info.connect_timeout_s} s", hint="check the host, the port and firewalls"
        )
    if _BUSY.search(said):
        return TargetUnreachable(
            f"{where} has no free connection: {said}", hint="close other sessions, or raise max_connections"
        )
    if _NOT_NOW.search(said):
        return TargetUnreachable(f"{where} takes no connections now: {said}", hint="try again in a moment")
    if _REFUSED_LOGIN.search(said) or _asked_for_password(error):
        return TargetAuthFailed(f"{where} refuses the login: {said}", hint=_login_hint(said))
    return TargetUnreachable(f"{where} cannot be reached: {said}", hint=_network_hint(said))


def _asked_for_password(error: psycopg.Error) -> bool:
    """Say whether the server got as far as a password; servers speak many languages, this they all do."""
    connection = error.pgconn
    return connection is not None and bool(connection.needs_password or connection.used_password)


def _login_hint(said: str) -> str:
    if "no password supplied" in said:
        return "set PGPASSWORD, or add a line to ~/.pgpass"
    if "database" in said and "does not exist" in said:
        return "create the database, or correct the name at the end of target.url"
    if "role" in said or "not permitted" in said:
        return "correct the user in target.url, or create it"
    if "pg_hba.conf" in said:
        return "the server's pg_hba.conf has to allow this host, user and database"
    return "check the user in target.url and the password in PGPASSWORD or ~/.pgpass"


def _network_hint(said: str) -> str:
    if "resolve" in said or "translate host name" in said:
        return "check the host name in target.url"
    if "refused" in said or "No such file" in said:
        return "is the server running there? check host and port in target.url"
    if "SSL" in said or "certificate" in said:
        return "check sslmode and certificates in target.url"
    return "check target.url"


def _one_line(text: str, password: SecretStr | None) -> str:
    """Return the first line of the driver's message without its preamble and without anything secret."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    line = re.sub(r"^connection (failed|is bad): ", "", line)
    line = re.sub(r"^connection to server .*? failed: ", "", line)
    line = re.sub(r"^(FATAL|ERROR):\s+", "", line)
    secret = password.get_secret_value() if password is not None else ""
    return mask_credentials(line.replace(secret, "***") if secret else line)
