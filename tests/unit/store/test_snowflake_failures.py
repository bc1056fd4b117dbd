"""Every error of Snowflake's connector has one meaning, and the distinction between later and never is right."""

import inspect

import pytest
from pydantic import SecretStr
from snowflake.connector import errors
from sqlalchemy import exc

from upperbound.errors import StoreError, StoreNotMigrated, StoreUnreachable, UpperboundError
from upperbound.store.address import StoreAddress
from upperbound.store.failures import store_failure
from upperbound.store.snowflake.failures import is_conflict, is_lost

ADDRESS = StoreAddress("snowflake", "snowflake://me@acc/db", password=SecretStr("s3cret"))


def meaning(origin: BaseException) -> UpperboundError:
    failure = store_failure(exc.DBAPIError("SELECT 1", {}, origin), ADDRESS)
    assert ADDRESS.url in failure.message
    assert "s3cret" not in str(failure)
    return failure


@pytest.mark.parametrize(
    ("number", "state", "expected", "said"),
    [
        (2003, "42S02", StoreNotMigrated, "does not have the schema"),
        (904, "42000", StoreNotMigrated, "does not have the schema"),
        (3001, "42501", StoreError, "refuses access"),
        (606, "57P03", StoreError, "no warehouse"),
        (90105, "22000", StoreError, "no database and schema"),
        (604, "57014", StoreUnreachable, "cannot be used now"),
        (625, "57014", StoreUnreachable, "cannot be used now"),
        (390112, "08001", StoreUnreachable, "ended the session"),
        (390114, None, StoreUnreachable, "ended the session"),
        (390100, "08001", StoreError, "refuses the login"),
        (390144, None, StoreError, "refuses the login"),
        (250001, "08001", StoreUnreachable, "cannot be reached"),
        (1003, "42000", StoreError, "failed"),
        (200001, "22000", StoreError, "failed"),
    ],
)
def test_what_the_server_says_is_later_or_never(
    number: int, state: str | None, expected: type[UpperboundError], said: str
) -> None:
    failure = meaning(errors.ProgrammingError("said so", errno=number, sqlstate=state))
    assert type(failure) is expected
    assert said in failure.message
    assert failure.message.endswith("said so"), "the numbers, which are the connector's, are left out"
    assert failure.hint or said == "failed"


@pytest.mark.parametrize(
    ("kind", "number", "said", "expected"),
    [
        (errors.OperationalError, 4, "HTTP request failed after retries", StoreUnreachable),
        (errors.OperationalError, -1, "timeout", StoreUnreachable),
        (errors.InterfaceError, 250002, "connection is closed", StoreUnreachable),
        (errors.DatabaseError, 250001, "cannot reach host acc.snowflakecomputing.com", StoreUnreachable),
        (errors.DatabaseError, 250001, "Incorrect username or password was specified", StoreError),
        (errors.ProgrammingError, -1, "Configuration error: Connection 'x' not found", StoreError),
        (errors.ProgrammingError, 251001, "Account must be specified", StoreError),
        (errors.InterfaceError, 252005, "Failed to convert rows", StoreError),
    ],
)
def test_what_the_connector_says_by_itself_is_later_or_never(
    kind: type[errors.Error], number: int, said: str, expected: type[UpperboundError]
) -> None:
    assert type(meaning(kind(said, errno=number))) is expected


def test_every_class_of_the_connector_has_a_meaning() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.Error)]
    assert len(kinds) > 5
    for kind in kinds:
        assert isinstance(meaning(kind("said so")), StoreError | StoreNotMigrated)


def test_no_message_repeats_a_secret() -> None:
    failure = meaning(errors.OperationalError("bad token s3cret in\ntwo lines"))
    assert "***" in failure.message
    assert "\n" not in failure.message


def test_an_offence_against_a_key_is_told_from_other_wrong_statements() -> None:
    assert is_conflict(errors.ProgrammingError("A primary key already exists.", errno=200001, sqlstate="22000"))
    assert is_conflict(errors.IntegrityError("NULL result in a non-nullable column", errno=100072, sqlstate="22000"))
    assert not is_conflict(errors.ProgrammingError("syntax error", errno=1003, sqlstate="42000"))


def test_a_connection_is_given_up_when_its_state_is_unknown() -> None:
    assert is_lost(errors.OperationalError("HTTP request failed", errno=4))
    assert is_lost(errors.ProgrammingError("session expired", errno=390112, sqlstate="08001"))
    assert not is_lost(errors.ProgrammingError("a lock was not had", errno=625, sqlstate="57014"))
    assert not is_lost(errors.InterfaceError("Failed to convert rows", errno=252005))
