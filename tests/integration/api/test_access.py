"""Who gets in and who does not: a table of attempts against an open controller and one with a token and users."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from tests.integration.api.serving import ANSWER_S, TOKEN, Serving, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from upperbound.api.access.policy import AccessPolicy
from upperbound.api.access.users import UsersFile
from upperbound.store.engine import open_store

TEXT = {"content-type": "text/plain"}
PART = f"Bearer {TOKEN[:-1]}"
AS_JSON = {"content-type": "application/json"}
OTHER_PORT = {"origin": "http://127.0.0.1:1"}
FOREIGN = {"sec-fetch-site": "cross-site"}
BEARER = {"authorization": f"Bearer {TOKEN}"}
ELSEWHERE = {"origin": "https://evil.example.com"}
BIG = b'{"password": "' + b"x" * 2**20 + b'"}'
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def guarded(target: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A controller that asks who is there."""
    home: Path = tmp_path_factory.mktemp("guarded")
    users = UsersFile(home / "users")
    users.add("ada", "her own password")
    policy = AccessPolicy(loopback=False, token=SecretStr(TOKEN), users=users)
    with open_store(f"sqlite:///{home}/store.db") as store, serving(store, home, target, policy) as served:
        yield served


@dataclass(frozen=True)
class Attempt:
    """A request, and what becomes of it."""

    name: str
    method: str
    path: str
    status: int
    code: str | None = None
    """Of the problem; None for an answer that is none."""
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    json: Any = None


GUARDED = [
    Attempt("no credentials", "GET", "/api/tests", 401, "not_authenticated"),
    Attempt("no credentials, metrics", "GET", "/metrics", 401, "not_authenticated"),
    Attempt("no credentials, description", "GET", "/api/openapi.json", 401, "not_authenticated"),
    Attempt("no credentials, documentation", "GET", "/api/docs", 401, "not_authenticated"),
    Attempt("no credentials, a change", "POST", "/api/tests/x/start", 401, "not_authenticated"),
    Attempt("no credentials, no such path", "GET", "/api/nothing", 401, "not_authenticated"),
    Attempt("no credentials, health", "GET", "/health", 200),
    Attempt("wrong token", "GET", "/api/tests", 401, "not_authenticated", {"authorization": "Bearer wrong"}),
    Attempt(
        "part of the token", "GET", "/api/tests", 401, "not_authenticated", {"authorization": f"Bearer {TOKEN[:-1]}"}
    ),
    Attempt("no token in the header", "GET", "/api/tests", 401, "not_authenticated", {"authorization": "Bearer"}),
    Attempt("token as basic", "GET", "/api/tests", 401, "not_authenticated", {"authorization": f"Basic {TOKEN}"}),
    Attempt("token in the query", "GET", f"/api/tests?token={TOKEN}", 401, "not_authenticated"),
    Attempt("made-up cookie", "GET", "/api/tests", 401, "not_authenticated", {"cookie": "upperbound_session=abc"}),
    Attempt("right token", "GET", "/api/tests", 200, None, BEARER),
    Attempt("right token, metrics", "GET", "/metrics", 200, None, BEARER),
    Attempt("right token in lower case", "GET", "/api/tests", 200, None, {"authorization": f"bearer {TOKEN}"}),
    Attempt("wrong password", "POST", "/api/login", 401, "login_refused", json={"name": "ada", "password": "wrong"}),
    Attempt("no such user", "POST", "/api/login", 401, "login_refused", json={"name": "eve", "password": "wrong"}),
    Attempt("login from elsewhere", "POST", "/api/login", 403, "cross_origin", ELSEWHERE, json={"password": TOKEN}),
    Attempt("change from elsewhere", "DELETE", "/api/tests/x", 403, "cross_origin", BEARER | ELSEWHERE),
    Attempt("reading from elsewhere", "GET", "/api/tests", 200, None, BEARER | ELSEWHERE),
]
OPEN = [
    Attempt("own machine", "GET", "/api/tests", 200),
    Attempt("another name of this server", "GET", "/api/tests", 421, "misdirected", {"host": "evil.example.com"}),
    Attempt("a name that looks like ours", "GET", "/health", 421, "misdirected", {"host": "localhost.example.com"}),
    Attempt("no name", "GET", "/api/tests", 421, "misdirected", {"host": ""}),
    Attempt("localhost", "GET", "/api/tests", 200, None, {"host": "localhost:8000"}),
    Attempt("IPv6 loopback", "GET", "/api/tests", 200, None, {"host": "[::1]:8000"}),
    Attempt("change from elsewhere", "POST", "/api/runs", 403, "cross_origin", ELSEWHERE, json={}),
    Attempt("change from another port", "POST", "/api/runs", 403, "cross_origin", OTHER_PORT, json={}),
    Attempt("change from a sandbox", "POST", "/api/runs", 403, "cross_origin", {"origin": "null"}, json={}),
    Attempt(
        "change that a browser calls foreign",
        "POST",
        "/api/runs",
        403,
        "cross_origin",
        {"sec-fetch-site": "cross-site"},
    ),
    Attempt(
        "form of another site",
        "POST",
        "/api/runs",
        415,
        "unsupported_media_type",
        {"content-type": "text/plain"},
        b"{}",
    ),
    Attempt("JSON without saying so", "POST", "/api/templates", 422, "request_invalid", {"content-type": ""}, b"{}"),
    Attempt("too large", "POST", "/api/login", 413, "too_large", AS_JSON, BIG),
    Attempt("too large a scenario", "POST", "/api/runs", 413, "too_large", AS_JSON, BIG * 6),
    Attempt("path in an id", "GET", "/api/tests/..%2f..%2fetc%2fpasswd", 404, "not_found"),
    Attempt("dots as an id", "GET", "/api/tests/..", 404, "not_found"),
    Attempt("encoded dots as an id", "DELETE", "/api/tests/%2e%2e", 422, "request_invalid"),
    Attempt("null in an id", "GET", "/api/tests/a%00b", 422, "request_invalid"),
    Attempt("path in a part of the documentation", "GET", "/api/docs/..%2fapp.py", 404, "not_found"),
    Attempt("another file of the documentation", "GET", "/api/docs/__init__.py", 404, "not_found"),
    Attempt("SQL in an id", "GET", "/api/tests/x'%20OR%20'1'='1", 422, "request_invalid"),
    Attempt("SQL in a filter", "GET", "/api/tests?q=%25'%20OR%201=1--", 200),
    Attempt("SQL in an order", "GET", "/api/tests/x/query-executions?sort=1;DROP%20TABLE%20x", 422, "request_invalid"),
    Attempt("SQL in a kind", "GET", "/api/tests/x/query-executions?kind=')%20OR%20true--", 422, "request_invalid"),
    Attempt("script in a search", "GET", f"/api/templates?search={SCRIPT}", 200),
    Attempt("script in a name", "GET", f"/api/templates/{SCRIPT.replace('/', '%2f')}", 404, "not_found"),
    Attempt("no such path", "GET", "/api/nothing", 404, "not_found"),
    Attempt("no such method", "PATCH", "/api/tests", 405, "method_not_allowed"),
]


