"""Connections to Snowflake, and what their failures mean to a user. The driver is imported late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from upperbound.domain.outcomes import Outcome
from upperbound.errors import TargetAuthFailed, TargetMismatch, TargetUnreachable
from upperbound.snowflake_login.connecting import connect, require_driver
from upperbound.snowflake_login.decision import Login, Value
from upperbound.snowflake_login.failures import LoginFailed, Reason, facts_of, one_line
from upperbound.targets.sf_codes import classify
from upperbound.targets.sf_session_type import Session

LOGIN_TIMEOUT_S: Final = 30
_HINTS: Final = {
    "000606": "set target.warehouse, or a warehouse in the entry of connections.toml",
}
"""What to do about a refusal whose own words do not say it, by its code."""


@dataclass(frozen=True)
class SessionSettings:
    """What a session is to be, beyond who logs in."""

    query_tag: str = "upperbound"
    result_cache: bool = False
    """Whether Snowflake may answer from its cache of results."""
    statement_timeout_s: int | None = None
    """None leaves it to the account."""
    read_latest_writes: bool = False
    """Whether reads of hybrid tables see what other sessions have just committed, which takes a little longer."""

    def parameters(self) -> dict[str, Value]:
        """Return the parameters of the session, by Snowflake's names."""
        made: dict[str, Value] = {
            "QUERY_TAG": self.query_tag,
            "USE_CACHED_RESULT": self.result_cache,
            # Times are sent as text without a zone, and mean UTC.
            "TIMEZONE": "UTC",
            # A worker that is killed must not leave its statement running.
            "ABORT_DETACHED_QUERY": True,
            # What the driver reports of itself takes time from the load.
            "CLIENT_TELEMETRY_ENABLED": False,
        }
        if self.statement_timeout_s is not None:
            made["STATEMENT_TIMEOUT_IN_SECONDS"] = self.statement_timeout_s
        if self.read_latest_writes:
            made["READ_LATEST_WRITES"] = True
        return made


@dataclass(frozen=True)
class SnowflakeInfo:
    """Where a Snowflake target is, who asks, and for what."""

    login: Login
    settings: SessionSettings = field(default_factory=SessionSettings)
    login_timeout_s: int = LOGIN_TIMEOUT_S

    @property
    def address(self) -> str:
        """The account, for messages."""
        return f"Snowflake account {self.login.address}"

    def in_database(self, written: str) -> "SnowflakeInfo":
        """Return the same way into another database, whose name is written as in SQL; its sessions have no schema."""
        others = {key: value for key, value in self.login.parameters.items() if key != "schema"}
        return replace(self, login=replace(self.login, parameters={**others, "database": written}))


@dataclass(frozen=True)
class ResultColumn:
    """A column of what a statement would answer with."""

    name: str
    kind: str
    """The driver's word for its type, such as ``FIXED``."""
    precision: int | None
    scale: int | None
    length: int | None
    """Characters or bytes at most; None for other types."""


def driver_version() -> str:
    """Return name and version of the driver. Raises :class:`ConfigurationError` when there is none."""
    require_driver()
    import snowflake.connector

    return f"snowflake-connector-python {snowflake.connector.__version__}"


def open_session(info: SnowflakeInfo) -> Session:
    """Open a session in autocommit mode that takes ``?`` for parameters.

    A token that is kept in a file is read anew. Raises :class:`TargetUnreachable` when there is no way to the server,
    :class:`TargetAuthFailed` when it refuses the login, and :class:`ConfigurationError` without the driver. No message
    holds anything secret.
    """
    options = {
        "paramstyle": "qmark",
        "autocommit": True,
        "application": "Upperbound",
        "session_parameters": info.settings.parameters(),
    }
    defaults = {
        "login_timeout": info.login_timeout_s,
        "enable_server_session_keep_alive_auto_detection": False,
    }
    try:
        session = connect(info.login, options, defaults)
    except LoginFailed as failed:
        no_way = failed.reason in (Reason.BUSY, Reason.UNREACHABLE)
        error = TargetUnreachable if no_way else TargetAuthFailed
        raise error(failed.told(info.address), hint=failed.hint) from None
    # The session's parameter says so as well, and is looked up before every call unless this is said.
    session.telemetry_enabled = False
    return session


def outcome_of(error: Exception) -> tuple[Outcome, str, str, bool]:
    """Return outcome, code and message of a statement that failed, and whether its session is of no more use."""
    code, sqlstate, text = facts_of(error)
    outcome = classify(code, sqlstate)
    broken = outcome is Outcome.CONNECTION_LOST or (outcome is Outcome.AUTH and code is not None and code >= 390_000)
    return outcome, f"{code:06d}" if code is not None and code >= 100 else "", one_line(text), broken


def query(connection: Session, text: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
    """Execute a statement beside the load and return its rows, by column name in lower case. Raises as :func:`ask`."""
    return ask(connection, text, values)[1]


def ask(connection: Session, text: str, values: Sequence[object] = ()) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Execute a statement beside the load and return the names of its columns, in lower case, and its rows by them.

    Raises :class:`TargetMismatch` for what the server refuses, and :class:`TargetUnreachable` when the session breaks.
    """
    import snowflake.connector

    try:
        with connection.cursor() as cursor:
            cursor.execute(text, list(values) or None)
            names = tuple(str(column.name).lower() for column in cursor.description or ())
            return names, [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []
    except snowflake.connector.errors.Error as error:
        failure = _failure_of(error, text)
    raise failure


def describe(connection: Session, text: str) -> tuple[ResultColumn, ...]:
    """Return the columns that a statement would answer with; it is compiled and not executed. Raises as :func:`ask`.

    Each ``?`` in it may be left without a value.
    """
    import snowflake.connector
    from snowflake.connector import constants

    words: Mapping[int, str] = vars(constants)["FIELD_ID_TO_NAME"]
    try:
        with connection.cursor() as cursor:
            return tuple(
                ResultColumn(str(one.name), words[one.type_code], one.precision, one.scale, one.internal_size)
                for one in cursor.describe(text) or ()
            )
    except snowflake.connector.errors.Error as error:
        failure = _failure_of(error, text)
    raise failure


def _failure_of(error: Exception, text: str) -> Exception:
    """Return what an error of the driver about a statement is to a user, without what the driver was called with."""
    _, code, said, broken = outcome_of(error)
    first = " ".join(text.split())[:80]
    if broken:
        return TargetUnreachable(f"Snowflake gave up at `{first}`: {said}", hint="try again")
    told = f"Snowflake refuses `{first}`: {said}" + (f" ({code})" if code else "")
    return TargetMismatch(told, hint=_HINTS.get(code, ""))


def value_of(row: Mapping[str, Any], *names: str) -> Any:
    """Return the value of the first of ``names`` that a row has; None when it has none of them."""
    return next((row[name] for name in names if name in row), None)
