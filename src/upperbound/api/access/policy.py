"""Whether the controller is open, and to whom otherwise."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from upperbound.api.access.users import UsersFile
from upperbound.errors import ConfigurationError

TOKEN_VARIABLE: Final = "UPPERBOUND_AUTH_TOKEN"  # noqa: S105 - the name of the variable, not its value
USERS_VARIABLE: Final = "UPPERBOUND_USERS_FILE"
SHORTEST_TOKEN: Final = 16
"""Characters of a token; a shorter one could be guessed."""


@dataclass(frozen=True)
class AccessPolicy:
    """Who may use the controller."""

    loopback: bool
    """It listens on this machine alone: names of other hosts in a request are refused, as a page of theirs may have
    been pointed at this address."""
    token: SecretStr | None = None
    users: UsersFile | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody has to say who they are."""
        return self.token is None and self.users is None


def access_policy(host: str, environment: Mapping[str, str]) -> AccessPolicy:
    """Return the policy for an address to listen on, with the token and the users file that the environment names.

    Raises:
        ConfigurationError: neither is there for an address that others can reach, or one of them cannot be used.
    """
    token, file = environment.get(TOKEN_VARIABLE, ""), environment.get(USERS_VARIABLE, "")
    if token and len(token) < SHORTEST_TOKEN:
        raise ConfigurationError(
            f"{TOKEN_VARIABLE} is too short to be safe",
            hint=f"give it at least {SHORTEST_TOKEN} characters, such as `openssl rand -hex 24` prints",
        )
    policy = AccessPolicy(
        is_loopback(host), SecretStr(token) if token else None, UsersFile(Path(file)) if file else None
    )
    if policy.is_open and not policy.loopback:
        raise ConfigurationError(
            f"the address {host} can be reached from other machines, and nobody would have to log in",
            hint=f"set {TOKEN_VARIABLE} or {USERS_VARIABLE}, or listen on 127.0.0.1",
        )
    if policy.users is not None:
        policy.users.check()
    return policy


def is_loopback(host: str) -> bool:
    """Say whether an address, or ``localhost``, is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
