"""Sessions of browsers: a cookie that says nothing, and what is known of it here."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from upperbound.clock import Clock

COOKIE: Final = "upperbound_session"
LIFE_S: Final = 12 * 3600.0
"""From the login on; a session does not outlive the server either."""
MOST: Final = 1_000
"""Sessions kept at once; the oldest goes first."""


@dataclass(frozen=True)
class _Session:
    user: str
    began_ns: int


class Sessions:
    """The sessions there are; used within one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[str, _Session] = {}
        """By the hash of the cookie: what is kept in memory opens no door."""

    def open(self, user: str) -> str:
        """Begin a session and return its cookie's value."""
        value = secrets.token_urlsafe(32)
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_key(value)] = _Session(user, self._clock.monotonic_ns())
        return value

    def user(self, value: str) -> str | None:
        """Return whose session a cookie's value belongs to; None when there is none, or no more."""
        session = self._sessions.get(_key(value))
        if session is None:
            return None
        if (self._clock.monotonic_ns() - session.began_ns) / 1e9 > LIFE_S:
            self.close(value)
            return None
        return session.user

    def close(self, value: str) -> None:
        """End a session; nothing happens when there is none."""
        self._sessions.pop(_key(value), None)


def _key(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
