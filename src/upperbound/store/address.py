"""Where a store is, read from its URL."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from upperbound.errors import ConfigurationError
from upperbound.scenario.connection_url import check_url, split_password
from upperbound.store.snowflake.address import parse_parameters

PASSWORD_VARIABLE: Final = "UPPERBOUND_STORE_PASSWORD"  # noqa: S105 - the name of the variable, not its value
DialectName = Literal["sqlite", "postgresql", "snowflake"]
_FORMS: Final = (
    "write sqlite:///path/to/upperbound.db, postgresql://user@host:5432/database or "
    "snowflake://?connection_name=NAME&database=DATABASE&schema=SCHEMA"
)


@dataclass(frozen=True)
class StoreAddress:
    """One store, with the password kept apart from what may be shown."""

    dialect: DialectName
    url: str
    """Without a password, and with an absolute path: any process of this host may open the same store with it."""
    path: Path | None = None
    """The file of an SQLite store."""
    password: SecretStr | None = None
    """None leaves it to the driver: PGPASSWORD, ``~/.pgpass``, a service file; on Snowflake ``connections.toml``, or a
    file with a key or a token.
    """
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the URL of a Snowflake store says, by the connector's names; no secret is among it."""

    @property
    def shown(self) -> str:
        """The store in a message."""
        return f"the store {self.url}"

    @property
    def init_hint(self) -> str:
        """What makes or updates the store's tables."""
        url = f"'{self.url}'" if self.dialect == "snowflake" else self.url
        return f"run `upperbound store init --store {url}`"


def parse_store_url(url: str, environ: Mapping[str, str] | None = None) -> StoreAddress:
    """Read a store's URL.

    The password comes from the URL, else from ``UPPERBOUND_STORE_PASSWORD``, else the driver looks for it in its own
    places. Raises :class:`ConfigurationError`, which never quotes the URL's credentials, when the URL is of no kind we
    know or cannot be read.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ConfigurationError("the store's URL has no scheme", hint=_FORMS)
    if scheme == "sqlite":
        return _sqlite(rest)
    if scheme in {"postgresql", "postgres"}:
        return _postgresql(url, os.environ if environ is None else environ)
    if scheme == "snowflake":
        return _snowflake(url, os.environ if environ is None else environ)
    raise ConfigurationError(f"there is no kind of store called {scheme!r}", hint=_FORMS)


def _sqlite(rest: str) -> StoreAddress:
    name = rest.removeprefix("/")
    if not rest.startswith("/") or name in {"", ":memory:"}:
        raise ConfigurationError(
            "an SQLite store needs a file: several processes share it",
            hint="write sqlite:///relative/path.db or sqlite:////absolute/path.db",
        )
    path = Path(name).expanduser().absolute()
    return StoreAddress("sqlite", f"sqlite:///{path}", path=path)


def _postgresql(url: str, environ: Mapping[str, str]) -> StoreAddress:
    given = split_password(url)
    if fault := check_url(given.url):
        raise ConfigurationError(f"the store's URL {fault.message}", hint=fault.hint)
    try:
        conninfo_to_dict(given.url)
    except ProgrammingError:
        # The driver's message quotes the place it stumbled over, which may be a part of the password.
        raise ConfigurationError(
            "the store's URL cannot be read",
            hint=f"{_FORMS}; percent-encode special characters, and put the password into {PASSWORD_VARIABLE}",
        ) from None
    password = given.password or environ.get(PASSWORD_VARIABLE)
    return StoreAddress("postgresql", given.url, password=SecretStr(password) if password else None)


def _snowflake(url: str, environ: Mapping[str, str]) -> StoreAddress:
    given = split_password(url)
    parameters = parse_parameters(given.url)
    password = given.password or environ.get(PASSWORD_VARIABLE)
    return StoreAddress(
        "snowflake", given.url, password=SecretStr(password) if password else None, parameters=parameters
    )
