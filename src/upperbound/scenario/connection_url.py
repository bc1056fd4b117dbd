"""PostgreSQL connection URLs: read the way libpq does, and freed of the secrets in them."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

_SCHEMES = ("postgresql", "postgres")
_SHAPE = "write postgresql://user@host:5432/database"
_SECRET_KEYS = frozenset({"sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
"""Secrets that only libpq's own places may hold, for want of an environment variable to hand them on in."""
_CREDENTIALS = re.compile(
    r"(://[^\s:@]*:).*(?=@)|((?:password|passphrase|passcode|pwd|secret|token|_key)\s*=\s*)(?:'[^']*'?|[^\s&']*)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class UrlFault:
    """Why a text is no connection URL we accept; never quotes it."""

    message: str
    hint: str


@dataclass(frozen=True)
class SplitUrl:
    """A connection URL in two: what may be shown and stored, and what may not."""

    url: str
    """Without the password; otherwise as it was given."""
    password: str | None
    """The decoded password, if there was one."""

    def __repr__(self) -> str:
        return f"SplitUrl(url={self.url!r}, password={'***' if self.password else None})"


def split_password(url: str) -> SplitUrl:
    """Take the password out of ``url``: from before the ``@``, or from ``password=`` in the query, which libpq prefers.

    A text that is no URL comes back as it is.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return SplitUrl(url, None)
    end = next((place for place, char in enumerate(rest) if char in "/?"), len(rest))
    authority, tail = rest[:end], rest[end:]
    password: str | None = None
    user, at, hosts = authority.rpartition("@")
    if at:
        user, colon, secret = user.partition(":")
        password = unquote(secret) if colon and secret else None
        authority = f"{user}@{hosts}" if user else hosts
    path, mark, query = tail.partition("?")
    if mark:
        kept = []
        for pair in query.split("&"):
            key, _, value = pair.partition("=")
            if unquote(key) == "password":
                password = unquote(value) or password
            else:
                kept.append(pair)
        tail = f"{path}?{'&'.join(kept)}" if kept else path
    return SplitUrl(f"{scheme}://{authority}{tail}", password)


def check_url(url: str) -> UrlFault | None:
    """Say what is wrong with ``url`` as a stored connection URL, a password in it included; None when nothing is."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        return UrlFault("is not a PostgreSQL connection URL", _SHAPE)
    if not url.isprintable() or any(char.isspace() for char in url):
        return UrlFault("holds spaces or control characters", "write them percent-encoded: a space is %20")
    if split_password(url).password is not None:
        return UrlFault("holds a password", "set PGPASSWORD, or use ~/.pgpass or a service file")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if not all(_port_is_good(host) for host in authority.rpartition("@")[2].split(",")):
        return UrlFault(
            "has a port that is not a number from 1 to 65535",
            f"{_SHAPE}; a / or @ in a user name or password is written %2F or %40",
        )
    keys = {unquote(pair.partition("=")[0]) for pair in rest.partition("?")[2].split("&")}
    if secrets := sorted(keys & _SECRET_KEYS):
        return UrlFault(
            f"holds a secret: {secrets[0]}", "put it into a service file (pg_service.conf) and use service="
        )
    return None


def mask_credentials(text: str) -> str:
    """Return ``text`` with whatever looks like a password in it replaced by ``***``."""
    return _CREDENTIALS.sub(lambda match: (match[1] or match[2]) + "***", text)


def _port_is_good(host: str) -> bool:
    """Tell whether one ``host[:port]`` of a URL has a usable port or none; IPv6 addresses stand in brackets."""
    _, colon, port = host.rpartition("]")[2].rpartition(":")
    return not colon or not port or (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535)
