"""Opening a store: made when it may be, refused with a reason when it may not, and no reason holds a password."""

import os
import sqlite3
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
import sqlalchemy as sa

from upperbound import __version__
from upperbound.errors import (
    ConfigurationError,
    StoreError,
    StoreNotMigrated,
    StoreUnreachable,
    StoreVersionError,
    UpperboundError,
)
from upperbound.store import database
from upperbound.store.check import check_store
from upperbound.store.engine import Store, init_store, open_store
from upperbound.store.migrate import HEAD_REVISION
from upperbound.store.runs import NewRun

SECRET = "s3cret/p@ss?word#%"


def refusal(open_it: Callable[[], object]) -> UpperboundError:
    """Return the error of something that must fail, after looking for the secret everywhere a user could see it."""
    with pytest.raises(UpperboundError) as caught:
        open_it()
    seen = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
    assert SECRET not in seen
    assert quote(SECRET, safe="") not in seen
    assert "s3cret" not in seen
    assert caught.value.hint or isinstance(caught.value, ConfigurationError)
    return caught.value


def with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    return f"postgresql://{parts.username}:{quote(password, safe='')}@{parts.hostname}:{parts.port}{parts.path}"


def test_only_the_embedded_store_migrates_itself(empty_store_url: str) -> None:
    if empty_store_url.startswith("sqlite"):
        with open_store(empty_store_url) as store:
            assert store.runs.list() == []
        return
    error = refusal(lambda: open_store(empty_store_url))
    assert isinstance(error, StoreNotMigrated)
    assert "upperbound store init" in error.hint
    assert init_store(empty_store_url) is None
    with open_store(empty_store_url) as store:
        assert store.runs.list() == []


def test_any_store_migrates_when_told_to_and_none_when_told_not_to(empty_store_url: str) -> None:
    assert isinstance(refusal(lambda: open_store(empty_store_url, migrate=False)), StoreNotMigrated)
    with open_store(empty_store_url, migrate=True) as store:
        assert store.runs.list() == []
    with open_store(empty_store_url, migrate=False) as store:
        assert store.dialect in {"sqlite", "postgresql", "snowflake"}


def test_initialising_twice_keeps_what_is_there(store_url: str, new_run: Callable[..., NewRun]) -> None:
    with open_store(store_url) as store:
        store.runs.create(new_run())
    assert init_store(store_url) == HEAD_REVISION
    with open_store(store_url) as store:
        assert store.runs.get("run-1").name == "checkout"


