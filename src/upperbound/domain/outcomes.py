"""What can become of an operation: one taxonomy for every target.

Targets map their own codes (SQLSTATE, vendor codes) to it, each in one table. The numbers are stored in the query log's
binary records and must not change; new outcomes are added at the end.
"""

from enum import IntEnum


class Outcome(IntEnum):
    """The outcome of one attempt; only :attr:`OK` counts as throughput and has its latency in the histogram."""

    OK = 0
    """The operation did what it was asked to."""
    SERIALIZATION_FAILURE = 1
    """The transaction lost against a concurrent one and may be retried."""
    DEADLOCK = 2
    """The server broke a deadlock by ending this transaction."""
    LOCK_TIMEOUT = 3
    """A lock was not granted in the time the session allows."""
    STATEMENT_TIMEOUT = 4
    """The server cancelled the statement because it took too long."""
    CONSTRAINT = 5
    """A unique, foreign-key, check or not-null constraint refused the row."""
    CONNECTION_LOST = 6
    """The connection broke, or could not be opened again."""
    RESOURCE_EXHAUSTED = 7
    """The server is out of connections, memory, disk space or another resource."""
    AUTH = 8
    """The login or a privilege was refused."""
    SYNTAX = 9
    """The statement does not fit the database: syntax, an unknown name, a wrong type."""
    OTHER = 10
    """Anything else; the sample message says what."""

    @property
    def label(self) -> str:
        """The name in payloads and reports, such as ``serialization_failure``."""
        return self.name.lower()