def try_it(client: httpx.Client, attempt: Attempt) -> None:
    """Make an attempt and hold the answer against what is to become of it."""
    request = client.build_request(
        attempt.method, attempt.path, headers=attempt.headers, content=attempt.content, json=attempt.json
    )
    # As it was written: a client makes dots in a path go away.
    request.url = request.url.copy_with(raw_path=attempt.path.encode())
    answer = client.send(request)
    assert answer.status_code == attempt.status, answer.text
    if attempt.code is not None:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == attempt.code
    assert TOKEN not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("attempt", GUARDED, ids=lambda attempt: attempt.name)
def test_an_attempt_on_a_controller_that_asks_who_is_there(guarded: Serving, attempt: Attempt) -> None:
    with httpx.Client(base_url=guarded.base_url) as client:
        try_it(client, attempt)


@pytest.mark.parametrize("attempt", OPEN, ids=lambda attempt: attempt.name)
def test_an_attempt_on_an_open_controller(shared: Serving, attempt: Attempt) -> None:
    with httpx.Client(base_url=shared.base_url) as client:
        try_it(client, attempt)


@pytest.mark.parametrize("login", [{"name": "ada", "password": "her own password"}, {"password": TOKEN}])
def test_a_login_opens_a_session_until_the_logout(guarded: Serving, login: dict[str, str]) -> None:
    with httpx.Client(base_url=guarded.base_url) as client:
        answer = client.post("/api/login", json=login)
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert client.get("/api/tests").status_code == 200
        assert client.post("/api/logout").status_code == 204
        assert client.get("/api/tests").status_code == 401


def test_a_browser_is_led_to_the_form_and_back(guarded: Serving) -> None:
    with httpx.Client(base_url=guarded.base_url, headers={"accept": "text/html"}) as client:
        led = client.get("/api/docs")
        assert (led.status_code, led.headers["location"]) == (303, "/login?next=/api/docs")
        form = client.get(led.headers["location"])
        assert form.status_code == 200
        assert 'value="/api/docs"' in form.text
        wrong = client.post("/login", data={"name": "ada", "password": "wrong", "next": "/api/docs"})
        assert wrong.status_code == 401
        assert "the name or the password is wrong" in wrong.text
        entered = client.post("/login", data={"name": "ada", "password": "her own password", "next": "/api/docs"})
        assert (entered.status_code, entered.headers["location"]) == (303, "/api/docs")
        assert client.get("/api/docs").status_code == 200


@pytest.mark.parametrize(
    "wanted", ["https://evil.example.com/", "//evil.example.com", "/\\evil.example.com", "javascript:1"]
)
def test_the_login_leads_to_no_other_site(guarded: Serving, wanted: str) -> None:
    with httpx.Client(base_url=guarded.base_url) as client:
        answer = client.post("/login", data={"name": "", "password": TOKEN, "next": wanted})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_the_form_shows_what_it_was_given_as_text(guarded: Serving) -> None:
    with httpx.Client(base_url=guarded.base_url) as client:
        page = client.get("/login", params={"next": f'/">{SCRIPT}'})
        assert SCRIPT not in page.text