def test_the_url_of_an_open_store_opens_it_again_without_showing_the_password(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store.password is not None:
        monkeypatch.setenv("UPPERBOUND_STORE_PASSWORD", store.password.get_secret_value())
        assert store.password.get_secret_value() not in store.url
    with open_store(store.url) as again:
        assert again.url == store.url
        assert again.now() >= store.now().replace(microsecond=0)


@pytest.mark.changes_tables
def test_a_newer_store_is_refused_with_both_versions(store_url: str, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE upperbound_schema_version SET version_num = '9999'"))
    for attempt in (lambda: open_store(store_url), lambda: init_store(store_url)):
        error = refusal(attempt)
        assert type(error) is StoreVersionError
        for part in ("9999", HEAD_REVISION, __version__):
            assert part in error.message
        assert "upgrade Upperbound" in error.hint


def test_a_migration_that_fails_leaves_nothing(empty_store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if empty_store_url.startswith("snowflake"):
        pytest.skip("service: Snowflake commits each statement that changes tables")

    def fail_at_the_end(connection: sa.Connection) -> None:
        alembic(connection)
        raise RuntimeError("lost power")

    from upperbound.store import migrate

    alembic = migrate.run_alembic
    monkeypatch.setattr(migrate, "run_alembic", fail_at_the_end)
    with pytest.raises(RuntimeError, match="lost power"):
        init_store(empty_store_url)
    monkeypatch.undo()
    assert {finding.message for finding in check_store(empty_store_url)} == {
        "the table is missing",
        "the table is missing or empty",
    }
    assert init_store(empty_store_url) is None


# SQLite only: there is no file to get wrong elsewhere -------------------------------------------------------------


def test_the_folder_of_a_file_store_is_made(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/a folder/with ü/100%.db") as store:
        assert store.runs.list() == []
    assert (tmp_path / "a folder" / "with ü" / "100%.db").is_file()


def test_a_relative_file_is_named_absolutely_for_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("sqlite:///here.db") as store:
        assert store.url == f"sqlite:///{tmp_path}/here.db"


def test_the_file_store_lets_readers_in_while_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_store(f"sqlite:///{path}") as store, sqlite3.connect(path, isolation_level=None) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.execute("BEGIN IMMEDIATE")
        assert store.runs.list() == []


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("", "is a folder"),
        ("note.txt", "is not a database"),
        ("note.txt/store.db", "cannot be made"),
    ],
)
def test_a_place_that_cannot_hold_a_store_is_refused(tmp_path: Path, place: str, expected: str) -> None:
    (tmp_path / "note.txt").write_text("this is a note and no database, long enough to have a header " * 20)
    error = refusal(lambda: open_store(f"sqlite:///{tmp_path}/{place}"))
    assert type(error) is StoreError
    assert expected in error.message
    assert str(tmp_path) in error.message


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="platform: there is no /proc")
def test_a_folder_that_takes_no_file_is_refused() -> None:
    error = refusal(lambda: open_store("sqlite:////proc/self/store.db"))
    assert type(error) is StoreError
    assert "cannot be opened" in error.message


@pytest.fixture
def folder_without_rights() -> Iterator[Path]:
    """A folder with a store that this user may read and not write; root becomes nobody for the length of the test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        open_store(f"sqlite:///{folder}/store.db").close()
        (folder / "store.db").chmod(0o444)
        folder.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        yield folder
        os.seteuid(user)
        folder.chmod(0o700)


def test_a_store_without_write_permission_is_refused(folder_without_rights: Path) -> None:
    for name in ("store.db", "another.db"):
        error = refusal(partial(_use, f"sqlite:///{folder_without_rights}/{name}"))
        assert type(error) is StoreError
        assert "cannot be" in error.message
        assert "may" in error.hint or "permissions" in error.hint
    error = refusal(lambda: open_store(f"sqlite:///{folder_without_rights}/new/store.db"))
    assert type(error) is StoreError
    assert "cannot be made: Permission denied" in error.message


def _use(url: str) -> None:
    with open_store(url) as store:
        store.runs.create(NewRun("run-1", "x", {}, 1))


def test_the_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    error = refusal(lambda: open_store(f"sqlite:///{path}"))
    assert type(error) is StoreError
    assert "another program: bookmarks" in error.message
    assert init_store(f"sqlite:///{path}") is None, "unless one asks for it"


def test_a_store_that_another_process_holds_is_unreachable_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SQLITE_BUSY_S", 0.05)
    path = tmp_path / "store.db"
    with open_store(f"sqlite:///{path}") as store, sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        writes: list[Callable[[], object]] = [
            lambda: store.runs.create(NewRun("run-1", "x", {}, 1)),
            lambda: store.results.set_environment("run-1", {}),
        ]
        for write in writes:
            with pytest.raises(StoreUnreachable, match="another process holds it"):
                write()
        other.execute("ROLLBACK")
        store.runs.create(NewRun("run-1", "x", {}, 1))


def test_opening_without_migrating_makes_no_file(tmp_path: Path) -> None:
    error = refusal(lambda: open_store(f"sqlite:///{tmp_path}/store.db", migrate=False))
    assert isinstance(error, StoreNotMigrated)
    assert "does not exist" in error.message
    assert list(tmp_path.iterdir()) == []


# PostgreSQL only: there is nobody to refuse a login elsewhere -----------------------------------------------------


def test_a_wrong_password_is_refused_without_showing_it(fresh_database: str) -> None:
    error = refusal(lambda: open_store(with_password(fresh_database, SECRET)))
    assert type(error) is StoreError
    assert "refuses the login" in error.message
    assert "UPPERBOUND_STORE_PASSWORD" in error.hint


def test_a_missing_password_is_said_to_be_missing(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PGPASSWORD", "UPPERBOUND_STORE_PASSWORD"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PGPASSFILE", os.devnull)
    parts = urlsplit(fresh_database)
    error = refusal(lambda: open_store(f"postgresql://postgres@{parts.hostname}:{parts.port}{parts.path}"))
    assert type(error) is StoreError
    assert "no password supplied" in error.message


@pytest.mark.parametrize("variable", ["UPPERBOUND_STORE_PASSWORD", "PGPASSWORD"])
def test_the_password_may_come_from_the_environment(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    parts = urlsplit(fresh_database)
    monkeypatch.setenv("UPPERBOUND_STORE_PASSWORD", "")
    monkeypatch.setenv(variable, parts.password or "")
    url = f"postgres://postgres@{parts.hostname}:{parts.port}{parts.path}"
    with open_store(url, migrate=True) as store:
        assert store.url == url


def test_a_database_that_does_not_exist_is_named(fresh_database: str) -> None:
    error = refusal(lambda: open_store(fresh_database.rpartition("/")[0] + "/nowhere"))
    assert type(error) is StoreError
    assert '"nowhere" does not exist' in error.message
    assert "create the database" in error.hint


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
def test_a_server_that_does_not_answer_is_unreachable(host: str) -> None:
    error = refusal(lambda: open_store(f"postgresql://me:{quote(SECRET, safe='')}@{host}/x"))
    assert type(error) is StoreUnreachable
    assert f"postgresql://me@{host}/x" in error.message


def test_connections_that_the_server_ends_are_unreachable_once(fresh_database: str) -> None:
    with open_store(fresh_database, migrate=True) as remote:
        assert remote.runs.list() == []
        with psycopg.connect(fresh_database, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'upperbound'"
            )
        error = refusal(remote.runs.list)
        assert type(error) is StoreUnreachable
        assert remote.runs.list() == [], "the next call connects anew"


def test_a_user_without_rights_is_refused(fresh_database: str) -> None:
    name = f"reader_{urlsplit(fresh_database).path[-8:]}"
    init_store(fresh_database)
    with psycopg.connect(fresh_database, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'".encode())
        try:
            parts = urlsplit(fresh_database)
            with pytest.raises(StoreError, match="refuses access") as caught:
                open_store(f"postgresql://{name}:x@{parts.hostname}:{parts.port}{parts.path}")
            assert type(caught.value) is StoreError
            assert "grant" in caught.value.hint
        finally:
            admin.execute(f"DROP ROLE {name}".encode())
