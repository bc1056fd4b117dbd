"""The parts of access that need no server: addresses, waits, sessions, the users file."""

import re
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from upperbound.api.access.attempts import FORGOTTEN_AFTER_S, FREE, LONGEST_WAIT_S, REMEMBERED, LoginAttempts
from upperbound.api.access.origin import from_elsewhere, names_loopback
from upperbound.api.access.policy import access_policy, is_loopback
from upperbound.api.access.sessions import LIFE_S, MOST, Sessions
from upperbound.api.access.users import UsersFile
from upperbound.errors import ConfigurationError
from upperbound.testing.manual_clock import ManualClock

TOKEN = {"UPPERBOUND_AUTH_TOKEN": "0123456789abcdef"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_an_address_of_this_machine_is_open(host: str) -> None:
    assert is_loopback(host)
    policy = access_policy(host, {})
    assert (policy.loopback, policy.is_open) == (True, True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "bench.example.com", "128.0.0.1", ""])
def test_any_other_address_asks_for_a_token_or_users(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigurationError, match="can be reached from other machines"):
        access_policy(host, {})
    assert not access_policy(host, TOKEN).is_open


def test_a_token_on_this_machine_counts_too() -> None:
    assert not access_policy("127.0.0.1", TOKEN).is_open


def test_a_short_token_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="too short") as refused:
        access_policy("127.0.0.1", {"UPPERBOUND_AUTH_TOKEN": "hunter2"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8000", True),
        ("localhost:8000", True),
        ("[::1]:8000", True),
        ("", False),
        ("evil.example.com", False),
        ("127.0.0.1.evil.example.com", False),
        ("localhost.evil.example.com:8000", False),
        ("user@127.0.0.1@evil.example.com", False),
        ("[::1", False),
    ],
)
def test_only_names_of_this_machine_are_ours(host: str, ours: bool) -> None:
    assert names_loopback(host) is ours


@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"origin": "http://bench:8000"}, False),
        ({"origin": "https://bench:8000"}, False),
        ({"origin": "http://BENCH:8000"}, False),
        ({"origin": "http://bench"}, True),
        ({"origin": "http://bench:8001"}, True),
        ({"origin": "http://bench.evil.example.com:8000"}, True),
        ({"origin": "null"}, True),
        ({"origin": ""}, True),
        ({"origin": "http://[::1"}, True),
        ({"origin": "file://"}, True),
    ],
)
def test_a_page_of_another_site_is_told_by_its_origin(headers: dict[str, str], elsewhere: bool) -> None:
    assert from_elsewhere(Headers({"host": "bench:8000", **headers})) is elsewhere


@pytest.mark.parametrize(("origin", "host"), [("https://bench.example.com", "bench.example.com:443")])
def test_the_usual_port_need_not_be_said(origin: str, host: str) -> None:
    assert not from_elsewhere(Headers({"host": host, "origin": origin}))


def test_waits_grow_with_failures_and_are_forgotten() -> None:
    clock = ManualClock()
    attempts = LoginAttempts(clock)
    for _ in range(FREE):
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
    waits = []
    for _ in range(12):
        waits.append(attempts.wait_s("a"))
        clock.sleep(waits[-1])
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
    assert waits == sorted(waits)
    assert waits[:3] == [2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST_WAIT_S
    assert attempts.wait_s("b") == 0
    clock.sleep(FORGOTTEN_AFTER_S + 1)
    assert attempts.wait_s("a") == 0
    attempts.failed("a")
    assert attempts.wait_s("a") == 0


def test_a_success_forgets_failures_and_memory_is_bounded() -> None:
    attempts = LoginAttempts(ManualClock())
    for _ in range(FREE + 1):
        attempts.failed("a")
    assert attempts.wait_s("a") > 0
    attempts.succeeded("a")
    assert attempts.wait_s("a") == 0
    for number in range(REMEMBERED + 10):
        attempts.failed(str(number))
    assert len(attempts._failures) == REMEMBERED


def test_sessions_end_by_time_by_logout_and_by_number() -> None:
    clock = ManualClock()
    sessions = Sessions(clock)
    ada = sessions.open("ada")
    assert sessions.user(ada) == "ada"
    assert sessions.user(ada + "x") is None
    assert ada not in str(sessions._sessions)
    sessions.close(ada)
    assert sessions.user(ada) is None
    bob = sessions.open("bob")
    clock.sleep(LIFE_S)
    assert sessions.user(bob) == "bob"
    clock.sleep(1)
    assert sessions.user(bob) is None
    first = sessions.open("first")
    for _ in range(MOST):
        sessions.open("others")
    assert sessions.user(first) is None


@pytest.fixture
def users(tmp_path: Path) -> UsersFile:
    return UsersFile(tmp_path / "users")


def test_a_user_is_known_by_name_and_password(users: UsersFile) -> None:
    users.add("ada", "her own password")
    users.add("bob", "pässwörd")
    users.check()
    assert users.names() == ["ada", "bob"]
    assert users.knows("ada", "her own password")
    assert users.knows("bob", "pässwörd")
    assert not users.knows("ada", "pässwörd")
    assert not users.knows("eve", "her own password")
    users.add("ada", "another one")
    assert not users.knows("ada", "her own password")
    users.remove("ada")
    assert users.names() == ["bob"]
    with pytest.raises(ConfigurationError, match="no user 'ada'"):
        users.remove("ada")


def test_the_file_holds_no_password_and_nobody_else_reads_it(users: UsersFile) -> None:
    users.add("ada", "her own password")
    text = users.path.read_text()
    assert re.fullmatch(r"ada:scrypt\$\d+\$8\$1\$[\w+/=]+\$[\w+/=]+\n", text)
    assert users.path.stat().st_mode & 0o777 == 0o600
    users.path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="read by others"):
        users.check()


@pytest.mark.parametrize("name", ["", "a:b", "a\nb", "#a", "a" * 65])
def test_a_name_that_would_break_the_file_is_refused(users: UsersFile, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a user's name"):
        users.add(name, "password")
    assert not users.path.exists()


def test_every_line_that_is_wrong_is_named(users: UsersFile) -> None:
    users.add("ada", "x")
    good = users.path.read_text()
    users.path.write_text(f"# who may log in\n\n{good}{good}plain:password\nnothing\nx:scrypt$3$8$1$AA==$AA==\n")
    with pytest.raises(ConfigurationError) as refused:
        users.knows("ada", "x")
    assert [problem.where for problem in refused.value.problems] == ["line 4", "line 5", "line 6", "line 7"]
    assert "password" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="No such file"):
        UsersFile(users.path.with_name("other")).check()
