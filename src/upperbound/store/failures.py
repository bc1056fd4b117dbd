"""What a driver's errors mean: the only place that reads them.

=====================  ===========================================================================
driver says            the caller gets
=====================  ===========================================================================
no connection, lost    :class:`StoreUnreachable`: the same call may succeed later
busy, full, shut down  :class:`StoreUnreachable`
login refused          :class:`StoreError`: trying again does not help
no such table          :class:`StoreNotMigrated`
no database file       :class:`StoreError`
anything else          :class:`StoreError`
=====================  ===========================================================================
"""

import re
import sqlite3
from typing import TYPE_CHECKING, Final, TypeGuard

import psycopg
from sqlalchemy import exc

from upperbound.errors import StoreError, StoreNotMigrated, StoreUnreachable, UpperboundError
from upperbound.scenario.connection_url import mask_credentials
from upperbound.store.address import PASSWORD_VARIABLE, StoreAddress
from upperbound.store.snowflake.failures import snowflake_failure

if TYPE_CHECKING:
    from snowflake.connector import errors

_TRY_LATER_CLASSES: Final = frozenset({"08", "40", "53", "57", "58"})
"""SQLSTATE classes: connection, rolled back for concurrency, no resources, operator, system error."""
_TRY_LATER_STATES: Final = frozenset({"55P03", "25006"})
"""Lock not available; read-only, as a server is that has just lost its place to another."""
_LOGIN: Final = re.compile(
    r"authentication failed|no password supplied|password (is|was) required|pg_hba\.conf|not permitted to log in"
    r"|role .* does not exist|permission denied for database",
    re.IGNORECASE,
)
_NO_DATABASE: Final = re.compile(r"database .* does not exist", re.IGNORECASE)

_SQLITE_LATER: Final = {
    sqlite3.SQLITE_BUSY: "another process holds it for too long",
    sqlite3.SQLITE_LOCKED: "another connection holds a table of it",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_PROTOCOL: "its locks cannot be had",
}


_LATER: Final = "try again in a moment; a run that is under way does so by itself"


def store_failure(error: exc.DBAPIError | exc.TimeoutError, address: StoreAddress) -> UpperboundError:
    """Return the error to raise for what SQLAlchemy raised; its message holds no password and no parameter."""
    if isinstance(error, exc.TimeoutError):
        return StoreUnreachable(f"{address.shown} is busy: every connection of this process is in use", hint=_LATER)
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        return _sqlite_failure(origin, address)
    if isinstance(origin, psycopg.Error):
        return _postgresql_failure(origin, address, lost=error.connection_invalidated)
    if address.dialect == "snowflake" and _is_connectors(origin):
        return snowflake_failure(origin, _said(origin, address), address)
    return StoreError(f"{address.shown} failed: {_said(origin, address)}")


def _sqlite_failure(error: sqlite3.Error, address: StoreAddress) -> UpperboundError:
    said = _said(error, address)
    # Extended codes carry the primary one in their low byte.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _SQLITE_LATER:
        return StoreUnreachable(f"{address.shown} cannot be used now: {_SQLITE_LATER[code]} ({said})", hint=_LATER)
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(
            f"{address.shown} cannot be opened: {said}", hint="check that the folder exists and may be written to"
        )
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}:
        return StoreError(
            f"{address.shown} cannot be written to: {said}", hint="check the permissions of file and folder"
        )
    if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return StoreError(
            f"{address.shown} is not a database, or a damaged one: {said}",
            hint="name another file, or move this one away to start with an empty store",
        )
    if "no such table" in said or "no such column" in said or "has no column" in said:
        return StoreNotMigrated(
            f"{address.shown} does not have the schema of this version: {said}", hint=address.init_hint
        )
    return StoreError(f"{address.shown} failed: {said}")


def _postgresql_failure(error: psycopg.Error, address: StoreAddress, *, lost: bool) -> UpperboundError:
    said = _said(error, address)
    state = error.sqlstate
    if state is None:
        return _connection_failure(error, address, said, lost=lost)
    if state[:2] in _TRY_LATER_CLASSES or state in _TRY_LATER_STATES:
        return StoreUnreachable(f"{address.shown} cannot be used now: {said}", hint=_LATER)
    if state in {"42P01", "42703"}:
        return StoreNotMigrated(
            f"{address.shown} does not have the schema of this version: {said}", hint=address.init_hint
        )
    if state == "42501":
        return StoreError(f"{address.shown} refuses access: {said}", hint="grant the rights on its tables to this user")
    return StoreError(f"{address.shown} failed: {said}")


def _connection_failure(error: psycopg.Error, address: StoreAddress, said: str, *, lost: bool) -> StoreError:
    """Judge a failure without an SQLSTATE: libpq gives none while it connects, and when the connection breaks."""
    if _NO_DATABASE.search(said):
        return StoreError(f"{address.shown} does not exist: {said}", hint="create the database, or name another one")
    if _LOGIN.search(said):
        return StoreError(
            f"{address.shown} refuses the login: {said}",
            hint=f"set {PASSWORD_VARIABLE}, or add a line to ~/.pgpass, and check the user's name",
        )
    if lost or isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnreachable(
            f"{address.shown} cannot be reached: {said}",
            hint="check that the server is up, its host, port and firewalls",
        )
    return StoreError(f"{address.shown} failed: {said}")


def _is_connectors(error: BaseException | None) -> "TypeGuard[errors.Error]":
    from snowflake.connector import errors

    return isinstance(error, errors.Error)


def _said(error: BaseException | None, address: StoreAddress) -> str:
    """Return the driver's words on one line, without anything that looks like, or is, the password."""
    text = " ".join(mask_credentials(str(error)).split())
    secret = address.password.get_secret_value() if address.password else ""
    return text.replace(secret, "***") if secret else text
