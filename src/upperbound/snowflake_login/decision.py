"""How to log in to Snowflake: decided from what asks for it, an entry of ``connections.toml`` and the environment.

What asks is a scenario's target or the URL of a store. Nothing is read here and nothing is opened: see
:mod:`upperbound.snowflake_login.files` and :mod:`upperbound.snowflake_login.connecting`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pydantic import SecretStr

from upperbound.errors import ConfigurationError

Value = str | int | float | bool


class Method(StrEnum):
    """How a session proves who it is; the words are the connector's ``authenticator``."""

    PASSWORD = "SNOWFLAKE"  # noqa: S105 - the connector's word
    """User and password."""
    KEY_PAIR = "SNOWFLAKE_JWT"
    """A private key whose public one the user has."""
    OAUTH = "OAUTH"
    """A token that somebody else has given out, such as that of a container."""
    OAUTH_CLIENT_CREDENTIALS = "OAUTH_CLIENT_CREDENTIALS"
    """A token that the connector asks an identity provider for."""
    PROGRAMMATIC_ACCESS_TOKEN = "PROGRAMMATIC_ACCESS_TOKEN"  # noqa: S105 - the connector's word
    """A token that the user has made in Snowflake."""
    WORKLOAD_IDENTITY = "WORKLOAD_IDENTITY"
    """What the cloud says of the machine."""
    OKTA = "OKTA"
    """User and password at Okta, whose address is the ``authenticator``."""


_ASKS_A_PERSON: Final = ("EXTERNALBROWSER", "USERNAME_PASSWORD_MFA", "OAUTH_AUTHORIZATION_CODE")
"""Ways in that need somebody at a browser or a telephone, for each of many connections."""
_TAKES_TOKEN: Final = (Method.OAUTH, Method.PROGRAMMATIC_ACCESS_TOKEN, Method.WORKLOAD_IDENTITY)

_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accountname": "account",
        "username": "user",
        "dbname": "database",
        "databasename": "database",
        "schemaname": "schema",
        "warehousename": "warehouse",
        "rolename": "role",
        "private_key_path": "private_key_file",
        "private_key_raw": "private_key",
        "private_key_file_pwd": "private_key_password",
        "private_key_passphrase": "private_key_password",
    }
)
"""Names that other tools of Snowflake's write, by what the connector calls them."""
_SECRET: Final = frozenset(
    {
        *("password", "token", "private_key", "private_key_password", "passcode", "oauth_client_secret"),
        *("proxy", "proxy_password", "session_token", "master_token"),
    }
)
_SECRET_NAME: Final = re.compile(r"secret|passw|pwd|passphrase|token$|_key$")
_OURS: Final = frozenset(
    {"connection_name", "paramstyle", "autocommit", "application", "session_parameters", "query_tag"}
)
"""What an entry may say and Upperbound decides itself."""
_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{
            f"SNOWFLAKE_{key.upper()}": key
            for key in (
                *("account", "user", "password", "host", "port", "protocol", "role", "warehouse", "database", "schema"),
                *("authenticator", "private_key_file", "private_key_path", "private_key_raw", "private_key_file_pwd"),
                *("private_key_passphrase", "token", "token_file_path", "workload_identity_provider"),
                *("oauth_client_id", "oauth_client_secret", "oauth_token_request_url"),
            )
        },
        "PRIVATE_KEY_PASSPHRASE": "private_key_password",
    }
)
"""Variables that Snowflake's own tools read, by the parameter each stands for."""
_PROOFS: Final = frozenset({"authenticator", "password", "token", "token_file_path", "private_key", "private_key_file"})
"""What says how to log in, in an entry, in the environment or in a store's URL."""
_PLACE: Final = ("host", "port", "protocol")
"""Where an account is; of no use for another one."""
_USED: Final[Mapping[Method, frozenset[str]]] = MappingProxyType(
    {
        Method.PASSWORD: frozenset({"password"}),
        Method.OKTA: frozenset({"password"}),
        Method.KEY_PAIR: frozenset({"private_key", "private_key_file", "private_key_password"}),
        **{method: frozenset({"token"}) for method in _TAKES_TOKEN},
    }
)
"""What of the proofs a method takes; the others are not handed on."""
_NEEDED: Final[Mapping[Method, tuple[str, ...]]] = MappingProxyType(
    {
        Method.PASSWORD: ("account", "user", "password"),
        Method.OKTA: ("account", "user", "password"),
        Method.KEY_PAIR: ("account", "user", "private_key_file"),
        Method.OAUTH: ("account", "token"),
        Method.PROGRAMMATIC_ACCESS_TOKEN: ("account", "user", "token"),
        Method.WORKLOAD_IDENTITY: ("account", "workload_identity_provider"),
        Method.OAUTH_CLIENT_CREDENTIALS: ("account", "oauth_client_id", "oauth_client_secret"),
    }
)
"""What has to be there."""


@dataclass(frozen=True)
class Asker:
    """How messages speak of what asks for the login."""

    source: str = "the environment"
    """Where a login without an entry comes from."""
    place: str = "target.{key}"
    """Where it would name an account or a user."""
    secret: str = "SNOWFLAKE_PASSWORD"  # noqa: S105 - the name of a variable
    """What holds a password beside the files."""


