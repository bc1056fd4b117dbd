"""Connections to Snowflake, and what their failures mean to a user. The driver is imported here alone, and late."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from upperbound.domain.outcomes import Outcome
from upperbound.errors import ConfigurationError, TargetAuthFailed, TargetError, TargetMismatch, TargetUnreachable
from upperbound.targets.sf_codes import classify
from upperbound.targets.sf_files import read_token
from upperbound.targets.sf_login import Login, Value
from upperbound.targets.sf_session_type import Session

INSTALL: Final = 'pip install "upperbound[snowflake]"'
LOGIN_TIMEOUT_S: Final = 30
_LOGGERS: Final = ("snowflake.connector", "sf_core")
"""They tell of each statement, and warn of clouds that this machine is not in."""
_BROKEN: Final = (Outcome.CONNECTION_LOST, Outcome.AUTH)


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


def require_driver() -> None:
    """Raise :class:`ConfigurationError` unless Snowflake's driver is installed."""
    try:
        import snowflake.connector  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"Snowflake's driver is not installed here: {error.name or error}", hint=f"install it: {INSTALL}"
        ) from None


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
    require_driver()
    import snowflake.connector

    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    login = info.login
    secrets = dict(login.secrets)
    if login.token_file is not None:
        secrets["token"] = read_token(login.token_file)
    parameters: dict[str, Any] = {
        "login_timeout": info.login_timeout_s,
        "enable_server_session_keep_alive_auto_detection": False,
        **login.parameters,
    }
    parameters |= {key: secret.get_secret_value() for key, secret in secrets.items()}
    parameters |= {
        "paramstyle": "qmark",
        "autocommit": True,
        "application": "Upperbound",
        "session_parameters": info.settings.parameters(),
    }
    try:
        return snowflake.connector.connect(**parameters)
    except snowflake.connector.errors.Error as error:
        # The driver's error may keep what it was called with: it does not go with ours.
        failure = explain_failure(error, info, [secret.get_secret_value() for secret in secrets.values()])
    raise failure


def explain_failure(error: Exception, info: SnowflakeInfo, secrets: Sequence[str] = ()) -> TargetError:
    """Return the error to raise for a session that could not be opened."""
    code, sqlstate, text = facts_of(error)
    said = _one_line(text)
    for secret in secrets:
        said = said.replace(secret, "***") if secret else said
    where = info.address
    if _is_refusal(code, said):
        return TargetAuthFailed(f"{where} refuses the login: {said}", hint=_login_hint(info.login))
    if classify(code, sqlstate) is Outcome.RESOURCE_EXHAUSTED:
        return TargetUnreachable(f"{where} takes no session now: {said}", hint="try again in a moment")
    return TargetUnreachable(
        f"{where} cannot be reached: {said}", hint="check the account, the host, and whether a proxy is needed"
    )


def facts_of(error: Exception) -> tuple[int | None, str, str]:
    """Return a driver's error as vendor code, SQLSTATE and message; None for one without a code."""
    code = getattr(error, "errno", None)
    text = str(getattr(error, "raw_msg", "") or getattr(error, "msg", "") or error)
    return code if isinstance(code, int) and code >= 0 else None, str(getattr(error, "sqlstate", "") or ""), text


def outcome_of(error: Exception) -> tuple[Outcome, str, str, bool]:
    """Return outcome, code and message of a statement that failed, and whether its session is of no more use."""
    code, sqlstate, text = facts_of(error)
    outcome = classify(code, sqlstate)
    broken = outcome is Outcome.CONNECTION_LOST or (outcome is Outcome.AUTH and code is not None and code >= 390_000)
    return outcome, f"{code:06d}" if code is not None and code >= 100 else "", _one_line(text), broken


def query(connection: Session, text: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
    """Execute a statement beside the load and return its rows, by column name in lower case.

    Raises :class:`TargetMismatch` for what the server refuses, and :class:`TargetUnreachable` when the session breaks.
    """
    import snowflake.connector

    try:
        with connection.cursor() as cursor:
            cursor.execute(text, list(values) or None)
            names = [str(column.name).lower() for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []
    except snowflake.connector.errors.Error as error:
        outcome, code, said, broken = outcome_of(error)
        del outcome
        first = " ".join(text.split())[:80]
        if broken:
            failure: Exception = TargetUnreachable(f"Snowflake gave up at `{first}`: {said}", hint="try again")
        else:
            failure = TargetMismatch(f"Snowflake refuses `{first}`: {said}" + (f" ({code})" if code else ""))
    raise failure


def value_of(row: Mapping[str, Any], *names: str) -> Any:
    """Return the value of the first of ``names`` that a row has; None when it has none of them."""
    return next((row[name] for name in names if name in row), None)


def _is_refusal(code: int | None, said: str) -> bool:
    if code is not None and 390_000 <= code < 400_000:
        return True
    words = (
        *("incorrect username or password", "authentication", "jwt", "invalid oauth", "not authorized", "token"),
        "attestation",
    )
    return code == 250_001 and any(word in said.lower() for word in words)


def _login_hint(login: Login) -> str:
    what = {
        "SNOWFLAKE_JWT": "check that the user has the public key (DESCRIBE USER shows its fingerprint)",
        "OAUTH": "the token may have expired: get a new one",
        "PROGRAMMATIC_ACCESS_TOKEN": "the token may have expired, or a network policy may be missing for its user",
    }
    return f"{what.get(login.method.value, 'check user and password')}; they are from {login.source}"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line or "no reason given"
