"""Logging in and out, for browsers; programs send the token with each request."""

from html import escape
from typing import Annotated
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Body, Request
from pydantic import Field, SecretStr
from starlette.responses import HTMLResponse, RedirectResponse, Response

from upperbound.api.access.guard import Access
from upperbound.api.access.sessions import COOKIE, LIFE_S
from upperbound.api.errors import ApiProblem, problem_responses
from upperbound.views.view import View

router = APIRouter(tags=["access"])

LONGEST = 200
"""Characters of a name or password that are looked at."""


class Login(View):
    """Who wants to come in."""

    name: Annotated[str, Field(max_length=LONGEST)] = ""
    """A user of the users file; empty for the token."""
    password: Annotated[SecretStr, Field(max_length=LONGEST)]
    """Theirs, or the token."""


class LoggedIn(View):
    """Who has come in."""

    user: str


@router.post(
    "/api/login",
    summary="Log in",
    responses=problem_responses(400, 401, 403, 413, 421, 422, 429),
    openapi_extra={"security": []},
)
async def login(
    request: Request,
    response: Response,
    given: Annotated[Login, Body(openapi_examples={"token": {"value": {"password": "0123456789abcdef"}}})],
) -> LoggedIn:
    """Begin a session: the answer sets a cookie that scripts cannot read."""
    user = await _enter(request, given.name, given.password.get_secret_value())
    _set_cookie(request, response, _access(request).sessions.open(user))
    return LoggedIn(user=user)


@router.post(
    "/api/logout",
    status_code=204,
    summary="Log out",
    responses=problem_responses(403, 421),
    openapi_extra={"security": []},
)
async def logout(request: Request, response: Response) -> None:
    """End the session of the cookie that is sent, if there is one."""
    if value := request.cookies.get(COOKIE):
        _access(request).sessions.close(value)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", path="/")


@router.get("/login", include_in_schema=False)
async def page(request: Request) -> HTMLResponse:
    """Show the form."""
    return HTMLResponse(_page(request.query_params.get("next", "/"), ""))


@router.post("/login", include_in_schema=False)
async def submit(request: Request) -> Response:
    """Take the form in, and go where the visitor wanted to."""
    fields = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    name, password, wanted = (fields.get(field, [""])[0] for field in ("name", "password", "next"))
    try:
        user = await _enter(request, name[:LONGEST], password[:LONGEST])
    except ApiProblem as problem:
        return HTMLResponse(_page(wanted, problem.detail), problem.status, problem.headers)
    response = RedirectResponse(_inside(wanted), 303)
    _set_cookie(request, response, _access(request).sessions.open(user))
    return response


async def _enter(request: Request, name: str, password: str) -> str:
    """Return the user. Raises :class:`ApiProblem` for a wrong password, and for too many of them."""
    access = _access(request)
    address = request.client.host if request.client else ""
    if wait_s := access.attempts.wait_s(address):
        seconds = max(1, round(wait_s))
        detail = f"too many failed logins: nothing is looked at for {seconds} s"
        raise ApiProblem(429, "too_many_requests", detail, headers={"Retry-After": str(seconds)})
    user = await access.login(name, password)
    if user is None:
        access.attempts.failed(address)
        raise ApiProblem(401, "login_refused", "the name or the password is wrong")
    access.attempts.succeeded(address)
    return user


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


def _set_cookie(request: Request, response: Response, value: str) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, value, max_age=int(LIFE_S), path="/", secure=secure, httponly=True, samesite="lax")


def _inside(wanted: str) -> str:
    """Return a path of this server, whatever was asked for."""
    if not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or not wanted.isprintable():
        return "/"
    return quote(wanted, safe="/?&=%#,:-._~")


def _page(wanted: str, fault: str) -> str:
    return _FORM.format(next=escape(wanted, quote=True), fault=escape(fault))


_FORM = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in to Upperbound</title>
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
body {{ display: grid; place-items: center; min-height: 90vh; margin: 0; }}
form {{ display: grid; gap: 0.8rem; width: min(20rem, 90vw); }}
h1 {{ font-size: 1.3rem; margin: 0; }}
label {{ display: grid; gap: 0.2rem; }}
input, button {{ font: inherit; padding: 0.5rem; }}
p {{ margin: 0; min-height: 1.4em; }}
</style>
</head>
<body>
<main>
<form method="post" action="/login">
<h1>Upperbound</h1>
<p role="alert">{fault}</p>
<label>Name (empty for the token)<input name="name" autocomplete="username" autofocus></label>
<label>Password or token<input name="password" type="password" autocomplete="current-password" required></label>
<input type="hidden" name="next" value="{next}">
<button type="submit">Log in</button>
</form>
</main>
</body>
</html>
"""
