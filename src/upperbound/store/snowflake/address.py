"""A Snowflake store's URL: read with every problem at once, and never with a secret in it."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from upperbound.errors import ConfigurationError, Problem

FORMS: Final = (
    "write snowflake://?connection_name=NAME&database=DATABASE&schema=SCHEMA for an entry of connections.toml, or "
    "snowflake://user@account/database/schema?warehouse=WAREHOUSE"
)

_PLAIN: Final = (
    "account",
    "authenticator",
    "connection_name",
    "database",
    "host",
    "oauth_authorization_url",
    "oauth_client_id",
    "oauth_redirect_uri",
    "oauth_scope",
    "oauth_token_request_url",
    "port",
    "private_key_file",
    "protocol",
    "role",
    "schema",
    "token_file_path",
    "user",
    "warehouse",
    "workload_identity_entra_resource",
    "workload_identity_provider",
)
"""What a URL may say; all of it is handed to the connector under these names."""
_SECRETS: Final[Mapping[str, str]] = {
    "token": "name a file with token_file_path, or set UPPERBOUND_STORE_PASSWORD",
    "private_key": "name a file with private_key_file",
    "private_key_password": "set UPPERBOUND_STORE_PASSWORD",
    "private_key_passphrase": "set UPPERBOUND_STORE_PASSWORD",
    "private_key_file_pwd": "set UPPERBOUND_STORE_PASSWORD",
    "oauth_client_secret": "put it into connections.toml, and name its entry with connection_name",
    "passcode": "use a key pair or a token: nobody is there to type a code when a connection is opened anew",
    "session_token": "use token_file_path or connections.toml",
    "master_token": "use token_file_path or connections.toml",
}
"""Secrets, and where they belong."""
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def parse_parameters(url: str) -> dict[str, str]:
    """Return the connector's parameters that a URL without a password says, by their names.

    Raises :class:`ConfigurationError` with every problem of the URL, none of which quotes a secret.
    """
    rest = url.partition("://")[2]
    place, _, query = rest.partition("?")
    problems: list[Problem] = []
    if not url.isprintable() or any(char.isspace() for char in url):
        problems.append(Problem("", "holds spaces or control characters", "write them percent-encoded: a space is %20"))
    found = _from_place(place, problems)
    for key, value in _pairs(query):
        if problem := _fault(key, value, found):
            problems.append(problem)
        elif value:
            found[key] = value
    problems += _faults_of_all(found)
    if problems:
        raise ConfigurationError("the store's URL cannot be used", problems=problems, hint=FORMS)
    return found


def _from_place(place: str, problems: list[Problem]) -> dict[str, str]:
    """Return what stands before the question mark: ``user@account/database/schema``, all of which may be left out."""
    authority, *path = place.split("/")
    user, _, account = authority.rpartition("@")
    names = [unquote(name) for name in path if name]
    if len(names) > 2:
        problems.append(Problem("", f"has {len(names)} names after the account", "write /database/schema"))
    named = {"user": unquote(user), "account": unquote(account)}
    named |= dict(zip(("database", "schema"), names, strict=False))
    return {key: value for key, value in named.items() if value}


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        yield unquote(key).lower(), unquote(value)


def _fault(key: str, value: str, found: Mapping[str, str]) -> Problem | None:
    """Say what is wrong with one key of the query; None when nothing is."""
    if key in _SECRETS:
        return Problem(key, "is a secret, which no URL may hold", _SECRETS[key])
    if key not in _PLAIN:
        near = difflib.get_close_matches(key, _PLAIN, n=1)
        return Problem(key, "is no parameter of a Snowflake store", f"did you mean {near[0]}?" if near else "")
    if found.get(key, value) != value:
        return Problem(key, f"is given twice: {found[key]!r} and {value!r}", "leave one of them out")
    return None


def _faults_of_all(found: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with values, and with what is said together."""
    if "account" in found and not _ACCOUNT.fullmatch(found["account"]):
        yield Problem("account", "is no account identifier", "write it as ORGANISATION-ACCOUNT, such as MYORG-PROD")
    port = found.get("port")
    if port is not None and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        yield Problem("port", "is not a number from 1 to 65535")
    if found.get("protocol", "https") not in {"http", "https"}:
        yield Problem("protocol", f"is {found['protocol']!r}", "it is https, which need not be said, or http")
    if "account" in found and "connection_name" not in found and "database" not in found:
        yield Problem("database", "is missing", "write it after the account: snowflake://user@account/database/schema")
    if "schema" in found and "database" not in found and "connection_name" not in found:
        yield Problem("schema", "is given without its database", "write database=… too")
