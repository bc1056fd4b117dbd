"""PostgreSQL's error codes in terms of the outcome taxonomy: one table, exact codes before classes.

The classes are those of PostgreSQL's Appendix A, "PostgreSQL Error Codes"; a test fails when the driver knows a code
that is in neither table, so that a new one is looked at and not filed under "other" by accident.
"""

from types import MappingProxyType

from upperbound.domain.outcomes import Outcome

EXACT = MappingProxyType(
    {
        "22P02": Outcome.SYNTAX,  # a text that is no value of the type
        "22P03": Outcome.SYNTAX,  # the same in binary format
        "25P03": Outcome.CONNECTION_LOST,  # idle in a transaction for too long: the session is ended
        "25P04": Outcome.STATEMENT_TIMEOUT,  # transaction_timeout
        "40002": Outcome.CONSTRAINT,  # a deferred constraint at commit
        "40P01": Outcome.DEADLOCK,
        "42501": Outcome.AUTH,  # insufficient privilege
        "55P03": Outcome.LOCK_TIMEOUT,
        "57014": Outcome.STATEMENT_TIMEOUT,  # cancelled, by statement_timeout or by an operator
        "57P01": Outcome.CONNECTION_LOST,  # the session was ended by an operator
        "57P02": Outcome.CONNECTION_LOST,  # another session's crash
        "57P03": Outcome.CONNECTION_LOST,  # the server is starting up or shutting down
        "57P04": Outcome.CONNECTION_LOST,  # the database was dropped
        "57P05": Outcome.CONNECTION_LOST,  # idle for too long
        "HV001": Outcome.RESOURCE_EXHAUSTED,  # a foreign server's driver is out of memory
    }
)
"""Outcomes of single codes."""

CLASSES = MappingProxyType(
    {
        "02": Outcome.OTHER,  # no data
        "03": Outcome.OTHER,  # SQL statement not yet complete
        "08": Outcome.CONNECTION_LOST,
        "09": Outcome.OTHER,  # triggered action
        "0A": Outcome.SYNTAX,  # feature not supported
        "0B": Outcome.OTHER,  # invalid transaction initiation
        "0F": Outcome.OTHER,  # locator
        "0L": Outcome.AUTH,  # invalid grantor
        "0P": Outcome.AUTH,  # invalid role specification
        "0Z": Outcome.OTHER,  # diagnostics
        "10": Outcome.OTHER,  # XQuery
        "20": Outcome.OTHER,  # case not found
        "21": Outcome.OTHER,  # cardinality violation
        "22": Outcome.OTHER,  # data exception: overflow, division by zero, …
        "23": Outcome.CONSTRAINT,
        "24": Outcome.OTHER,  # invalid cursor state
        "25": Outcome.OTHER,  # invalid transaction state
        "26": Outcome.OTHER,  # invalid SQL statement name
        "27": Outcome.OTHER,  # triggered data change violation
        "28": Outcome.AUTH,
        "2B": Outcome.OTHER,  # dependent privilege descriptors still exist
        "2D": Outcome.OTHER,  # invalid transaction termination
        "2F": Outcome.OTHER,  # SQL routine
        "34": Outcome.OTHER,  # invalid cursor name
        "38": Outcome.OTHER,  # external routine
        "39": Outcome.OTHER,  # external routine invocation
        "3B": Outcome.OTHER,  # savepoint
        "3D": Outcome.SYNTAX,  # no such database
        "3F": Outcome.SYNTAX,  # no such schema
        "40": Outcome.SERIALIZATION_FAILURE,
        "42": Outcome.SYNTAX,
        "44": Outcome.CONSTRAINT,  # WITH CHECK OPTION
        "53": Outcome.RESOURCE_EXHAUSTED,
        "54": Outcome.RESOURCE_EXHAUSTED,  # a program limit, such as the stack depth
        "55": Outcome.OTHER,  # object not in prerequisite state
        "57": Outcome.OTHER,  # operator intervention
        "58": Outcome.OTHER,  # system error
        "72": Outcome.OTHER,  # snapshot too old
        "F0": Outcome.OTHER,  # configuration file
        "HV": Outcome.OTHER,  # foreign data wrapper
        "P0": Outcome.OTHER,  # PL/pgSQL
        "XX": Outcome.OTHER,  # internal error
    }
)
"""Outcomes of all other codes of a class, the code's first two characters."""


def classify(sqlstate: str | None) -> Outcome:
    """Return the outcome of a failed operation.

    None stands for an error without a code: libpq made it up itself, because the connection broke. Codes of extensions
    that are in no table are :attr:`Outcome.OTHER`.
    """
    if not sqlstate:
        return Outcome.CONNECTION_LOST
    return EXACT.get(sqlstate) or CLASSES.get(sqlstate[:2], Outcome.OTHER)
