"""Opening a session. The driver is imported late, as it need not be installed."""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from upperbound.errors import ConfigurationError
from upperbound.snowflake_login.decision import Login
from upperbound.snowflake_login.failures import explain_failure
from upperbound.snowflake_login.files import read_token
from upperbound.snowflake_login.garbage import collect_in_a_thread

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

INSTALL: Final = 'pip install "upperbound[snowflake]"'
_LOGGERS: Final = ("snowflake.connector", "sf_core")
"""They tell of each statement, and warn of clouds that this machine is not in."""


def require_driver() -> None:
    """Raise :class:`ConfigurationError` unless Snowflake's driver is installed."""
    try:
        import snowflake.connector  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"Snowflake's driver is not installed here: {error.name or error}", hint=f"install it: {INSTALL}"
        ) from None


def connect(
    login: Login, options: Mapping[str, Any], defaults: Mapping[str, Any] = MappingProxyType({})
) -> "SnowflakeConnection":
    """Open a session.

    ``options`` are the driver's and win over what the login says of the same, which wins over ``defaults``. A token
    that is kept in a file is read anew.

    Raises:
        ConfigurationError: there is no driver.
        LoginFailed: there is no session. Nothing secret is in it.
    """
    require_driver()
    import snowflake.connector

    collect_in_a_thread()
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    secrets = {key: secret.get_secret_value() for key, secret in login.secrets.items()}
    if login.token_file is not None:
        secrets["token"] = read_token(login.token_file).get_secret_value()
    parameters = {**defaults, **login.parameters, **secrets, **options}
    if key_file := login.get("private_key_file"):
        parameters["private_key_file"] = str(Path(key_file).expanduser())
    try:
        return snowflake.connector.connect(**parameters)
    except snowflake.connector.errors.Error as error:
        # The driver's error may keep what it was called with: it does not go with ours.
        failure = explain_failure(error, login, secrets.values())
    raise failure