def test_who_fails_too_often_has_to_wait_and_sessions_go_on(target: str, tmp_path: Path) -> None:
    users = UsersFile(tmp_path / "users")
    users.add("ada", "her own password")
    policy = AccessPolicy(loopback=False, token=SecretStr(TOKEN), users=users)
    with open_store(f"sqlite:///{tmp_path}/store.db") as store, serving(store, tmp_path, target, policy) as served:
        inside = served.client()
        assert inside.post("/api/login", json={"password": TOKEN}).status_code == 200
        outside = served.client()
        statuses = [
            outside.post("/api/login", json={"name": "ada", "password": f"guess {number}"}).status_code
            for number in range(8)
        ]
        assert statuses == [401] * 5 + [429] * 3
        right = outside.post("/api/login", json={"name": "ada", "password": "her own password"})
        assert right.status_code == 429
        assert int(right.headers["retry-after"]) > 0
        assert inside.get("/api/tests").status_code == 200
        assert outside.get("/api/tests", headers=BEARER).status_code == 200


def test_who_did_something_is_written_down(guarded: Serving) -> None:
    client = guarded.client(BEARER)
    made = client.post("/api/runs", json={"scenario": guarded.scenario(), "credentials": guarded.credentials})
    run_id = made.json()["run_id"]
    with httpx.Client(base_url=guarded.base_url) as ada:
        ada.post("/api/login", json={"name": "ada", "password": "her own password"})
        assert ada.post(f"/api/tests/{run_id}/stop").json()["status"] == "CANCELLED"
    assert client.get(f"/api/tests/{run_id}").json()["cancellation_reason"] == "stopped by ada by the web server"


def test_a_name_with_a_script_in_it_comes_back_as_data(shared: Serving) -> None:
    scenario = shared.scenario() | {"name": SCRIPT}
    made = shared.http.post("/api/templates", json={"scenario": scenario})
    assert made.status_code == 201
    answer = shared.http.get("/api/templates", params={"search": "alert"})
    assert answer.headers["content-type"] == "application/json"
    assert [entry["name"] for entry in answer.json()["items"]] == [SCRIPT]
    assert shared.http.delete(f"/api/templates/{made.json()['template_id']}").status_code == 204


def test_a_password_is_nowhere_to_be_read(server: Serving) -> None:
    secret = server.credentials["password"]
    scenario = server.scenario(duration_seconds=1)
    scenario["target"]["url"] = server.target
    answers = [
        server.http.post("/api/runs", json={"scenario": scenario}),
        server.http.post("/api/runs", json={"scenario": scenario, "credentials": {"password": [secret]}}),
        server.http.post("/api/catalog/databases", json={"url": server.target, "search": 3}),
        server.http.post("/api/catalog/databases", json={"url": server.target.replace("/test_", "/nothing_")}),
        server.http.post("/api/login", json={"password": secret, "user": secret}),
        server.http.post("/api/templates/validate", json={"scenario": scenario}),
    ]
    run_id = answers[0].json()["run_id"]
    server.start(run_id)
    server.until_over(run_id)
    answers += [server.http.get(f"/api/tests/{run_id}{path}") for path in ("", "/logs", "/errors", "/statistics")]
    assert [answer.status_code for answer in answers] == [201, 422, 422, 424, 422, 200, 200, 200, 200, 200]
    assert not [answer.text for answer in answers if secret in answer.text]
    kept = [path for path in server.services.home.rglob("*") if path.is_file()]
    assert not [path for path in kept if secret.encode() in path.read_bytes()]


def test_a_body_that_does_not_say_how_large_it_is_is_cut_off(shared: Serving) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"password": "'
        for _ in range(64):
            yield b"x" * 2**16
        yield b'"}'

    answer = shared.http.post("/api/login", content=parts(), headers=AS_JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


SOCKETS = [
    ("no credentials", True, {}, 401),
    ("wrong token", True, {"Authorization": "Bearer wrong"}, 401),
    ("from elsewhere, with the token", True, {"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.com"}, 403),
    ("right token", True, {"Authorization": f"Bearer {TOKEN}"}, None),
    ("from elsewhere", False, {"Origin": "https://evil.com"}, 403),
    ("from a sandbox", False, {"Origin": "null"}, 403),
    ("own machine", False, {}, None),
]


@pytest.mark.parametrize(("name", "asks", "headers", "status"), SOCKETS, ids=[name for name, *_ in SOCKETS])
def test_an_attempt_to_watch_a_run(
    guarded: Serving, shared: Serving, name: str, asks: bool, headers: dict[str, str], status: int | None
) -> None:
    served = guarded if asks else shared
    url = served.base_url.replace("http", "ws", 1) + "/ws/test/no-such-run"
    if status is not None:
        with pytest.raises(InvalidStatus) as refused, connect(url, additional_headers=headers):
            pass
        assert refused.value.response.status_code == status
        return
    with connect(url, additional_headers=headers) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(ANSWER_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4404, name
