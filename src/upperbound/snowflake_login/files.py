"""The files that say how to log in to Snowflake: read here, judged in ``decision``."""

import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import platformdirs
from pydantic import SecretStr

from upperbound.errors import ConfigurationError
from upperbound.snowflake_login.decision import TARGET, Asker, Given, Value
from upperbound.snowflake_login.failures import LoginFailed, Reason

CONTAINER_TOKEN: Final = Path("/snowflake/session/token")
"""Where Snowpark Container Services keep the token of a container; renewed every few minutes."""
_CONNECTIONS: Final = "connections.toml"
_CONFIG: Final = "config.toml"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Connections:
    """What the files of a user say."""

    file: str
    """Where the entries are, or would be."""
    entries: Mapping[str, Mapping[str, object]] = field(default_factory=dict, repr=False)
    default_name: str | None = None
    warning: str = ""
    """What the user should know of the file; empty for nothing."""


def snowflake_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return where Snowflake's tools keep their files: SNOWFLAKE_HOME, else ``~/.snowflake``, else the system's way."""
    if given := environment.get("SNOWFLAKE_HOME"):
        return Path(given).expanduser()
    own = home / ".snowflake"
    return own if own.is_dir() else Path(platformdirs.user_config_dir("snowflake", appauthor=False))


def read_connections(folder: Path) -> Connections:
    """Return the entries of ``connections.toml``, or else those within ``config.toml``.

    Raises:
        ConfigurationError: a file is there and cannot be read; no part of it is quoted.
    """
    config = _read(folder / _CONFIG) or {}
    found: object
    default_name = config.get("default_connection_name")
    default = default_name if isinstance(default_name, str) else None
    file = folder / _CONNECTIONS
    found = _read(file)
    if found is None and isinstance(config.get("connections"), dict):
        file, found = folder / _CONFIG, config["connections"]
    if not isinstance(found, dict):
        return Connections(str(file), {}, default)
    entries = {name: entry for name, entry in found.items() if isinstance(entry, dict)}
    # Both forms of the file are about: [name], and [connections.name].
    nested = entries.pop("connections", None)
    entries |= {name: entry for name, entry in (nested or {}).items() if isinstance(entry, dict)}
    warning = ""
    if file.stat().st_mode & _OTHERS and entries:
        warning = f"{file} can be read by other users of this machine: chmod 600 keeps it to you"
    return Connections(str(file), entries, default, warning)


def gather(
    wanted: Mapping[str, Value],
    connection_name: str | None,
    environment: Mapping[str, str],
    *,
    secret: SecretStr | None = None,
    asker: Asker = TARGET,
) -> Given:
    """Read everything that says how to log in.

    Raises:
        ConfigurationError: a file is there and cannot be read.
    """
    connections = read_connections(snowflake_folder(environment, Path.home()))
    return Given(
        wanted=wanted,
        connection_name=connection_name,
        entries=connections.entries,
        default_name=connections.default_name,
        file=connections.file,
        warning=connections.warning,
        environment=environment,
        container_token=str(CONTAINER_TOKEN) if CONTAINER_TOKEN.is_file() else None,
        secret=secret,
        asker=asker,
    )


def read_token(file: str) -> SecretStr:
    """Return the token in a file.

    Raises:
        LoginFailed: there is none.
    """
    path = Path(file).expanduser()
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise LoginFailed(Reason.TOKEN, f"the token in {path} cannot be read: {why}", "check token_file_path") from None
    if not token:
        raise LoginFailed(Reason.TOKEN, f"the token file {path} is empty", "is it being written just now? try again")
    return SecretStr(token)


def _read(path: Path) -> dict[str, object] | None:
    """Return what a TOML file says; None when there is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigurationError(f"{path} is not TOML", hint="see Snowflake's page on connections.toml") from None
