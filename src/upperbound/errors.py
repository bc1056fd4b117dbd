"""Every error a user can meet, as one tree.

::

    UpperboundError
    ├── ConfigurationError          bad input, all problems at once
    │   ├── ScenarioError           a scenario file, template or override is wrong
    │   ├── TargetMismatch          the scenario does not fit the target: table, column, type, connection limit
    │   ├── PortInUse               the port asked for is taken
    │   └── StoreVersionError       the store's schema does not match this version
    │       └── StoreNotMigrated    the store has no or an older schema
    ├── StoreError                  the control and results store
    │   ├── StoreUnreachable        it cannot be reached now; the same call may succeed later
    │   ├── RunNotFound             no run has this id
    │   ├── TemplateNotFound        no template has this name or id, or it has no such version
    │   └── TemplateConflict        the name is taken, or somebody else has saved the template meanwhile
    ├── TargetError                 the database under test
    │   ├── TargetUnreachable       no connection can be made
    │   └── TargetAuthFailed        the server refuses the user or password
    ├── DataLoadFailed              a data set cannot be loaded, or is not what was planned
    ├── EmbeddedServerError         the embedded PostgreSQL does not start or stop
    ├── QueryLogError               the query log cannot be written or read (disk full, missing part)
    ├── IllegalTransition           an event that the present state does not allow; the state is unchanged
    └── RunFailed                   a run ended without a result
        └── WorkerFailed            a worker ended early, is missing, or reported a fatal error

A message says what happened and to what; ``hint`` says what to do next.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input."""

    where: str
    """A path to the place, such as ``workload.operations.1.weight_pct``; empty for the input as a whole."""
    message: str
    """What is wrong, with the value that was found."""
    hint: str = ""
    """What to do about it; may be empty."""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class UpperboundError(Exception):
    """The root of the tree."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigurationError(UpperboundError):
    """Bad input; carries every problem found, not only the first."""

    def __init__(self, message: str, *, problems: Sequence[Problem] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {problem}" for problem in self.problems)])


class ScenarioError(ConfigurationError):
    """A scenario file, template or override is wrong."""


class TargetMismatch(ConfigurationError):
    """The scenario does not fit the target: a table, a column, a type, or the connection limit."""


class PortInUse(ConfigurationError):
    """The port that was asked for is taken by another process."""


class StoreVersionError(ConfigurationError):
    """The store's schema does not match this version of Upperbound."""


class StoreNotMigrated(StoreVersionError):
    """The store has no schema, or one of an older version."""


class StoreError(UpperboundError):
    """The control and results store answered with an error."""


class StoreUnreachable(StoreError):
    """The store cannot be reached now; the same call may succeed later."""


class RunNotFound(StoreError):
    """No run has this id."""


class TemplateNotFound(StoreError):
    """No template has this name or id, or it has no version of this number."""


class TemplateConflict(StoreError):
    """The name of a template is taken, or somebody else has saved the template meanwhile; nothing was changed."""


class TargetError(UpperboundError):
    """The database under test answered with an error."""


class TargetUnreachable(TargetError):
    """No connection to the target can be made."""


class TargetAuthFailed(TargetError):
    """The target refuses the user, the password, or the database."""


class DataLoadFailed(UpperboundError):
    """A data set cannot be loaded into the target, or what is there is not what was planned."""


class EmbeddedServerError(UpperboundError):
    """The embedded PostgreSQL does not start or stop."""


class QueryLogError(UpperboundError):
    """The query log cannot be written or read."""


class IllegalTransition(UpperboundError):
    """An event that the present state does not allow; the state is unchanged."""


class RunFailed(UpperboundError):
    """A run ended without a result."""


class WorkerFailed(RunFailed):
    """A worker ended early, is missing, or reported a fatal error."""
