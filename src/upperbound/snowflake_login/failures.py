"""Why a session of Snowflake cannot be opened, in the same words for targets and stores."""

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from upperbound.snowflake_login.decision import Login, Method

_CONNECT: Final = 250_001
"""The driver's own: it says by words alone whether there is no way or no right."""
_EXPIRED: Final = frozenset({*range(390_110, 390_116), 390_195, 390_318})
_BUSY: Final = frozenset({604, 605, 607, 630, 90_073})
_REFUSED: Final = re.compile(
    r"incorrect username or password|authentication|password|jwt|token|private key|passphrase|mfa|role .* (not|does)"
    r"|not authorized|invalid oauth|attestation|ip address|locked|network policy",
    re.IGNORECASE,
)
_HINTS: Final = {
    Method.KEY_PAIR: "check that the user has the public key (DESCRIBE USER shows its fingerprint)",
    Method.OAUTH: "the token may have expired: get a new one",
    Method.PROGRAMMATIC_ACCESS_TOKEN: "the token may have expired, or a network policy may be missing for its user",
}


class Reason(Enum):
    """Why there is no session."""

    REFUSED = "refused"
    """User, proof or role are wrong: trying again does not help."""
    EXPIRED = "expired"
    """What proved who logs in was good once; a renewed token is."""
    TOKEN = "token"  # noqa: S105 - no token
    """The file with the token cannot be read now."""
    INCOMPLETE = "incomplete"
    """The driver does not take what it is given, such as a file that is no key."""
    BUSY = "busy"
    """The server takes no session now."""
    UNREACHABLE = "unreachable"
    """There is no way to the server."""


_WORDS: Final = {
    Reason.REFUSED: "refuses the login",
    Reason.EXPIRED: "refuses the login",
    Reason.TOKEN: "cannot be logged in to",
    Reason.INCOMPLETE: "cannot be logged in to",
    Reason.BUSY: "takes no session now",
    Reason.UNREACHABLE: "cannot be reached",
}


class LoginFailed(Exception):
    """There is no session. Whoever asked for it makes an error of the tree of it; nothing secret is in it."""

    def __init__(self, reason: Reason, said: str, hint: str) -> None:
        super().__init__(said)
        self.reason, self.said, self.hint = reason, said, hint

    def told(self, where: str) -> str:
        """Return the message; ``where`` is the target or the store."""
        return f"{where} {_WORDS[self.reason]}: {self.said}"


def explain_failure(error: Exception, login: Login, secrets: Iterable[str]) -> LoginFailed:
    """Return why the driver opened no session, without any of ``secrets``."""
    code, sqlstate, text = facts_of(error)
    said = one_line(text)
    for secret in secrets:
        said = said.replace(secret, "***") if secret else said
    reason = _reason(code, sqlstate, said)
    hints = {
        Reason.BUSY: "try again in a moment",
        Reason.UNREACHABLE: "check the account, the host, and whether a proxy is needed",
        Reason.INCOMPLETE: f"it is from {login.source}",
    }
    refused = f"{_HINTS.get(login.method, 'check user and password')}; they are from {login.source}"
    return LoginFailed(reason, said, hints.get(reason, refused))


def facts_of(error: Exception) -> tuple[int | None, str, str]:
    """Return a driver's error as vendor code, SQLSTATE and message; None for one without a code."""
    code = getattr(error, "errno", None)
    text = str(getattr(error, "raw_msg", "") or getattr(error, "msg", "") or error)
    return code if isinstance(code, int) and code >= 0 else None, str(getattr(error, "sqlstate", "") or ""), text


def one_line(text: str) -> str:
    """Return a message on one line; never an empty one."""
    return " ".join(text.split()) or "no reason given"


def is_refusal(code: int | None, said: str) -> bool:
    """Tell whether an error is about who logs in, by its code or, where the driver has one code for all, its words."""
    if code == _CONNECT:
        return _REFUSED.search(said) is not None
    return code is not None and 390_000 <= code < 400_000


def _reason(code: int | None, sqlstate: str, said: str) -> Reason:
    if code in _EXPIRED:
        return Reason.EXPIRED
    if is_refusal(code, said):
        return Reason.REFUSED
    if code in _BUSY or sqlstate.startswith("53"):
        return Reason.BUSY
    if (code is not None and 251_000 <= code < 252_000) or said.startswith("Configuration error"):
        return Reason.INCOMPLETE
    return Reason.UNREACHABLE
