"""What a user reads when there is no way into the target."""

import contextlib
import socket

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from upperbound.errors import ConfigurationError, TargetAuthFailed, TargetUnreachable
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.postgres import ConnInfo, open_connection

SECRET = "s3cr3t-Pa55"


@pytest.fixture(autouse=True)
def no_libpq_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPASSWORD", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGPASSFILE", "/nonexistent")


def test_a_connection_is_in_autocommit_mode_and_says_who_it_is(embedded_server: EmbeddedServer) -> None:
    info = ConnInfo(embedded_server.url, embedded_server.password, application_name="upperbound abc worker-0")
    with open_connection(info) as connection:
        assert connection.autocommit
        assert connection.execute("SHOW application_name").fetchone() == ("upperbound abc worker-0",)
        assert connection.execute("SHOW client_encoding").fetchone() == ("UTF8",)


def test_the_password_may_come_from_the_environment(
    embedded_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", embedded_server.password.get_secret_value())
    with open_connection(ConnInfo(embedded_server.url)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("user", "database", "says", "hint"),
    [
        ("postgres", "postgres", "password authentication failed", "PGPASSWORD"),
        ("nobody_here", "postgres", "password authentication failed", "check the user"),
    ],
)
def test_a_refused_login_names_server_and_remedy(
    embedded_server: EmbeddedServer, user: str, database: str, says: str, hint: str
) -> None:
    url = f"postgresql://{user}@127.0.0.1:{embedded_server.port}/{database}"
    with pytest.raises(TargetAuthFailed, match=says) as caught:
        open_connection(ConnInfo(url, SecretStr(SECRET)))
    assert f"127.0.0.1:{embedded_server.port}" in str(caught.value)
    assert hint in caught.value.hint
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_database_that_is_not_there_is_named(embedded_server: EmbeddedServer) -> None:
    url = f"{embedded_server.url.rpartition('/')[0]}/absent"
    with pytest.raises(TargetAuthFailed, match='database "absent" does not exist') as caught:
        open_connection(ConnInfo(url, embedded_server.password))
    assert "create the database" in caught.value.hint


def test_a_role_without_login_is_an_auth_failure(embedded_server: EmbeddedServer, fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE nologin_role NOLOGIN PASSWORD '{SECRET}'")
        try:
            url = f"postgresql://nologin_role@127.0.0.1:{embedded_server.port}/postgres"
            with pytest.raises(TargetAuthFailed, match="not permitted to log in"):
                open_connection(ConnInfo(url, SecretStr(SECRET)))
        finally:
            admin.execute("DROP ROLE nologin_role")


def test_a_missing_password_says_where_to_put_it(embedded_server: EmbeddedServer) -> None:
    with pytest.raises(TargetAuthFailed, match="no password supplied") as caught:
        open_connection(ConnInfo(embedded_server.url))
    assert "PGPASSWORD" in caught.value.hint


def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(
            TargetUnreachable, match=rf"127\.0\.0\.1:{port} cannot be reached: Connection refused"
        ) as it:
            open_connection(ConnInfo(f"postgresql://u@127.0.0.1:{port}/d", SecretStr(SECRET)))
    assert "is the server running" in it.value.hint


def test_a_server_that_does_not_answer_is_given_up_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        with pytest.raises(TargetUnreachable, match=rf"127\.0\.0\.1:{port} does not answer within 2 s"):
            open_connection(ConnInfo(f"postgresql://u@127.0.0.1:{port}/d", connect_timeout_s=2))


def test_a_host_that_does_not_exist_is_unreachable() -> None:
    with pytest.raises(TargetUnreachable, match=r"host\.invalid:5433 cannot be reached") as caught:
        open_connection(ConnInfo("postgresql://u@host.invalid:5433/d"))
    assert "host name" in caught.value.hint


def test_a_socket_directory_that_does_not_exist_is_unreachable() -> None:
    with pytest.raises(TargetUnreachable, match=r"/nonexistent/\.s\.PGSQL\.5432 cannot be reached"):
        open_connection(ConnInfo("postgresql://u@/d?host=/nonexistent"))


def test_a_full_server_is_unreachable_and_not_a_wrong_password() -> None:
    with EmbeddedServer(max_connections=10) as server:
        info = ConnInfo(server.url, server.password)
        with contextlib.ExitStack() as held:
            for _ in range(10):
                held.enter_context(open_connection(info))
            with pytest.raises(TargetUnreachable, match="has no free connection") as caught:
                open_connection(info)
        assert "max_connections" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@127.0.0.1:1/d?nonsense=1",
        "postgresql://[broken/d",
        f"postgresql://u:{SECRET}@127.0.0.1:1/d?password={SECRET}&nonsense={SECRET}",
    ],
)
def test_a_url_that_libpq_does_not_read_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL cannot be used") as caught:
        open_connection(ConnInfo(url, SecretStr(SECRET)))
    assert SECRET not in str(caught.value)


def test_no_representation_shows_the_password(embedded_server: EmbeddedServer) -> None:
    info = ConnInfo(embedded_server.url, SecretStr(SECRET))
    assert SECRET not in repr(info)
    with pytest.raises(TargetAuthFailed) as caught:
        open_connection(info)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://u@db.example.com/d", "db.example.com:5432"),
        ("postgresql://u@[::1]:5444/d", "::1:5444"),
        ("postgresql://u@a:1,b:2/d", "a:1, b:2"),
        ("postgresql://u@a,b/d?port=6000", "a:6000, b:6000"),
        ("postgresql:///d?host=/tmp&port=5433", "/tmp/.s.PGSQL.5433"),
        ("postgresql:///?service=prod", "service prod"),
        ("postgresql:///d", "the server that libpq's defaults name"),
    ],
)
def test_messages_name_the_server(url: str, address: str) -> None:
    assert ConnInfo(url).address == address


def test_a_timeout_in_the_url_wins() -> None:
    assert conninfo_to_dict(ConnInfo("postgresql://u@h/d?connect_timeout=3").libpq())["connect_timeout"] == "3"
    assert conninfo_to_dict(ConnInfo("postgresql://u@h/d").libpq())["connect_timeout"] == "10"
