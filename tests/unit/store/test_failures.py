"""Every error of the two drivers has one meaning, and the distinction between later and never is right."""

import inspect
import sqlite3
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import exc

from upperbound.errors import StoreError, StoreNotMigrated, StoreUnreachable, UpperboundError
from upperbound.store.address import StoreAddress
from upperbound.store.failures import store_failure

SQLITE = StoreAddress("sqlite", "sqlite:////data/u.db", path=Path("/data/u.db"))
POSTGRESQL = StoreAddress("postgresql", "postgresql://me@h/db", password=SecretStr("s3cret"))


def meaning(origin: BaseException, *, lost: bool = False) -> UpperboundError:
    address = SQLITE if isinstance(origin, sqlite3.Error) else POSTGRESQL
    wrapped = exc.DBAPIError("SELECT 1", {}, origin, connection_invalidated=lost)
    failure = store_failure(wrapped, address)
    assert address.url in failure.message
    return failure


def sqlite_error(code: int, message: str = "said so") -> sqlite3.Error:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_BUSY_SNAPSHOT,
        sqlite3.SQLITE_LOCKED_SHAREDCACHE,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,
    ],
)
def test_what_a_file_may_allow_later_is_unreachable_now(code: int) -> None:
    failure = meaning(sqlite_error(code))
    assert type(failure) is StoreUnreachable
    assert failure.hint


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "cannot be written"),
        (sqlite3.SQLITE_NOTADB, "is not a database"),
        (sqlite3.SQLITE_CORRUPT, "is not a database, or a damaged one"),
        (sqlite3.SQLITE_ERROR, "failed"),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, "failed"),
    ],
)
def test_what_a_file_never_allows_is_an_error(code: int, expected: str) -> None:
    failure = meaning(sqlite_error(code))
    assert type(failure) is StoreError
    assert expected in failure.message


def test_a_file_opened_for_reading_says_so(tmp_path: Path) -> None:
    path = tmp_path / "u.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE t (x)")
    made.close()
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        reader.execute("INSERT INTO t VALUES (1)")
    reader.close()
    assert "cannot be written to" in meaning(caught.value).message


@pytest.mark.parametrize(
    "said", ["no such table: run_status", "no such column: qps", "table x has no column named qps"]
)
def test_a_missing_table_or_column_asks_for_a_migration(said: str) -> None:
    failure = meaning(sqlite_error(sqlite3.SQLITE_ERROR, said))
    assert type(failure) is StoreNotMigrated
    assert "upperbound store init" in failure.hint


def test_every_error_of_postgresql_is_later_or_never() -> None:
    later: set[str] = set()
    never: set[str] = set()
    for name, kind in inspect.getmembers(psycopg.errors, inspect.isclass):
        state = getattr(kind, "sqlstate", None)
        if not (issubclass(kind, psycopg.Error) and state):
            continue
        failure = meaning(kind("said so"))
        assert isinstance(failure, StoreError | StoreNotMigrated)
        (later if isinstance(failure, StoreUnreachable) else never).add(name)
    assert {"AdminShutdown", "CannotConnectNow", "TooManyConnections", "ConnectionFailure", "DiskFull"} <= later
    assert {"DeadlockDetected", "SerializationFailure", "LockNotAvailable", "QueryCanceled"} <= later
    assert {"UniqueViolation", "SyntaxError", "InsufficientPrivilege", "InvalidTextRepresentation"} <= never
    assert {"InvalidPassword", "InvalidCatalogName", "UndefinedTable"} <= never


@pytest.mark.parametrize("kind", [psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn])
def test_a_table_that_postgresql_does_not_know_asks_for_a_migration(kind: type[psycopg.Error]) -> None:
    assert type(meaning(kind("relation does not exist"))) is StoreNotMigrated


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("connection refused", StoreUnreachable),
        ("server closed the connection unexpectedly", StoreUnreachable),
        ("FATAL:  sorry, too many clients already", StoreUnreachable),
        ("FATAL:  the database system is starting up", StoreUnreachable),
        ('FATAL:  password authentication failed for user "me"', StoreError),
        ("fe_sendauth: no password supplied", StoreError),
        ('FATAL:  role "me" does not exist', StoreError),
        ('FATAL:  no pg_hba.conf entry for host "h"', StoreError),
        ('FATAL:  database "db" does not exist', StoreError),
    ],
)
def test_a_failed_connection_is_later_or_never_by_what_libpq_says(said: str, expected: type[StoreError]) -> None:
    failure = meaning(psycopg.OperationalError(f"connection failed: {said}"))
    assert type(failure) is expected
    assert failure.hint


def test_a_lost_connection_is_unreachable_whatever_the_driver_calls_it() -> None:
    assert type(meaning(psycopg.InterfaceError("the connection is closed"))) is StoreUnreachable
    assert type(meaning(psycopg.DatabaseError("lost"), lost=True)) is StoreUnreachable
    assert type(meaning(psycopg.ProgrammingError("odd"))) is StoreError


def test_a_pool_without_a_free_connection_is_busy() -> None:
    assert type(store_failure(exc.TimeoutError(), POSTGRESQL)) is StoreUnreachable


def test_no_message_repeats_a_password() -> None:
    said = 'bad conninfo "postgresql://me:s3cret@h/db" password=s3cret and s3cret alone\nover two lines'
    message = str(meaning(psycopg.OperationalError(said)))
    assert "s3cret" not in message
    assert "\n" not in message
