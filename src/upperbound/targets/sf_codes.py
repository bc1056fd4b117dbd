"""Snowflake's error codes in terms of the outcome taxonomy: one table, exact codes before ranges and SQLSTATE.

Snowflake publishes no list of its codes. Those here are what its documentation and its drivers name; which of them a
hybrid table gives was seen on an emulator only, and is listed in ``docs/reference/unverified-on-snowflake.md``.
"""

from types import MappingProxyType
from typing import Final

from upperbound.domain.outcomes import Outcome
from upperbound.targets.sqlstate import classify as classify_sqlstate

EXACT = MappingProxyType(
    {
        603: Outcome.OTHER,  # internal error
        604: Outcome.STATEMENT_TIMEOUT,  # cancelled, by an operator or by us
        605: Outcome.STATEMENT_TIMEOUT,  # cancelled before it began
        606: Outcome.SYNTAX,  # no active warehouse in the session
        607: Outcome.RESOURCE_EXHAUSTED,  # a warehouse that cannot be used now
        625: Outcome.LOCK_TIMEOUT,  # too many statements wait for one lock, or it was not granted in time
        630: Outcome.STATEMENT_TIMEOUT,  # the statement's or the warehouse's timeout
        904: Outcome.SYNTAX,  # invalid identifier
        1003: Outcome.SYNTAX,  # syntax error
        1044: Outcome.SYNTAX,  # wrong types of arguments
        2003: Outcome.SYNTAX,  # an object that does not exist, or that the role may not see
        2043: Outcome.SYNTAX,  # the same, for an operation
        2140: Outcome.SYNTAX,  # unknown function
        3001: Outcome.AUTH,  # insufficient privileges
        90073: Outcome.RESOURCE_EXHAUSTED,  # a resource monitor has used up its quota
        90082: Outcome.SERIALIZATION_FAILURE,  # a transaction was aborted
        100035: Outcome.SYNTAX,  # a text that is no timestamp
        100038: Outcome.SYNTAX,  # a text that is no number
        100040: Outcome.SYNTAX,  # a text that is no date
        100051: Outcome.OTHER,  # division by zero
        100072: Outcome.CONSTRAINT,  # NULL in a column that allows none
        100078: Outcome.SYNTAX,  # a text that is too long for its column
        200001: Outcome.CONSTRAINT,  # primary key of a hybrid table
        200002: Outcome.CONSTRAINT,  # unique key of a hybrid table
        200003: Outcome.CONSTRAINT,  # foreign key of a hybrid table
        200009: Outcome.LOCK_TIMEOUT,  # a row of a hybrid table stays locked
        250001: Outcome.CONNECTION_LOST,  # the driver: no connection can be made
        250002: Outcome.CONNECTION_LOST,  # the driver: the connection is closed
        390100: Outcome.AUTH,  # wrong user or password
        390111: Outcome.CONNECTION_LOST,  # the session is gone
        390112: Outcome.CONNECTION_LOST,  # the session's token has expired
        390113: Outcome.CONNECTION_LOST,  # its master token was not found
        390114: Outcome.CONNECTION_LOST,  # its master token has expired
    }
)
"""Outcomes of single codes."""

RANGES: Final = (
    (range(250_000, 260_000), Outcome.OTHER),  # the driver's own
    (range(390_000, 400_000), Outcome.AUTH),  # logins
)
"""Outcomes of all other codes in a range."""

SQLSTATES = MappingProxyType({"02000": Outcome.SYNTAX})
"""Where Snowflake means something else by an SQLSTATE than PostgreSQL: an object that does not exist."""


def classify(code: int | None, sqlstate: str | None = None) -> Outcome:
    """Return the outcome of a failed statement.

    ``code`` is the vendor's, None or below 100 where the driver has none: then the connection broke.
    """
    if code is None or code < 100:
        return Outcome.CONNECTION_LOST
    if code in EXACT:
        return EXACT[code]
    for codes, outcome in RANGES:
        if code in codes:
            return outcome
    if sqlstate:
        return SQLSTATES.get(sqlstate) or classify_sqlstate(sqlstate)
    return Outcome.OTHER