TARGET: Final = Asker()
"""The target of a scenario."""


@dataclass(frozen=True)
class Given:
    """Everything that says how to log in, as it was found."""

    wanted: Mapping[str, Value] = field(default_factory=dict)
    """The asker's own words, such as account, user, role, warehouse, database, schema; none of them secret."""
    connection_name: str | None = None
    """The entry that the asker names."""
    entries: Mapping[str, Mapping[str, object]] = field(default_factory=dict, repr=False)
    """Entries of ``connections.toml`` by name."""
    default_name: str | None = None
    """What ``config.toml`` says is the entry to take."""
    file: str = "connections.toml"
    """Where the entries were found, or would be, for messages."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    warning: str = ""
    """What the user should know of that file; empty for nothing."""
    container_token: str | None = None
    """The file with the token of the container around; None outside of one."""
    secret: SecretStr | None = None
    """A password, a token or a passphrase that was given beside the files."""
    asker: Asker = TARGET


@dataclass(frozen=True)
class Login:
    """Parameters of the connector. Secrets are kept apart and are in no repr."""

    method: Method
    parameters: Mapping[str, Value]
    secrets: Mapping[str, SecretStr] = field(repr=False)
    source: str
    """Where they come from, in words."""
    token_file: str | None = None
    """A file with the token, to be read anew before each connection."""
    warning: str = ""
    """What the user should know of the file of the entry; empty for nothing."""

    def get(self, key: str) -> str | None:
        """Return a parameter that is not secret, as text; None when there is none."""
        value = self.parameters.get(key)
        return None if value is None else str(value)

    @property
    def address(self) -> str:
        """The account, for messages."""
        host = self.get("host")
        return f"{self.get('account') or '?'} ({host})" if host else str(self.get("account"))

    def hide(self, text: str) -> str:
        """Return ``text`` without anything secret."""
        for secret in self.secrets.values():
            value = secret.get_secret_value()
            text = text.replace(value, "***") if value else text
        return text


def decide_login(given: Given) -> Login:
    """Return how to log in.

    The asker's own words win over those of the entry, and these over the environment's; a variable for one key of one
    entry (``SNOWFLAKE_CONNECTIONS_BENCH_ROLE``) wins over the entry. An entry is taken when it is named, by the asker
    or by SNOWFLAKE_DEFAULT_CONNECTION_NAME, or when it is the default one and the asker names neither account nor
    host. Within a container of Snowflake's, without any of that, its token is used.

    Raises:
        ConfigurationError: something is missing, is not there, or asks a person for every connection.
    """
    name, entry = _entry(given)
    variables = _variables(given.environment)
    found = _over(_over(variables, entry), given.wanted)
    if "account" in variables and str(found["account"]).upper() != str(variables["account"]).upper():
        found = {key: value for key, value in found.items() if key not in _PLACE or key in {**entry, **given.wanted}}
    token_file = str(found.pop("token_file_path")) if "token_file_path" in found else None
    source = given.asker.source if name is None else f"entry {name} of {given.file}"
    if name is None and token_file is None and _is_at_home(given, found, variables):
        found, token_file, source = found | {"authenticator": "OAUTH"}, given.container_token, "the container's token"
        found.pop("user", None)
    if given.secret is not None:
        found |= {_place_of_secret(found): given.secret.get_secret_value()}
    method = _method(found, token_file, source)
    _check(found, method, token_file, source, given)
    needless = _PROOFS - {"authenticator"} - _USED.get(method, frozenset())
    found = {key: value for key, value in found.items() if key not in needless}
    parameters = {key: value for key, value in found.items() if not _is_secret(key, value)}
    if method is not Method.OKTA:
        parameters["authenticator"] = method.value
    return Login(
        method,
        parameters,
        {key: SecretStr(str(value)) for key, value in found.items() if _is_secret(key, value)},
        source,
        token_file if method in _TAKES_TOKEN and "token" not in found else None,
        "" if name is None else given.warning,
    )


def _over(lower: Mapping[str, Value], upper: Mapping[str, Value]) -> dict[str, Value]:
    """Return what two places say together, the upper one first.

    Proofs of two ways in do not mix: a password beside another place's key would decide for another method.
    """
    if (_PROOFS - {"authenticator"}) & upper.keys():
        lower = {key: value for key, value in lower.items() if key not in _PROOFS}
    return {**lower, **upper}


def _is_at_home(given: Given, found: Mapping[str, Value], variables: Mapping[str, Value]) -> bool:
    """Tell whether the account around this container is meant, to which its token belongs."""
    if given.container_token is None or given.secret is not None or _PROOFS & found.keys():
        return False
    return "host" not in given.wanted and found.get("account") == variables.get("account")


def _entry(given: Given) -> tuple[str | None, dict[str, Value]]:
    """Return the entry to take, under the connector's names; no name and nothing when none is taken."""
    named = given.connection_name or given.environment.get("SNOWFLAKE_DEFAULT_CONNECTION_NAME")
    if given.connection_name is None and {"account", "host"} & given.wanted.keys():
        return None, {}
    name = named or given.default_name or "default"
    if name not in given.entries:
        if not named:
            return None, {}
        known = ", ".join(sorted(given.entries)) or "none"
        raise ConfigurationError(
            f"{given.file} has no entry {name!r}", hint=f"entries there are: {known}; SNOWFLAKE_HOME says where it is"
        )
    prefix = f"SNOWFLAKE_CONNECTIONS_{name.upper()}_"
    over = {key[len(prefix) :].lower(): value for key, value in given.environment.items() if key.startswith(prefix)}
    return name, _plain({**given.entries[name], **over})


