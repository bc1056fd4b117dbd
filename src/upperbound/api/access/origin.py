"""Where a request comes from: whether its host is ours, and whether another site's page has sent it."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from upperbound.api.access.policy import is_loopback

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Those that change nothing."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def names_loopback(host: str) -> bool:
    """Say whether a ``Host`` header names this machine; a name of anybody's could have been pointed at it."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def from_elsewhere(headers: Headers) -> bool:
    """Say whether a page of another site has sent a request; browsers tell, and other programs say nothing.

    The scheme does not count, as a proxy may have taken TLS off; the host and the port do.
    """
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    # A page that is kept apart from every site, such as one in a sandbox, has an origin without a place.
    place = _place(origin)
    return place is None or place != _place(f"{origin.partition(':')[0]}://{headers.get('host', '')}")


def _place(origin: str) -> tuple[str, int | None] | None:
    """Return host and port; None for what has none."""
    try:
        parts = urlsplit(origin)
        return (parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)) if parts.hostname else None
    except ValueError:
        return None
