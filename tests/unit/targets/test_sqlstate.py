"""Every error the driver knows has an outcome."""

import pytest
from psycopg import errors

from upperbound.domain.outcomes import Outcome
from upperbound.targets.sqlstate import CLASSES, EXACT, classify

DRIVER_ERRORS = sorted(
    (kind.sqlstate, name)
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.Error) and kind.sqlstate
)


def test_the_driver_brings_its_error_classes() -> None:
    assert len(DRIVER_ERRORS) > 250


@pytest.mark.parametrize(("sqlstate", "name"), DRIVER_ERRORS)
def test_no_driver_error_is_unmapped(sqlstate: str, name: str) -> None:
    assert sqlstate in EXACT or sqlstate[:2] in CLASSES, f"{name} ({sqlstate}) has no outcome"
    assert classify(sqlstate) is not Outcome.OK


def test_no_entry_is_about_a_code_that_does_not_exist() -> None:
    known = {sqlstate for sqlstate, _ in DRIVER_ERRORS}
    assert set(EXACT) <= known
    assert set(CLASSES) == {sqlstate[:2] for sqlstate in known}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errors.SerializationFailure, Outcome.SERIALIZATION_FAILURE),
        (errors.DeadlockDetected, Outcome.DEADLOCK),
        (errors.LockNotAvailable, Outcome.LOCK_TIMEOUT),
        (errors.QueryCanceled, Outcome.STATEMENT_TIMEOUT),
        (errors.UniqueViolation, Outcome.CONSTRAINT),
        (errors.NotNullViolation, Outcome.CONSTRAINT),
        (errors.AdminShutdown, Outcome.CONNECTION_LOST),
        (errors.ConnectionFailure, Outcome.CONNECTION_LOST),
        (errors.TooManyConnections, Outcome.RESOURCE_EXHAUSTED),
        (errors.DiskFull, Outcome.RESOURCE_EXHAUSTED),
        (errors.InvalidPassword, Outcome.AUTH),
        (errors.InsufficientPrivilege, Outcome.AUTH),
        (errors.UndefinedTable, Outcome.SYNTAX),
        (errors.InvalidTextRepresentation, Outcome.SYNTAX),
        (errors.DivisionByZero, Outcome.OTHER),
    ],
)
def test_well_known_errors_mean_what_they_say(error: type[errors.Error], outcome: Outcome) -> None:
    assert classify(error.sqlstate) is outcome


def test_an_error_without_a_code_is_a_lost_connection() -> None:
    assert classify(None) is Outcome.CONNECTION_LOST
    assert classify("") is Outcome.CONNECTION_LOST


def test_a_code_of_an_extension_is_other() -> None:
    assert classify("ZZ123") is Outcome.OTHER
