"""Snowflake's error codes have a class each, and no error of the driver is without one."""

import inspect

import pytest
import snowflake.connector.errors
from snowflake.connector._internal import errorcode

from upperbound.domain.outcomes import Outcome
from upperbound.targets.sf_codes import EXACT, RANGES, classify
from upperbound.targets.sf_connection import outcome_of

_RAISED = (
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
)
"""What the driver raises of statements."""


@pytest.mark.parametrize(
    ("code", "sqlstate", "outcome"),
    [
        (604, "57014", Outcome.STATEMENT_TIMEOUT),
        (630, "57014", Outcome.STATEMENT_TIMEOUT),
        (625, "57014", Outcome.LOCK_TIMEOUT),
        (200001, "22000", Outcome.CONSTRAINT),
        (100072, "22000", Outcome.CONSTRAINT),
        (2003, "02000", Outcome.SYNTAX),
        (1003, "42000", Outcome.SYNTAX),
        (3001, "42501", Outcome.AUTH),
        (390100, "08004", Outcome.AUTH),
        (390114, "08001", Outcome.CONNECTION_LOST),
        (390999, "", Outcome.AUTH),
        (252005, "", Outcome.OTHER),
        (999999, "40001", Outcome.SERIALIZATION_FAILURE),
        (999999, "53000", Outcome.RESOURCE_EXHAUSTED),
        (999999, "02000", Outcome.SYNTAX),
        (999999, None, Outcome.OTHER),
        (4, None, Outcome.CONNECTION_LOST),
        (None, None, Outcome.CONNECTION_LOST),
    ],
)
def test_a_code_has_its_class_and_an_unknown_one_that_of_its_sqlstate(
    code: int | None, sqlstate: str | None, outcome: Outcome
) -> None:
    assert classify(code, sqlstate) is outcome


def test_the_drivers_own_codes_are_all_in_the_table() -> None:
    codes = [value for name, value in inspect.getmembers(errorcode) if name.startswith("ER_")]
    assert len(codes) > 10
    assert [code for code in codes if code not in EXACT and not any(code in part for part, _ in RANGES)] == []


def test_the_drivers_errors_are_those_that_are_expected() -> None:
    classes = {
        name
        for name, found in inspect.getmembers(snowflake.connector.errors, inspect.isclass)
        if issubclass(found, snowflake.connector.errors.Error)
    }
    assert set(_RAISED) <= classes


@pytest.mark.parametrize("name", _RAISED)
def test_an_error_without_a_code_is_a_broken_connection(name: str) -> None:
    error = getattr(snowflake.connector.errors, name)("the socket was closed")
    assert outcome_of(error) == (Outcome.CONNECTION_LOST, "", "the socket was closed", True)


def test_an_error_with_a_code_leaves_the_session_as_it_is() -> None:
    error = snowflake.connector.errors.ProgrammingError("it is\n taken", errno=200001, sqlstate="22000")
    assert outcome_of(error) == (Outcome.CONSTRAINT, "200001", "it is taken", False)


def test_a_session_whose_login_is_over_is_not_used_again() -> None:
    error = snowflake.connector.errors.DatabaseError("expired", errno=390195)
    assert outcome_of(error) == (Outcome.AUTH, "390195", "expired", True)
