"""Stands before every request and WebSocket: who may come in, and what every response carries."""

import hmac
import re
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from upperbound.api.access.attempts import LoginAttempts
from upperbound.api.access.bodies import is_announced_too_large, limit_of, limited
from upperbound.api.access.headers import security_headers
from upperbound.api.access.origin import SAFE_METHODS, from_elsewhere, names_loopback
from upperbound.api.access.policy import AccessPolicy
from upperbound.api.access.sessions import COOKIE, Sessions
from upperbound.api.errors import problem_response
from upperbound.clock import Clock

OPEN_PATHS: Final = frozenset({"/health", "/login", "/api/login", "/api/logout"})
"""What needs no login: whether the server is well, and the login itself."""
PUSH_PATH: Final = re.compile(r"/api/runs/([^/]+)/metrics/live")
"""What only workers of the run may use, by a token of their own, whatever the policy is for others."""
USER_KEY: Final = "upperbound.user"
"""Where a request's scope says who sent it."""
ANYBODY: Final = "a user of the web server"
WORKER_USER: Final = "a worker"
TOKEN_USER: Final = "the bearer of the token"  # noqa: S105 - a name, not a token


class Access:
    """The policy with what is remembered about those who use it."""

    def __init__(
        self, policy: AccessPolicy, clock: Clock, admits_worker: Callable[[str, str], bool] = lambda _run, _token: False
    ) -> None:
        """``admits_worker`` says of a run and a token whether a worker of the run is who sends it."""
        self.policy = policy
        self.admits_worker = admits_worker
        self.sessions: Final = Sessions(clock)
        self.attempts: Final = LoginAttempts(clock)
        self._hashing: Final = CapacityLimiter(2)
        """Checking a password takes memory and time: not many at once."""

    def has_token(self, given: str) -> bool:
        """Say whether this is the token."""
        token = self.policy.token.get_secret_value() if self.policy.token else ""
        # Of equal length, so that the time says nothing.
        return bool(token) and hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())

    async def login(self, name: str, password: str) -> str | None:
        """Return who this is; None for nobody. The token is a password without a name."""
        if not name:
            return TOKEN_USER if self.has_token(password) else None
        if self.policy.users is None:
            return None
        known = await to_thread.run_sync(self.policy.users.knows, name, password, limiter=self._hashing)
        return name if known else None


class Guard:
    """An ASGI middleware; nothing behind it sees a request that it has refused."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = scope["path"]

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in security_headers(path).items():
                    headers.setdefault(name, value)
                if path.startswith("/api/"):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refuse(scope)
        if refusal is None:
            await self._app(scope, limited(receive, path), send_with_headers)
        else:
            await refusal(scope, receive, send_with_headers)

    def _refuse(self, scope: Scope) -> Response | None:
        """Return why a request goes no further; None lets it in."""
        path, headers = scope["path"], Headers(scope=scope)
        if self._access.policy.loopback and not names_loopback(headers.get("host", "")):
            hint = "use the address that the server has printed, or let it listen on another one"
            return problem_response(path, 421, "misdirected", "this server has another name", hint=hint)
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if changes and from_elsewhere(headers):
            return problem_response(path, 403, "cross_origin", "the request comes from a page of another site")
        if is_announced_too_large(scope):
            detail = f"the body is larger than {limit_of(path)} bytes"
            return problem_response(path, 413, "too_large", detail, headers={"Connection": "close"})
        if pushed := PUSH_PATH.fullmatch(path):
            return self._identify_worker(scope, headers, pushed[1])
        scope[USER_KEY] = ANYBODY
        if self._access.policy.is_open:
            return None
        return self._identify(scope, headers)

    def _identify(self, scope: Scope, headers: Headers) -> Response | None:
        """Find out who sent a request; return the refusal of one that needs a login and has none."""
        path = scope["path"]
        cookie = _cookie(headers.getlist("cookie"))
        if cookie and (user := self._access.sessions.user(cookie)):
            scope[USER_KEY] = user
            return None
        if (given := _bearer(headers)) and self._access.has_token(given):
            scope[USER_KEY] = TOKEN_USER
            return None
        if path in OPEN_PATHS:
            return None
        if scope["type"] == "http" and scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"/login?next={quote(path)}", 303)
        hint = "send `Authorization: Bearer TOKEN`, or log in at /login"
        challenge = {"WWW-Authenticate": 'Bearer realm="upperbound"'}
        return problem_response(path, 401, "not_authenticated", "nobody is logged in", hint=hint, headers=challenge)

    def _identify_worker(self, scope: Scope, headers: Headers, run_id: str) -> Response | None:
        """Let a worker in that has the token of its run; nobody else's credentials open this door."""
        if (given := _bearer(headers)) and self._access.admits_worker(run_id, given):
            scope[USER_KEY] = WORKER_USER
            return None
        challenge = {"WWW-Authenticate": 'Bearer realm="upperbound workers"'}
        detail = "only workers of this run that this server has started may push its figures"
        return problem_response(scope["path"], 401, "not_authenticated", detail, headers=challenge)


def _bearer(headers: Headers) -> str:
    """Return the token that a request brings; empty when there is none."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _cookie(lines: Iterable[str]) -> str | None:
    """Return the value of the session's cookie."""
    for line in lines:
        try:
            cookies = SimpleCookie(line)
        except CookieError:
            continue
        if COOKIE in cookies:
            return cookies[COOKIE].value
    return None