def _variables(environment: Mapping[str, str]) -> dict[str, Value]:
    return _plain({key: environment[name] for name, key in _ENVIRONMENT.items() if environment.get(name)})


def _is_secret(key: str, value: object) -> bool:
    """Tell whether a parameter is secret: by its name, also one that is not known here."""
    return key in _SECRET or (isinstance(value, str) and _SECRET_NAME.search(key) is not None)


def _plain(values: Mapping[str, object]) -> dict[str, Value]:
    """Return values under the connector's names, without those that are no parameters or are ours to decide."""
    named = {_ALIASES.get(key.lower(), key.lower()): value for key, value in values.items()}
    plain = {key: value for key, value in named.items() if isinstance(value, Value) and key not in _OURS}
    port = plain.get("port")
    return plain | {"port": int(port)} if isinstance(port, str) and port.isascii() and port.isdigit() else plain


def _place_of_secret(found: Mapping[str, Value]) -> str:
    """Return which parameter a secret is that was given beside the files."""
    said = str(found.get("authenticator", "")).upper()
    if said in _TAKES_TOKEN:
        return "token"
    has_key = bool({"private_key", "private_key_file"} & found.keys())
    return "private_key_password" if said == Method.KEY_PAIR or (has_key and not said) else "password"


def _method(found: Mapping[str, Value], token_file: str | None, source: str) -> Method:
    """Return the method that is asked for, or the one that what is there makes sense for."""
    said = str(found.get("authenticator", ""))
    if said.lower().startswith("https://"):
        return Method.OKTA
    if said.upper() in _ASKS_A_PERSON:
        raise ConfigurationError(
            f"authenticator {said.upper()} of {source} asks a person for each connection, and many are opened",
            hint="use a key pair (SNOWFLAKE_JWT), PROGRAMMATIC_ACCESS_TOKEN, OAUTH or WORKLOAD_IDENTITY",
        )
    if said:
        method = next((method for method in Method if method.value == said.upper()), None)
        if method is None or method is Method.OKTA:
            known = ", ".join(method.value for method in Method if method is not Method.OKTA)
            raise ConfigurationError(f"authenticator {said!r} of {source} is not known", hint=f"use one of {known}")
        return method
    if "private_key_file" in found or "private_key" in found:
        return Method.KEY_PAIR
    if "workload_identity_provider" in found:
        return Method.WORKLOAD_IDENTITY
    if token_file is not None or "token" in found:
        raise ConfigurationError(
            f"{source} has a token and does not say of which kind",
            hint="set authenticator to PROGRAMMATIC_ACCESS_TOKEN or OAUTH",
        )
    return Method.PASSWORD


def _check(found: Mapping[str, Value], method: Method, token_file: str | None, source: str, given: Given) -> None:
    """Raise :class:`ConfigurationError` for what a method needs and is not there."""
    there = {*found, *(("token",) if token_file is not None else ())}
    there |= {"private_key_file"} if "private_key" in found else set()
    missing = next((key for key in _NEEDED[method] if key not in there), None)
    if missing is None:
        return
    place, secret = given.asker.place, given.asker.secret
    hints = {
        "account": f"set {place.format(key='account')}, SNOWFLAKE_ACCOUNT, or account in the entry",
        "user": f"set {place.format(key='user')}, SNOWFLAKE_USER, or user in the entry",
        "password": f"set {secret}, or give the entry a password, a private_key_file or a token",
        "private_key_file": "set SNOWFLAKE_PRIVATE_KEY_FILE, or private_key_file in the entry",
        "token": "set SNOWFLAKE_TOKEN or SNOWFLAKE_TOKEN_FILE_PATH, or token_file_path in the entry",
        "workload_identity_provider": "set SNOWFLAKE_WORKLOAD_IDENTITY_PROVIDER to AWS, AZURE, GCP or OIDC",
    }
    entries = f"and no entry of {given.file} is named" if given.entries else f"and there are no entries in {given.file}"
    nowhere = f", {entries}" if source == given.asker.source else ""
    raise ConfigurationError(
        f"nothing says which {missing.replace('_', ' ')} to log in to Snowflake with: not {source}{nowhere}",
        hint=hints.get(missing, f"set {missing} in the entry") + _entries_hint(given, nowhere),
    )


def _entries_hint(given: Given, nowhere: str) -> str:
    names = ", ".join(sorted(given.entries)[:8])
    return f"; entries there are: {names}" if nowhere and names else ""
