"""What the connector's errors mean.

The server's numbers are those of its messages, such as 002003 for an object that does not exist; what has no SQLSTATE
comes from the connector itself: no answer, no connection, a time that is over.
"""

import re
from typing import TYPE_CHECKING, Final

from upperbound.errors import StoreError, StoreNotMigrated, StoreUnreachable, UpperboundError
from upperbound.snowflake_login.failures import is_refusal
from upperbound.store.address import PASSWORD_VARIABLE, StoreAddress

if TYPE_CHECKING:
    from snowflake.connector import errors

CONFLICTS: Final = frozenset({100_072, *range(200_001, 200_010)})
"""NULL where none may be, and the offences against a key of a hybrid table."""
_SESSION_ENDED: Final = frozenset({250_002, *range(390_110, 390_116), 390_195, 390_318})
"""The session or its token has ended: another connection helps."""
_LATER: Final = frozenset({604, 605, 607, 625, 626, 627, 630, 90_073, 200_100, 200_101})
"""Cancelled, timed out, in the way of another transaction, or too many that wait."""
_LATER_STATES: Final = frozenset({"57014", "57P03", "40001", "40P01", "55P03", "08001", "08006"})
_NO_WAREHOUSE: Final = frozenset({606, 90_078})
_NOT_THERE: Final = frozenset({904, 2_003, 2_043, 2_140})
_NO_SCHEMA: Final = frozenset({90_105, 90_106})
_NO_RIGHT: Final = frozenset({3_001, 3_003, 3_004})
_CONNECT: Final = 250_001
_CODE: Final = re.compile(r"^(?:\d{6} \(\w+\): )+|^\d{6}: ")


def is_conflict(error: "errors.Error") -> bool:
    """Tell whether a row was refused because of a key."""
    return error.errno in CONFLICTS or (error.sqlstate or "").startswith("23")


def is_lost(error: "errors.Error") -> bool:
    """Tell whether what came from the connector, or the end of a session, leaves a connection in an unknown state."""
    return error.errno in _SESSION_ENDED or (_is_from_connector(error) and _is_operational(error))


def has_ended(error: "errors.Error") -> bool:
    """Tell whether there is no session any more, and so nothing that it holds."""
    return error.errno in _SESSION_ENDED


def snowflake_failure(error: "errors.Error", said: str, address: StoreAddress) -> UpperboundError:
    """Return the error to raise; ``said`` is the connector's message without any secret."""
    number, state, said = error.errno, error.sqlstate or "", _CODE.sub("", said)
    if number in _SESSION_ENDED:
        return StoreUnreachable(f"{address.shown} has ended the session: {said}", hint=_RETRY)
    if number in _LATER:
        return StoreUnreachable(f"{address.shown} cannot be used now: {said}", hint=_RETRY)
    if number in _NO_WAREHOUSE:
        return StoreError(
            f"{address.shown} has no warehouse to work with: {said}",
            hint="add warehouse=NAME to the URL or to the entry of connections.toml, and grant USAGE on it to the role",
        )
    if number in _NO_SCHEMA:
        return StoreError(
            f"{address.shown} names no database and schema that exist: {said}",
            hint="add database=NAME and schema=NAME to the URL, make them, and grant USAGE on both to the role",
        )
    if number in _NOT_THERE:
        return StoreNotMigrated(
            f"{address.shown} does not have the schema of this version, or the role may not see it: {said}",
            hint=address.init_hint,
        )
    if number in _NO_RIGHT or state == "42501":
        return StoreError(
            f"{address.shown} refuses access: {said}",
            hint="grant the rights of sql/schema/snowflake/role.sql to the role",
        )
    return _other(error, said, address)


_RETRY: Final = "try again in a moment; a run that is under way does so by itself"


def _other(error: "errors.Error", said: str, address: StoreAddress) -> UpperboundError:
    """Judge by what is less certain than a number: a range of numbers, words, an SQLSTATE."""
    if is_refusal(error.errno, said):
        return StoreError(
            f"{address.shown} refuses the login: {said}",
            hint=f"check the entry of connections.toml, or user, account and {PASSWORD_VARIABLE}",
        )
    if error.errno == _CONNECT or (_is_from_connector(error) and _is_operational(error)):
        return StoreUnreachable(
            f"{address.shown} cannot be reached: {said}",
            hint="check the account or host, proxies and firewalls, and https://status.snowflake.com",
        )
    if _is_from_connector(error) and (251_000 <= error.errno < 252_000 or said.startswith("Configuration error")):
        return StoreError(
            f"{address.shown} cannot be connected to: {said}",
            hint="complete the URL, or name an entry of connections.toml with connection_name=NAME",
        )
    if error.sqlstate in _LATER_STATES:
        return StoreUnreachable(f"{address.shown} cannot be used now: {said}", hint=_RETRY)
    return StoreError(f"{address.shown} failed: {said}")


def _is_from_connector(error: "errors.Error") -> bool:
    return not error.sqlstate


def _is_operational(error: "errors.Error") -> bool:
    from snowflake.connector import errors

    # What it says of results, files and values (252, 253, 255) is no matter of the connection.
    of_connection = not 252_000 <= error.errno < 256_000
    return of_connection and isinstance(error, errors.OperationalError | errors.InterfaceError | errors.InternalError)
