"""A message about an error of the driver stays one line."""

import psycopg
import pytest

from upperbound.targets.pg_words import said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the server closed it\n\tThis probably means …\n", "the server closed it This probably means …"),
        ("the connection is closed", "the connection is closed"),
        ("", "no reason given"),
    ],
)
def test_what_the_driver_says_in_several_lines_is_said_in_one(text: str, expected: str) -> None:
    assert said(psycopg.OperationalError(text)) == expected
