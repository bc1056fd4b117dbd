"""The words a scenario is written in: modes, operation kinds, presets, table types."""

from enum import StrEnum

from upperbound.domain.expectation import Expect


class LoadMode(StrEnum):
    """How the load is steered."""

    CONCURRENCY = "CONCURRENCY"
    """Keeps a number of threads busy: each sends its next query when it has the answer to the last (closed loop)."""
    QPS = "QPS"
    """Offers a rate: operations arrive by a schedule, whether or not there are answers (open loop)."""
    FIND_MAX_CONCURRENCY = "FIND_MAX_CONCURRENCY"
    """Looks for the highest number of threads that the target serves well, step by step (closed loop)."""


class Arrivals(StrEnum):
    """When the operations of a rate arrive."""

    CONSTANT = "constant"
    """At even distances."""
    POISSON = "poisson"
    """At random, each independent of the others, as those of many users are."""


class ScalingMode(StrEnum):
    """How threads are spread over worker processes."""

    AUTO = "AUTO"
    """As few workers as carry the load on this machine."""
    BOUNDED = "BOUNDED"
    """As few workers as carry the load, within bounds for workers and for the threads of each."""
    FIXED = "FIXED"
    """Exactly ``min_workers`` times ``min_threads``."""


class OperationKind(StrEnum):
    """What an operation does; results are kept apart by it."""

    POINT_LOOKUP = "POINT_LOOKUP"
    """Reads one row by its key."""
    RANGE_SCAN = "RANGE_SCAN"
    """Reads neighbouring rows."""
    INSERT = "INSERT"
    """Adds rows."""
    UPDATE = "UPDATE"
    """Changes rows."""
    GENERIC_SQL = "GENERIC_SQL"
    """Any other statement, or several; says itself whether it reads or writes."""


class OperationType(StrEnum):
    """Whether an operation reads or writes."""

    READ = "READ"
    """Leaves the data as it is."""
    WRITE = "WRITE"
    """Changes data."""


TYPE_OF_KIND: dict[OperationKind, OperationType] = {
    OperationKind.POINT_LOOKUP: OperationType.READ,
    OperationKind.RANGE_SCAN: OperationType.READ,
    OperationKind.INSERT: OperationType.WRITE,
    OperationKind.UPDATE: OperationType.WRITE,
}
"""The type of the kinds that imply one; ``GENERIC_SQL`` is not in it."""

EXPECT_OF_KIND: dict[OperationKind, Expect] = dict.fromkeys(TYPE_OF_KIND, Expect.ROWS) | {
    OperationKind.GENERIC_SQL: Expect.ANY
}
"""How many rows an operation of a kind has to return or affect when it does not say so itself."""


class Isolation(StrEnum):
    """How far a transaction is shielded from concurrent ones."""

    READ_COMMITTED = "read_committed"
    """Each statement sees what was committed before it began."""
    REPEATABLE_READ = "repeatable_read"
    """Every statement sees what was committed before the first; a write that met a concurrent one fails."""
    SERIALIZABLE = "serializable"
    """As if transactions ran one after the other; one that would break this fails."""


class RetryClass(StrEnum):
    """An outcome after which an operation may be repeated: nothing of it was kept, and another attempt may succeed.

    The words are labels of :class:`upperbound.domain.outcomes.Outcome`.
    """

    SERIALIZATION_FAILURE = "serialization_failure"
    """The transaction lost against a concurrent one."""
    DEADLOCK = "deadlock"
    """The server broke a deadlock by ending this transaction."""
    LOCK_TIMEOUT = "lock_timeout"
    """A lock was not granted in the time the session allows."""
    STATEMENT_TIMEOUT = "statement_timeout"
    """The server cancelled a statement because it took too long."""


class Preset(StrEnum):
    """A named mix, which gives weights to operations that have none; see :mod:`upperbound.scenario.presets`."""

    READ_ONLY = "READ_ONLY"
    """Only reads."""
    WRITE_ONLY = "WRITE_ONLY"
    """Only writes."""
    READ_HEAVY = "READ_HEAVY"
    """Nine reads to one write."""
    WRITE_HEAVY = "WRITE_HEAVY"
    """Eight writes to two reads."""
    MIXED = "MIXED"
    """As many reads as writes."""
    CUSTOM = "CUSTOM"
    """No preset: every operation states its weight."""


class TableType(StrEnum):
    """The kind of table under test."""

    STANDARD = "STANDARD"
    """A standard table of Snowflake, or a view."""
    HYBRID = "HYBRID"
    """A hybrid table of Snowflake: rows are found by key and index."""
    INTERACTIVE = "INTERACTIVE"
    """An interactive table of Snowflake, read through an interactive warehouse."""
    DYNAMIC = "DYNAMIC"
    """A dynamic table of Snowflake, which Snowflake refreshes itself: for reading only."""
    POSTGRES = "POSTGRES"
    """A table of a PostgreSQL server."""
    SNOWFLAKE_POSTGRES = "SNOWFLAKE_POSTGRES"
    """A table of Snowflake Postgres, which is a PostgreSQL server run by Snowflake."""
